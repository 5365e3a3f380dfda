import io
import json
from types import SimpleNamespace as Ended

import pytest
from PIL import Image

from rsviz.certification import certify, every_level
from rsviz.checkpoints import weights
from rsviz.checkpoints.catalog import find
from rsviz.core.radius import down
from rsviz.core.spec import Bound
from rsviz.data import catalog, datasets
from rsviz.evaluation import (
    attack_logs,
    chosen_levels,
    evaluate,
    measure,
    row_checks,
    stored_votes,
)
from rsviz.evaluation.attack_logs import AttackRow
from rsviz.ui.common import run_controls
from rsviz.ui.levels import controls, costs_and_attacks, readings, test_set
from rsviz.ui.levels.race import rows_of
from rsviz.ui.levels.readings import Readings
from tests.helpers import ANSWER, constant_network, live_figures, make_selectors
from tests.pages.test_certify_page import Never

NAME = catalog.CLASSES["shapes"][ANSWER]
METHODS = ("dual", "variational", "multiscale")
# What the page asks of a run: the sweep, and votes at every level, to be read again.
EVERY = {"multiscale": {"ask": "every"}, "dual": {"rule": "sweep", "ask": "every"}}


def is_ours(name, text):
    return name == "Multiscale"


def is_best(name, text):
    return ", best" in text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_selectors(tmp_path_factory.mktemp("selectors"), METHODS)


@pytest.fixture
def open_levels(open_page, folder, monkeypatch):
    """Return a function that opens the page with an address, few votes asked for."""
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(folder))
    monkeypatch.setattr(run_controls, "VOTES", (100, 500))
    monkeypatch.setattr(controls, "N", 100)
    return lambda **query: open_page("levels", **query)


def words(app):
    assert not app.exception
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(element.value for kind in kinds for element in getattr(app, kind))


def metrics(app):
    return {m.label: m.value for m in app.metric}


def race(app):
    """What is said of each row of the first picture."""
    drawn = [f["figure"] for f in live_figures(app)]
    figure = json.loads(next(f for f in drawn if "Multiscale" in f))
    axis = figure["layout"]["yaxis"]
    names = dict(zip(axis["tickvals"], axis["ticktext"], strict=True))
    return {
        names[y]: text
        for group in figure["data"]
        for y, text in zip(group["y"], group["text"], strict=True)
    }


def test_the_page_opens_with_a_first_look_that_waits_and_no_claim(open_levels, line, monkeypatch):
    monkeypatch.setattr(run_controls, "FIRST_LOOK", 100)
    line.executor = Never()
    app = open_levels(n=500)
    assert "certified within" not in words(app)
    (job,) = line.jobs
    assert job.key[1] == 100
    assert not [b for b in app.button if b.key == "certify"]  # Stop stands in its place
    job.state = "cancelled"
    app.run().button(key="certify").click().run()
    assert line.jobs[-1].key[1] == 500


def test_the_first_look_is_read_at_its_own_number_of_votes(open_levels, monkeypatch):
    monkeypatch.setattr(run_controls, "FIRST_LOOK", 100)
    told = words(open_levels(n=500, selector="dual"))
    assert "certified within" in told and "live, complete" in told
    assert "**3 statements of this picture** were made in this session (network" in told
    assert "wrong with probability at most 0.003, not 0.001" in told


def test_a_visitor_says_what_a_file_shows_which_may_be_none_of_these(open_levels):
    app = open_levels(n=100)
    app.segmented_control(key="source").set_value("upload").run()
    out = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 30, 30)).save(out, "PNG")
    app.file_uploader[0].set_value(("red.png", out.getvalue(), "image/png")).run()
    assert "shows none of these 10" in words(app) and "True label" not in words(app)
    for said, found in ((NAME, "correct"), ("none of these", "certified, and wrong")):
        (asked,) = [s for s in app.selectbox if s.label == "Which of these is it?"]
        asked.set_value(said).run()
        told = words(app)
        assert f"You say: **{said}**" in told and found in told
    assert "None of these 10, you say" in told
    assert any(is_best(name, text) for name, text in race(app).items())


