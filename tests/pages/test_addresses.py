"""The address sets Masks, Noise levels and Attack; nonsense in it gets a sentence and defaults."""

import pytest

from rsviz.checkpoints import catalog
from rsviz.ui.common.address import OLD_NAMES
from tests.pages.conftest import AtOnce
from tests.pages.test_certify_page import Never

HOSTILE = {"sigma": "abc", "n": "-5", "checkpoint": "../../etc"}


@pytest.fixture
def opened(open_page, every_kind, line, monkeypatch):
    """Open a page by an address and make sure that nothing failed; its run waits."""
    line.executor = Never()
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(every_kind))

    def at(page, **query):
        app = open_page(page, **query)
        assert not app.exception and [e.value for e in app.error] == []
        return app

    return at


KINDS = "slider select_slider number_input segmented_control selectbox toggle text_input".split()


def controls(app):
    """Every control that has a key."""
    found = [c for kind in KINDS for c in getattr(app, kind)] + list(app.get("button_group"))
    return {c.key: c for c in found if c.key}


SET = {
    "masks": {
        "canvas": "9",
        "sigma": "0.5",
        "f": "0.3",
        "n0": "50",
        "n": "500",
        "seed": "4",
    },
    "levels": {
        "image": "shapes/test/9",
        "selector": "variational",
        "lam": "0.4",
        "within": "0.1",
        "draws": "300",
        "n0": "50",
        "n": "500",
        "seed": "4",
    },
    "attack": {
        "image": "shapes/test/9",
        "sigma": "0.25",
        "n0": "50",
        "n": "500",
        "alpha": "0.01",
        "seed": "4",
        "attack_norm": "Linf",
        "budget": "1.5",
    },
}


def complaints(app):
    """What is said of values of the address that are not used."""
    return [w.value for w in app.warning if w.icon == ":material/link_off:"]


@pytest.mark.parametrize("page", SET)
def test_an_address_sets_every_control_and_is_kept_by_it(opened, page):
    app = opened(page, **SET[page])
    assert complaints(app) == []
    found = controls(app)
    for key, value in SET[page].items():
        assert found[key].value == type(found[key].value)(value), key
        assert found[key].proto.query_param_key == key  # by which the browser writes it back


def test_a_composed_canvas_is_in_the_address(opened):
    asked = {
        "background": "texture",
        "background_number": "12",
        "pasted_number": "7",
        "top_16": "3",
    }
    found = controls(opened("masks", canvas_source="compose", **asked))
    assert {key: str(found[key].value) for key in asked} == asked


def test_a_drawn_shape_is_in_the_address(opened, line):
    line.executor = AtOnce()  # which knob is turned is asked beside the levels chosen
    asked = {"number": "8", "contrast-8": "0.25", "knob": "size"}
    found = controls(opened("levels", drawn="true", **asked))
    assert {key: str(found[key].value) for key in asked} == asked


def test_the_names_of_certify_are_understood_elsewhere(opened):
    app = opened("masks", sigma="0.5", n="500", seed="4", checkpoint="shapes-k48-adaptive")
    found = controls(app)
    got = [found[key].value for key in ("sigma", "n", "seed", "checkpoint")]
    assert got == [0.5, 500, 4, "shapes-k48-adaptive"]
    app = opened("levels", n="500", seed="4", checkpoint="shapes-variational")
    found = controls(app)
    got = [found[key].value for key in ("n", "seed", "selector")]
    assert got == [500, 4, "variational"]
    assert not complaints(app)


def test_another_page_that_has_such_a_control_open_is_no_hindrance(opened):
    app = opened("certify", sigma="1.0", seed="2")
    app.query_params.update(sigma="0.5", seed="1e999")
    app.switch_page("pages/masks.py").run()
    assert not app.exception and [e.value for e in app.error] == []
    assert "f" in controls(app)


@pytest.mark.parametrize("page", ["certify", *SET])
def test_nonsense_gets_a_sentence_each_and_defaults(opened, page):
    usual = {key: c.value for key, c in controls(opened(page)).items()}
    app = opened(page, **HOSTILE)
    told = [w.value for w in app.warning]
    names = [name for name in HOSTILE if any(f"asks for {name}=" in said for said in told)]
    assert names == [name for name in HOSTILE if (page, name) != ("levels", "sigma")]
    assert {key: c.value for key, c in controls(app).items()} == usual


HOSTILE_ONES = [
    "<script>alert(1)</script>",
    "![](http://example.org/x.png)",
    "9" * 6000,
    "nan",
    "٣",
]


@pytest.mark.parametrize("value", HOSTILE_ONES, ids="script picture long nan digits".split())
@pytest.mark.parametrize("page", SET)
def test_every_control_refuses_what_it_cannot_be(opened, page, value):
    app = opened(page, **dict.fromkeys(SET[page], value))
    told = "\n".join(w.value for w in app.warning).replace("\\_", "_")
    for key in set(SET[page]) - {"image"}:
        assert f"asks for {key}=" in told, key
    assert "<script>" not in told and "![](http" not in told
    assert len(told) < 4000


