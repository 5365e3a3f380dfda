from itertools import pairwise

import pytest

from rsviz.core import bounds, flags, live_bounds, radius, reading
from rsviz.core.spec import Bound, RunSpec, Votes

ALPHA = 0.01


def certificate(k, n, planned=None, ended="complete", sigma=0.5):
    planned = planned or n
    spec = RunSpec("i", "c", sigma, n0=10, n=planned, alpha=ALPHA, bound=Bound.SPLIT)
    votes = Votes("bound", (n - k, k), planned, ended)
    return reading.read(Votes("select", (0, 10), 10, "complete"), votes, spec, "g")


def test_the_two_bounds_share_alpha_and_the_better_is_the_certificate():
    c = certificate(90, 100)
    anytime = live_bounds.anytime(c, ALPHA, Bound.SPLIT)
    planned = live_bounds.planned(c, ALPHA, Bound.SPLIT)
    assert anytime.alpha + planned.alpha == pytest.approx(ALPHA)
    assert anytime.p_a_lower == bounds.anytime_lower(90, 100, 0.2 * ALPHA)
    assert planned.p_a_lower == bounds.clopper_pearson_lower(90, 100, 0.8 * ALPHA)
    assert c.radius == max(anytime.radius, planned.radius)


def test_each_bound_alone_has_all_of_alpha():
    c = certificate(90, 100)
    assert live_bounds.anytime(c, ALPHA, Bound.ANYTIME).alpha == ALPHA
    assert live_bounds.planned(c, ALPHA, Bound.ANYTIME) is None
    assert live_bounds.planned(c, ALPHA, Bound.CLOPPER_PEARSON).alpha == ALPHA
    assert live_bounds.anytime(c, ALPHA, Bound.CLOPPER_PEARSON) is None


@pytest.mark.parametrize("ended", ["running", "stopped"])
def test_clopper_pearson_is_not_read_before_the_planned_n(ended):
    c = certificate(90, 100, 1000, ended)
    assert live_bounds.planned(c, ALPHA, Bound.SPLIT) is None
    assert "1,000" in live_bounds.refusal(c) and "100" in live_bounds.refusal(c)
    assert live_bounds.anytime(c, ALPHA, Bound.SPLIT).radius == c.radius > 0
    assert live_bounds.refusal(certificate(90, 100)) == ""


def test_the_trace_is_what_each_moment_said():
    moments = [certificate(9 * n // 10, n, 1000, "running") for n in range(100, 1000, 100)]
    line = live_bounds.trace(moments, ALPHA, Bound.SPLIT)
    assert line.votes_T == tuple(range(100, 1000, 100))
    assert line.low_T == pytest.approx([c.radius for c in moments])
    assert all(low < high for low, high in zip(line.low_T, line.high_T, strict=True))


def test_the_band_holds_the_true_radius():
    line = live_bounds.trace([certificate(900, 1000)], ALPHA, Bound.ANYTIME)
    line_early = live_bounds.trace(
        [certificate(900, 1000, 100_000, "running")], ALPHA, Bound.ANYTIME
    )
    true = radius.radius_l2(0.5, 0.9)
    assert line.low_T[0] < true < line_early.high_T[0]
    assert line.high_T == line.low_T, "all votes are in: it ends where it stands"


@pytest.mark.parametrize("bound", [Bound.ANYTIME, Bound.SPLIT])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (50, 100), (99, 100), (100, 100), (900, 900)])
def test_the_band_never_passes_what_the_planned_votes_can_certify(k, n, bound):
    line = live_bounds.trace([certificate(k, n, 1000, "running")], ALPHA, bound)
    ceiling = radius.ceiling(0.5, 1000, ALPHA * (live_bounds.PLANNED[bound] or 1.0))
    best = reading.reread(certificate(1000 - n + k, 1000), ALPHA, bound)
    assert line.low_T[0] <= line.high_T[0] <= best.radius <= ceiling


def test_more_votes_than_planned_leave_no_band():
    line = live_bounds.trace([certificate(1090, 1200, 1000, "extended")], ALPHA, Bound.SPLIT)
    assert line.high_T == line.low_T