@pytest.mark.parametrize("image", controls.PRESETS.values())
def test_a_picture_to_start_from_is_read_from_shipped_logs(open_page, monkeypatch, line, image):
    monkeypatch.delenv("RSVIZ_CHECKPOINTS")
    app = open_page("levels", image=image, selector="multiscale")
    assert not line.jobs
    told = words(app)
    assert "certified within" in told and "shipped logs" in told
    loses = "730" in image
    ours, best = (next(t for n, t in race(app).items() if of(n, t)) for of in (is_ours, is_best))
    assert (float(ours.split()[0]) < float(best.split(",")[0])) == loses
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links["About this network"].startswith("view=Networks&about=shapes-multiscale")


def run_of(folder, method, **settings):
    checkpoint = find(f"shapes-{method}", folder)
    x_CHW, _ = datasets.find_image(controls.DEFAULT)
    spec = certify.make_spec(checkpoint, x_CHW, n=100, bound=Bound.SPLIT, settings=settings)
    *_, last = certify.watch(x_CHW, weights.load_nets(checkpoint), spec)
    return last.certificate


@pytest.mark.parametrize("method", METHODS)
def test_a_run_shows_what_the_library_computes(open_levels, folder, method):
    app = open_levels(selector=method)
    own, told = run_of(folder, method, **EVERY.get(method, {})), words(app)
    assert f"{NAME.capitalize()}, certified within {down(own.radius, 3)}" in told
    assert own.guarantee in told and "not** a certificate" in told
    assert ("Heuristic" in told) == (method == "variational")
    rows = race(app)
    for other in METHODS:
        c = run_of(folder, other, **EVERY.get(other, {}))
        said = f"{down(c.radius, 3)} at level {c.sigma:g}"
        assert said in rows[f"{other.capitalize()}{' RS' * (other != 'multiscale')}"]
    cascade = run_of(folder, "multiscale", ask="every")
    fixed = stored_votes.fixed_levels(stored_votes.of_certificate(cascade), multiscale_spec(folder))
    for level, c in fixed.items():
        assert rows[f"level {level:g} for all"].startswith(down(c.radius, 3))


def multiscale_spec(folder):
    x_CHW, _ = datasets.find_image(controls.DEFAULT)
    checkpoint = find("shapes-multiscale", folder)
    return certify.make_spec(checkpoint, x_CHW, n=100, bound=Bound.SPLIT)


def test_knobs_that_read_votes_again_do_so_without_a_run(open_levels, folder, line):
    app = open_levels(selector="multiscale")
    before = race(app)
    app.slider(key="tau_1").set_value(0.8).run()
    app.slider(key="quantile").set_value(0.1).run()
    after, alone = race(app), run_of(folder, "multiscale", thresholds="0.5,0.5,0.8")
    assert after["Multiscale"] == f"{down(alone.radius, 3)} at level {alone.sigma:g}" + (
        "" if ANSWER == label() else ", wrong class"
    )
    assert after["Multiscale"] != before["Multiscale"]
    assert after["Dual RS"] != before["Dual RS"]
    assert after["Variational RS"] == before["Variational RS"]
    line.executor = Never()
    app.slider(key="lam").set_value(0.9).run()  # this one changes votes
    assert line.jobs[-1].state == "queued" and not app.exception


def label():
    return datasets.find_image(controls.DEFAULT)[1]


def test_the_best_fixed_level_is_of_the_right_class():
    cases = {0.25: (0.3, 4, False), 0.5: (0.9, 7, False), 1.0: (0.6, 4, False), 2.0: (0, 4, True)}
    fixed = {
        s: Ended(radius=r, predicted=c, abstained=a, ended="complete")
        for s, (r, c, a) in cases.items()
    }
    rows = rows_of(Readings(fixed=fixed), {}, 4, running=False)
    kinds = {r.level: r.kind for r in rows}
    assert kinds == {0.25: "right class", 0.5: "wrong class", 1: "best afterwards", 2: "no class"}
    assert "best afterwards" not in {
        r.kind for r in rows_of(Readings(fixed=fixed), {}, 4, running=True)
    }


