"""A world small enough to see whole: images of two pixels, and a classifier with a spiky boundary.

An image is a point (left, right) of two brightnesses in [0, 1]; the classifier is to say which
pixel is brighter, and is nearly right. Everything about its smoothed version is computed to many
digits, without sampling, so that certificates can be held against the truth.

Shape suffixes: P points, N noise draws, G nodes along the diagonal, L looks, R runs, 2 pixels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from rsviz.core import bounds
from rsviz.core.radius import radius_l2

CLASSES = ("left", "right")
SIGMAS = (0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16, 0.24, 0.32)

# The base classifier's boundary over the diagonal: a slow wave with thin spikes on it, given as
# (where along the diagonal, how far it reaches across, half its width at the foot).
_SPIKES = (
    (0.23, 0.30, 0.014),
    (0.38, -0.36, 0.016),
    (0.55, 0.40, 0.016),
    (0.75, -0.42, 0.016),
    (0.93, 0.38, 0.016),
    (1.05, -0.34, 0.014),
    (1.21, 0.24, 0.014),
)
_REACH = 9.0  # standard deviations; beyond lies 2e-19 of the noise
_STEP = 0.0015  # between nodes of a sum: a spike is at least 0.010 wide on each side
_TINY = 1e-15  # probabilities below this are not resolved by the sum over _Z_G

Floats = NDArray[np.float64]


def rotate(point_P2: Floats) -> tuple[Floats, Floats]:
    """Return (along, across) the diagonal of points (left, right): a rotation by 45 degrees."""
    left, right = point_P2[..., 0], point_P2[..., 1]
    return (left + right) / math.sqrt(2), (right - left) / math.sqrt(2)


def unrotate(along_P: Floats, across_P: Floats) -> Floats:
    """Return the points (left, right) that lie so far along and across the diagonal."""
    return np.stack([along_P - across_P, along_P + across_P], axis=-1) / math.sqrt(2)


def boundary(along_P: Floats) -> Floats:
    """Return how far across the diagonal the base classifier's boundary lies; 0 would be right."""
    across_P = 0.08 * np.sin(2 * math.pi * (along_P - 0.1) / 0.75)
    for centre, height, half_width in _SPIKES:
        across_P = across_P + height * np.clip(1 - abs(along_P - centre) / half_width, 0, None)
    return across_P


def classify(point_P2: Floats) -> NDArray[np.int64]:
    """Return the base classifier's class of each point: 0 'left brighter', 1 'right brighter'."""
    along_P, across_P = rotate(point_P2)
    return (across_P >= boundary(along_P)).astype(np.int64)


def _nodes(sigma: float) -> tuple[Floats, Floats]:
    """Return shifts along the diagonal and their Gaussian weights, fine enough for the spikes."""
    count = max(601, math.ceil(2 * _REACH * sigma / _STEP))
    z_G = np.linspace(-_REACH, _REACH, count)
    weight_G = np.exp(-(z_G**2) / 2)
    return sigma * z_G, weight_G / weight_G.sum()


def probabilities(point_P2: Floats, sigma: float) -> Floats:
    """Return the exact class probabilities (P, 2) of noisy copies of each point.

    P('right') = E over T ~ N(along, sigma^2) of Phi((across - h(T)) / sigma): the Gaussian is the
    same in every direction, so across the diagonal the integral is Phi in closed form and one
    sum along it is left. Both classes are summed, so that a small one keeps its digits.

    Parameters
    ----------
    point_P2 : points (left, right) in [0, 1].
    sigma : standard deviation of the noise, in the same unit; not clipped after adding.
    """
    along_P, across_P = rotate(np.atleast_2d(point_P2))
    shift_G, weight_G = _nodes(sigma)
    depth_PG = (across_P[:, None] - boundary(along_P[:, None] + shift_G)) / sigma
    return np.stack([ndtr(-depth_PG) @ weight_G, ndtr(depth_PG) @ weight_G], axis=-1)


