"""Votes -> Certificate: CERTIFY at any moment, its readings, and PREDICT (no torch here).

Everything is a pure function of stored counts, so that another alpha or bound is a re-reading.
A certificate is about the ideal smoothed classifier (infinitely many votes), not about a finite
vote near the image. The ball is open: the class is kept at every distance < radius.

Shape suffix: K classes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rsviz.core import stopping
from rsviz.core.bounds import (
    ANYTIME_SHARE,
    binomial_test,
    lower,
    upper,
)
from rsviz.core.errors import UserError
from rsviz.core.flags import PARTIAL, TOO_FEW
from rsviz.core.radius import radius_l2, radius_linf, radius_two_sided, rounded_down, rounded_up
from rsviz.core.spec import Bound, Certificate, Norm, RunSpec, Votes


def predict(counts_K: Sequence[int], alpha: float) -> int | None:
    """Return the class that most votes are for, or None to abstain (PREDICT of Cohen et al. 2019).

    The two-sided binomial test of the top class against the runner-up, p = 1/2, must have a
    p-value of at most alpha; then the smoothed classifier's class differs with probability at
    most alpha, n fixed beforehand.
    """
    first, second = sorted([*counts_K, 0, 0], reverse=True)[:2]
    if binomial_test(first, first + second) > alpha:
        return None
    return list(counts_K).index(first)


def read(
    select: Votes | None,
    bound: Votes | None,
    spec: RunSpec,
    guarantee: str,
    norm: Norm = Norm.L2,
    d: int | None = None,
    flags: Sequence[str] = (),
    detail: Mapping[str, Any] | None = None,
    predicted: int | None = None,
) -> Certificate:
    """Read a certificate from the votes there are at any moment (CERTIFY of Cohen et al. 2019).

    The class is the top one of the complete ``select`` votes, and its probability is bounded on
    the ``bound`` votes alone; R = sigma PhiInv(p_a_lower) if p_a_lower > 1/2, else abstain. Before
    the planned n Clopper-Pearson certifies nothing, while the anytime and split bounds hold.

    Parameters
    ----------
    select, bound : votes of the two stages, None where there are none yet.
    spec : the run; alpha and bound decide the reading.
    guarantee : the sentence that the radius stands for, or why it is heuristic.
    norm : of the radius; Linf divides by sqrt(d), d = 3HW.
    flags, detail : what the method itself knows; flags that depend on the votes are added.
    predicted : the class, where other votes than ``select`` chose it.
    """
    if norm is Norm.LINF and d is None:
        raise ValueError("an Linf radius needs d")
    select = select or Votes("select", (), spec.n0)
    chosen = select.ended == "complete"
    votes = bound or Votes("bound", (), spec.n, "running" if chosen else select.ended)
    if predicted is None and chosen:
        predicted = select.top
    certificate = Certificate(
        predicted=predicted,
        abstained=True,
        norm=norm,
        radius=0.0,
        sigma=spec.sigma,
        counts=votes.counts_K,
        n0=spec.n0,
        n=votes.planned,
        alpha=spec.alpha,
        p_a_lower=0.0,
        seed=spec.seed,
        method=spec.method,
        checkpoint=spec.checkpoint,
        guarantee=guarantee,
        counts0=select.counts_K,
        bound=spec.bound,
        ended=votes.ended,
        flags=(*spec.flags, *flags),
        image=spec.image,
        checkpoint_sha256=spec.checkpoint_sha256,
        normalisation=spec.normalisation,
        detail=dict(detail or {}) | ({} if d is None else {"d": d}),
        until_radius=spec.until_radius,
        precision=spec.precision,
    )
    return (
        stopping.answered(certificate)
        if certificate.until_radius is not None
        else _one_sided(certificate)
    )


def reread(
    certificate: Certificate, alpha: float | None = None, bound: Bound | None = None
) -> Certificate:
    """Read the stored counts again, one-sided, at another alpha or bound.

    Each reading fails with probability at most its own alpha; choosing the best of several after
    seeing them spends the sum of their alphas.

    Raises
    ------
    UserError
        alpha is out of range, or the radius is not a reading of one count (a rule over several).
    """
    _check_rereadable(certificate)
    alpha = certificate.alpha if alpha is None else alpha
    if not 0 < alpha < 0.5:
        raise UserError(f"alpha must lie between 0 and 0.5, but is {alpha!r}.")
    return _one_sided(replace(certificate, alpha=alpha, bound=bound or certificate.bound))


def two_sided(certificate: Certificate) -> Certificate:
    """Read the stored counts in the two-class form: alpha/2 below p_A, alpha/2 above p_B.

    R = sigma/2 (PhiInv(p_a_lower) - PhiInv(p_b_upper)), abstain if p_a_lower <= p_b_upper. p_B is
    bounded for the most-voted other class; that covers all others with no union over classes,
    since the upper bound grows with the count. As p_B <= 1 - p_A, p_b_upper is at most
    1 - p_a_lower, so this is the better of both forms with p_A read at alpha/2.

    Raises
    ------
    UserError
        The radius is not a reading of one count.
    """
    _check_rereadable(certificate)
    return _two_sided(certificate)


def is_of_one_count(certificate: Certificate) -> bool:
    """Whether the radius follows from ``counts`` and ``sigma`` alone, and so may be read again.

    It does not where a rule weighs several counts, of the noise level and of the class, say, or
    where one question was asked.
    """
    c = certificate
    if c.sigma is None or "rule" in c.detail or c.until_radius is not None:
        return False
    same = _two_sided(c) if "p_b_upper" in c.detail else _one_sided(c)
    return math.isclose(same.radius, c.radius, rel_tol=1e-9, abs_tol=1e-12)


def formula(certificate: Certificate) -> str:
    r"""Return the radius formula with this run's numbers in it, as LaTeX.

    Probabilities and radii are rounded to the safe side, never up to more than was certified.
    """
    c, p_b_upper = certificate, certificate.detail.get("p_b_upper")
    if not _readable(c):
        return r"\text{nothing to read yet}"
    p_a = f"{rounded_down(c.p_a_lower, 6):.6f}"
    p_b = r"\tfrac{1}{2}" if p_b_upper is None else f"{rounded_up(p_b_upper, 6):.6f}"
    if c.abstained:
        return rf"\underline{{p_A}} = {p_a} \le {p_b} \;\Rightarrow\; \text{{abstain}}"
    name, symbol, value, digits = "R", r"\sigma", f"{c.sigma:g}", 4
    if c.norm is Norm.LINF:
        name, symbol, digits = r"R_\infty", r"\frac{\sigma}{\sqrt{d}}", 6
        value = rf"\frac{{{c.sigma:g}}}{{\sqrt{{{c.detail['d']}}}}}"
    radius, inverse = f"{rounded_down(c.radius, digits):.{digits}f}", r"\Phi^{-1}"
    if p_b_upper is None:
        return (
            rf"{name} = {symbol}\,{inverse}(\underline{{p_A}}) = {value} \cdot {inverse}({p_a}) "
            rf"= {radius}"
        )
    return (
        rf"{name} = \tfrac{{1}}{{2}} {symbol} \left({inverse}(\underline{{p_A}}) - "
        rf"{inverse}(\overline{{p_B}})\right) = \tfrac{{1}}{{2}} \cdot {value} "
        rf"\left({inverse}({p_a}) - {inverse}({p_b})\right) = {radius}"
    )


def _one_sided(c: Certificate) -> Certificate:
    """Return the certificate with all that follows from its counts, class, alpha and bound."""
    p_a_lower = 0.0
    if _readable(c):
        assert c.predicted is not None
        p_a_lower = lower(_votes(c), c.counts[c.predicted], c.alpha, c.bound)
    radius = 0.0 if c.sigma is None else radius_l2(c.sigma, p_a_lower)
    detail = {k: v for k, v in c.detail.items() if k != "p_b_upper"}
    c = replace(c, p_a_lower=p_a_lower, alpha_split=_alpha_split(c.alpha, c.bound), detail=detail)
    return stopping.precise(_finish(c, radius, p_a_lower > 0.5, c.alpha))


def _two_sided(c: Certificate) -> Certificate:
    """As `_one_sided`, in the two-class form."""
    p_a_lower, p_b_upper = 0.0, 1.0
    if _readable(c):
        assert c.predicted is not None
        others = max((k for i, k in enumerate(c.counts) if i != c.predicted), default=0)
        p_a_lower = lower(_votes(c), c.counts[c.predicted], c.alpha / 2, c.bound)
        p_b_upper = min(upper(_votes(c), others, c.alpha / 2, c.bound), 1 - p_a_lower)
    radius = 0.0 if c.sigma is None else radius_two_sided(c.sigma, p_a_lower, p_b_upper)
    split = {
        f"{side}, {event}": share
        for side in ("p_A", "p_B")
        for event, share in _alpha_split(c.alpha / 2, c.bound).items()
    }
    detail = dict(c.detail) | {"p_b_upper": p_b_upper}
    c = replace(c, p_a_lower=p_a_lower, alpha_split=split, detail=detail)
    return _finish(c, radius, p_a_lower > p_b_upper, c.alpha / 2)


def _finish(c: Certificate, radius: float, certified: bool, alpha: float) -> Certificate:
    """Set radius, abstention and the flags that depend on the votes; alpha is that of p_A."""
    if c.norm is Norm.LINF:
        radius = radius_linf(radius, c.detail["d"])
    flags = [f for f in c.flags if f not in (PARTIAL, TOO_FEW)]
    if c.ended not in ("complete", "settled"):
        flags.append(PARTIAL)
    if lower(Votes("bound", (c.n,), c.n, "complete"), c.n, alpha, c.bound) <= 0.5:
        flags.append(TOO_FEW)
    return replace(c, radius=radius, abstained=not certified, flags=tuple(flags))


def _readable(c: Certificate) -> bool:
    """Whether this bound may say anything yet: there is a class, votes, and an allowed moment."""
    planned = c.ended == "complete" or c.bound is not Bound.CLOPPER_PEARSON
    return c.predicted is not None and sum(c.counts) > 0 and planned


def _votes(c: Certificate) -> Votes:
    return Votes("bound", c.counts, c.n, c.ended)


def _alpha_split(alpha: float, bound: Bound) -> dict[str, float]:
    """Name the events that alpha is shared among."""
    if bound is Bound.SPLIT:
        return {"anytime": ANYTIME_SHARE * alpha, "planned n": (1 - ANYTIME_SHARE) * alpha}
    names = {Bound.ANYTIME: "anytime", Bound.LOOKS: "any look"}
    return {names.get(bound, "planned n"): alpha}


def _check_rereadable(c: Certificate) -> None:
    if c.until_radius is not None:
        raise UserError(
            "This certificate answers one question, at its own alpha, and says nothing of other "
            "radii; certify the image again without a radius to ask for."
        )
    if not is_of_one_count(c):
        raise UserError(
            f"This {c.method} certificate is not the reading of one count, so it cannot be read "
            "again at another alpha or bound; certify the image again instead."
        )
