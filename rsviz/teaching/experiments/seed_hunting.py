"""How often a certificate is wrong when its seed was hunted: tried k times, the best one kept.

Shape suffixes: H hunters, S seeds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from rsviz.teaching.experiments import peeking

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Hunt:
    """Counts of the first seed and of the best of ``seeds``, for each hunter, and who is wrong.

    ``wrong_S`` is in how many hunts the best of the first 1, 2, ... seeds is wrong: its lower
    bound lies above the true p_A.
    """

    hunters: int
    seeds: int
    n: int
    first_H: Counts
    best_H: Counts
    wrong_S: Counts


def risk(p: float, alpha: float, seeds: int, n: int) -> float:
    """Return the exact probability that the best of ``seeds`` certificates is wrong.

    1 - (1 - q)^k, where q = P(Bin(n, p) >= c) is the chance of one honest certificate and c the
    smallest count whose Clopper-Pearson bound at alpha lies above p; q <= alpha.
    """
    count = peeking.thresholds("Clopper-Pearson", p, alpha, n, n)[0]
    return float(-np.expm1(seeds * np.log1p(-binom.sf(count - 1, n, p))))


def simulate(
    p: float,
    alpha: float,
    seeds: int,
    seed: int,
    hunters: int = 2000,
    n: int = 1000,
    most: int = 100,
) -> Hunt:
    """Let every hunter count n votes with each of up to ``most`` seeds and keep the best count.

    Parameters
    ----------
    p : the true probability of a vote for the class.
    alpha : at which each certificate's Clopper-Pearson bound is read, as if it were the only one.
    seeds : how many seeds each tries; ``seed`` is of the experiment itself.
    """
    rng = np.random.default_rng(seed)
    counts_HS = rng.binomial(n, p, size=(hunters, most))
    best_HS = np.maximum.accumulate(counts_HS, axis=1)
    count = peeking.thresholds("Clopper-Pearson", p, alpha, n, n)[0]
    return Hunt(
        hunters=hunters,
        seeds=seeds,
        n=n,
        first_H=counts_HS[:, 0],
        best_H=best_HS[:, seeds - 1],
        wrong_S=(best_HS >= count).sum(axis=0),
    )
