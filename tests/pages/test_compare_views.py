"""The views of Compare beside its curves: one image, ensembles, claims, evaluation."""

import json
from types import SimpleNamespace

import pytest
import torch

from rsviz.checkpoints import catalog
from rsviz.checkpoints.weights import load, save
from rsviz.data.catalog import CLASS_COUNT, CLASSES
from rsviz.evaluation import per_image
from rsviz.evaluation.evaluate import log_folder
from rsviz.evaluation.training_cost import FORWARD
from rsviz.ui.compare import ensembles, every_network
from tests.helpers import ALWAYS, constant_network


@pytest.fixture
def opened(open_page, monkeypatch, tmp_path):
    """Return a function that opens a view; jobs run where they are started."""
    monkeypatch.setenv("RSVIZ_LOGS", str(tmp_path / "logs"))
    monkeypatch.setattr(every_network, "_default", lambda: "shapes/test/5")

    def open_view(view, **query):
        at = open_page("compare", view=view, **query)
        assert not at.exception and not at.error
        return at

    return open_view


def board(at):
    return " ".join(e.proto.body for e in at.get("html"))


def press(at, key):
    at = at.button(key=key).click().run()
    assert not at.exception and not at.error
    return at


def test_one_image_lands_by_every_network_and_a_pin_tells_differences(opened):
    at = opened("One image", n="100")
    assert "waiting" in board(at)
    at = press(at, "all")
    assert "100 of" not in board(at) and "200 of 200 votes" in board(at)
    assert not any(b.key == "all" for b in at.button)  # all have landed
    assert any("certify a class" in m.value for m in at.markdown)
    row = at.dataframe[0].value.iloc[0]
    assert row["network"] == "shapes-constant" and row["votes"] == 200 and row["radius"] > 0
    at.selectbox(key="pin").set_value("shapes-constant").run()
    assert "📌" in board(at) and not at.exception
    at.select_slider(key="n").set_value(500).run()
    assert any(b.key == "all" for b in at.button)  # other votes are another run
    assert not any("with probability at most 0.002" in c.value for c in at.caption)
    at = press(at, "all")  # and another statement of the same picture
    assert any("with probability at most 0.002" in c.value for c in at.caption)


@pytest.mark.parametrize("view", ["Curves", "One image", "Networks", "Ensembles", "Experiments"])
def test_every_view_opens_with_the_shipped_networks(opened, monkeypatch, view):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(catalog.SHIPPED))
    at = opened(view)
    assert len(at.main) > 3


def test_an_evaluation_forms_a_curve_and_is_not_made_twice(opened, made):
    at = opened("Evaluate", checkpoint="shapes-constant", n="100", which="first")
    at.number_input(key="number-first").set_value(4).run()
    at = press(at, "evaluate")
    assert not any(b.key == "evaluate" for b in at.button)
    (log,) = log_folder().glob("shapes-constant-*.csv")
    assert len(log.read_text().splitlines()) == 2 + 4
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert any("shapes-constant, here" in t.get("name", "") for t in figure["data"])
    whole = log.read_text()
    log.write_text("\n".join(whole.splitlines()[:4]) + "\n")  # as a Stop after two leaves it
    at.run()
    assert "2 of 4 images" in " ".join(c.value for c in at.caption)
    press(at, "evaluate")

    def rows(text):
        return [line.rsplit(",", 2)[0] for line in text.splitlines()[2:]]

    assert rows(log.read_text()) == rows(whole)


def test_claims_without_logs_are_not_measured(opened):
    at = opened("Claims")
    rows = at.dataframe[0].value
    assert len(rows) > 50 and all("not measured yet" in v for v in rows["verdict"])
    assert rows["difference"].isna().all()


def test_claims_are_filtered_by_system_and_verdict_also_from_the_address(opened):
    every = len(opened("Claims").dataframe[0].value)
    at = opened("Claims", system="EsbRS")
    few = at.dataframe[0].value
    assert 5 < len(few) < every and all(
        "ogether" in s or "eights" in s or "nsemble" in s for s in few["statement"]
    )
    at.pills(key="system").set_value([]).run()
    assert len(at.dataframe[0].value) == every
    assert "verdict=surely" in told(opened("Claims", verdict="surely"))[0]


