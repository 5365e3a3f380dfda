"""How far each level of a cascade holds; the proof is in `rsviz.methods.multiscale`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri


@dataclass(frozen=True)
class Limit:
    """What one level says of class A: out to which distance it answers A, and passes on others.

    ``answers`` is a_j from ``p_lower`` of A, ``passes`` is b_j from ``p_upper`` of ``other``, the
    most-voted class but A; both are -inf where nothing is known.
    """

    answers: float = -math.inf
    passes: float = -math.inf
    p_lower: float = 0.0
    p_upper: float = 1.0
    other: int | None = None


def limit(s: float, tau: float, p_lower: float, p_upper: float, other: int | None = None) -> Limit:
    """Return the `Limit` of a level s with threshold tau from p_A >= p_lower, p_B <= p_upper."""
    z = float(ndtri(tau))
    answers, passes = s * (float(ndtri(p_lower)) - z), s * (z - float(ndtri(p_upper)))
    return Limit(answers, passes, p_lower, p_upper, other)


def distances(limit_L: Sequence[Limit], m: int) -> list[float]:
    """Return b_1, .., b_{m-1}, a_m, whose least is the radius of level m."""
    return [*(level.passes for level in limit_L[:m]), limit_L[m].answers]
