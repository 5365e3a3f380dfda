"""The images behind a curve: which stand at a radius, and how sure each is (no torch here).

Shape suffixes: N images.
"""

import numpy as np
from scipy import stats

from rsviz.errors import UserError
from rsviz.logs import Log
from rsviz.spec import Norm

FATES = ("certified this far", "right, but not this far", "wrong", "abstained")


def fates(log: Log, radius: float) -> dict[str, np.ndarray]:
    """Return what became of each image at a radius: positions in the log, by `FATES`.

    Those certified come with the closest call first, those not so far with the largest radius.
    """
    stands_N = log.predicted_N >= 0
    far_N = log.correct_N & (log.radius_N >= radius)
    order_N = np.argsort(log.radius_N, kind="stable")
    inside = (far_N, log.correct_N & ~far_N, stands_N & ~log.correct_N, ~stands_N)
    found = {fate: order_N[i_N[order_N]] for fate, i_N in zip(FATES, inside, strict=True)}
    return found | {FATES[1]: found[FATES[1]][::-1]}


def between(log: Log, low: float, high: float) -> np.ndarray:
    """Return the positions of certified images with low <= radius < high, by radius."""
    inside_N = (log.predicted_N >= 0) & (log.radius_N >= low) & (log.radius_N < high)
    order_N = np.argsort(log.radius_N, kind="stable")
    return order_N[inside_N[order_N]]


def p_a(log: Log) -> tuple[np.ndarray, str]:
    """Return p_A of each image and what it is: the share of the n votes, else its lower bound.

    The bound Phi(R / sigma) is nan for an image that abstained; it needs an L2 log with a sigma.
    """
    if log.counts_NK is not None and log.chosen_N is not None and log.n:
        k_N = np.take_along_axis(log.counts_NK, log.chosen_N[:, None], axis=1)[:, 0]
        return k_N / log.n, "share of the votes for the chosen class"
    if log.sigma is None or log.norm is not Norm.L2:
        raise UserError(f"{log.name} states neither votes nor an L2 radius with its sigma.")
    p_N = stats.norm.cdf(log.radius_N / log.sigma)
    return np.where(log.predicted_N >= 0, p_N, np.nan), "lower bound on p_A, from the radius"


def share_at_the_top(log: Log, top: float, part: float = 0.9) -> tuple[float, float]:
    """Return which share of the images, and of the ACR, comes from radii above ``part`` of top."""
    won_N = log.radius_N * log.correct_N
    high_N = won_N >= part * top
    total = float(won_N.sum())
    return float(high_N.mean()), float(won_N[high_N].sum()) / total if total else 0.0
