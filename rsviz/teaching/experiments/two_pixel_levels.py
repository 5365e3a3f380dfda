"""The toy with a noise level chosen per image: a claim that is false, and the rule that is sound.

A selector names one of two levels from the brightness of the image; the classifier is smoothed at
the level named. sigma(x) PhiInv(p_A) is then no certificate, since a neighbour may get another
level. The selector smoothed at a fixed sigma_e is constant within R_s = sigma_e PhiInv(p_level),
so the class is kept within min(R_s, R_c), the rule of dual randomized smoothing (2512.01782, known
here from several agreeing accounts). All probabilities are exact, none is sampled.

Shape suffixes: P points, 2 pixels.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from rsviz.teaching.experiments import two_pixels

Floats = NDArray[np.float64]

LEVELS = (0.04, 0.32)
# The selector alone names the small level for images between these, along the diagonal.
_BAND = (0.30, 1.06)
SELECTOR_SIGMA = 0.32  # not below the largest level, so that its own radius does not limit all


def small_probability(along_P: Floats | float) -> Floats:
    """Return the exact probability that the selector names the small level on a noisy copy.

    Brightness is one direction of the plane: Phi((b - t) / sigma_e) - Phi((a - t) / sigma_e).
    """
    low_P, high_P = ((edge - np.asarray(along_P)) / SELECTOR_SIGMA for edge in _BAND)
    return np.asarray(ndtr(high_P) - ndtr(low_P))


@lru_cache(maxsize=1)
def edges() -> tuple[float, float]:
    """Return between which places along the diagonal the smoothed selector names the small one."""
    middle = sum(_BAND) / 2

    def lead(along: float) -> float:
        return float(small_probability(along)) - 0.5

    return brentq(lead, middle - 1, middle), brentq(lead, middle, middle + 1)


def level(along_P: Floats) -> Floats:
    """Return the sigma that the smoothed selector names at each place along the diagonal."""
    return np.where(small_probability(along_P) > 0.5, *LEVELS)


def probabilities(point_P2: Floats) -> Floats:
    """Return the class probabilities (P, 2) of each point under the level named there."""
    small_P, large_P = (two_pixels.probabilities(point_P2, sigma) for sigma in LEVELS)
    sigma_P = level(two_pixels.rotate(np.atleast_2d(point_P2))[0])
    return np.where((sigma_P == LEVELS[0])[:, None], small_P, large_P)


@lru_cache(maxsize=1)
def boundary() -> Floats:
    """Return the adaptive classifier's boundary as a polyline, jumps between levels included."""
    pieces = []
    low, high = edges()
    for sigma, start, end in (
        (LEVELS[1], -math.inf, low),
        (LEVELS[0], low, high),
        (LEVELS[1], high, math.inf),
    ):
        along_P, across_P = two_pixels.rotate(two_pixels.smoothed_boundary(sigma))
        inside_P = (along_P > start) & (along_P < end)
        ends = [t for t in (start, end) if math.isfinite(t)]
        t_P = np.sort(np.concatenate([along_P[inside_P], ends]))
        pieces.append(two_pixels.unrotate(t_P, np.interp(t_P, along_P, across_P)))
    curve_P2 = np.concatenate(pieces)
    curve_P2.flags.writeable = False
    return curve_P2


@dataclass(frozen=True)
class Claim:
    """What is claimed of one point, what is proved, and what is true.

    ``claimed`` is sigma(x) PhiInv(p_A), a heuristic; ``constancy`` is R_s and ``proved`` is
    min(R_s, claimed); ``distance`` is to where the answer really changes. ``breach`` is a point
    inside the ball claimed with another answer, of probability ``breach_p``, or None.
    """

    point: tuple[float, float]
    sigma: float
    predicted: int
    claimed: float
    constancy: float
    proved: float
    distance: float
    breach: tuple[float, float] | None
    breach_p: float


def look(point: tuple[float, float]) -> Claim:
    """Claim, prove and check one point of the toy, with every probability known exactly."""
    x_2 = np.asarray(point, dtype=np.float64)
    along = float(two_pixels.rotate(x_2)[0])
    sigma = float(level(np.array([along]))[0])
    p_2 = probabilities(x_2)[0]
    predicted = int(p_2.argmax())
    claimed = _radius(sigma, float(p_2[1 - predicted]))
    small = float(small_probability(along))
    constancy = _radius(SELECTOR_SIGMA, min(small, 1 - small))
    breach, breach_p = _breach(x_2, claimed, predicted)
    return Claim(
        point=point,
        sigma=sigma,
        predicted=predicted,
        claimed=claimed,
        constancy=constancy,
        proved=min(constancy, claimed),
        distance=math.dist(x_2, two_pixels.nearest(x_2, boundary())),
        breach=breach,
        breach_p=breach_p,
    )


def _radius(sigma: float, p_other: float) -> float:
    """Return sigma PhiInv(1 - p_other), no farther than the sums resolve."""
    return -sigma * float(ndtri(max(p_other, 1e-15)))


def _breach(
    x_2: Floats, claimed: float, predicted: int
) -> tuple[tuple[float, float] | None, float]:
    """Return the point of the ball claimed that is surest of another answer, or None."""
    radius_P, angle_P = np.meshgrid(
        claimed * np.array([0.5, 0.7, 0.85, 0.95, 0.99]), np.linspace(0, 2 * math.pi, 73)[:-1]
    )
    circle_P2 = np.stack([np.cos(angle_P.ravel()), np.sin(angle_P.ravel())], axis=-1)
    tried_P2 = x_2 + radius_P.ravel()[:, None] * circle_P2
    other_P = probabilities(tried_P2)[:, 1 - predicted]
    best = int(other_P.argmax())
    if other_P[best] <= 0.5:
        return None, 0.0
    return (float(tried_P2[best, 0]), float(tried_P2[best, 1])), float(other_P[best])
