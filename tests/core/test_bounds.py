"""Shape suffixes: T votes drawn so far, H count of the class."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr, ndtri

from rsviz.core import bounds
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound, Votes

ALPHA = 0.05
CASES = [(0, 1), (1, 1), (0, 100), (1, 100), (37, 100), (99, 100), (100, 100), (9_930, 10_000)]


def anytime_counts_T(p: float, n: int, alpha: float) -> np.ndarray:
    """Return, for t = 0 to n votes, the least count at which `anytime_lower` reaches p in (0, 1).

    It is t + 1 where even t votes for the class do not. E increases in k, so bisection finds it.
    """
    t_T = np.arange(n + 1)
    low_T, high_T = np.zeros(n + 1, int), t_T + 1
    z_T = np.full(n + 1, ndtri(p))
    while np.any(low_T < high_T):
        middle_T = (low_T + high_T) // 2
        refuted_T = (bounds._log_e(z_T, middle_T, t_T) >= -np.log(alpha)) | (middle_T > t_T)
        low_T = np.where(refuted_T, low_T, np.minimum(middle_T + 1, high_T))
        high_T = np.where(refuted_T, middle_T, high_T)
    return high_T


def ever(p: float, counts_T: np.ndarray) -> float:
    """P(count at t >= counts_T[t] for some t), exactly, by recursion over the counts.

    Counts that reach the threshold leave the table and their mass is added up.
    """
    mass_H = np.zeros(len(counts_T) + 1)
    mass_H[0] = 1.0
    caught = 0.0
    for count in counts_T[1:]:
        mass_H[1:] = mass_H[1:] * (1 - p) + mass_H[:-1] * p
        mass_H[0] *= 1 - p
        caught += mass_H[count:].sum()
        mass_H[count:] = 0.0
    return caught


def clopper_pearson_counts(p: float, n: int, every: int, alpha: float) -> np.ndarray:
    """Least count at which Clopper-Pearson exceeds p, read every so many votes only."""
    counts_T = np.arange(n + 1) + 1
    for t in range(every, n + 1, every):
        # The bound exceeds p exactly when P(Bin(t, p) >= k) < alpha.
        counts_T[t] = int(np.argmax(stats.binom.sf(np.arange(-1, t + 1), t, p) < alpha))
    return counts_T


@pytest.mark.parametrize(("k", "n"), CASES)
def test_clopper_pearson_is_scipys(k, n):
    for alpha in (0.001, 0.05):
        wide = stats.binomtest(k, n).proportion_ci(1 - 2 * alpha, "exact")
        assert bounds.clopper_pearson_lower(k, n, alpha) == pytest.approx(wide.low, rel=1e-9)
        assert bounds.clopper_pearson_upper(k, n, alpha) == pytest.approx(wide.high, rel=1e-9)
        if 0 < k < n:
            quantile = stats.beta.ppf(alpha, k, n - k + 1)
            assert bounds.clopper_pearson_lower(k, n, alpha) == pytest.approx(quantile, rel=1e-12)


def test_the_ends_are_exact():
    assert bounds.clopper_pearson_lower(0, 100, 0.001) == 0.0
    assert bounds.clopper_pearson_upper(100, 100, 0.001) == 1.0
    assert bounds.clopper_pearson_lower(100, 100, 0.001) == 0.001 ** (1 / 100)
    assert bounds.anytime_lower(0, 100, 0.001) == bounds.anytime_lower(0, 0, 0.001) == 0.0
    assert bounds.anytime_upper(0, 0, 0.001) == 1.0
    assert 0.9999 < bounds.anytime_lower(1_000_000, 1_000_000, 0.001) < 1.0


@pytest.mark.parametrize(("k", "n"), CASES)
def test_interval_and_test_are_scipys(k, n):
    exact = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    assert bounds.binomial_interval(k, n) == pytest.approx((exact.low, exact.high), rel=1e-9)
    assert bounds.binomial_test(k, n) == pytest.approx(stats.binomtest(k, n).pvalue, rel=1e-9)


def test_an_even_split_has_p_value_1():
    assert bounds.binomial_test(50, 100) == bounds.binomial_test(0, 0) == 1.0


@pytest.mark.parametrize("k", [1, 40, 77, 99, 100])
def test_anytime_solves_its_own_equation(k):
    n, alpha = 100, 0.01
    p0 = bounds.anytime_lower(k, n, alpha)
    delta = np.exp(np.linspace(np.log(0.02), 0.0, 40))
    q = stats.norm.cdf(ndtri(p0) + delta)
    e = np.mean((q / p0) ** k * ((1 - q) / (1 - p0)) ** (n - k))
    assert e == pytest.approx(1 / alpha, rel=1e-6)


@pytest.mark.parametrize("p", [0.5, 0.6, 0.75, 0.9, 0.99])
def test_anytime_is_ever_wrong_at_most_alpha(p):
    wrong = ever(p, anytime_counts_T(p, 1500, ALPHA))
    assert 0.2 * ALPHA < wrong <= ALPHA


@pytest.mark.parametrize("p", [0.5, 0.6, 0.75, 0.9, 0.99])
def test_clopper_pearson_read_every_100_votes_is_wrong_too_often(p):
    wrong = ever(p, clopper_pearson_counts(p, 1500, 100, ALPHA))
    assert 0.12 < wrong < 0.25
    assert ever(p, clopper_pearson_counts(p, 1500, 1500, ALPHA)) <= ALPHA


@pytest.mark.parametrize("p", [0.5, 0.75, 0.99])
def test_split_is_ever_wrong_at_most_alpha(p):
    counts_T = anytime_counts_T(p, 1500, bounds.ANYTIME_SHARE * ALPHA)
    anytime_only = ever(p, counts_T)
    planned = clopper_pearson_counts(p, 1000, 1000, 0.8 * ALPHA)[1000]
    counts_T[1000] = min(counts_T[1000], planned)
    assert anytime_only <= 0.2 * ALPHA
    assert anytime_only < ever(p, counts_T) <= ALPHA


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_the_counts_are_those_at_which_the_bound_crosses(p):
    counts_T = anytime_counts_T(p, 400, ALPHA)
    t_T = np.arange(401)
    reached_T = counts_T <= t_T
    at_T = bounds.anytime_lower_T(np.minimum(counts_T, t_T), t_T, ALPHA)
    below_T = bounds.anytime_lower_T(np.minimum(counts_T - 1, t_T), t_T, ALPHA)
    assert reached_T.any() and not reached_T.all()
    assert np.all(at_T[reached_T] >= p - 1e-12) and np.all(at_T[~reached_T] < p)
    assert np.all(below_T < p)


def test_bounds_rise_with_the_count():
    k_T = np.arange(301)
    fixed = [bounds.clopper_pearson_lower(k, 300, 0.001) for k in k_T]
    anytime = bounds.anytime_lower_T(k_T, np.full(301, 300), 0.001)
    assert np.all(np.diff(fixed) > 0) and np.all(np.diff(anytime) > 0)
    assert np.all(anytime[1:] < np.array(fixed)[1:])


@pytest.mark.parametrize(
    ("n", "percent"),
    [
        (1_000, [33, 11, 6.6, 4.7, 4.2, 4.3]),
        (10_000, [6.4, 2.9, 1.9, 1.5, 1.6, 2.2]),
        (100_000, [2.3, 1.1, 0.7, 0.5, 0.5, 0.9]),
    ],
)
def test_anytime_costs_so_many_percent_of_the_radius(n, percent):
    for p, expected in zip((0.6, 0.7, 0.8, 0.9, 0.99, 0.999), percent, strict=True):
        fixed = ndtri(bounds.clopper_pearson_lower(round(p * n), n, 0.001))
        anytime = ndtri(bounds.anytime_lower(round(p * n), n, 0.001))
        assert 100 * (1 - anytime / fixed) == pytest.approx(expected, rel=0.02, abs=0.07)


def test_split_at_the_planned_n_is_close_to_clopper_pearson():
    votes = Votes("bound", (9_000, 1_000), 10_000, "complete")
    split = ndtri(bounds.lower(votes, 9_000, 0.001, Bound.SPLIT))
    fixed = ndtri(bounds.lower(votes, 9_000, 0.001, Bound.CLOPPER_PEARSON))
    assert 0.996 < split / fixed < 1
    assert split == ndtri(bounds.clopper_pearson_lower(9_000, 10_000, 0.8 * 0.001))


@pytest.mark.parametrize("ended", ["running", "stopped", "extended"])
def test_what_may_be_read_depends_on_how_the_count_ended(ended):
    votes = Votes("bound", (900, 100), 1_200, ended)
    with pytest.raises(UserError, match="planned 1,200 votes"):
        bounds.lower(votes, 900, 0.001, Bound.CLOPPER_PEARSON)
    anytime = bounds.lower(votes, 900, 0.001, Bound.ANYTIME)
    assert anytime == bounds.anytime_lower(900, 1_000, 0.001)
    split = bounds.lower(votes, 900, 0.001, Bound.SPLIT)
    assert split == bounds.anytime_lower(900, 1_000, 0.0002) < anytime


def test_calling_a_count_complete_does_not_make_it_the_planned_one():
    votes = Votes("bound", (900, 100), 1_200, "complete")
    with pytest.raises(UserError):
        bounds.lower(votes, 900, 0.001, Bound.CLOPPER_PEARSON)


@pytest.mark.parametrize("bound", Bound)
def test_upper_mirrors_lower(bound):
    votes = Votes("bound", (900, 100), 1_000, "complete")
    assert bounds.upper(votes, 100, 0.001, bound) == 1 - bounds.lower(votes, 900, 0.001, bound)


@pytest.mark.parametrize(("k", "n", "alpha"), [(-1, 10, 0.1), (11, 10, 0.1), (5, 10, 0.0)])
def test_impossible_numbers_are_refused(k, n, alpha):
    for function in (bounds.clopper_pearson_lower, bounds.anytime_lower):
        with pytest.raises(UserError):
            function(k, n, alpha)


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0, 2.0])
@pytest.mark.parametrize(("n", "alpha"), [(1, 0.05), (10, 0.3), (100, 0.0005), (60, 0.025)])
def test_order_statistics_are_those_of_brute_force(shift, n, alpha):
    def at_most(k, p):  # P(Bin(n, p) <= k), one term at a time
        return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    up, down = ndtr(shift), ndtr(-shift)
    upper = [u for u in range(1, n + 1) if at_most(u - 1, up) >= 1 - alpha]
    lower = [i for i in range(1, n + 1) if 1 - at_most(i - 1, down) >= 1 - alpha]
    expected = (max(lower, default=0), min(upper, default=n + 1))
    assert bounds.order_statistics(n, shift, alpha) == expected


def test_order_statistics_need_enough_draws():
    for shift, n in ((1, 44), (2, 331), (3, 5627)):  # n >= ln(alpha) / ln(Phi(shift))
        assert bounds.order_statistics(n, shift, 0.0005) == (1, n)
        assert bounds.order_statistics(n - 1, shift, 0.0005) == (0, n)


def test_order_statistics_say_what_clopper_pearson_says():
    n, alpha, shift = 100, 0.01, 0.4
    _, u = bounds.order_statistics(n, shift, alpha)
    for below in range(n + 1):  # K_u <= s if and only if at least u draws are
        says = bounds.clopper_pearson_lower(below, n, alpha) >= ndtr(shift)
        assert says == (below >= u)


@pytest.mark.parametrize(("n", "shift", "alpha"), [(0, 1, 0.1), (5, -1, 0.1), (5, 1, 1.0)])
def test_order_statistics_refuse_what_makes_no_sense(n, shift, alpha):
    with pytest.raises(UserError):
        bounds.order_statistics(n, shift, alpha)


@pytest.mark.parametrize("p", [0.55, 0.9, 0.999])
def test_the_least_fixed_n_is_the_first_that_reaches(p):
    n = bounds.fixed_n(1.0, p, ALPHA)
    assert p**n <= ALPHA < p ** (n - 1)
    assert bounds.fixed_n(p, p, ALPHA) is None and bounds.fixed_n(0.3, p, ALPHA) is None
    share = (1 + p) / 2
    n = bounds.fixed_n(share, p, ALPHA)
    assert stats.beta.ppf(ALPHA, share * n, n - share * n + 1) >= p
    assert stats.beta.ppf(ALPHA, share * (n - 1), (n - 1) * (1 - share) + 1) < p


@pytest.mark.parametrize("alpha", [1e-20, 1e-100, 1e-300, 5e-324])
def test_bounds_are_numbers_whatever_alpha(alpha):
    for k in range(11):
        low = bounds.clopper_pearson_lower(k, 10, alpha)
        high = bounds.clopper_pearson_upper(k, 10, alpha)
        assert 0 <= low <= k / 10 <= high <= 1


def look_counts(p, n, alpha):
    """Least count at each look whose bound exceeds p, found by asking the bound itself."""
    found = []
    for t in bounds.looks(n).tolist():
        low, high = 0, t + 1
        while low < high:
            k = (low + high) // 2
            if k <= t and bounds.look_lower(k, t, n, alpha) <= p:
                low = k + 1
            else:
                high = k
        found.append(low)
    return found


def ever_at_looks(p, n, counts):
    least_T = np.arange(n + 1) + 1
    least_T[bounds.looks(n)] = counts
    return ever(p, least_T)


@pytest.mark.parametrize("p", [0.03, 0.5, 0.5002, 0.6123, 0.77, 0.9, 0.98, 0.995])
@pytest.mark.parametrize(("n", "alpha"), [(500, ALPHA), (1_000, 0.001)])
def test_the_bound_at_looks_is_ever_wrong_at_most_alpha(p, n, alpha):
    """By a recursion of its own, one vote at a time; p lies on the grid of the bound or between."""
    counts = look_counts(p, n, alpha)
    wrong = ever_at_looks(p, n, counts)
    assert wrong <= alpha
    if min(p, 1 - p) * n < 12:  # where even all votes agreeing say little
        return
    assert 0.4 * alpha < wrong
    fixed = [int(stats.binom.isf(alpha, t, p)) + 1 for t in bounds.looks(n).tolist()]
    assert ever_at_looks(p, n, fixed) > 1.3 * alpha, "which such a check must reject"


@pytest.mark.parametrize(("p", "n"), [(0.501, 700), (0.9, 700), (0.985, 300)])
def test_the_bound_at_looks_is_refuted_by_every_test_below_it(p, n):
    """The walk starts where each test refutes: no p0 of the grid below the bound is left out."""
    for t in bounds.looks(n).tolist():
        k = round(p * t)
        lower = bounds.look_lower(k, t, n, ALPHA)
        i = int(np.searchsorted(bounds.looks(n), t))
        top = round(float(ndtri(lower)) * bounds.LOOK_GRID)
        assert all(
            k >= bounds._look_counts(step, n, ALPHA)[i] for step in range(top - 400, top + 1, 7)
        )
        assert k < bounds._look_counts(top + 1, n, ALPHA)[i]


@pytest.mark.parametrize(
    ("p", "loses"), [(0.6, 3.3), (0.7, 1.6), (0.8, 0.9), (0.9, 0.7), (0.99, 0.8), (0.999, 1.1)]
)
def test_the_bound_at_looks_loses_half_as_much_as_the_anytime_one(p, loses):
    n, k = 10_000, round(p * 10_000)
    fixed = ndtri(bounds.clopper_pearson_lower(k, n, 0.001))
    lost = 100 * (1 - ndtri(bounds.look_lower(k, n, n, 0.001)) / fixed)
    anytime = 100 * (1 - ndtri(bounds.anytime_lower(k, n, 0.001)) / fixed)
    assert lost == pytest.approx(loses, abs=0.06) and lost < 0.55 * anytime


def test_between_two_looks_and_beyond_n_the_bound_at_looks_takes_the_worst():
    n = 600
    assert bounds.look_lower(140, 150, n, ALPHA) == bounds.look_lower(140, 200, n, ALPHA)
    assert bounds.look_lower(590, 640, n, ALPHA) == bounds.look_lower(550, n, n, ALPHA)
    assert bounds.look_lower(0, 100, n, ALPHA) == bounds.look_lower(30, 900, n, ALPHA) == 0.0
    assert bounds.look_lower(0, 0, n, ALPHA) == 0.0
    votes = Votes("bound", (290, 10), n, "stopped")
    assert bounds.lower(votes, 290, ALPHA, Bound.LOOKS) == bounds.look_lower(290, 300, n, ALPHA)


@pytest.mark.parametrize("n", [1, 99, 100, 250, 10_000, 123_456])
def test_looks_at_hundreds_rise_to_n(n):
    look_L = bounds.looks(n)
    assert look_L[-1] == n and np.all(np.diff(look_L) > 0)
    assert np.all(look_L[:-1] % 100 == 0) and np.all(np.diff(look_L) <= 100 + look_L[:-1] / 50)


COUNTS = st.integers(1, 600).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
ALPHAS = st.floats(1e-6, 0.4)
FIXED = {"clopper-pearson": bounds.clopper_pearson_lower, "anytime": bounds.anytime_lower}


@pytest.mark.parametrize("name", FIXED)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(COUNTS, ALPHAS, ALPHAS)
def test_a_bound_rises_with_the_count_and_with_alpha_and_stays_below_the_share(name, kn, a, b):
    lower, (k, n) = FIXED[name], kn
    strict, loose = min(a, b), max(a, b)
    assert 0 <= lower(k, n, strict) <= lower(k, n, loose) <= 1
    assert lower(k, n, a) <= lower(min(k + 1, n), n, a)
    assert lower(k, n + 1, a) <= lower(k, n, a) <= lower(k + 1, n + 1, a), "one vote more"
    if name == "anytime" or loose < 0.2:
        assert lower(k, n, strict) <= k / n
    assert bounds.anytime_lower(k, n, a) <= bounds.clopper_pearson_lower(k, n, a) + 1e-12


@settings(derandomize=True, deadline=None, max_examples=60)
@given(COUNTS, ALPHAS, st.sampled_from([b for b in Bound if b is not Bound.LOOKS]))
def test_upper_is_the_mirror_of_lower_and_never_below_it(kn, alpha, bound):
    k, n = kn
    votes = Votes("bound", (k, n - k), n, "complete")
    low, high = (f(votes, k, alpha, bound) for f in (bounds.lower, bounds.upper))
    assert high == 1 - bounds.lower(votes, n - k, alpha, bound)
    assert low <= high or alpha > 0.25


@settings(derandomize=True, deadline=None, max_examples=15)
@given(COUNTS, st.integers(0, 5), st.sampled_from([0.05, 0.001]))
def test_the_bound_at_looks_rises_with_the_count_and_mirrors(kn, more, alpha):
    k, t = kn
    n = t + 100 * more
    assert bounds.look_lower(k, t, n, alpha) <= bounds.look_lower(min(k + 1, t), t, n, alpha)
    votes = Votes("bound", (k, t - k), n, "complete" if t == n else "stopped")
    mirrored = 1 - bounds.lower(votes, t - k, alpha, Bound.LOOKS)
    assert bounds.upper(votes, k, alpha, Bound.LOOKS) == mirrored
    assert bounds.look_lower(k, t, n, alpha) <= bounds.clopper_pearson_lower(k, t, alpha) + 1e-9
