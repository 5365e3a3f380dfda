"""The images behind a curve: which stand at a radius, and how sure each is (no torch here).

Shape suffixes: N images.
"""

import numpy as np
from scipy import stats

from rsviz.certification.every_network import Row, largest_radius, title
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate, Norm
from rsviz.evaluation.logs import Log
from rsviz.methods.registry import METHODS

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
    """Return p_A of each image and what it is: the share of its votes, else its lower bound.

    The bound Phi(R / sigma) is nan for an image that abstained; it needs an L2 log with a sigma.
    """
    if log.counts_NK is not None and log.chosen_N is not None:
        k_N = np.take_along_axis(log.counts_NK, log.chosen_N[:, None], axis=1)[:, 0]
        return k_N / log.counts_NK.sum(axis=1), "share of the votes for the chosen class"
    sigma = log.sigma if log.sigma_N is None else np.where(log.sigma_N > 0, log.sigma_N, np.nan)
    if sigma is None or log.norm is not Norm.L2:
        raise UserError(f"{log.name} states neither votes nor an L2 radius with its sigma.")
    p_N = stats.norm.cdf(log.radius_N / sigma)
    return np.where(log.predicted_N >= 0, p_N, np.nan), "lower bound on p_A, from the radius"


def share_at_the_top(log: Log, top: float, part: float = 0.9) -> tuple[float, float]:
    """Return which share of the images, and of the ACR, comes from radii above ``part`` of top."""
    won_N = log.radius_N * log.correct_N
    high_N = won_N >= part * top
    total = float(won_N.sum())
    return float(high_N.mean()), float(won_N[high_N].sum()) / total if total else 0.0


def from_log(checkpoint: Checkpoint, log: Log, index: int) -> Row | None:
    """Return the row of a test image that a checkpoint's log holds, None where it does not."""
    at_N = (log.index_N == index).nonzero()[0]
    if not len(at_N) or log.n is None or log.alpha is None or log.norm is None:
        return None
    i, predicted = int(at_N[0]), int(log.predicted_N[at_N[0]])
    method = METHODS[checkpoint.card.method]
    counts = () if log.counts_NK is None else tuple(log.counts_NK[i].tolist())
    certificate = Certificate(
        predicted=None if predicted < 0 else predicted,
        abstained=predicted < 0,
        norm=log.norm,
        radius=float(log.radius_N[i]),
        sigma=log.sigma,
        counts=counts,
        n0=log.n0 or 0,
        n=log.n,
        alpha=log.alpha,
        p_a_lower=float("nan"),
        seed=0,
        method=checkpoint.card.method,
        checkpoint=checkpoint.name,
        guarantee=method.guarantee,
        bound=log.bound,
        image=f"{log.dataset}/{log.split}/{index}",
    )
    return Row(
        checkpoint.name,
        title(checkpoint),
        "measured",
        log.sigma,
        log.norm,
        planned=(log.n0 or 0) + log.n,
        done=(log.n0 or 0) + log.n,
        certificate=certificate,
        top=largest_radius(log.sigma, log.norm, log.n, log.alpha),
    )
