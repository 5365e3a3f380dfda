"""What a run may claim at each moment: both bounds of a split alpha, and their history (no torch).

Shape suffix: T moments of one run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsviz.core.bounds import (
    ANYTIME_SHARE,
    anytime_lower,
    anytime_lower_T,
    clopper_pearson_lower,
    lower,
)
from rsviz.core.radius import radius_l2
from rsviz.core.spec import Bound, Certificate, Votes

# The share of alpha that each reading spends on the anytime bound, and on the planned n.
ANYTIME = {Bound.SPLIT: ANYTIME_SHARE, Bound.ANYTIME: 1.0, Bound.CLOPPER_PEARSON: 0.0}
PLANNED = {Bound.SPLIT: 1 - ANYTIME_SHARE, Bound.ANYTIME: 0.0, Bound.CLOPPER_PEARSON: 1.0}


@dataclass(frozen=True)
class Trace:
    """The anytime bound of one run after ever more votes, as L2 radii.

    ``high_T`` is where the radius may still end: the anytime upper bound on p_A at the same share
    of alpha, and never more than if all votes still planned were for the class. It is no part of
    the certificate.
    """

    votes_T: tuple[int, ...] = ()
    low_T: tuple[float, ...] = ()
    high_T: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reading:
    """One bound on p_A, the alpha it spends, and the L2 radius it gives."""

    alpha: float
    p_a_lower: float
    radius: float


def trace(
    certificates: Sequence[Certificate], alpha: float, bound: Bound, points: int = 60
) -> Trace:
    """Read the anytime bound at up to ``points`` moments of a run; empty where none may be read.

    All readings together spend the one share of alpha that the bound gives them.
    """
    chosen = [c for c in certificates if c.predicted is not None and sum(c.counts) > 0]
    share = ANYTIME[bound] * alpha
    if not chosen or not share:
        return Trace()
    at = sorted({round(i) for i in np.linspace(0, len(chosen) - 1, points)})
    chosen = [chosen[i] for i in at]
    sigma = chosen[0].sigma or 0.0
    best_T = [_at_best(c, alpha, bound) for c in chosen]
    k_T = np.array([c.counts[c.predicted or 0] for c in chosen])
    n_T = np.array([sum(c.counts) for c in chosen])
    low_T = anytime_lower_T(k_T, n_T, share)
    high_T = 1 - anytime_lower_T(n_T - k_T, n_T, share)
    return Trace(
        tuple(int(n) for n in n_T),
        tuple(radius_l2(sigma, float(p)) for p in low_T),
        tuple(
            min(best, radius_l2(sigma, float(p))) for best, p in zip(best_T, high_T, strict=True)
        ),
    )


def _at_best(c: Certificate, alpha: float, bound: Bound) -> float:
    """Return the radius the run ends with if all votes still planned are for its class."""
    total = sum(c.counts)
    n = max(c.n, total)
    k = n - (total - _votes(c))
    votes = Votes("bound", (k, n - k), c.n, "complete" if n == c.n else "extended")
    return radius_l2(c.sigma or 0.0, lower(votes, k, alpha, bound))


def anytime(c: Certificate, alpha: float, bound: Bound) -> Reading | None:
    """Read the anytime bound at its share of alpha; None before votes, or where it has no share."""
    k, n, share = _votes(c), sum(c.counts), ANYTIME[bound] * alpha
    if not n or not share:
        return None
    p_a_lower = anytime_lower(k, n, share)
    return Reading(share, p_a_lower, radius_l2(c.sigma or 0.0, p_a_lower))


def planned(c: Certificate, alpha: float, bound: Bound) -> Reading | None:
    """Read Clopper-Pearson at its share of alpha; None unless the run ended at its planned n."""
    k, n, share = _votes(c), sum(c.counts), PLANNED[bound] * alpha
    if c.ended != "complete" or not n or not share:
        return None
    p_a_lower = clopper_pearson_lower(k, n, share)
    return Reading(share, p_a_lower, radius_l2(c.sigma or 0.0, p_a_lower))


def refusal(c: Certificate) -> str:
    """Say why Clopper-Pearson may not be read from this run, empty where it may."""
    n = sum(c.counts)
    if c.ended == "complete":
        return ""
    if c.ended == "running":
        return f"holds only at the planned {c.n:,} votes; so far there are {n:,}"
    return f"refused: it holds only at the planned {c.n:,} votes, and this run ended at {n:,}"


def _votes(c: Certificate) -> int:
    return c.counts[c.predicted] if c.predicted is not None and c.counts else 0