def test_a_drawn_shape_follows_its_knobs(open_levels):
    app = open_levels()
    app.toggle(key="drawn").set_value(True).run()
    assert "all else held" in words(app)
    before = [h.proto.body for h in app.get("html") if "network sees" in h.proto.body]
    app.slider(key="contrast-3").set_value(0.1).run()
    after = [h.proto.body for h in app.get("html") if "network sees" in h.proto.body]
    assert before != after and len(before) == len(after) == 1 and not app.exception


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
        (find("shapes-multiscale", root), None, "certified.csv"),
    ):
        how = EVERY.get(checkpoint.card.method, {})
        spec = evaluate.spec_for(
            checkpoint, sigma, first=12, n0=10, n=20, alpha=0.1, seed=0, settings=how
        )
        out = checkpoint.folder / name
        measure.measure(checkpoint, spec, out, "cpu", "none", lambda _: None)


def test_over_the_test_images_choices_stand_beside_fixed_levels(open_levels, monkeypatch, tmp_path):
    measured(make_selectors(tmp_path, ("dual", "multiscale")))
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_levels(image="shapes/test/7", selector="dual")
    told = words(app)
    assert "Chosen: 0.5 for 100 %" in told and "The best level for all" in told
    assert "comes nearest" in told
    assert "**Dual RS** is the best of those that learn to choose. Its ACR is " in told
    (gaps,) = [t.value for t in app.dataframe if "behind the envelope" in t.value]
    assert list(gaps["who chooses"]) == ["Dual RS", "Multiscale"]
    low, high = map(float, gaps["beyond the cascade"][0].split("(")[1].rstrip(")").split(" to "))
    either = (low, high), (-high + 0.0, -low + 0.0)  # above it or below
    assert any(f"(95 % interval {a:.3f} to {b:.3f}) the cascade" in told for a, b in either)
    assert list(gaps["beyond the cascade"])[1] == "" and " to " in gaps["beyond the cascade"][0]
    assert sum(name.startswith("beyond level") for name in gaps) == 1
    (costs,) = [t.value for t in app.dataframe if "arithmetic" in t.value]
    fixed = [f"level {s:g} for all" for s in (0.25, 0.5, 1)]
    assert list(costs["method"]) == ["Dual RS", "Multiscale", *fixed]
    # The level of most noise settles every image: what plain smoothing costs, and no more.
    assert list(costs["arithmetic"])[1:] == ["1.00 × plain"] * 4
    assert list(costs["votes for the level"]) == [20, 0, 0, 0, 0]
    assert any("the arithmetic" in c.proto.spec for c in app.get("plotly_chart"))
    assert any("envelope of fixed levels" in c.proto.spec for c in app.get("plotly_chart"))
    # The picture is in the logs: its radii are read from their votes, at the knobs of now.
    first = race(app)
    assert "at level 0.5" in first["Dual RS"] and "level 1 for all" in first
    assert "certified within" in told and "shipped logs" in told
    app.slider(key="quantile").set_value(0.1).run()
    assert race(app)["Dual RS"] < first["Dual RS"]  # it may be the level below
    app.button(key="open-shapes/test/11").click().run()
    assert app.text_input(key="image").value == "shapes/test/11"
    assert not app.exception


