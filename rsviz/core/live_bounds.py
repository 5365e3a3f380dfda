"""What a run may claim at each moment: both bounds of a split alpha, and their history (no torch).

Shape suffix: T moments of one run.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rsviz.core.bounds import (
    ANYTIME_SHARE,
    anytime_lower,
    anytime_lower_T,
    anytime_upper,
    clopper_pearson_lower,
    clopper_pearson_upper,
    fixed_n,
    lower,
    upper,
)
from rsviz.core.radius import ceiling, radius_l2, radius_linf, radius_two_sided
from rsviz.core.reading import is_of_one_count, reread, two_sided
from rsviz.core.spec import Bound, Certificate, Norm, Votes

# The share of alpha that each reading spends on the anytime bound, and on the planned n.
ANYTIME = {
    Bound.SPLIT: ANYTIME_SHARE,
    Bound.ANYTIME: 1.0,
    Bound.CLOPPER_PEARSON: 0.0,
    Bound.LOOKS: 0.0,
}
PLANNED = {
    Bound.SPLIT: 1 - ANYTIME_SHARE,
    Bound.ANYTIME: 0.0,
    Bound.CLOPPER_PEARSON: 1.0,
    Bound.LOOKS: 0.0,
}


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
    """One bound, the alpha it spends, and the radius it gives, in the certificate's norm.

    ``p_b_upper`` bounds the most-voted other class in the two-class form, None in the field's.
    """

    alpha: float
    p_a_lower: float
    radius: float
    p_b_upper: float | None = None


def trace(
    certificates: Sequence[Certificate], alpha: float, bound: Bound, points: int = 60
) -> Trace:
    """Read what a run certified at up to ``points`` moments; empty where none may be read.

    A radius that follows from one count is read at this alpha and bound, in the form of the last
    certificate: all readings together spend the alpha that the bound gives them. One that a rule
    over several counts decides is that of the certificate of that moment, which knows no other
    alpha. Moments lie evenly on a log axis of votes, and stay while a run goes on.
    """
    moments = {sum(c.counts): c for c in certificates if c.predicted is not None}
    moments.pop(0, None)
    share = ANYTIME[bound] * alpha
    if not moments or not share:
        return Trace()
    n_T = _lasting(list(moments), max(c.n for c in certificates), points)
    chosen = [moments[n] for n in n_T]
    last = certificates[-1]
    if not is_of_one_count(last):
        return Trace(tuple(n_T), tuple(c.radius for c in chosen))
    k_T, total_T = np.array([_votes(c) for c in chosen]), np.array(n_T)
    if _is_two_class(last):
        half = share / 2
        other_T = np.array([_other(c) for c in chosen])
        a_T, most_a_T = _anytime_T(k_T, total_T, half)
        least_b_T, b_T = _anytime_T(other_T, total_T, half)
        pairs = [(a_T, most_a_T), (np.minimum(b_T, 1 - a_T), least_b_T)]
    else:
        pairs = [_anytime_T(k_T, total_T, share)]
    low_T, high_T = (
        [_radius(last, *p) for p in zip(*side, strict=True)] for side in zip(*pairs, strict=True)
    )
    if chosen[-1].ended == "complete":  # only then is there more to read than the anytime bound
        again = reread(chosen[-1], alpha, bound)
        low_T[-1] = (two_sided(again) if _is_two_class(last) else again).radius
    best_T = [_at_best(c, alpha, bound, _is_two_class(last)) for c in chosen]
    return Trace(tuple(n_T), tuple(low_T), tuple(map(min, best_T, high_T)))


def most(c: Certificate) -> float | None:
    """Return the largest radius that the planned n votes can certify, in the certificate's norm.

    None where several counts decide the radius: then it is not known in advance.
    """
    if not is_of_one_count(c):
        return None
    alpha = c.alpha / (2 if _is_two_class(c) else 1)
    radius = ceiling(c.sigma or 0.0, c.n, alpha * (PLANNED[c.bound] or 1.0))
    return radius_linf(radius, c.detail["d"]) if c.norm is Norm.LINF else radius


def anytime(c: Certificate, alpha: float, bound: Bound) -> Reading | None:
    """Read the anytime bound at its share of alpha; None before votes, or where it has no share.

    None, too, where several counts decide the radius: one of them says nothing of it.
    """
    share = ANYTIME[bound] * alpha
    if not sum(c.counts) or not share or not is_of_one_count(c):
        return None
    return _reading(c, share, anytime_lower, anytime_upper)


def planned(c: Certificate, alpha: float, bound: Bound) -> Reading | None:
    """Read Clopper-Pearson at its share of alpha; None unless the run ended at its planned n.

    None, too, where several counts decide the radius.
    """
    share = PLANNED[bound] * alpha
    if c.ended != "complete" or not sum(c.counts) or not share or not is_of_one_count(c):
        return None
    return _reading(c, share, clopper_pearson_lower, clopper_pearson_upper)


def planned_votes(c: Certificate) -> int | None:
    """Return the votes a plan fixed beforehand would have needed for the radius of a certificate.

    That is Clopper-Pearson at the certificate's alpha, had the share of votes been what it came out
    as; None where nothing is certified, or not by one bound on p_A alone.
    """
    n, asked = sum(c.counts), c.until_radius is not None
    if not n or c.abstained or _is_two_class(c) or not (asked or is_of_one_count(c)):
        return None
    return fixed_n(_votes(c) / n, c.p_a_lower, c.alpha)


def refusal(c: Certificate) -> str:
    """Say why Clopper-Pearson may not be read from this run, empty where it may."""
    n = sum(c.counts)
    if c.ended == "complete":
        return ""
    if c.ended == "running":
        return f"holds only at the planned {c.n:,} votes; so far there are {n:,}"
    return f"refused: it holds only at the planned {c.n:,} votes, and this run ended at {n:,}"


Bounding = Callable[[int, int, float], float]


def _reading(c: Certificate, share: float, lower: Bounding, upper: Bounding) -> Reading:
    """Return what a pair of bounds makes of a certificate's counts, in its form."""
    k, n = _votes(c), sum(c.counts)
    if not _is_two_class(c):
        p_a_lower = lower(k, n, share)
        return Reading(share, p_a_lower, _radius(c, p_a_lower))
    p_a_lower = lower(k, n, share / 2)
    p_b_upper = min(upper(_other(c), n, share / 2), 1 - p_a_lower)
    return Reading(share, p_a_lower, _radius(c, p_a_lower, p_b_upper), p_b_upper)