OLD = {  # links made when a page had names of its own for what every page asks
    "masks": ({"mask_sigma": "0.25", "mask_n": "500", "mask_seed": "4"}, (0.25, 500, 4)),
    "levels": ({"noise_n": "500", "noise_seed": "4"}, (None, 500, 4)),
    "attack": ({"sigma": "0.25", "n": "500", "seed": "4"}, (0.25, 500, 4)),
    "compare": ({"view": "One image", "each": "500", "noise": "4"}, (None, 500, 4)),
}


@pytest.mark.parametrize("page", OLD)
def test_a_link_by_the_old_names_opens_as_it_did(opened, page):
    query, wanted = OLD[page]
    app = opened(page, **query)
    found = controls(app)
    assert tuple(found[k].value if k in found else None for k in ("sigma", "n", "seed")) == wanted
    assert (
        not set(query)
        & {old for names in OLD_NAMES.values() for old in names}
        & set(app.query_params)
    )
    assert not [w.value for w in app.warning]


def test_the_old_names_of_a_network_are_known(opened):
    app = opened("compare", view="Evaluate", network="shapes-constant", votes="500")
    assert app.selectbox(key="checkpoint").value == "shapes-constant"
    assert app.select_slider(key="n").value == 500
    app = opened("masks", mask_network="shapes-k48-adaptive")
    assert app.selectbox(key="checkpoint").value == "shapes-k48-adaptive"


@pytest.mark.parametrize("view", ["One image", "Evaluate"])
def test_every_view_that_sets_up_a_run_asks_for_the_votes_that_choose(opened, view):
    app = opened("compare", view=view, n0="50", n="500", seed="4")
    found = controls(app)
    assert [found[key].value for key in ("n0", "n", "seed")] == [50, 500, 4]
    assert not app.warning


def test_an_answer_goes_from_page_to_page_and_a_default_does_not(opened):
    app = opened("certify")
    assert app.select_slider(key="n").value == 10000
    app.number_input(key="seed").set_value(7).run()
    app.switch_page("pages/levels.py").run()
    assert app.number_input(key="seed").value == 7
    assert app.select_slider(key="n").value == 1000  # its own: Certify's was left as it was
    app.select_slider(key="n").set_value(500).run()
    app.switch_page("pages/learn.py").run()
    app.switch_page("pages/certify.py").run()
    assert app.select_slider(key="n").value == 500 and app.number_input(key="seed").value == 7
    assert [w.value for w in app.warning] == [] and not app.exception


def test_a_page_that_cannot_take_the_network_chosen_elsewhere_keeps_its_own(opened):
    app = opened("certify")
    other = app.selectbox(key="checkpoint").options[-1]
    app.selectbox(key="checkpoint").set_value(other).run()
    app.switch_page("pages/masks.py").run()
    assert app.selectbox(key="checkpoint").value == "shapes-k48-adaptive"
    app.switch_page("pages/certify.py").run()
    assert app.selectbox(key="checkpoint").value == other


def test_an_infinite_number_in_a_field_of_text_is_text(opened):
    """What is typed there stands in the address, which then cannot be freed of it."""
    app = opened("certify", n="100")
    app.query_params["image"] = "1e999"  # as the browser does while one types
    app.text_input(key="image").set_value("1e999").run()
    assert not app.exception and "1e999" in "".join(w.value for w in (*app.warning, *app.error))


def test_the_first_picture_is_of_the_data_set_of_the_network_asked_for(open_page):
    app = open_page("certify", checkpoint="cifar10-constant", n="100")
    assert app.text_input(key="image").value == "cifar10/test/20"
    assert [w.value for w in app.warning] == [] and not app.exception
    app.query_params["checkpoint"] = "nobody"
    app.switch_page("pages/attack.py").run()
    assert any("nobody" in w.value for w in app.warning)
    app.query_params.clear()
    app.switch_page("pages/certify.py").run()
    assert [w.value for w in app.warning] == [] and not app.exception


def test_the_network_of_one_page_is_no_mistake_on_the_next(opened, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(catalog.SHIPPED))
    app = opened("masks", n="100")
    for page in ("certify", "attack", "levels", "masks", "certify"):
        select = [s for s in app.selectbox if s.key == "checkpoint"]
        if select:  # another than the first, so that the address names it
            select[0].set_value(select[0].options[-1]).run()
        app.switch_page(f"pages/{page}.py").run()
        assert [w.value for w in app.warning] == [] and not app.exception, page


def test_a_network_that_another_page_chose_is_offered_once(open_page):
    app = open_page()
    app.query_params["checkpoint"] = "another"
    told = [w.value for w in app.run().warning]
    assert [t.count("shapes-constant") for t in told if "checkpoint=another" in t] == [1]