@lru_cache(maxsize=32)
def smoothed_boundary(sigma: float) -> Floats:
    """Return the boundary of the smoothed classifier as points (left, right) along the diagonal.

    P('right') rises strictly as one moves across the diagonal, so on each line across it there
    is one point where it is 1/2; bisection comes near it and Newton's method reaches it.
    """
    spacing = max(0.006, sigma / 20)
    # Long enough to hold the nearest boundary point of any point of the unit square.
    along_P = np.arange(-0.2, 1.62, spacing)
    shift_G, weight_G = _nodes(sigma)
    h_PG = boundary(along_P[:, None] + shift_G)
    across_P, width = np.zeros_like(along_P), 0.5
    for _ in range(7):
        width /= 2
        right_P = ndtr((across_P[:, None] - h_PG) / sigma) @ weight_G
        across_P = across_P + np.where(right_P > 0.5, -width, width)
    for _ in range(3):
        depth_PG = (across_P[:, None] - h_PG) / sigma
        slope_P = np.exp(-(depth_PG**2) / 2) @ weight_G / (sigma * math.sqrt(2 * math.pi))
        across_P = across_P - (ndtr(depth_PG) @ weight_G - 0.5) / slope_P
    curve_P2 = unrotate(along_P, across_P)
    curve_P2.flags.writeable = False
    return curve_P2


def nearest(point_2: Floats, curve_G2: Floats) -> Floats:
    """Return the point of a polyline that is nearest to a given point."""
    start_G2, step_G2 = curve_G2[:-1], np.diff(curve_G2, axis=0)
    share_G = ((point_2 - start_G2) * step_G2).sum(1) / (step_G2**2).sum(1)
    foot_G2 = start_G2 + np.clip(share_G, 0, 1)[:, None] * step_G2
    return foot_G2[((foot_G2 - point_2) ** 2).sum(1).argmin()]


@lru_cache(maxsize=8)
def noise(n: int, seed: int, stage: str) -> Floats:
    """Return n standard normal draws of shape (n, 2); the two stages never share one."""
    stages = {"select": 0, "bound": 1}
    return np.random.default_rng((seed, stages[stage])).standard_normal((n, 2))


def votes(
    classify: Callable[[Floats], NDArray[np.int64]],
    x_2: Floats,
    sigma: float,
    n: int,
    seed: int,
    n0: int,
) -> tuple[int, int]:
    """Return the class, 0 or 1, of most of n0 noisy copies, and how many of n others are of it."""
    first_N = classify(x_2 + sigma * noise(n0, seed, "select"))
    predicted = int(2 * first_N.sum() > n0)
    return predicted, int((classify(x_2 + sigma * noise(n, seed, "bound")) == predicted).sum())


@dataclass(frozen=True)
class Look:
    """What is true of one point of the toy, and what n votes can prove of it.

    ``predicted`` is the class chosen on n0 votes, ``count`` of the n fresh votes are for it.
    ``p_a`` and ``distance`` are exact; ``radius_exact`` is what infinitely many votes would
    certify (PhiInv(p_A) taken as -PhiInv(1 - p_A), and at most 7.9 sigma), ``radius`` what these
    do, 0 when they abstain. ``distance`` is to the smoothed classifier's boundary, at ``foot_2``;
    it is 0 when the smoothed class is not ``predicted``.
    """

    point: tuple[float, float]
    sigma: float
    predicted: int
    count: int
    n: int
    p_a: float
    p_a_lower: float
    radius_exact: float
    radius: float
    distance: float
    foot_2: tuple[float, float]

    @property
    def abstained(self) -> bool:
        """Whether the votes leave open that the class has no majority."""
        return self.p_a_lower <= 0.5


def look(
    point: tuple[float, float],
    sigma: float,
    n: int,
    alpha: float = 0.001,
    seed: int = 0,
    n0: int = 100,
) -> Look:
    """Certify one point of the toy with n votes, and compute the truth beside it.

    R = sigma PhiInv(p_a_lower), p_a_lower by Clopper-Pearson at the planned n.
    """
    x_2 = np.asarray(point, dtype=np.float64)
    predicted, count = votes(classify, x_2, sigma, n, seed, n0)
    p_a_lower = bounds.clopper_pearson_lower(count, n, alpha)
    p_2 = probabilities(x_2, sigma)[0]
    p_a, p_b = float(p_2[predicted]), max(float(p_2[1 - predicted]), _TINY)
    foot_2 = nearest(x_2, smoothed_boundary(sigma))
    distance = math.dist(x_2, foot_2) if p_a > 0.5 else 0.0
    return Look(
        point=point,
        sigma=sigma,
        predicted=predicted,
        count=count,
        n=n,
        p_a=p_a,
        p_a_lower=p_a_lower,
        radius_exact=-sigma * float(ndtri(p_b)) if p_a > 0.5 else 0.0,
        radius=radius_l2(sigma, p_a_lower),
        distance=distance,
        foot_2=(float(foot_2[0]), float(foot_2[1])),
    )
