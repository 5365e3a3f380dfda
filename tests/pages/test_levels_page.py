from types import SimpleNamespace as Ended

import pytest

from rsviz.certification import certify, every_level
from rsviz.checkpoints import weights
from rsviz.checkpoints.catalog import find
from rsviz.core.radius import down
from rsviz.core.spec import Bound
from rsviz.data import catalog, datasets
from rsviz.evaluation import evaluate, measure
from rsviz.ui.levels import controls
from rsviz.ui.levels.run import fixed_levels
from tests.helpers import ANSWER, constant_network, make_selectors

NAME = catalog.CLASSES["shapes"][ANSWER]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_selectors(tmp_path_factory.mktemp("selectors"))


@pytest.fixture
def open_levels(open_page, folder, monkeypatch):
    """Return a function that opens the page with an address, few votes asked for."""
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(folder))
    monkeypatch.setattr(controls, "VOTES", (100, 500))
    monkeypatch.setattr(controls, "N", 100)
    return lambda **query: open_page("levels", **query)


def words(app):
    assert not app.exception
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(element.value for kind in kinds for element in getattr(app, kind))


def metrics(app):
    return {m.label: m.value for m in app.metric}


def test_the_page_opens_with_a_level_at_a_glance_and_no_claim(open_levels):
    app = open_levels()
    assert metrics(app)["Level at a glance"] == "0.5"
    assert "Press **Choose and certify**" in words(app)
    assert "certified within" not in words(app)


@pytest.mark.parametrize("method", ["dual", "variational"])
def test_a_run_shows_what_the_library_computes(open_levels, folder, method):
    app = open_levels()
    app.segmented_control(key="selector").set_value(method).run()
    app.button(key="choose").click().run()
    checkpoint = find(f"shapes-{method}", folder)
    x_CHW, _ = datasets.find_image("shapes/test/3")
    settings = {"split": "half"} if method == "dual" else {}
    settings |= {} if method == "dual" else {"budget": 0.25, "draws": 1000.0, "lam": 0.2}
    given = {"n": 100, "bound": Bound.SPLIT, "settings": tuple(sorted(settings.items()))}
    spec = certify.make_spec(checkpoint, x_CHW, **given)
    *_, last = every_level.watch_all(x_CHW, weights.load_nets(checkpoint), spec)
    own = last.by_name[every_level.OWN]
    told = words(app)
    assert f"{NAME.capitalize()}, certified within {down(own.radius, 3)}" in told
    assert metrics(app)["Level"] == f"{own.sigma:g}"
    assert own.guarantee in told and "not** a certificate" in told
    assert ("Heuristic" in told) == (method == "variational")


def test_the_best_fixed_level_is_of_the_right_class(open_levels):
    cases = {"0.25": (0.3, 4, False), "0.5": (0.9, 7, False), "1": (0.6, 4, False)}

    fixed = {n: Ended(radius=r, predicted=c, abstained=a) for n, (r, c, a) in cases.items()} | {
        "2": Ended(radius=0.0, predicted=4, abstained=True)
    }
    kinds = {f.level: f.kind for f in fixed_levels(fixed, 4)}
    assert kinds == {0.25: "right class", 0.5: "wrong class", 1: "best afterwards", 2: "no class"}


def test_a_drawn_shape_follows_its_knobs(open_levels):
    app = open_levels()
    app.toggle(key="drawn").set_value(True).run()
    assert "all else held" in words(app)
    before = [image.url for shown in app.get("image") for image in shown.proto.imgs]
    app.slider(key="contrast-3").set_value(0.1).run()
    after = [image.url for shown in app.get("image") for image in shown.proto.imgs]
    assert before[0] != after[0] and not app.exception


def test_without_a_selector_the_page_says_what_to_do(open_levels, monkeypatch, tmp_path):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    assert "recipes run --only shapes-dual" in words(open_levels())


def measured(root):
    """Add to a folder of selectors a universal network and the logs of a dozen test images."""
    universal = constant_network(root / "shapes-gaussian-universal", sigma=None)
    for checkpoint, sigma, name in (
        (universal, 0.5, "certified.csv"),
        (universal, 0.25, "certified-0.25.csv"),
        (universal, 1.0, "certified-1.0.csv"),
        (find("shapes-dual", root), None, "certified.csv"),
    ):
        spec = evaluate.spec_for(checkpoint, sigma, first=12, n0=10, n=20, alpha=0.1, seed=0)
        out = checkpoint.folder / name
        measure.measure(checkpoint, spec, out, "cpu", "none", lambda _: None)


def test_over_the_test_images_choices_stand_beside_fixed_levels(open_levels, monkeypatch, tmp_path):
    measured(make_selectors(tmp_path, ("dual",)))
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_levels()
    told = words(app)
    assert "Chosen: 0.5 for 100 %" in told and "One level for all" in told
    assert "fixed 0.25: ACR" in told and "Dual RS: ACR" in told
    assert any("best fixed level" in chart.proto.spec for chart in app.get("plotly_chart"))
    app.button(key="open-shapes/test/11").click().run()
    assert app.text_input(key="image").value == "shapes/test/11"
    assert not app.exception
