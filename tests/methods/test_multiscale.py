"""Multiscale: exact worlds on a line, the cascade's bounds, its choices, votes and words."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import ndtr, ndtri
from torch import nn

from rsviz.core.bounds import clopper_pearson_lower
from rsviz.core.cascade import distances, limit
from rsviz.core.errors import UserError
from rsviz.core.flags import PARTIAL
from rsviz.core.reading import reread
from rsviz.core.spec import Bound, Certificate, RunSpec, Votes
from rsviz.data.images import image_id
from rsviz.methods import gaussian, multiscale
from rsviz.methods.multiscale import Options, rival
from rsviz.smoothing import driver
from rsviz.smoothing.voters import Request

S = (1.0, 0.5, 0.25)
REACH = 4.0  # the line is searched this far


def spec(n0=20, n=40, alpha=0.1, **changes):
    settings = {k: changes.pop(k) for k in ("levels", "thresholds", "split", "ask") if k in changes}
    run = {"image": "x", "checkpoint": "c", "sigma": 1.0, "n0": n0, "n": n, "alpha": alpha}
    return RunSpec(**run | {"settings": tuple(sorted(settings.items()))} | changes)


def votes_of(run, select_LK, bound_LK, s_L=S):
    """Votes by level; fewer than planned count as stopped."""
    found = {}
    for stage, planned, rows in (("select", run.n0, select_LK), ("bound", run.n, bound_LK)):
        for s, counts in zip(s_L, rows, strict=False):
            name, ended = f"{stage}-{s:g}", "complete" if sum(counts) == planned else "stopped"
            found[name] = Votes(name, tuple(counts), planned, ended)
    return found


@dataclass
class World:
    """A random classifier of the line for each level; all its probabilities are known."""

    edge_E: np.ndarray  # cuts the line
    cls_LE: np.ndarray  # the class of each piece, level by level
    tau_L: tuple[float, ...]
    classes: int

    def p(self, x_X, j):
        """p_XK at level j."""
        z_XE = ndtr((self.edge_E - np.atleast_1d(x_X)[:, None]) / S[j])
        share_XE = np.diff(z_XE, axis=1, prepend=0, append=1)
        return np.stack([share_XE[:, self.cls_LE[j] == c].sum(1) for c in range(self.classes)], 1)

    def answer(self, x_X):
        """G at every point, level by level."""
        answer_X = self.p(x_X, len(S) - 1).argmax(1)
        for j in reversed(range(len(S) - 1)):
            p_XK = self.p(x_X, j)
            answer_X = np.where(p_XK.max(1) > self.tau_L[j], p_XK.argmax(1), answer_X)
        return answer_X

    def changes(self, x, cls):
        """The distance at which the answer is first another one, to 1e-9."""
        d_X = np.linspace(0, REACH, 1601)
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
    classes, pieces = int(rng.integers(2, 5)), int(rng.integers(3, 9))
    edge_E = np.sort(rng.normal(0, 1.5, pieces - 1))
    cls_LE = rng.integers(0, classes, (len(S), pieces))
    if rng.random() < 0.5:  # one universal classifier
        cls_LE[:] = cls_LE[0]
    tau_L = (*rng.choice([0.5, 0.6, 0.75], 2), 0.5) if rng.random() < 0.5 else (0.5,) * 3
    return World(edge_E, cls_LE, tuple(map(float, tau_L)), classes)


def exact(world, x, cls):
    """Every level's `Limit` at x from the probabilities themselves."""
    found = []
    for j, s in enumerate(S):
        p_K = world.p(x, j)[0]
        other = max((c for c in range(world.classes) if c != cls), key=p_K.__getitem__)
        p_a, p_b = min(p_K[cls], 1 - 1e-9), max(p_K[other], 1e-9)  # beyond, PhiInv is rounded
        found.append(limit(s, world.tau_L[j], p_a, p_b, other))
    return found


