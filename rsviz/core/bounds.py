"""Confidence bounds on a proportion, from k successes among n votes (no torch here).

Two families. Clopper-Pearson is exact for a number of votes fixed before the first one. The anytime
bound holds at every number of votes at once, so a person may look, and stop, whenever they like.

The anytime bound is the test by betting of p <= p0 whose stake is a mixture,

    E(p0) = sum_delta w(delta) (q / p0)^k ((1 - q) / (1 - p0))^(n - k),
    q = Phi(PhiInv(p0) + delta), delta > 0.

One vote multiplies a term by p q/p0 + (1 - p)(1 - q)/(1 - p0) on average, which rises in p and is 1
at p = p0; so E is a non-negative supermartingale that starts at 1 for every p <= p0, and exceeds
1/alpha at any time at all with probability at most alpha (Ville 1939). E decreases in p0, because
Phi and 1 - Phi are log-concave, so the p0 that are refuted form an interval that starts at 0.

What holds for ever pays for votes that never come, and Ville's inequality wastes half of alpha
besides. `look_lower` holds at looks up to n votes only and wastes nothing: it refutes p <= p0 by
the exact test of `core.decision`, alpha spent in proportion to the votes. At n = 10,000 and alpha
.001 it loses 3.3 / 1.6 / .9 / .7 / .8 / 1.1 % of Clopper-Pearson's radius for p_A .6 / .7 / .8 / .9
/ .99 / .999, the anytime bound 6.4 / 2.9 / 1.9 / 1.5 / 1.6 / 2.2 %; after a tenth of the votes both
lose alike. But a reading takes a quarter of a second: it is for certificates, not for a page that
moves. No other mixture could do as well: even one delta, the best for n, loses 3.6 % at p_A .6.

Shape suffixes: T times or pairs (k, n), D grid of delta, L looks.
"""

import math
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from scipy.special import bdtr, betainc, betaincinv, log_ndtr, ndtr, ndtri

from rsviz.core import decision
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound, Votes

ANYTIME_SHARE = 0.2  # of alpha, in Bound.SPLIT; Clopper-Pearson at the planned n has the rest

# A grid is itself a mixture, hence exactly valid; 40 points lose under .3 % of the radius to 400.
_DELTA_D = np.geomspace(0.02, 1.0, 40)
_LOG_W = -np.log(len(_DELTA_D))
LOOK_STEP, LOOK_GROWTH, LOOK_SPENDING = 100, 1.02, 1.0
LOOK_GRID = 1_000  # steps of PhiInv(p0) in 1: the radius is within sigma / 1,000 of the exact one
_Z_MIN, _Z_MAX = -37.0, 8.2  # Phi of these is about 1e-299, and the last double below 1


def clopper_pearson_lower(k: int, n: int, alpha: float) -> float:
    """Return the one-sided lower bound that k of n votes give p, at a planned n.

    It is the alpha quantile of Beta(k, n - k + 1); 0 for k = 0, alpha^(1/n) for k = n.
    P(bound > p) <= alpha over the draw of n votes, n fixed in advance (Clopper & Pearson 1934).

    Raises
    ------
    UserError
        k is not a count out of n, or alpha not in (0, 1).
    """
    _check(k, n, alpha)
    if k == 0:
        return 0.0
    if k == n:
        return float(alpha ** (1 / n))
    found = float(betaincinv(k, n - k + 1, alpha))
    return found if found > 0 else 0.0  # not a number where alpha is below 1e-100 or so


def clopper_pearson_upper(k: int, n: int, alpha: float) -> float:
    """Return the one-sided upper bound, 1 - lower(n - k, n): P(bound < p) <= alpha."""
    return 1.0 - clopper_pearson_lower(n - k, n, alpha)


def fixed_n(share: float, p: float, alpha: float) -> int | None:
    """Return the least n, fixed beforehand, at which Clopper-Pearson of this share reaches p.

    The share k / n stays what it is; p in (0, 1). None where it is not above p, as no n would do.
    """
    if not 0 < p < share <= 1:
        return None

    def reaches(n: int) -> bool:
        k = share * n
        return (p**n if k >= n else betainc(k, n - k + 1, p)) <= alpha

    high = 1
    while not reaches(high):
        high *= 2
    return bisect_left(range(high), True, key=reaches)


