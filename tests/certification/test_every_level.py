import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from rsviz.certification import certify, every_level
from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound
from rsviz.data import datasets
from rsviz.evaluation import chosen_levels
from rsviz.evaluation.logs import Log
from tests.evaluation.test_chosen_levels import log as written
from tests.helpers import ANSWER, make_selectors

rng = np.random.default_rng(5)


METHODS = ("dual", "variational", "multiscale")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_selectors(tmp_path_factory.mktemp("selectors"), METHODS)


@pytest.fixture(scope="module")
def x_CHW():
    return datasets.find_image("shapes/test/3")[0]


def asked(folder, method, x_CHW, **settings):
    checkpoint = catalog.find(f"shapes-{method}", folder)
    spec = certify.make_spec(checkpoint, x_CHW, n=200, bound=Bound.SPLIT, **settings)
    return weights.load_nets(checkpoint), spec


def certified(folder, method, x_CHW):
    *_, last = certify.watch(x_CHW, *asked(folder, method, x_CHW))
    return last.certificate


@pytest.mark.parametrize("method", ["dual", "variational"])
def test_a_glance_counts_as_a_run_chooses(folder, x_CHW, method):
    nets, spec = asked(folder, method, x_CHW)
    how = every_level.choice(nets, spec)
    counts_NL = every_level.glance(how, torch.stack([x_CHW, 1 - x_CHW]), 20)
    assert counts_NL.shape == (2, len(how.level_L))
    assert (counts_NL.sum(1) == 20).all()
    level = certified(folder, method, x_CHW).sigma
    assert [how.level_L[how.index(c)] for c in counts_NL.tolist()] == [level, level]


@pytest.mark.parametrize("method", METHODS)
def test_the_level_at_a_glance_is_the_one_a_run_takes_where_all_votes_agree(folder, x_CHW, method):
    nets, spec = asked(folder, method, x_CHW)
    level, mean = every_level.level_at_a_glance(nets, spec, x_CHW, 20)
    assert level == mean == certified(folder, method, x_CHW).sigma


def test_the_median_and_the_mode_are_told_apart(folder, x_CHW):
    dual, variational = (
        every_level.choice(*asked(folder, method, x_CHW)) for method in ("dual", "variational")
    )
    assert dual.index([4, 3, 3]) == 0
    assert variational.index([4, 3, 3, 0, 0, 0, 0]) == 1


def test_every_chooser_runs_in_turn_as_it_would_alone(folder, x_CHW):
    runs = {method: asked(folder, method, x_CHW) for method in METHODS}
    readings = list(every_level.watch_all(x_CHW, runs))
    last = readings[-1]
    assert tuple(last.by_name) == METHODS
    for method, c in last.by_name.items():
        assert replace(c, seconds=0) == replace(certified(folder, method, x_CHW), seconds=0)
        assert (c.predicted, c.method, c.ended) == (ANSWER, method, "complete") and c.radius > 0
    assert all(a.done <= b.done for a, b in pairwise(readings))
    assert last.done == last.planned
    assert [len(r.by_name) for r in readings] == sorted(len(r.by_name) for r in readings)


def test_stopped_everything_that_began_ends_as_it_stands(folder, x_CHW):
    runs = {method: asked(folder, method, x_CHW) for method in METHODS}
    cancel = threading.Event()
    steps = every_level.watch_all(x_CHW, runs, cancel=cancel)
    next(steps)
    cancel.set()
    *_, last = steps
    assert {name: c.ended for name, c in last.by_name.items()} == {"dual": "stopped"}


def test_the_paper_style_radius_is_marked_and_not_the_sound_one(folder, x_CHW):
    _, spec = asked(folder, "variational", x_CHW)
    own = certified(folder, "variational", x_CHW)
    paper = every_level.paper_style(own, spec)
    assert "heuristic" in paper.flags and paper.guarantee.startswith("Heuristic")
    assert paper.radius > own.radius > 0 and paper.sigma == own.sigma
    assert "heuristic" not in own.flags
    _, dual_spec = asked(folder, "dual", x_CHW)
    assert every_level.paper_style(certified(folder, "dual", x_CHW), dual_spec) is None


def test_only_methods_that_choose_are_looked_at(folder, x_CHW):
    assert tuple(every_level.selectors("shapes", folder)) == METHODS
    assert every_level.selectors("cifar10", folder) == {}
    nets, spec = asked(folder, "dual", x_CHW)
    with pytest.raises(UserError, match="no votes for the noise"):
        every_level.choice(nets, replace(spec, method="gaussian"))
    with pytest.raises(UserError, match="no votes for the noise"):
        every_level.choice(*asked(folder, "multiscale", x_CHW))