def test_choosers_stand_beside_fixed_levels_of_as_many_votes(open_levels, monkeypatch, tmp_path):
    measured(make_selectors(tmp_path, ("dual", "multiscale")))
    universal = find("shapes-gaussian-universal", tmp_path)
    for sigma in (0.25, 0.5, 1.0):
        spec = evaluate.spec_for(universal, sigma, first=12, n0=10, n=60, alpha=0.1, seed=0)
        out = universal.folder / f"certified-{sigma}-n60.csv"
        measure.measure(universal, spec, out, "cpu", "none", lambda _: None)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    cascade = find("shapes-multiscale", tmp_path)
    spec = evaluate.spec_for(
        cascade, None, first=12, n0=10, n=60, alpha=0.1, seed=0, settings={"ask": "every"}
    )
    more = cascade.folder / "certified-n60.csv"
    measure.measure(cascade, spec, more, "cpu", "none", lambda _: None)
    found = {m: find(f"shapes-{m}", tmp_path) for m in ("dual", "multiscale")}
    x_CHW, _ = datasets.find_image("shapes/test/7")
    specs = {
        m: certify.make_spec(c, x_CHW, n=60, bound=Bound.SPLIT, settings=EVERY.get(m, {}))
        for m, c in found.items()
    }
    read = readings.of_logs(found, specs, "shapes/test/7")
    assert {c.n for c in read.by_method.values()} == {c.n for c in read.fixed.values()} == {20}
    alone = {"multiscale": found["multiscale"]}
    read = readings.of_logs(alone, {"multiscale": specs["multiscale"]}, "shapes/test/7")
    assert read.n == 60
    for group in test_set.groups("shapes"):
        if group.n == 60:  # of the cascade alone
            assert [c.card.method for _, c, _ in group.choosers] == ["multiscale"]
            continue
        assert {log.n for log in group.fixed.values()} == {group.n} == {20}
        assert {m.n for _, _, m in group.choosers} == {20}


@pytest.mark.parametrize("dataset", ["cifar10", "shapes"])
def test_shipped_choosers_stand_beside_fixed_levels_of_as_many_votes(dataset):
    groups = test_set.groups(dataset)
    assert groups
    for group in groups:
        assert {log.n for log in group.fixed.values()} == {group.n}
        assert {m.n for _, _, m in group.choosers} == {group.n}


@pytest.mark.parametrize("dataset", ["cifar10", "shapes"])
def test_a_log_of_int8_stands_for_its_chooser_where_none_of_float32_does(dataset):
    named = {(g.n, name) for g in test_set.groups(dataset) for name, _, _ in g.choosers}
    assert {(10_000, "Dual RS, trunk, sweep, int8"), (2_000, "Dual RS, trunk")} <= named
    assert not any(n == 2_000 and name.endswith("int8") for n, name in named)


@pytest.mark.parametrize("rule", ["min", "sweep"])
@pytest.mark.parametrize("image", ["cifar10/test/40", "shapes/test/60"])
def test_shipped_votes_of_every_chooser_are_read_at_once_by_either_rule(image, rule):
    found = every_level.selectors(image.partition("/")[0])
    x_CHW, _ = datasets.find_image(image)
    ruled = {"dual": {"rule": rule}, "routing": {"rule": rule}}
    chosen = {m: dict(c.card.run) | ruled.get(m, {}) for m, c in found.items()}
    specs = {
        m: certify.make_spec(c, x_CHW, image=image, bound=Bound.SPLIT, settings=chosen[m])
        for m, c in found.items()
    }
    read = readings.of_logs(found, specs, image)
    assert list(read.by_method) == ["dual", "routing", "variational", "multiscale"]
    assert not read.lacking and len({c.n for c in read.by_method.values()}) == 1
    for method in ("dual", "routing"):
        assert dict(read.by_method[method].settings)["rule"] == rule


def test_how_alpha_is_shared_is_read_again_at_once():
    """Of the paper's min, whose stored votes have a radius that the class decides."""
    found = {"dual": every_level.selectors("shapes")["dual"]}
    x_CHW, _ = datasets.find_image("shapes/test/60")

    def radius(split):
        how = found["dual"].card.run | {"rule": "min", "split": split}
        spec = certify.make_spec(found["dual"], x_CHW, bound=Bound.SPLIT, settings=how)
        return readings.of_logs(found, {"dual": spec}, "shapes/test/60").by_method["dual"].radius

    assert radius("none") > radius("half") > 0


