"""When a run may end before its n votes: a radius asked for is settled, or the radius is precise.

Two rules, stated before the first vote. `core.decision` answers whether a radius R is certified. A
precision e ends a run when its radius is at least 1 - e of what infinitely many votes would certify
at most, by the anytime bounds on both sides (no torch here).

Shape suffixes: K classes, N votes of one batch.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rsviz.core import decision
from rsviz.core.bounds import ANYTIME_SHARE, anytime_lower, anytime_upper
from rsviz.core.flags import PARTIAL
from rsviz.core.radius import down, radius_l2, radius_linf
from rsviz.core.spec import Bound, Certificate, Norm, RunSpec

# Given counts_K so far and class_N, the next votes in order: how many of these are still to be
# counted before votes end by a rule stated in advance, None if they go on.
Until = Callable[[np.ndarray, np.ndarray], int | None]


def until(spec: RunSpec, predicted: int, d: int | None = None) -> Until | None:
    """Return the rule that ends the bounding votes of a class early, None for a run without one.

    Parameters
    ----------
    predicted : the class, chosen on other votes; it never changes.
    d : entries of the image, where the method's radius is in Linf.

    Raises
    ------
    UserError
        n votes could not certify the radius asked for.
    """
    if spec.until_radius is not None:
        plan = _plan(spec.until_radius, spec.noise, spec.n, spec.alpha, d)

        def settled(counts_K: np.ndarray, class_N: np.ndarray) -> int | None:
            return plan.settles(int(counts_K[predicted]), int(counts_K.sum()), class_N == predicted)

        return settled
    if spec.precision is not None:
        share, alpha, bound = spec.precision, spec.alpha, spec.bound

        def precise(counts_K: np.ndarray, class_N: np.ndarray) -> int | None:
            k = int(counts_K[predicted]) + int(np.sum(class_N == predicted))
            n = int(counts_K.sum()) + len(class_N)
            return len(class_N) if _within(k, n, alpha, bound) >= 1 - share else None

        return precise
    return None


def _plan(radius: float, sigma: float, n: int, alpha: float, d: int | None) -> decision.Plan:
    return decision.plan(radius * math.sqrt(d or 1) / sigma, n, alpha)


def plan_of(c: Certificate) -> decision.Plan:
    """Return the boundaries by which a certificate answers the radius asked for."""
    assert c.until_radius is not None
    return _plan(c.until_radius, c.sigma or 1.0, c.n, c.alpha, c.detail.get("d"))


def answered(c: Certificate) -> Certificate:
    """Return the certificate with the answer that its counts give to the radius asked for."""
    assert c.until_radius is not None
    asked, votes, plan = c.until_radius, sum(c.counts), plan_of(c)
    k = c.counts[c.predicted] if c.predicted is not None and votes else 0
    answer = plan.answer(k, votes) if votes else "undecided"
    yes = answer == "yes"
    shown = f"radius {asked:g}" if c.norm is Norm.L2 else f"Linf radius {255 * asked:g}/255"
    detail = dict(c.detail) | {
        "answer": answer,
        "why": decision.in_words(answer, shown, votes, c.n),
    }
    flags = [f for f in c.flags if f != PARTIAL]
    if c.ended not in ("complete", "settled"):
        flags.append(PARTIAL)
    return replace(
        c,
        radius=asked if yes else 0.0,
        abstained=not yes,
        p_a_lower=plan.p if yes else 0.0,
        alpha_split={"at any look": c.alpha},
        flags=tuple(flags),
        detail=detail,
    )


def _within(k: int, n: int, alpha: float, bound: Bound) -> float:
    """Return the least share that the radius is of what infinitely many votes would certify.

    The upper bound has all of alpha too: of 'the radius holds' and 'it is within this share' only
    one can be false, as too large a radius is within any share. 1 where p_A <= 1/2 is shown.
    """
    most = radius_l2(1.0, anytime_upper(k, n, alpha))
    if most == 0:
        return 1.0
    share = ANYTIME_SHARE if bound is Bound.SPLIT else 1.0
    return radius_l2(1.0, anytime_lower(k, n, share * alpha)) / most


def precise(c: Certificate) -> Certificate:
    """Return the certificate with what its counts say of the precision asked for."""
    if c.precision is None or c.predicted is None or not sum(c.counts):
        return c
    k, n = c.counts[c.predicted], sum(c.counts)
    most = radius_l2(c.sigma or 0.0, anytime_upper(k, n, c.alpha))
    within = _within(k, n, c.alpha, c.bound)
    reached = within >= 1 - c.precision
    if c.norm is Norm.LINF:
        most = radius_linf(most, c.detail["d"])
    if reached and most == 0:
        why = f"After {n:,} votes p_A is shown to be at most 1/2: no number of votes certifies."
    elif reached:
        why = (
            f"After {n:,} votes the radius is within {c.precision:g} of what infinitely many give."
        )
    elif k == n:
        why = (
            f"All {n:,} votes agree, so what infinitely many would certify has no upper bound, and "
            "no precision is reached."
        )
    elif within < 0.01:
        why = f"{n:,} votes leave what infinitely many would certify without an upper bound."
    else:
        why = (
            f"{n:,} votes do not reach precision {c.precision:g}: the radius is at least "
            f"{down(within, 3)} of what infinitely many would certify."
        )
    told = {"reached": reached, "most": most if math.isfinite(most) else None, "why": why}
    return replace(c, detail=dict(c.detail) | told)
