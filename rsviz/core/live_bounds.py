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
from rsviz.core.radius import ceiling, radius_l2, radius_linf
from rsviz.core.reading import is_of_one_count, reread
from rsviz.core.spec import Bound, Certificate, Norm, Votes

# The share of alpha that each reading spends on the anytime bound, and on the planned n.
ANYTIME = {Bound.SPLIT: ANYTIME_SHARE, Bound.ANYTIME: 1.0, Bound.CLOPPER_PEARSON: 0.0}
PLANNED = {Bound.SPLIT: 1 - ANYTIME_SHARE, Bound.ANYTIME: 0.0, Bound.CLOPPER_PEARSON: 1.0}


@dataclass(frozen=True)
class Trace:
    """What one run certified after ever more votes, as radii in the norm of its certificates.

    ``high_T`` is where the radius may still end: the anytime upper bound on p_A at the same share
    of alpha, and never more than if all votes still planned were for the class. It is no part of
    the certificate, and empty where several counts decide the radius.
    """

    votes_T: tuple[int, ...] = ()
    low_T: tuple[float, ...] = ()
    high_T: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reading:
    """One bound on p_A, the alpha it spends, and the radius it gives, in the certificate's norm."""

    alpha: float
    p_a_lower: float
    radius: float


def trace(
    certificates: Sequence[Certificate], alpha: float, bound: Bound, points: int = 60
) -> Trace:
    """Read what a run certified at up to ``points`` moments; empty where none may be read.

    A radius that follows from one count is read at this alpha and bound: all readings together
    spend the alpha that the bound gives them. One that a rule over several counts decides is that
    of the certificate of that moment, which knows no other alpha.
    """
    moments = {sum(c.counts): c for c in certificates if c.predicted is not None}
    moments.pop(0, None)
    share = ANYTIME[bound] * alpha
    if not moments or not share:
        return Trace()
    at = sorted({round(i) for i in np.linspace(0, len(moments) - 1, points)})
    n_T = [list(moments)[i] for i in at]
    chosen = [moments[n] for n in n_T]
    if not is_of_one_count(chosen[-1]):
        return Trace(tuple(n_T), tuple(c.radius for c in chosen))
    k_T, total_T = np.array([_votes(c) for c in chosen]), np.array(n_T)
    low_T = anytime_lower_T(k_T, total_T, share)
    high_T = 1 - anytime_lower_T(total_T - k_T, total_T, share)
    radius_T = [_radius(c, float(p)) for c, p in zip(chosen, low_T, strict=True)]
    if chosen[-1].ended == "complete":  # only then is there more to read than the anytime bound
        radius_T[-1] = reread(chosen[-1], alpha, bound).radius
    highest_T = [
        min(_at_best(c, alpha, bound), _radius(c, float(p)))
        for c, p in zip(chosen, high_T, strict=True)
    ]
    return Trace(tuple(n_T), tuple(radius_T), tuple(highest_T))


def most(c: Certificate) -> float | None:
    """Return the largest radius that the planned n votes can certify, in the certificate's norm.

    None where several counts decide the radius: then it is not known beforehand.
    """
    if not is_of_one_count(c):
        return None
    radius = ceiling(c.sigma or 0.0, c.n, c.alpha * (PLANNED[c.bound] or 1.0))
    return radius_linf(radius, c.detail["d"]) if c.norm is Norm.LINF else radius


def _at_best(c: Certificate, alpha: float, bound: Bound) -> float:
    """Return the radius the run ends with if all votes still planned are for its class."""
    total = sum(c.counts)
    n = max(c.n, total)
    k = n - (total - _votes(c))
    votes = Votes("bound", (k, n - k), c.n, "complete" if n == c.n else "extended")
    return _radius(c, lower(votes, k, alpha, bound))


def anytime(c: Certificate, alpha: float, bound: Bound) -> Reading | None:
    """Read the anytime bound at its share of alpha; None before votes, or where it has no share.

    None, too, where several counts decide the radius: one of them says nothing of it.
    """
    k, n, share = _votes(c), sum(c.counts), ANYTIME[bound] * alpha
    if not n or not share or not is_of_one_count(c):
        return None
    p_a_lower = anytime_lower(k, n, share)
    return Reading(share, p_a_lower, _radius(c, p_a_lower))


def planned(c: Certificate, alpha: float, bound: Bound) -> Reading | None:
    """Read Clopper-Pearson at its share of alpha; None unless the run ended at its planned n.

    None, too, where several counts decide the radius.
    """
    k, n, share = _votes(c), sum(c.counts), PLANNED[bound] * alpha
    if c.ended != "complete" or not n or not share or not is_of_one_count(c):
        return None
    p_a_lower = clopper_pearson_lower(k, n, share)
    return Reading(share, p_a_lower, _radius(c, p_a_lower))


def refusal(c: Certificate) -> str:
    """Say why Clopper-Pearson may not be read from this run, empty where it may."""
    n = sum(c.counts)
    if c.ended == "complete":
        return ""
    if c.ended == "running":
        return f"holds only at the planned {c.n:,} votes; so far there are {n:,}"
    return f"refused: it holds only at the planned {c.n:,} votes, and this run ended at {n:,}"


def _radius(c: Certificate, p_a_lower: float) -> float:
    """Return the radius that a bound on p_A gives, in the norm of a certificate of one count."""
    radius = radius_l2(c.sigma or 0.0, p_a_lower)
    return radius_linf(radius, c.detail["d"]) if c.norm is Norm.LINF else radius


def _votes(c: Certificate) -> int:
    return c.counts[c.predicted] if c.predicted is not None and c.counts else 0