def test_the_networks_of_the_smallest_ensemble_of_unlike_methods_at_the_noise_come_first(
    monkeypatch,
):
    def found(name, method, members=(), sigma=0.5):
        named = tuple(SimpleNamespace(name=m) for m in members)
        return SimpleNamespace(
            name=name, card=SimpleNamespace(method=method, members=named, sigma=sigma)
        )

    nets = [found("a", "macer"), found("b", "macer"), found("c", "smoothadv"), found("d", "macer")]
    nets.append(found("e", "gaussian"))
    shipped = [found("of", "ensemble", m) for m in ("ab", "bce", "bc", "xc")]
    shipped += [found("of", "ensemble", m, 0.25) for m in ("ce", "bce")]
    monkeypatch.setattr(ensembles.catalog, "list_checkpoints", lambda: nets + shipped)
    assert ensembles._shipped(nets) == ["b", "c"]  # not the more methods of another noise or size
    assert ensembles._shipped(nets[:2]) == ["a", "b"] and ensembles._shipped(nets[3:]) == []


def test_two_networks_are_weighed_and_the_heuristic_is_named(opened, tmp_path, monkeypatch):
    for i, name in enumerate(("a", "b")):
        constant_network(tmp_path / "two" / name)
        _shake(tmp_path / "two" / name, i)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "two"))
    at = opened("Ensembles")
    at.select_slider(key="n").set_value(100).run()
    at = press(at, "weigh")
    assert len(at.get("plotly_chart")) == 3
    table = at.dataframe[0].value
    assert list(table["weighting"])[:4] == [
        "optimal",
        "average",
        "max-margin",
        "printed in the paper",
    ]
    assert list(table["certified"]) == ["yes"] * 5 + ["no, heuristic"]
    assert table["variance"][0] <= table["variance"][1] + 1e-12
    assert set(table["class"]) <= {*datasets_classes(), "abstains"}


def _shake(folder, seed):
    """Give a constant network answers that depend on the noise a little."""

    net = load(catalog.inspect(folder), ready=False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        net[1].fc.weight.add_(0.3 * torch.randn(net[1].fc.weight.shape, generator=generator))
    card = dict(catalog.inspect(folder).stored)
    save(net, folder, card)


def datasets_classes():
    assert 0 <= ALWAYS < CLASS_COUNT["shapes"]
    return CLASSES["shapes"]


@pytest.fixture
def four(tmp_path, monkeypatch):
    """Four networks of Shapes that answer alike, each a little shaken by noise."""
    for i, name in enumerate(("a", "b", "c", "d")):
        constant_network(tmp_path / "four" / name)
        _shake(tmp_path / "four" / name, i)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "four"))


def told(at):
    return [w.value for w in at.warning]


def test_the_address_pins_a_row_and_chooses_networks(opened, four):
    nets = {"nets-shapes": ["a", "c"]}
    pinned = opened("One image").selectbox(key="pin").options[3]  # of nobody, a, b, c, d
    at = opened("One image", pin=pinned, **nets)
    assert at.selectbox(key="pin").value == "c" and "📌" in board(at)
    assert at.multiselect(key="nets-shapes").value == ["a", "c"]
    assert board(at).count('role="listitem"') == 2 and not told(at)


def test_a_wrong_pin_is_told_in_one_sentence_until_a_row_is_chosen(opened, four):
    at = opened("One image", pin="<b>nobody</b>")
    (sentence,) = told(at)
    assert "pin=" in sentence and "<b>" not in sentence
    assert at.selectbox(key="pin").value == every_network.NOBODY and "📌" not in board(at)
    at.run()
    assert told(at) == [sentence]
    at.selectbox(key="pin").set_value("b").run()
    assert not told(at) and "📌" in board(at)


@pytest.mark.parametrize("names", [("sigma", "n"), ("level", "ballots")], ids=["now", "old"])
def test_the_address_chooses_the_members_of_an_ensemble(opened, four, names):
    said = dict(zip(names, ("0.25", "500"), strict=True))
    at = opened("Ensembles", **said, n0="50", **{"members-shapes": ["b", "d"]})
    assert at.multiselect(key="members-shapes").value == ["b", "d"] and not told(at)
    assert at.select_slider(key="sigma").value == 0.25
    assert [at.select_slider(key=key).value for key in ("n0", "n")] == [50, 500]


def test_members_that_are_not_there_are_left_out_and_told(opened, four):
    at = opened("Ensembles", **{"members-shapes": ["c", "d", "e"]})
    (sentence,) = told(at)
    assert "members-shapes=e," in sentence and "a, b, c, d" in sentence
    assert at.multiselect(key="members-shapes").value == ["c", "d"]
    at = opened("Ensembles", sigma="7", **{"members-shapes": "e"})
    assert len(told(at)) == 2
    assert at.multiselect(key="members-shapes").value == ["a", "b"]  # as without an address
    assert at.select_slider(key="sigma").value == 0.5