def many_worlds(count, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        world, x = random_world(rng), float(rng.normal(0, 1))
        yield world, x, int(world.answer(np.array([x]))[0])


def test_the_radius_holds_on_random_lines_and_is_sometimes_all_there_is():
    tightest, certified, by_level, fakes = 0.0, 0, [0, 0, 0], [0, 0]
    for world, x, cls in many_worlds(600, seed=0):
        limit_L, truth = exact(world, x, cls), world.changes(x, cls)
        radius_L = [min(distances(limit_L, m)) for m in range(3)]
        R = max(radius_L)
        if R <= 0:
            continue
        assert min(R, REACH) <= truth + 1e-6
        certified += 1
        by_level[radius_L.index(R)] += 1
        if truth < REACH:
            tightest = max(tightest, R / truth)
        # Rules that must not pass: the best level alone, and one that forgets level 2 above m.
        best = max(level.answers for level in limit_L)
        passed = [min(limit_L[m].answers, limit_L[0].passes) for m in (1, 2)]
        fakes[0] += min(best, REACH) > truth + 1e-6
        fakes[1] += min(max(R, *passed), REACH) > truth + 1e-6
    assert certified > 400
    assert min(by_level) > 20
    assert tightest > 0.999
    assert min(fakes) > 10


def test_a_certificate_on_ten_million_votes_is_right_and_tight():
    run = spec(n0=10**6, n=10**7, alpha=0.001)
    tightest = 0.0
    for world, x, cls in many_worlds(300, seed=1):
        p_LK = [world.p(x, j)[0] for j in range(3)]
        if any(abs(p_K.max() - tau) < 0.001 for p_K, tau in zip(p_LK, world.tau_L, strict=True)):
            continue  # so near a threshold that the shares may fall on the other side
        counts = [[_rounded(p_K, total) for p_K in p_LK] for total in (run.n0, run.n)]
        thresholds = ",".join(map(str, world.tau_L[::-1]))
        here = replace(run, settings=(("thresholds", thresholds),))
        c = multiscale.read(votes_of(here, *counts), here)
        truth = world.changes(x, cls)
        assert c.abstained or (c.predicted == cls and min(c.radius, REACH) <= truth)
        if truth < REACH:
            tightest = max(tightest, c.radius / truth)
    assert tightest > 0.99


def _rounded(p_K, total):
    counts = np.floor(p_K * total).astype(int)
    counts[counts.argmax()] += total - counts.sum()
    return counts.tolist()


def tight(n, alpha, near):
    """The p near the one given at which Clopper-Pearson fails with probability almost alpha."""
    bounds = [clopper_pearson_lower(k, n, alpha) for k in range(n + 1)]
    return min(bounds, key=lambda b: abs(b - near)) * (1 - 1e-9)


def level_at(p_a, p_b):
    """The votes' probabilities at a level: class 0, its rival, and six other classes."""
    return (p_a, p_b, *[(1 - p_a - p_b) / 6] * 6)


def simulate(run, p_LK, runs, seed, read=multiscale.read):
    """The radii that a run gives class 0 on simulated votes (0 where it gives another)."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(runs):
        draws = [[rng.multinomial(n, p_K).tolist() for p_K in p_LK] for n in (run.n0, run.n)]
        c = read(votes_of(run, *draws), run)
        found.append(c.radius if c.predicted == 0 else 0.0)
    return np.array(found)


N, ALPHA, RUNS = 60, 0.05, 1500


def settings_at_the_edge():
    """Probabilities at which one bound decides the true radius, and is wrong most often."""
    p, q = tight(N, ALPHA, 0.86), tight(N, ALPHA, 0.7)
    far, sure, torn = level_at(0.45, 0.05), level_at(0.9999, 0), level_at(0.5, 0.5)
    yield [far, level_at(p, 0.001), torn], 0.5 * ndtri(p)
    yield [level_at(0.4, 1 - q), sure, torn], ndtri(q)  # 1 - p_B is bounded like p_A
    yield [level_at(p, 1 - p), far, torn], ndtri(p)
    yield [level_at(0.3, 0.05), level_at(0.4, 1 - q), sure], 0.5 * ndtri(q)


def best_of_the_bounds(votes, run):
    """The rule that is not proved: the best m on the bounding votes, each at the full alpha."""
    fair = multiscale.read(votes, run)
    if fair.predicted is None:
        return fair
    limit_L = multiscale.limits(votes, run, fair.predicted)
    return replace(fair, radius=max(min(distances(limit_L, m)) for m in range(3)))


def test_a_radius_is_wrong_at_most_alpha_of_the_time_where_it_is_tightest():
    worst = 0.0
    for number, (p_LK, truth) in enumerate(settings_at_the_edge()):
        for split in ("none", "levels"):
            run = spec(n0=30, n=N, alpha=ALPHA, split=split)
            wrong = (simulate(run, p_LK, RUNS, seed=number) > truth * (1 + 1e-12)).mean()
            assert wrong < ALPHA + 4 * (ALPHA / RUNS) ** 0.5
            worst = max(worst, wrong)
    assert worst > 0.5 * ALPHA


def test_the_best_level_may_not_be_picked_on_the_bounding_votes_without_sharing_alpha():
    """Where every level has the same true radius, the best of the bounds is too good."""
    p_L = [ndtr(0.5 / s) for s in S]
    p_LK = [level_at(p, (1 - p) / 7) for p in p_L]
    slack = 4 * (ALPHA / RUNS) ** 0.5
    for split, read, fair in (
        ("none", multiscale.read, True),
        ("levels", multiscale.read, True),
        ("none", best_of_the_bounds, False),
    ):
        run = spec(n0=100, n=2000, alpha=ALPHA, split=split)
        wrong = (simulate(run, p_LK, RUNS, 7, read) > 0.5 * (1 + 1e-12)).mean()
        assert (wrong < ALPHA + slack) == fair


@pytest.mark.slow
def test_no_moment_of_a_run_may_be_picked_to_be_wrong():
    """Looked at after every 50 votes, the split bound is wrong at most alpha; Clopper-Pearson not.

    Clopper-Pearson is read here as if every look were the planned end.
    """
    p_LK, truth = [level_at(0.4, 0.1), level_at(0.8, 0.1), level_at(0.5, 0.5)], 0.5 * ndtri(0.8)
    rng, runs, looks = np.random.default_rng(3), 200, 6
    wrong = dict.fromkeys((Bound.SPLIT, Bound.CLOPPER_PEARSON), 0)
    for _ in range(runs):
        select = [rng.multinomial(40, p_K).tolist() for p_K in p_LK]
        steps = [[rng.multinomial(50, p_K) for _ in range(looks)] for p_K in p_LK]
        for bound in wrong:
            ever = False
            for look in range(1, looks + 1):
                n = 50 * (looks if bound is Bound.SPLIT else look)
                run = spec(n0=40, n=n, alpha=0.05, bound=bound)
                counted = [sum(rows[:look]).tolist() for rows in steps]
                c = multiscale.read(votes_of(run, select, counted), run)
                ever |= c.predicted == 0 and c.radius > truth
            wrong[bound] += ever
    slack = 4 * (0.05 / runs) ** 0.5
    assert wrong[Bound.SPLIT] / runs < 0.05 + slack
    assert wrong[Bound.CLOPPER_PEARSON] / runs > 0.05 + slack


def random_votes(rng, run, s_L=S):
    """Votes of random probabilities, often sure of class 0."""
    p_LK = [rng.dirichlet([rng.choice([0.5, 3, 20]), 0.7, 0.7]) for _ in s_L]
    draws = [[rng.multinomial(n, p_K).tolist() for p_K in p_LK] for n in (run.n0, run.n)]
    return votes_of(run, *draws, s_L)


def needed(votes, run):
    """Only the votes a run would have asked for, in order."""
    found = {}
    while (wanted := multiscale.next_ask(found, run)) is not None:
        found[wanted[0]] = votes[wanted[0]]
    return found


@pytest.mark.parametrize("thresholds", ["", "0.5,0.7,0.6"])
def test_votes_that_are_not_asked_for_could_not_have_changed_anything(thresholds):
    rng, saved, larger = np.random.default_rng(0), 0, 0
    for _ in range(300):
        run = spec(n0=50, n=200, thresholds=thresholds)
        every = replace(run, settings=tuple(sorted((*run.settings, ("ask", "every")))))
        votes = random_votes(rng, run)
        asked = needed(votes, run)
        a, b = multiscale.read(asked, run), multiscale.read(votes, every)
        assert (a.predicted, a.abstained, a.radius) == (b.predicted, b.abstained, b.radius)
        assert (a.sigma, a.ended, b.ended) == (b.sigma, "complete", "complete")
        assert list(needed(votes, every)) == list(votes)
        saved += len(asked) < len(votes)
        # By the shares alone no level has a larger radius than m.
        choice = multiscale.chosen(votes, run)
        limit_L = []
        for s, tau in zip(S, Options(thresholds=thresholds).tau_L, strict=True):
            counts = votes[f"select-{s:g}"].counts_K
            p = [(k + 0.5) / 51 for k in (counts[choice.cls], rival(counts, choice.cls)[1])]
            limit_L.append(limit(s, tau, *p))
        by_share = [min(distances(limit_L, m)) for m in range(3)]
        assert max(by_share) <= max(by_share[choice.m], 0)
        larger += a.radius > 0 and S[choice.answers] != a.sigma
    assert saved > 100
    assert larger > 10  # the level that answers is not always the one that proves most


def test_one_level_is_plain_smoothing_to_the_digit():
    rng = np.random.default_rng(0)
    for bound in Bound:
        for n in (40, 3):
            run = spec(levels="0.5", n=n, bound=bound, alpha=0.001 if n == 3 else 0.1)
            for _ in range(50):
                votes = random_votes(rng, run, (0.5,))
                for have in (1, 2):
                    seen = dict(list(votes.items())[:have])
                    plain = {name.split("-")[0]: v for name, v in seen.items()}
                    a = multiscale.read(seen, run)
                    b = gaussian.read(plain, replace(run, sigma=0.5))
                    for name in (
                        "predicted abstained radius p_a_lower sigma counts counts0 n0 n alpha "
                        "alpha_split bound ended flags norm"
                    ).split():
                        assert getattr(a, name) == getattr(b, name)


def test_more_votes_for_the_class_never_make_the_radius_smaller():
    rng, grew = np.random.default_rng(1), 0
    for _ in range(300):
        run = spec(n0=50, n=100)
        votes = random_votes(rng, run)
        c = multiscale.read(votes, run)
        if c.abstained:
            continue
        stage = f"bound-{rng.choice(S):g}"
        counts = list(votes[stage].counts_K)
        other = int(rng.choice([k for k in range(3) if k != c.predicted]))
        counts[c.predicted] += counts[other]
        counts[other] = 0
        more = votes | {stage: replace(votes[stage], counts_K=tuple(counts))}
        grown = multiscale.read(more, run)
        assert grown.predicted == c.predicted
        assert grown.radius >= c.radius
        grew += grown.radius > c.radius
    assert grew > 30


@pytest.mark.parametrize("bound", [Bound.ANYTIME, Bound.SPLIT])
def test_every_partial_reading_says_what_it_waits_for(bound):
    run = spec(n0=50, n=200, bound=bound)
    votes = votes_of(run, [(30, 10, 10), (49, 1, 0), (50, 0, 0)], [(120, 40, 40), (190, 10, 0)])
    order = list(needed(votes, run))
    assert order == ["select-1", "select-0.5", "select-0.25", "bound-0.5", "bound-1"] or order == [
        "select-1",
        "select-0.5",
        "bound-1",
        "bound-0.5",
    ]
    for have in range(len(order) + 1):
        c = multiscale.read({name: votes[name] for name in order[:have]}, run)
        whole = have == len(order)
        assert (c.abstained, c.ended) == (not whole, "complete" if whole else "running")
        assert (PARTIAL in c.flags) == (not whole)
    assert 0 < c.radius
    early = replace(votes[order[-1]], counts_K=tuple(k // 2 for k in votes[order[-1]].counts_K))
    stopped = multiscale.read(votes | {order[-1]: replace(early, ended="stopped")}, run)
    assert 0 < stopped.radius < c.radius
    assert (stopped.ended, PARTIAL in stopped.flags) == ("stopped", True)


def test_clopper_pearson_says_nothing_before_the_planned_votes():
    run = spec()
    votes = votes_of(run, [(20, 0, 0)], [(30, 0, 0)])
    c = multiscale.read(votes, run)
    assert (c.abstained, c.radius, c.predicted, c.ended) == (True, 0.0, 0, "stopped")
    assert "not in yet" in c.detail["why"]


def test_it_says_in_words_what_decides():
    run = spec(n0=100, n=1000)
    some = [(45, 35, 20), (95, 3, 2), (96, 3, 1)]
    for select, bound, said, level in (
        ([(99, 1, 0)], [(990, 10, 0)], "stays above 0.5 at level 1", 1.0),
        (some, [(450, 350, 200), (950, 30, 20)], "no other class exceeds 0.5 at level 1", 1.0),
        (some, [(480, 20, 500), (950, 30, 20)], "another class may exceed 0.5 and answer first", 1),
        (some[:1] + [(70, 20, 10)] * 2, [(20, 10, 970), (510, 400, 90)], "not above 0.5", 0.5),
        ([(30, 30, 40)] * 3, [(300, 300, 400)] * 3, "not above 0.5", 0.25),
    ):
        votes = votes_of(run, select, bound)
        c = multiscale.read(needed(votes, run), run)
        assert said in c.detail["why"]
        assert (c.ended, c.detail["decides"]) == ("complete", level)
        assert c.abstained == (c.radius == 0)
        known = [row["distance"] for row in c.detail["limits"] if row["distance"] is not None]
        assert c.radius == max(0, min(known))
        assert Certificate.from_json(c.to_json()).detail == c.detail


def test_alpha_is_whole_at_every_level_or_shared_by_their_number():
    run = spec(n0=100, n=1000)
    votes = votes_of(run, [(99, 1, 0)] * 3, [(990, 10, 0)] * 3)
    c = multiscale.read(votes, run)
    assert c.alpha_split == {"planned n": 0.1}
    assert c.p_a_lower == clopper_pearson_lower(990, 1000, 0.1)
    shared = multiscale.read(votes, spec(n0=100, n=1000, split="levels"))
    third = {f"level {s:g}, planned n": pytest.approx(0.1 / 3) for s in S}
    assert shared.alpha_split == third
    assert shared.p_a_lower == clopper_pearson_lower(990, 1000, 0.1 / 3)
    assert shared.alpha == 0.1
    with pytest.raises(UserError, match="not the reading of one count"):
        reread(c, alpha=0.01)


class Head(nn.Module):
    """Votes for class 0 where the first pixel is above an edge, for class 1 elsewhere."""

    def __init__(self, edge):
        super().__init__()
        self.fc = nn.Linear(1, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[1.0], [0.0]]))
            self.fc.bias.copy_(torch.tensor([-edge, 0.0]))

    def forward(self, x_NCHW):
        return self.fc(x_NCHW[:, 0, 0, :1])


X = torch.full((3, 4, 4), 0.5)


def drive(run, nets, method=multiscale.certify, cancel=None):
    start = partial(method, X, nets, run)
    readings = driver.drive([Request(0, X, image_id(X), run.seed, start)], cancel=cancel)
    *_, last = readings
    return last


def test_the_certificate_holds_where_the_truth_is_known():
    """One edge for all levels: the class changes there, whatever the noise."""
    for edge in (0.2, -0.3):
        run = spec(n0=100, n=4000, alpha=0.001)
        task = drive(run, {"classifier": Head(edge)})
        c = task.certificate
        assert (c.predicted, c.ended) == (0, "complete")
        assert 0.85 * (0.5 - edge) < c.radius < 0.5 - edge
        again = drive(run, {"classifier": Head(edge)}).certificate
        assert again == c
        assert multiscale.read(task.votes, run) == c


def test_the_votes_at_a_level_are_those_of_plain_smoothing_with_its_own_network():
    experts = {f"classifier-{s:g}": Head(0.5 - s / 3) for s in S}
    run = spec(n0=100, n=300, ask="every")
    task = drive(run, experts)
    for s in S:
        plain = drive(
            replace(run, sigma=s, settings=()),
            {"classifier": experts[f"classifier-{s:g}"]},
            gaussian.certify,
        )
        for stage in ("select", "bound"):
            assert task.votes[f"{stage}-{s:g}"].counts_K == plain.votes[stage].counts_K


def test_what_is_missing_or_out_of_range_is_refused_in_words():
    for nets, run, said in [
        ({}, spec(), "'classifier'"),
        ({"classifier-1": Head(0)}, spec(), "'classifier'"),
        ({"classifier": Head(0)}, spec(levels="1,0.5"), "one or more rising numbers"),
        ({"classifier": Head(0)}, spec(thresholds="0.5,0.6"), "thresholds must be a number"),
        ({"classifier": Head(0)}, spec(thresholds="0.6,0.5,0.5"), "the first one 0.5"),
        ({"classifier": Head(0)}, spec(thresholds="0.5,0.4,0.5"), "from 0.5 to below 1"),
        ({"classifier": Head(0)}, spec(thresholds="a,b,c"), "thresholds must be"),
        ({"classifier": Head(0)}, spec(split="half"), "split must be none or levels"),
        ({"classifier": Head(0)}, spec(ask="some"), "ask must be needed or every"),
    ]:
        with pytest.raises(UserError, match=said):
            next(multiscale.certify(X, nets, run))


def predict(run, counts):
    """The answer and the stages asked, each stage's votes as given (n0 of them by their share)."""
    method, asked = multiscale.predict(X, {"classifier": Three()}, run), []
    try:
        ask = next(method)
        while True:
            asked.append(ask.stage.removeprefix("predict-"))
            ask = method.send(Votes(ask.stage, counts[asked[-1]], ask.n, "complete"))
    except StopIteration as end:
        return end.value, asked


class Three(nn.Module):
    """Three classes, nothing else."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 3)

    def forward(self, x_NCHW):
        return self.fc(x_NCHW[:, 0, 0, :1])


def test_a_prediction_is_a_certificate_at_distance_zero():
    run = spec(n0=100, n=1000)
    sure = {"select-1": (99, 1, 0), "bound-1": (990, 10, 0)}
    assert predict(run, sure) == (0, ["select-1", "bound-1"])
    torn = {f"select-{s:g}": (40, 32, 28) for s in S} | {f"bound-{s:g}": (400, 320, 280) for s in S}
    everything = [f"select-{s:g}" for s in S] + ["bound-0.25", "bound-1", "bound-0.5"]
    assert predict(run, torn) == (0, everything)  # at the last level the lead is enough
    assert predict(run, torn | {"bound-0.25": (400, 390, 210)})[0] is None
    assert predict(run, torn | {"bound-0.5": (200, 530, 270)})[0] is None
    assert predict(run, sure | {"bound-1": (520, 480, 0)} | torn)[0] == 0


def test_a_prediction_is_wrong_at_most_alpha_of_the_time():
    rng, runs, wrong = np.random.default_rng(0), 1500, 0
    run = spec(n0=30, n=60, alpha=0.05)
    p_LK = [(0.5, 0.5, 0), (0.45, 0.5, 0.05), (0.45, 0.45, 0.1)]  # nothing may be predicted
    for _ in range(runs):
        counts = {}
        for stage, n in (("select", 30), ("bound", 60)):
            for s, p_K in zip(S, p_LK, strict=True):
                counts[f"{stage}-{s:g}"] = tuple(rng.multinomial(n, p_K).tolist())
        wrong += predict(run, counts)[0] == 0
    assert wrong / runs < 0.05