@pytest.mark.parametrize("dataset", ["cifar10", "shapes"])
def test_who_stays_nearest_at_every_radius_is_named(dataset):
    group = test_set.groups(dataset)[0]
    gaps = {n: chosen_levels.gap(c) for n, c in test_set.chosen_of(group).items()}
    farthest = {n: max(g.points[r] for r in (0.0, 0.25, 0.5, 1.0)) for n, g in gaps.items()}
    name = min(farthest, key=farthest.__getitem__)
    said = test_set._in_words(gaps)
    assert f"0, 0.25, 0.5 and 1 **{name}** stays within {100 * farthest[name]:.1f} points" in said


@pytest.mark.parametrize("dataset", ["cifar10", "shapes"])
def test_only_choosers_with_a_classifier_of_their_own_are_said_to_have_one(dataset):
    for group in test_set.groups(dataset):
        said = test_set._of_whom(group)
        for name, c, _ in group.choosers:
            own = "classifier" in c.card.parts and "checkpoint" not in c.card.parts["classifier"]
            assert (name in said.split(" vote")[0].split("; ")) == own


def test_draws_of_the_selector_can_be_left_out(open_levels, monkeypatch, tmp_path):
    root = make_selectors(tmp_path, ("variational",))
    checkpoint = find("shapes-variational", root)
    spec = evaluate.spec_for(checkpoint, None, first=3, n0=10, n=20, alpha=0.1, seed=0)
    measure.measure(
        checkpoint, spec, checkpoint.folder / "certified.csv", "cpu", "none", lambda _: None
    )
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(root))
    app = open_levels(selector="variational")
    app.toggle(key="fewer_draws").set_value(True).run()
    assert not app.exception
    (found,) = [t.value for t in app.dataframe if "draws, Nh" in t.value]
    assert list(found["draws, Nh"]) == [10, 30, 100, 300, 1000]
    assert found["D = 0.25"].iloc[0].endswith("at least") and float(found["D = 0.25"].iloc[-1]) >= 0


def test_a_radius_without_proof_that_was_broken_is_shown(open_levels, monkeypatch, tmp_path):
    root = make_selectors(tmp_path, ("variational",))
    file = root / "shapes-variational" / costs_and_attacks.PAPER_STYLE
    file.parent.mkdir()
    head = attack_logs.head_of("", {"budgets": [0.95], "n": 2_000}, {"n": 100}, "rsviz attack ...")
    attack_logs.opened(file, head)
    rows = [("shapes/test/0", 0.3, "holds"), ("shapes/test/3", 0.03904, "broken")]
    with row_checks.appending(file) as append:
        for image, radius, verdict in rows:
            row = AttackRow(image, ANSWER, radius, ((0.95, verdict),))
            append(attack_logs.row_of(row))
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(root))
    told = words(open_levels(selector="variational"))
    assert "A radius without the proof, broken" in told
    assert f"`shapes/test/3` is *{NAME}* as far as **0.0390**. Moved by 0.0371" in told
    assert "shapes/test/0" not in told.partition("without the proof, broken")[2]
    assert "PREDICT, 2,000 votes. Made by `rsviz attack ...`" in told
    file.write_text("nonsense")
    assert "is no log of attacks" in words(open_levels(selector="variational"))


def test_open_says_where_the_picture_went(open_levels, monkeypatch, tmp_path):
    measured(make_selectors(tmp_path, ("dual", "multiscale")))
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_levels(image="shapes/test/7", selector="dual")
    assert not app.toast
    assert ", **wrong**" in words(app)  # of all but one class
    app.button(key="open-shapes/test/11").click().run()
    assert "shapes/test/11 is open above" in app.toast[0].value.replace("\\", "")
    assert not app.run().toast