def _at_best(c: Certificate, alpha: float, bound: Bound, two_class: bool) -> float:
    """Return the radius the run ends with if all votes still planned are for its class."""
    total, other = sum(c.counts), _other(c)
    n = max(c.n, total)
    k = n - (total - _votes(c))
    votes = Votes("bound", (k, n - k), c.n, "complete" if n == c.n else "extended")
    if not two_class:
        return _radius(c, lower(votes, k, alpha, bound))
    p_a_lower = lower(votes, k, alpha / 2, bound)
    return _radius(c, p_a_lower, min(upper(votes, other, alpha / 2, bound), 1 - p_a_lower))


def evenly(n_T: list[int], points: int) -> list[int]:
    """Return up to so many of these rising numbers, spread evenly on a log axis, with both ends."""
    wanted = np.geomspace(n_T[0], n_T[-1], points)
    nearest = np.abs(np.log(np.array(n_T)[:, None] / wanted)).argmin(axis=0)
    return [n_T[i] for i in sorted({0, *nearest.tolist(), len(n_T) - 1})][-points:]


def _is_two_class(c: Certificate) -> bool:
    return "p_b_upper" in c.detail


def _radius(c: Certificate, p_a: float, p_b: float | None = None) -> float:
    """Return the radius that bounds give, in the norm of a certificate of one count."""
    sigma = c.sigma or 0.0
    radius = radius_l2(sigma, p_a) if p_b is None else radius_two_sided(sigma, p_a, p_b)
    return radius_linf(radius, c.detail["d"]) if c.norm is Norm.LINF else radius


def _votes(c: Certificate) -> int:
    return c.counts[c.predicted] if c.predicted is not None and c.counts else 0


def _other(c: Certificate) -> int:
    """Return the votes of the most-voted other class."""
    return max((k for i, k in enumerate(c.counts) if i != c.predicted), default=0)


def _lasting(n_T: list[int], planned: int, points: int) -> list[int]:
    """Return the first of these rising numbers in each of fixed steps of a log axis, and the last.

    What a longer run adds leaves them as they are, so that their bounds are found once.
    """
    first, last = n_T[0], n_T[-1]
    width = math.log(max(planned, last, first + 1) / first) / max(points - 2, 1)
    steps = {int(math.log(n / first) / width): n for n in reversed(n_T)}
    return sorted({*steps.values(), last})


_known: dict[tuple[int, int, float], float] = {}
_KNOWN_MAX = 1 << 16


def _anytime_T(k_T: np.ndarray, n_T: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the anytime bounds on p below and above, finding only those not found before."""
    asked = [(k, n, alpha) for k, n in zip(k_T.tolist(), n_T.tolist(), strict=True)]
    asked += [(n - k, n, alpha) for k, n, _ in asked]
    found = {pair: p for pair in asked if (p := _known.get(pair)) is not None}
    new = sorted({*asked} - found.keys())
    if new:
        k_N, n_N = (np.array([pair[i] for pair in new]) for i in (0, 1))
        found |= dict(zip(new, anytime_lower_T(k_N, n_N, alpha).tolist(), strict=True))
        if len(_known) > _KNOWN_MAX:
            _known.clear()
        _known.update(found)
    p_T = np.array([found[pair] for pair in asked])
    return p_T[: len(k_T)], 1 - p_T[len(k_T) :]