@lru_cache(maxsize=4096)
def anytime_lower(k: int, n: int, alpha: float) -> float:
    """Return a lower bound on p that holds at every n at once: sup of the p0 with E >= 1/alpha.

    P(there is an n at which the bound > p) <= alpha; see the head of this file. No votes give 0.

    Raises
    ------
    UserError
        k is not a count out of n, or alpha not in (0, 1).
    """
    _check(k, n, alpha)
    return float(anytime_lower_T(np.array([k]), np.array([n]), alpha)[0])


def anytime_upper(k: int, n: int, alpha: float) -> float:
    """Return an upper bound on p that holds at every n at once, 1 - lower(n - k, n)."""
    return 1.0 - anytime_lower(n - k, n, alpha)


def anytime_lower_T(k_T: np.ndarray, n_T: np.ndarray, alpha: float) -> np.ndarray:
    """Return `anytime_lower` of many pairs (k, n) in one bisection, for a history of a run."""
    low_T = np.full(len(k_T), _Z_MIN)  # E >= 1/alpha here: the bound errs to the safe side
    high_T = np.full(len(k_T), _Z_MAX)
    found_T = _log_e(low_T, k_T, n_T) >= -np.log(alpha)
    for _ in range(56):  # 45 / 2^56 is below the spacing of doubles
        middle_T = (low_T + high_T) / 2
        refuted_T = _log_e(middle_T, k_T, n_T) >= -np.log(alpha)
        low_T = np.where(refuted_T, middle_T, low_T)
        high_T = np.where(refuted_T, high_T, middle_T)
    return np.where(found_T, ndtr(low_T), 0.0)


def look_lower(k: int, t: int, n: int, alpha: float) -> float:
    """Return a lower bound on p that holds at all looks at once, up to n votes fixed in advance.

    P(there is a look at which the bound > p) <= alpha. It is a p0 of a fixed grid in PhiInv(p0):
    the last of those, from the least up, that the exact sequential test refutes with k of t votes.
    Were p above one of them wrongly, the least that is not below p would be refuted; the
    test does that with probability at most alpha. Those below Clopper-Pearson at the alpha that
    this look alone spends are refuted by every such test, so that the walk begins there. Between
    two looks, and beyond n, the votes missing or too many count against the class.

    Raises
    ------
    UserError
        k is not a count out of t, or alpha not in (0, 1).
    """
    _check(k, t, alpha)
    look_L = looks(n)
    i = int(np.searchsorted(look_L, t))
    if i == len(look_L):
        i, k = i - 1, k - (t - n)
    own = look_L[i] - (look_L[i - 1] if i else 0)
    if k <= 0:
        return 0.0
    sure = clopper_pearson_lower(k, int(look_L[i]), float(alpha * own / n))
    step = math.floor(float(ndtri(sure)) * LOOK_GRID) - 1  # one less: rounding
    while k >= _look_counts(step + 1, n, alpha)[i]:
        step += 1
    return float(ndtr(step / LOOK_GRID))


def looks(n: int) -> np.ndarray:
    """Return the looks of `look_lower`: every hundred votes, later every fiftieth more, and n."""
    found = [min(LOOK_STEP, n)]
    while found[-1] < n:
        further = int(found[-1] * LOOK_GROWTH) // LOOK_STEP * LOOK_STEP
        found.append(min(n, max(found[-1] + LOOK_STEP, further)))
    return np.array(found)


@lru_cache(maxsize=4096)
def _look_counts(step: int, n: int, alpha: float) -> np.ndarray:
    """Return at each look the least count that refutes p <= Phi(step / LOOK_GRID)."""
    z = step / LOOK_GRID
    return decision.boundary(float(ndtr(z)), float(ndtr(-z)), looks(n), alpha, LOOK_SPENDING)


