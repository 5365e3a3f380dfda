"""Radii in closed form, and how a radius is written: never more than certified."""

import math

from scipy.special import ndtri


def radius_l2(sigma: float, p_a_lower: float) -> float:
    """Return the certified L2 radius sigma PhiInv(p_a_lower), 0.0 where p_a_lower <= 1/2.

    In units of pixels in [0, 1] (Cohen, Rosenfeld & Kolter 2019, Theorem 1, p_B = 1 - p_A).
    """
    return sigma * float(ndtri(p_a_lower)) if p_a_lower > 0.5 else 0.0


def radius_two_sided(sigma: float, p_a_lower: float, p_b_upper: float) -> float:
    """Return sigma/2 (PhiInv(p_a_lower) - PhiInv(p_b_upper)), 0.0 where p_a_lower <= p_b_upper.

    The general form of the same theorem, in units of pixels in [0, 1].
    """
    gap = float(ndtri(p_a_lower) - ndtri(p_b_upper)) if p_a_lower > p_b_upper else 0.0
    return sigma / 2 * gap


def radius_linf(radius_l2: float, d: int) -> float:
    """Return the Linf radius that an L2 radius implies, R / sqrt(d), with d = 3HW entries."""
    return radius_l2 / math.sqrt(d)


def in_grey_levels(radius_l2: float, d: int) -> float:
    """Return the uniform shift per entry of the same L2 length, in grey levels: 255 R / sqrt(d)."""
    return 255 * radius_l2 / math.sqrt(d)


def ceiling(sigma: float, n: int, alpha: float) -> float:
    """Return the largest L2 radius n votes can certify: sigma PhiInv(alpha^(1/n)), at least 0.

    It is what `clopper_pearson_lower` gives when all n votes agree.
    """
    all_but_p = -math.expm1(math.log(alpha) / n)  # 1 - alpha^(1/n), without cancellation
    return max(0.0, -sigma * float(ndtri(all_but_p)))


def rounded_down(value: float, digits: int) -> float:
    """Return the value rounded down to so many digits."""
    return math.floor(value * 10**digits) / 10**digits


def rounded_up(value: float, digits: int) -> float:
    """Return the value rounded up to so many digits."""
    return math.ceil(value * 10**digits) / 10**digits


def down(value: float, digits: int) -> str:
    """Write a number rounded towards zero, so that no more is shown than was certified."""
    return f"{math.floor(value * 10**digits) / 10**digits:.{digits}f}"
