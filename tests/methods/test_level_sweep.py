"""The sweep over intervals of levels: exact worlds on a line, Dual RS by it, old logs as they were.

A world is an estimator that names levels and a classifier for each level, both by pieces of a line,
so that every probability under noise is known.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import ndtr, ndtri
from scipy.stats import binom
from torch import nn

from rsviz.checkpoints import catalog
from rsviz.core import smoothed_median
from rsviz.core.bounds import clopper_pearson_lower
from rsviz.core.errors import UserError
from rsviz.core.settings import options_of
from rsviz.core.spec import Bound, Certificate, RunSpec, Votes
from rsviz.data.images import image_id
from rsviz.evaluation import logs
from rsviz.methods import dual, gaussian, level_sweep, variational
from rsviz.smoothing import driver
from rsviz.smoothing.voters import Request

S = (0.25, 0.5, 1.0)
NAMES = ("quantile", "rule", "levels", "sigma_e", "ask")
Q = 0.8
REACH = 3.0


def spec(n0=20, n=40, alpha=0.1, **changes):
    settings = {"levels": "0.25,0.5,1", "sigma_e": Q, "rule": "sweep"}
    settings |= {k: changes.pop(k) for k in NAMES if k in changes}
    run = {"image": "x", "checkpoint": "c", "sigma": 1.0, "n0": n0, "n": n, "alpha": alpha}
    return RunSpec(**run | {"settings": tuple(sorted(settings.items()))} | changes)


def shares(edge_E, piece_E, count, x_X, s):
    """Probability of each answer, (X, count), of pieces of the line under noise s."""
    z_XE = ndtr((edge_E - np.atleast_1d(x_X)[:, None]) / s)
    share_XE = np.diff(z_XE, axis=1, prepend=0, append=1)
    return np.stack([share_XE[:, piece_E == c].sum(1) for c in range(count)], 1)


@dataclass
class World:
    """Edges of the line, the level and (for each level) the class of each piece."""

    edge_E: np.ndarray
    level_E: np.ndarray
    cls_LE: np.ndarray
    quantile: float

    def levels(self, x_X):
        return shares(self.edge_E, self.level_E, 3, x_X, Q)

    def classes(self, x_X, j):
        return shares(self.edge_E, self.cls_LE[j], 3, x_X, S[j])

    def answer(self, x_X):
        below_XL = np.cumsum(self.levels(x_X), 1)
        below_XL[:, -1] = 1.0
        level_X = (below_XL >= self.quantile).argmax(1)
        by_level = np.stack([self.classes(x_X, j).argmax(1) for j in range(3)], 1)
        return by_level[np.arange(len(level_X)), level_X]

    def changes(self, x, cls):
        """The distance at which the answer is first another one."""
        d_X = np.linspace(0, REACH, 1501)
        other_X = (self.answer(x + d_X) != cls) | (self.answer(x - d_X) != cls)
        if not other_X.any():
            return REACH
        high = d_X[other_X.argmax()]
        low = high - d_X[1]
        for _ in range(25):
            d = (low + high) / 2
            other = (self.answer(np.array([x - d, x + d])) != cls).any()
            low, high = (low, d) if other else (d, high)
        return high


def random_world(rng):
    pieces = int(rng.integers(3, 7))
    edge_E = np.sort(rng.normal(0, 1.5, pieces - 1))
    cls_LE = rng.integers(0, 3, (3, pieces))
    for j in range(1, 3):  # mostly the same class at all levels
        same_E = rng.random(pieces) < 0.7
        cls_LE[j, same_E] = cls_LE[0, same_E]
    return World(edge_E, rng.integers(0, 3, pieces), cls_LE, float(rng.choice([0.3, 0.5, 0.7])))


def counted(p_K, n):
    """Counts of n votes by their shares."""
    counts = np.floor(p_K * n).astype(int)
    counts[counts.argmax()] += n - counts.sum()
    return tuple(counts.tolist())


def votes_at(world, x, run):
    """All votes that a run could count at x, each stage by its shares."""
    levels_L = world.levels(x)[0]
    found = {"estimate-bound": Votes("estimate-bound", counted(levels_L, run.n), run.n, "complete")}
    chosen = options_of(dual.Options, run).chooser.index(found["estimate-bound"])
    select = counted(world.classes(x, chosen)[0], run.n0)
    found["select"] = Votes("select", select, run.n0, "complete")
    for j, s in enumerate(S):
        stage = f"bound-{s:g}"
        found[stage] = Votes(stage, counted(world.classes(x, j)[0], run.n), run.n, "complete")
    return found


def test_the_radius_holds_on_random_lines_and_is_sometimes_all_there_is():
    rng, tightest, certified, wide = np.random.default_rng(0), 0.0, 0, 0
    wrong = {"the level chosen alone": 0, "the level held, the class not": 0}
    for _ in range(300):
        world, x = random_world(rng), float(rng.normal(0, 1))
        run = spec(n0=10**6, n=10**7, alpha=0.001, quantile=world.quantile)
        c = dual.read(votes_at(world, x, run), run)
        if c.abstained:
            continue
        truth = world.changes(x, int(world.answer(x)[0]))
        assert c.predicted == world.answer(x)[0]
        assert min(c.radius, REACH) <= truth
        certified += 1
        wide += c.detail["interval"][0] != c.detail["interval"][1]
        if truth < REACH:
            tightest = max(tightest, c.radius / truth)
        # What does not sweep: as if the level never changed, or as if only its change mattered.
        at_level = c.detail["radii"][S.index(c.sigma)]
        wrong["the level chosen alone"] += min(at_level, REACH) > truth + 1e-6
        i, j = (S.index(level) for level in c.detail["interval"])
        held = min(r for r in (c.detail["down"][i], c.detail["up"][j], REACH) if r is not None)
        wrong["the level held, the class not"] += min(held, REACH) > truth + 1e-6
    assert certified > 120
    assert wide > 25
    assert tightest > 0.99
    assert min(wrong.values()) > 5


def tight(n, alpha, near):
    """The p near the one given at which Clopper-Pearson fails with probability almost alpha."""
    bounds = [clopper_pearson_lower(k, n, alpha) for k in range(n + 1)]
    return min(bounds, key=lambda b: abs(b - near)) * (1 - 1e-9)


@pytest.mark.parametrize("quantile", [0.5, 0.7])
def test_it_is_wrong_at_most_alpha_of_the_time_where_it_is_tightest(quantile):
    """At one distance the level passes on to .5 and the class there changes; both are tight."""
    n, alpha = 60, 0.1
    p_h, p_c = tight(n, alpha / 4, 0.85), tight(n, alpha / 2, 0.6)
    truth = 0.5 * ndtri(p_c)
    q = truth / (ndtri(p_h) - ndtri(quantile))
    run = spec(n0=10, n=n, alpha=alpha, quantile=quantile, sigma_e=q)
    wrong = certified = 0.0
    sure = Votes("bound-0.25", (n, 0), n, "complete")
    whole = {"select": Votes("select", (10, 0), 10, "complete"), "bound-0.25": sure}
    for k in range(n + 1):
        for a in range(n + 1):
            weight = binom.pmf(k, n, p_h) * binom.pmf(a, n, p_c)
            if weight < 1e-5:
                continue
            draws = Votes("estimate-bound", (k, n - k, 0), n, "complete")
            bound = Votes("bound-0.5", (a, n - a), n, "complete")
            c = dual.read(whole | {"estimate-bound": draws, "bound-0.5": bound}, run)
            wrong += weight * (c.radius > truth * (1 + 1e-9))
            certified += weight * (not c.abstained)
    assert certified > 0.5
    assert 0.5 * alpha < wrong <= alpha


def test_only_levels_that_may_help_get_votes_and_the_rest_could_not_have_helped():
    rng, saved, several = np.random.default_rng(1), 0, 0
    for _ in range(300):
        run = spec(n0=50, n=300, quantile=float(rng.choice([0.4, 0.5])))
        draws = Votes("estimate-bound", counted(rng.dirichlet([1, 1, 1]), 300), 300, "complete")
        whole = {"estimate-bound": draws, "select": Votes("select", (50, 0), 50, "complete")}
        for s in S:
            p = rng.choice([0.55, 0.8, 0.97, 1.0])
            counts = counted(np.array([p, 1 - p]), 300)
            whole[f"bound-{s:g}"] = Votes("", counts, 300, "complete")
        how = options_of(dual.Options, run).chooser
        asked = {name: whole[name] for name in ("estimate-bound", "select")}
        while (level := level_sweep.next_level(how, asked, run)) is not None:
            assert level_sweep.ending(how, asked, run) == "running"
            asked[f"bound-{level:g}"] = whole[f"bound-{level:g}"]
        a, b = dual.read(asked, run), dual.read(whole, run)
        assert (a.radius, a.predicted, a.sigma) == (b.radius, b.predicted, b.sigma)
        assert a.ended == "complete"
        saved += len(asked) < len(whole)
        several += len(asked) > 3
    assert saved > 50
    assert several > 50


class Head(nn.Module):
    """Votes for class argmax(w x + b), x the first pixel."""

    def __init__(self, rows):
        super().__init__()
        self.fc = nn.Linear(1, len(rows))
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[w] for w, _ in rows]))
            self.fc.bias.copy_(torch.tensor([b for _, b in rows]))

    def forward(self, x_NCHW):
        return self.fc(x_NCHW[:, 0, 0, :1])


X = torch.full((3, 4, 4), 0.5)
# Level .5 above x = .2, level .25 below it; class 0 above x = -.3.
NETS = {
    "estimator": Head([(0.0, 0.2), (1.0, 0.0), (0.0, -9.0)]),
    "classifier": Head([(1.0, 0.3), (0.0, 0.0)]),
}


def drive(run, nets=NETS, method=dual.certify):
    start = partial(method, X, nets, run)
    *_, last = driver.drive([Request(0, X, image_id(X), run.seed, start)])
    return last


def test_dual_by_the_sweep_lets_the_level_move_where_the_class_stays():
    run = spec(n0=100, n=3000, alpha=0.001)
    task = drive(run)
    c = task.certificate
    assert (c.predicted, c.sigma, c.ended) == (0, 0.5, "complete")
    assert c.detail["interval"] == [0.25, 0.5]
    assert set(task.votes) == {"estimate-bound", "select", "bound-0.5", "bound-0.25"}
    assert 0.3 < c.radius < 0.8  # the level changes after .3, the class after .8
    assert c.radius > 0.6
    by_min = drive(replace(run, settings=(("levels", "0.25,0.5,1"), ("sigma_e", Q)))).certificate
    assert by_min.detail["rule"] == "min"
    assert by_min.radius < 0.3
    assert dual.read(task.votes, run) == c
    assert Certificate.from_json(c.to_json()).detail == c.detail
    assert c.alpha_split == {
        "median below, planned n": pytest.approx(0.00025),
        "median above, planned n": pytest.approx(0.00025),
        "class, planned n": pytest.approx(0.0005),
    }


def test_the_quantile_shifts_which_level_is_chosen():
    low = drive(spec(n0=100, n=1000, quantile=0.05)).certificate
    high = drive(spec(n0=100, n=1000, quantile=0.9)).certificate
    assert (low.sigma, high.sigma) == (0.25, 0.5)
    assert "quantile" in low.guarantee


@pytest.mark.parametrize("bound", [Bound.ANYTIME, Bound.SPLIT])
def test_every_partial_reading_is_valid(bound):
    run = spec(n0=100, n=600, bound=bound)
    task, radii = drive(run), []
    stages = list(task.votes)
    for have in range(len(stages) + 1):
        c = dual.read({name: task.votes[name] for name in stages[:have]}, run)
        assert (c.ended == "complete") == (have == len(stages))
        assert c.abstained == (c.radius == 0)
        radii.append(c.radius)
    assert radii == sorted(radii)
    assert radii[0] == 0 < radii[-1] == task.certificate.radius
    early = Votes("bound-0.25", (400, 1), 600, "stopped")
    stopped = dual.read(task.votes | {"bound-0.25": early}, run)
    assert (stopped.ended, 0 < stopped.radius <= radii[-1]) == ("stopped", True)


def test_a_prediction_by_the_sweep_needs_every_level_that_may_be_the_quantile_to_agree():
    run = spec(n=400, alpha=0.01)
    assert drive(run, method=dual.predict).certificate == 0
    torn = NETS | {"estimator": Head([(0.0, 0.5), (1.0, 0.0), (0.0, -9.0)])}  # half and half at X
    task = drive(run, torn, dual.predict)
    assert set(task.votes) == {"predict-level", "predict-0.25", "predict-0.5"}
    assert task.certificate == 0


def test_bad_settings_are_refused_in_words():
    for changes, said in (
        ({"rule": "max"}, "rule must be min or sweep"),
        ({"quantile": 1.0}, "quantile must lie between 0 and 1"),
    ):
        with pytest.raises(UserError, match=said):
            next(dual.certify(X, NETS, spec(**changes)))


def test_quantiles_of_counts():
    assert [smoothed_median.quantile_index((10, 20, 70), P) for P in (0.1, 0.2, 0.31)] == [0, 1, 2]
    votes = Votes("", (100, 800, 100), 1000, "complete")
    assert smoothed_median.possible(votes, 0.01, 0.5) == [1]
    assert smoothed_median.possible(votes, 0.01, 0.1) == [0, 1]
    down, up = smoothed_median.reach(votes, 2.0, 0.01, Bound.CLOPPER_PEARSON, 0.3)
    lower = clopper_pearson_lower
    assert up[1] == pytest.approx(2 * (ndtri(lower(900, 1000, 0.01)) - ndtri(0.3)))
    assert down[1] == pytest.approx(2 * (ndtri(lower(900, 1000, 0.01)) - ndtri(0.7)))
    assert up[0] == 0


SHIPPED = ("shapes-dual", "shapes-routing", "shapes-variational", "cifar10-dual")


@pytest.mark.parametrize("name", SHIPPED)
def test_old_logs_still_read_to_the_radii_they_hold(name):
    """Settings that name no rule are read by the rule of their time."""
    head, rows = logs.own_rows(catalog.root() / name / "certified.csv")
    method = {"variational": variational}.get(head.method, dual)
    settings = head.settings
    run = RunSpec(
        "", "", 1.0, method=head.method, n0=head.n0, n=head.n, alpha=head.alpha,
        settings=settings,
    )  # fmt: skip
    for row in rows[:60]:
        votes = votes_of_row(row, run)
        c = method.read(votes, run)
        assert c.radius == pytest.approx(row.radius, abs=1e-6)
        assert (-1 if c.abstained else c.predicted) == row.predicted
        assert c.ended == "complete"


def votes_of_row(row, run):
    detail, found = row.detail, {}
    numbers = {"counts0": row.counts0, "counts": row.counts}
    if "selector" in detail:
        stages = {"selector": detail["selector"], "select": numbers["counts0"]} | detail["counts"]
    else:
        estimate = detail["estimate"]
        stages = {"estimate-select": estimate["counts0"], "estimate-bound": estimate["counts"]}
        stages |= {"select": numbers["counts0"], "bound": numbers["counts"]}
    for stage, counts in stages.items():
        if counts:
            found[stage] = Votes(stage, tuple(counts), sum(counts), "complete")
    return found


def test_one_level_is_plain_smoothing_at_half_of_alpha_to_the_digit():
    rng = np.random.default_rng(2)
    how = level_sweep.Choice("estimate-bound", (0.5,), Q)
    for bound in Bound:
        run = spec(n0=30, n=80, alpha=0.02, bound=bound)
        plain = replace(run, sigma=0.5, alpha=0.01, settings=())
        for _ in range(30):
            counts = [rng.multinomial(n, rng.dirichlet([8, 1, 1])).tolist() for n in (30, 80)]
            select, bound_votes = (
                Votes(name, tuple(k), sum(k), "complete")
                for name, k in zip(("select", "bound"), counts, strict=True)
            )
            votes = {"select": select, "bound-0.5": replace(bound_votes, stage="bound-0.5")}
            votes["estimate-bound"] = Votes("estimate-bound", (80,), 80, "complete")
            found = level_sweep.sweep(how, votes, run, "")
            alone = gaussian.read({"select": select, "bound": bound_votes}, plain)
            assert (found.radius, found.low, found.high) == (alone.radius, 0, 0)
            assert found.certificate_L[0].p_a_lower == alone.p_a_lower


def test_more_votes_for_level_or_class_never_make_the_radius_smaller():
    rng, grew = np.random.default_rng(3), 0
    for _ in range(200):
        world, x = random_world(rng), float(rng.normal(0, 1))
        run = spec(n0=200, n=400, quantile=world.quantile)
        votes = votes_at(world, x, run)
        c = dual.read(votes, run)
        if c.abstained:
            continue
        more = [(f"bound-{s:g}", c.predicted) for s in S]
        more.append(("estimate-bound", S.index(c.sigma)))
        for stage, winner in more:
            counts = list(votes[stage].counts_K)
            loser = int(rng.choice([k for k in range(3) if k != winner]))
            counts[winner] += counts[loser]
            counts[loser] = 0
            grown = dual.read(votes | {stage: replace(votes[stage], counts_K=tuple(counts))}, run)
            assert (grown.sigma, grown.predicted) == (c.sigma, c.predicted)
            assert grown.radius >= c.radius
            grew += grown.radius > c.radius
    assert grew > 50


def test_every_level_asked_gives_the_radius_of_those_needed():
    """Votes that are not asked for could not have changed it, at any quantile they are read at."""
    for quantile in (0.3, 0.5, 0.8):
        few = drive(spec(n0=50, n=200, quantile=quantile)).certificate
        every = drive(spec(n0=50, n=200, quantile=quantile, ask="every")).certificate
        same = ("radius", "predicted", "sigma", "p_a_lower", "abstained", "counts0", "ended")
        assert [getattr(few, name) for name in same] == [getattr(every, name) for name in same]