def lower(votes: Votes, k: int, alpha: float, bound: Bound) -> float:
    """Return the lower bound on p that k of these votes may give, by how the count came to an end.

    The one place that decides what may be read: Clopper-Pearson at the planned n only; anytime
    always; looks always, by the planned n; split is anytime at .2 alpha always and, at the planned
    n, the better of that and Clopper-Pearson at .8 alpha, so that all of it together fails with
    probability at most alpha.

    Raises
    ------
    UserError
        Clopper-Pearson is asked of votes that were stopped, extended or still come in.
    """
    n = votes.total
    planned = votes.ended == "complete" and n == votes.planned
    if bound is Bound.ANYTIME:
        return anytime_lower(k, n, alpha)
    if bound is Bound.LOOKS:
        return look_lower(k, n, votes.planned, alpha)
    if bound is Bound.SPLIT:
        anytime = anytime_lower(k, n, ANYTIME_SHARE * alpha)
        if not planned:
            return anytime
        return max(anytime, clopper_pearson_lower(k, n, (1 - ANYTIME_SHARE) * alpha))
    if not planned:
        raise UserError(
            f"Clopper-Pearson holds only at the planned {votes.planned:,} votes, but these "
            f"{n:,} are {votes.ended}; choose the anytime or the split bound."
        )
    return clopper_pearson_lower(k, n, alpha)


def upper(votes: Votes, k: int, alpha: float, bound: Bound) -> float:
    """Return the upper bound on p, the mirror image of `lower`: 1 - lower(total - k)."""
    return 1.0 - lower(votes, votes.total - k, alpha, bound)


def order_statistics(n: int, shift: float, alpha: float) -> tuple[int, int]:
    """Return (l, u), 1-based: the order statistics that bound the median of a shifted noise.

    With n sorted draws K_1 <= .. <= K_n of h(x + q e), the median of h(x + delta + q e) lies in
    [K_l, K_u] for every ||delta||_2 <= D, shift = D/q, each side failing with probability at most
    alpha: u is the smallest with P(Bin(n, Phi(shift)) <= u - 1) >= 1 - alpha, l the largest with
    P(Bin(n, Phi(-shift)) >= l) >= 1 - alpha (Chiang et al. 2020). l = 0 and u = n + 1 say that n
    draws give no bound on that side. K_u <= s exactly where `clopper_pearson_lower` of the count of
    draws <= s is at least Phi(shift).

    Raises
    ------
    UserError
        n is below 1, shift negative, or alpha not in (0, 1).
    """
    _check(0, n, alpha)
    if n < 1 or not 0 <= shift < np.inf:
        raise UserError(
            f"Order statistics need a draw and a shift of at least 0, not {n}, {shift}."
        )
    # The two are mirror images: Bin(n, Phi(-shift)) is n - Bin(n, Phi(shift)).
    above_U = bdtr(np.arange(n), n, float(ndtr(shift))) >= 1 - alpha
    u = int(np.argmax(above_U)) + 1 if above_U.any() else n + 1
    return n + 1 - u, u


def binomial_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the two-sided Clopper-Pearson interval, (1 - level)/2 outside each end; n fixed."""
    side = (1 - level) / 2
    return clopper_pearson_lower(k, n, side), clopper_pearson_upper(k, n, side)


def binomial_test(k: int, n: int) -> float:
    """Return the exact two-sided p-value of p = 1/2: min(1, 2 P(Bin(n, 1/2) >= max(k, n - k)))."""
    _check(k, n, 0.5)
    top = max(k, n - k)
    if 2 * top == n:
        return 1.0
    return float(min(1.0, 2 * betainc(top, n - top + 1, 0.5)))


def _log_e(z_T: np.ndarray, k_T: np.ndarray, n_T: np.ndarray) -> np.ndarray:
    """Return log E at p0 = Phi(z) for k of n votes."""
    z_T1, k_T1, n_T1 = z_T[:, None], k_T[:, None], n_T[:, None]
    up_TD = log_ndtr(z_T1 + _DELTA_D) - log_ndtr(z_T1)  # log q / p0
    down_TD = log_ndtr(-z_T1 - _DELTA_D) - log_ndtr(-z_T1)  # log (1 - q) / (1 - p0)
    return np.logaddexp.reduce(k_T1 * up_TD + (n_T1 - k_T1) * down_TD, axis=1) + _LOG_W


def _check(k: int, n: int, alpha: float) -> None:
    if not 0 <= k <= n:
        raise UserError(f"{k} is not a count out of {n} votes; it must lie between 0 and {n}.")
    if not 0 < alpha < 1:
        raise UserError(f"alpha must lie between 0 and 1, but is {alpha!r}.")