def log(name, radius_N, correct_N=None, index_N=None):
    N = len(radius_N)
    correct_N = np.ones(N, bool) if correct_N is None else np.array(correct_N)
    index_N = np.arange(N) if index_N is None else np.array(index_N)
    zeros = np.zeros(N, np.int64)
    return Log(
        name=name,
        index_N=index_N,
        label_N=zeros,
        predicted_N=zeros,
        radius_N=np.array(radius_N, float),
        correct_N=correct_N,
    )


def test_the_best_level_is_that_of_the_largest_right_radius():
    fixed = {
        1.0: log("one", [0.9, 2.0, 0.0, 0.7]),
        0.25: log("quarter", [0.5, 0.1, 0.0, 0.6], [True, True, False, True]),
        0.5: log("half", [5.0, 1.0, 0.0, 0.8], [False, True, False, True]),
    }
    own = log("own", [0.4, 0.9, 0.0, 0.2])
    found = chosen_levels.compare(own, {0: 0.25, 1: 1.0, 2: float("nan"), 3: 0.5}, fixed)
    assert found.level_L == (0.25, 0.5, 1.0)
    assert found.best_N[[0, 1, 3]].tolist() == [1.0, 1.0, 0.5]
    assert found.worth_N.tolist() == [True, True, False, True]
    assert chosen_levels.at_levels(found, found.level_N).tolist() == [0.5, 2.0, 0.0, 0.8]
    shared = chosen_levels.compare(log("own", [0.9], index_N=[1]), {1: 1.0, 3: 0.5}, fixed)
    assert shared.index_N.tolist() == [1] and shared.gain_N.tolist() == [0.9]
    with pytest.raises(UserError, match="share no image"):
        chosen_levels.compare(own, {}, fixed)


def made(level_N):
    """Images for which one of two levels is right, and a log that chose ``level_N``."""
    best_N = np.array([0.25, 1.0] * 100)
    fixed = {s: log(f"{s}", np.where(best_N == s, s, 0.0)) for s in (0.25, 1.0)}
    own = log("own", np.where(level_N == best_N, best_N, 0.0))
    return chosen_levels.compare(own, dict(enumerate(level_N.tolist())), fixed), best_N


def test_good_choices_correlate_and_lose_when_dealt_out_at_random():
    _, best_N = made(np.full(200, 0.25))
    good, _ = made(best_N)
    assert chosen_levels.correlation(good) == pytest.approx(1.0)
    gain, low, high = chosen_levels.against_shuffled(good, np.random.default_rng(0))
    assert 0 < low < gain < high and gain == pytest.approx(0.625 / 2, abs=0.05)


def test_faked_choices_are_found_out():
    constant, _ = made(np.full(200, 0.25))
    assert np.isnan(chosen_levels.correlation(constant))
    assert chosen_levels.against_shuffled(constant, np.random.default_rng(0))[0] == 0
    faked, _ = made(rng.choice([0.25, 1.0], 200))
    assert abs(chosen_levels.correlation(faked)) < 0.2
    assert chosen_levels.against_shuffled(faked, np.random.default_rng(0))[1] < 0


def test_levels_are_read_from_the_column_detail(tmp_path):
    rows = [("3", "", "", "1", {"level": 0.5}), ("7", "", "", "1", {})]
    found = chosen_levels.levels_of(written(tmp_path, "dual", *rows))
    assert found[3] == 0.5 and np.isnan(found[7])
    file = written(tmp_path, "dual", *rows[1:])
    with pytest.raises(UserError, match="which level"):
        chosen_levels.levels_of(file)


def test_one_named_after_its_method_stands_for_it_else_that_of_largest_acr():
    duals = [c for c in catalog.list_checkpoints() if c.card.method == "dual" and c.verified]
    of = {d: [c for c in duals if c.card.dataset == d] for d in ("cifar10", "shapes")}
    assert len(of["cifar10"]) > 1 and "cifar10-dual" not in {c.name for c in of["cifar10"]}
    best = max(of["cifar10"], key=lambda c: c.card.measured[0].acr)
    assert every_level.selectors("cifar10")["dual"] == best
    worst = min(of["shapes"], key=lambda c: c.card.measured[0].acr)
    assert worst.name == "shapes-dual" == every_level.selectors("shapes")["dual"].name
