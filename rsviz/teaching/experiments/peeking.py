"""How often a lower bound is wrong when it is read again and again: a repeatable experiment.

Shape suffixes: R runs, L looks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rsviz.core import bounds

Counts = NDArray[np.int64]


def _clopper_pearson_L(k_L: Counts, n_L: Counts, alpha: float) -> NDArray[np.float64]:
    pairs = zip(k_L.tolist(), n_L.tolist(), strict=True)
    return np.array([bounds.clopper_pearson_lower(k, n, alpha) for k, n in pairs])


# name -> (k_L, n_L, alpha) -> the bound at each look
BOUNDS: dict[str, Callable[[Counts, Counts, float], NDArray[np.float64]]] = {
    "Clopper-Pearson": _clopper_pearson_L,
    "anytime-valid": bounds.anytime_lower_T,
}


@dataclass(frozen=True)
class Peeking:
    """What happened in the runs, for both bounds, look by look.

    ``looks_L`` is how many votes were in at each look, ``ever_L`` the number of runs in which the
    bound has lain above the true p at that look or an earlier one, ``at_end`` in how many it did
    at the last. ``example_L`` is the bound itself in run ``example``, where
    Clopper-Pearson was wrong at the most looks.
    """

    runs: int
    looks_L: Counts
    ever_L: dict[str, Counts]
    at_end: dict[str, int]
    example: int
    example_L: dict[str, NDArray[np.float64]]


@lru_cache(maxsize=64)
def thresholds(name: str, p: float, alpha: float, n: int, every: int) -> Counts:
    """Return, for each look, the smallest count at which the named bound lies above p.

    It is one more than the votes where even all of them do not suffice. A bound never falls as
    the count rises and never lies above the share of the votes, so bisection from p m upwards
    finds it.
    """
    looks_L = np.arange(every, n + 1, every)
    low_L = np.floor(p * looks_L).astype(np.int64)
    # No bound in use needs 10 standard deviations more than its mean: the test recounts.
    high_L = np.minimum(low_L + 10 * np.ceil(np.sqrt(looks_L)).astype(np.int64), looks_L + 1)
    while (high_L - low_L > 1).any():
        middle_L = (low_L + high_L) // 2
        wrong_L = BOUNDS[name](middle_L, looks_L, alpha) > p
        low_L, high_L = np.where(wrong_L, low_L, middle_L), np.where(wrong_L, middle_L, high_L)
    return high_L


def simulate(
    p: float, alpha: float, seed: int, runs: int = 200, n: int = 10_000, every: int = 100
) -> Peeking:
    """Run the experiment: each run counts n votes of probability p and reads both bounds often.

    Parameters
    ----------
    p : the true probability of a vote for the class.
    alpha : what each bound promises: to lie above p with no more than this probability.
    seed : of the votes.
    runs, n, every : number of runs, votes in each, votes between two looks.
    """
    rng = np.random.default_rng(seed)
    looks_L = np.arange(every, n + 1, every)
    counts_RL = rng.binomial(every, p, size=(runs, len(looks_L))).cumsum(axis=1)
    wrong_RL = {name: counts_RL >= thresholds(name, p, alpha, n, every) for name in BOUNDS}
    # The run to look at is the one that fooled Clopper-Pearson most often.
    example = int(wrong_RL["Clopper-Pearson"].sum(axis=1).argmax())
    return Peeking(
        runs=runs,
        looks_L=looks_L,
        ever_L={
            name: np.logical_or.accumulate(wrong, axis=1).sum(axis=0)
            for name, wrong in wrong_RL.items()
        },
        at_end={name: int(wrong[:, -1].sum()) for name, wrong in wrong_RL.items()},
        example=example,
        example_L={
            name: lower_L(counts_RL[example], looks_L, alpha) for name, lower_L in BOUNDS.items()
        },
    )