def test_a_long_run_is_thinned_but_keeps_both_ends():
    moments = [certificate(n, n, 10_000, "running") for n in range(1, 500)]
    line = live_bounds.trace(moments, ALPHA, Bound.SPLIT, points=20)
    assert 12 < len(line.votes_T) <= 20
    assert (line.votes_T[0], line.votes_T[-1]) == (1, 499)
    steps = [b / a for a, b in pairwise(line.votes_T)]
    assert max(steps[5:]) < 1.7, "evenly on a log axis"
    early = live_bounds.trace(moments[:250], ALPHA, Bound.SPLIT, points=20)
    assert set(early.votes_T) - set(line.votes_T) == {250}, "what more votes add moves nothing"


def test_bounds_found_before_are_those_found_anew():
    moments = [certificate(9 * n // 10, n, 5000, "running") for n in range(60, 3000, 70)]
    parts = [live_bounds.trace(moments[:end], ALPHA, Bound.SPLIT) for end in (5, 20, len(moments))]
    live_bounds._known.clear()
    assert live_bounds.trace(moments, ALPHA, Bound.SPLIT) == parts[-1]
    assert parts[-1].low_T[3] == radius.radius_l2(
        0.5, bounds.anytime_lower(9 * parts[-1].votes_T[3] // 10, parts[-1].votes_T[3], 0.2 * ALPHA)
    )


def test_nothing_is_traced_without_votes_or_under_clopper_pearson():
    assert live_bounds.trace([], ALPHA, Bound.SPLIT) == live_bounds.Trace()
    assert (
        live_bounds.trace([certificate(9, 10)], ALPHA, Bound.CLOPPER_PEARSON) == live_bounds.Trace()
    )


def test_down_never_shows_more_than_there_is():
    assert radius.down(1.59999, 3) == "1.599"
    assert radius.down(0.5, 4) == "0.5000"


def test_flags_are_added_once():
    c = flags.flagged(certificate(9, 10), "heuristic", "heuristic")
    assert c.flags.count("heuristic") == 1


def in_three(k, second, n, planned=None, ended="complete"):
    """A certificate of class 1 with k votes; class 2 has ``second``, class 0 the rest."""
    spec = RunSpec("i", "c", 0.5, n0=10, n=planned or n, alpha=ALPHA, bound=Bound.SPLIT)
    votes = Votes("bound", (n - k - second, k, second), planned or n, ended)
    return reading.read(Votes("select", (0, 10, 0), 10, "complete"), votes, spec, "g")


def test_in_the_two_class_form_every_moment_is_its_certificates():
    moments = [in_three(5 * n // 10, 3 * n // 10, n, 1000, "running") for n in range(100, 1000, 50)]
    moments = [reading.two_sided(c) for c in moments]
    line = live_bounds.trace(moments, ALPHA, Bound.SPLIT)
    assert line.low_T == pytest.approx([c.radius for c in moments])
    assert line.low_T[-1] > 0.04 and max(c.p_a_lower for c in moments) < 0.5
    assert all(low < high for low, high in zip(line.low_T, line.high_T, strict=True))


def test_in_the_two_class_form_both_bounds_share_alpha_between_the_classes():
    c = reading.two_sided(in_three(500, 300, 1000))
    anytime = live_bounds.anytime(c, ALPHA, Bound.SPLIT)
    planned = live_bounds.planned(c, ALPHA, Bound.SPLIT)
    assert anytime.p_a_lower == bounds.anytime_lower(500, 1000, 0.1 * ALPHA)
    assert anytime.p_b_upper == bounds.anytime_upper(300, 1000, 0.1 * ALPHA)
    assert planned.p_b_upper == bounds.clopper_pearson_upper(300, 1000, 0.4 * ALPHA)
    assert c.radius == max(anytime.radius, planned.radius) == planned.radius > 0
    line = live_bounds.trace([c], ALPHA, Bound.SPLIT)
    assert line.high_T == line.low_T == (c.radius,)
    assert live_bounds.most(c) == radius.ceiling(0.5, 1000, 0.8 * ALPHA / 2)


@pytest.mark.parametrize("n", [100, 1_000, 10_000])
def test_a_plan_fixed_beforehand_would_have_needed_fewer_votes(n):
    stopped = certificate(9 * n // 10, n, 20_000, "stopped")
    needed = live_bounds.planned_votes(stopped)
    assert n / 3 < needed < n
    at, before = (
        bounds.clopper_pearson_lower(9 * tens, 10 * tens, ALPHA)
        for tens in (-(-needed // 9), needed // 11)
    )
    assert before < stopped.p_a_lower < at
    assert live_bounds.planned_votes(certificate(5, 10)) is None, "it abstains"