def test_a_view_that_is_not_there_is_told_and_the_curves_shown(opened):
    at = opened("Nothing")
    (sentence,) = told(at)
    assert "view=Nothing" in sentence and "One image" in sentence
    at.segmented_control(key="view").set_value("Claims").run()
    assert not told(at)


def test_three_members_show_the_triangle_of_their_weights(opened, four):
    at = opened("Ensembles", n="100", **{"members-shapes": ["a", "b", "d"]})
    at = press(at, "weigh")
    figures = [json.loads(f.proto.spec)["data"] for f in at.get("plotly_chart")]
    (triangle,) = [f for f in figures if f[0]["type"] == "scatterternary"]
    marks = {t["name"]: [t["a"][0], t["b"][0], t["c"][0]] for t in triangle[1:]}
    table = at.dataframe[0].value
    weights = dict(zip(table["weighting"], table["weights"], strict=True))
    assert ", ".join(f"{w:.3f}" for w in marks["optimal"]) == weights["optimal"]
    assert weights["average"] == "0.333, 0.333, 0.333"
    assert "printed in the paper" not in weights  # it is for two
    assert table["variance"][0] <= min(triangle[0]["marker"]["color"]) + 1e-9


def test_eight_members_have_no_picture_of_their_weights_but_a_table(opened, four, tmp_path):
    for i, name in enumerate("efgh"):
        constant_network(tmp_path / "four" / name)
        _shake(tmp_path / "four" / name, 4 + i)
    at = opened("Ensembles", n="100", **{"members-shapes": list("abcdefgh")})
    at = press(at, "weigh")
    kinds = {json.loads(f.proto.spec)["data"][0]["type"] for f in at.get("plotly_chart")}
    assert kinds == {"heatmap"}
    assert any("too many weightings to draw" in c.value for c in at.caption)
    assert len(at.dataframe[0].value) == 5
    shared = at.dataframe[1].value
    assert list(shared["other class"]) == list(range(1, 10))
    assert shared["within methods, α"].notna().all()  # all are trained by one method
    assert shared["between methods, β"].isna().all() and set(shared[""]) == {""}


def test_claims_set_acr_against_the_work_in_the_cards(opened, tmp_path, monkeypatch):
    for name, epochs in (("a", 1), ("b", 3)):
        network = constant_network(tmp_path / "three" / name)
        row = {"norm": "L2", "sigma": 0.5, "subset": "test", "n": 500, "alpha": 0.001}
        rows = [row | {"acr": 0.7}, row | {"acr": 0.4, "sigma": 0.25}][: 2 if name == "a" else 1]
        trained = {"network": "compact", "epochs": epochs, "measured": rows}
        catalog.write_card(network.folder, {**network.stored, **trained})
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "three"))
    at = opened("Claims")
    (points,) = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    epoch = 3 * FORWARD["compact"] * 20_000
    assert (points["x"], points["y"]) == ([epoch, 3 * epoch], [0.7, 0.7])
    assert any("multiply-adds of every pass" in c.value for c in at.caption)
    at = opened("Claims", alike="shapes, σ 0.25")
    (points,) = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    assert (points["x"], points["y"]) == ([epoch], [0.4]) and not told(at)
    assert "alike=shapes, σ 7" in told(opened("Claims", alike="shapes, σ 7"))[0]


def test_an_ensembles_row_is_read_from_the_log_of_its_own_weighting(monkeypatch):
    checkpoint = SimpleNamespace(name="both", card=catalog.Card(weighting="optimal"))
    image = SimpleNamespace(image="shapes/test/5", sigma=0.5)
    logs = {
        w: SimpleNamespace(
            checkpoint="both",
            log=SimpleNamespace(
                sigma=0.5, dataset="shapes", source=f"checkpoints/both/weightings/{w}.csv"
            ),
        )
        for w in ("average", "optimal", "printed")
    }
    monkeypatch.setattr(every_network, "measured", lambda: (logs, []))
    monkeypatch.setattr(per_image, "from_log", lambda c, log, i: (log.source, i))
    found = every_network._measured(SimpleNamespace(checkpoint=checkpoint, spec=image))
    assert found == ("checkpoints/both/weightings/optimal.csv", 5)
