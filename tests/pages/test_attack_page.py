"""The Attack page: what it finds on a network whose answer never changes, and its address."""

import json

import pytest

from rsviz.certification import attack
from rsviz.ui import attack as parts
from tests.helpers import live_figures, make_selectors
from tests.pages.test_certify_page import Never, words


def open_quick(open_page, monkeypatch, **query):
    """Open the page with attacks cheap enough for a test."""
    quick = attack.AttackSpec
    monkeypatch.setattr(parts, "BUDGETS", (0.99, 3.0))
    monkeypatch.setattr(
        parts, "AttackSpec", lambda *a, **k: quick(*a, **k, steps=1, draws=1, n=100)
    )
    return open_page("attack", n=100, **query)


def test_an_attack_shows_verdict_counts_pictures_and_curve(open_page, monkeypatch):
    app = open_quick(open_page, monkeypatch, image="shapes/test/8")
    assert not app.exception
    assert "keeps its answer" in words(app)
    assert "That proves nothing" in words(app)  # three times is the default
    table = app.dataframe[0].value
    assert list(table["picture"]) == ["as it is", "attacked"]
    assert "PREDICT on both, 100 fresh votes each" in words(app)
    assert table["most votes"][1].split()[1] == "100"
    strip = next(h.proto.body for h in app.get("html") if ">Attacked<" in h.proto.body)
    assert strip.count("data:image/png") == 3  # of one strip, which a phone does not break
    assert all(said in strip for said in (">As it is<", ">Attacked<", ">Difference x "))
    figure = json.loads(live_figures(app)[-1]["figure"])
    assert any(t.get("name") == "answer kept" for t in figure["data"])
    app.select_slider(key="budget").set_value(0.99).run()
    assert "It had to" in words(app)


def test_what_certify_said_of_the_picture_counts_beside_what_attack_says(open_page, monkeypatch):
    app = open_quick(open_page, monkeypatch, image="shapes/test/8", seed="1")
    assert "statements of this picture" not in words(app)
    app.switch_page("pages/certify.py").run()
    assert "statements of this picture" not in words(app)  # the same, read once more
    app.number_input(key="seed").set_value(2).run()
    assert "**2 statements of this picture** were made in this session (seed differ" in words(app)
    app.switch_page("pages/attack.py").run()
    assert "**2 statements of this picture**" in words(app) and "not 0.001" in words(app)


def test_the_address_sets_the_attack(open_page, monkeypatch):
    app = open_quick(open_page, monkeypatch, attack_norm="Linf", budget="0.99", sigma="1")
    assert app.segmented_control(key="attack_norm").value == "Linf"
    assert app.select_slider(key="budget").value == 0.99
    assert app.select_slider(key="sigma").value == 1.0
    assert not app.warning
    assert not app.exception
    figure = json.loads(live_figures(app)[-1]["figure"])
    assert "Linf" in figure["layout"]["xaxis"]["title"]["text"]


def test_the_first_look_is_short_and_the_button_attacks_at_every_length(
    open_page, monkeypatch, line
):
    line.executor = Never()
    monkeypatch.setattr(parts, "BUDGETS", (0.99, 1.5, 3.0))
    app = open_page("attack", image="shapes/test/8", budget="1.5")
    (first,) = line.jobs
    assert (first.key.spec.n, first.key.how.budgets) == (1000, (0.99, 1.5))
    first.state = "cancelled"
    app.run().button(key="certify").click().run()
    assert (line.jobs[-1].key.spec.n, line.jobs[-1].key.how.budgets) == (10000, (0.99, 1.5, 3.0))
    assert not app.exception


def test_the_run_that_is_attacked_is_the_one_asked_for(open_page, monkeypatch, line):
    line.executor = Never()
    app = open_quick(open_page, monkeypatch, n0="20", alpha="0.01", seed="3")
    assert not app.warning
    spec, how = line.jobs[0].key.spec, line.jobs[0].key.how
    assert (spec.n0, spec.n, spec.alpha, spec.seed) == (20, 100, 0.01, 3)
    assert (how.alpha, how.seed) == (0.01, 3)
    assert "alpha = 0.01" in words(app)


def test_the_controls_of_a_method_that_chooses_its_noise_are_shown_and_used(
    open_page, monkeypatch, tmp_path, line
):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(make_selectors(tmp_path)))
    asked = {"lam": "0.4", "within": "0.1", "draws": "300"}
    line.executor = Never()
    app = open_quick(open_page, monkeypatch, checkpoint="shapes-variational", **asked)
    assert not app.exception and not app.warning
    assert app.slider(key="lam").value == 0.4
    spec = line.jobs[0].key.spec
    assert (dict(spec.settings)["lam"], dict(spec.settings)["draws"]) == (0.4, 300)
    assert spec.sigma is None and "sigma" not in {s.key for s in app.select_slider}


def test_a_waiting_attack_can_be_stopped(open_page, monkeypatch, line):
    line.executor = Never()
    app = open_quick(open_page, monkeypatch)
    assert not app.exception
    assert not [b for b in app.button if b.key == "certify"]  # Stop stands in its place
    app.button(key="stop").click().run()
    assert line.jobs[0].cancel.is_set()


@pytest.mark.parametrize("page", ["attack", "certify"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n", "abc"),
        ("checkpoint", "../../etc"),
        ("checkpoint", "x" * 5000),
        ("seed", "٣"),
        ("seed", "9" * 6000),
        ("sigma", "nan"),
        ("alpha", "<script>alert(1)</script>"),
        ("image", "<script>alert(1)</script>"),
        ("image", "![](http://example.org/x.png)"),
        ("image", "../../etc/passwd"),
    ],
)
def test_a_hostile_address_gets_a_sentence_and_defaults(open_page, line, page, key, value):
    line.executor = Never()
    app = open_page(page, **{key: value})
    assert not app.exception
    told = "\n".join(w.value for w in app.warning)
    assert told
    assert len(told) < 1500
    for raw in ("<script>", "![](http"):
        assert raw not in told


def test_a_method_that_chooses_its_noise_can_be_attacked_where_it_chooses(
    open_page, monkeypatch, tmp_path
):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(make_selectors(tmp_path)))
    app = open_quick(open_page, monkeypatch, checkpoint="shapes-variational", target="selector")
    assert not app.exception and not app.warning
    assert "chooses the noise of each picture itself" in words(app)
    assert app.segmented_control(key="target").value == "selector"
    assert not app.exception and not app.error
    assert "keeps its answer" in words(app)  # all votes are for one class whatever the level
    assert "**Heuristic:**" in words(app)
