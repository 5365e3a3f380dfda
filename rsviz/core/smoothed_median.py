"""Where a quantile of smoothed, rounded draws may lie near an image, from counts (no torch here).

A value drawn as h(x + q e) is rounded to one of L levels; its quantile P is the least s with
P(h <= s) >= P, the median where P = 1/2. A probability p at x is above P at every point closer than
q (PhiInv(p) - PhiInv(P)).

Shape suffix: L levels.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from rsviz.core.bounds import lower, order_statistics
from rsviz.core.spec import Bound, Votes


def median_index(counts_L: Sequence[int]) -> int:
    """Return the index of the median of counted draws: the least with at least half at or below."""
    return quantile_index(counts_L, 0.5)


def quantile_index(counts_L: Sequence[int], quantile: float) -> int:
    """Return the index of the quantile of counted draws: the least with that share at or below."""
    below_L = np.cumsum(counts_L)
    return int(np.argmax(below_L >= quantile * below_L[-1]))


def median_range(
    counts_L: Sequence[int], q: float, distance: float, alpha: float
) -> tuple[int, int, bool, bool]:
    """Return (i, j, bounded below, bounded above): where the median lies within a distance.

    The order statistics K_l and K_u of the rounded draws, each side at alpha; an end of the grid
    where there are too few draws for a bound (Chiang et al. 2020).
    """
    n = sum(counts_L)
    low, high = order_statistics(n, distance / q, alpha)
    below_L = np.cumsum(counts_L)  # K_r is the least level with at least r draws at or below it
    i = int(np.argmax(below_L >= low)) if low > 0 else 0
    j = int(np.argmax(below_L >= high)) if high <= n else len(counts_L) - 1
    return i, j, low > 0, high <= n


def reach(
    votes: Votes, q: float, alpha: float, bound: Bound, quantile: float = 0.5
) -> tuple[list[float], list[float]]:
    """Return (down_L, up_L): the distances at which the quantile P may first pass each level.

    up[j] = q (PhiInv(lower bound on P(h <= s_j)) - PhiInv(P)): nearer than that the quantile is at
    most s_j; down[i] likewise with P(h >= s_i) and 1 - P. Infinite at the ends of the grid, 0 where
    nothing is shown.
    """
    n, below_L = votes.total, np.cumsum(votes.counts_K)
    none = n == 0 or (bound is Bound.CLOPPER_PEARSON and votes.ended != "complete")

    def rho(k: int, above: float) -> float:
        if none:
            return 0.0
        return q * max(0.0, float(ndtri(lower(votes, k, alpha, bound)) - ndtri(above)))

    up_L = [rho(int(k), quantile) for k in below_L[:-1]] + [np.inf]
    down_L = [np.inf] + [rho(n - int(k), 1 - quantile) for k in below_L[:-1]]
    return down_L, up_L


def possible(votes: Votes, alpha: float, quantile: float = 0.5) -> list[int]:
    """Return the indices of the levels that may be the exact quantile; alpha for each side."""
    down_L, up_L = reach(votes, 1.0, alpha, Bound.CLOPPER_PEARSON, quantile)
    last = len(up_L) - 1
    return [
        k
        for k in range(last + 1)
        if (k == 0 or up_L[k - 1] == 0) and (k == last or down_L[k + 1] == 0)
    ]


def best_interval(
    down_L: Sequence[float], up_L: Sequence[float], radius_L: Sequence[float], chosen: int
) -> tuple[float, int, int]:
    """Return (R, i, j): the interval of levels around the chosen one with the largest radius.

    R = min(down[i], up[j], min over i..j of radius); levels with no certificate have radius 0.
    """
    best = (0.0, chosen, chosen)
    for i in range(chosen, -1, -1):
        for j in range(chosen, len(up_L)):
            R = min(down_L[i], up_L[j], *radius_L[i : j + 1])
            if R > best[0]:
                best = (R, i, j)
    return best
