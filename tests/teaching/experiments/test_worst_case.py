import math

import numpy as np
import pytest

from rsviz.core.radius import radius_l2
from rsviz.teaching.experiments import worst_case

SIGMA = 0.5
Z_P = np.linspace(-8, 8, 320_001)


def mass(inside_P, mean):
    """Sum of N(mean, SIGMA^2) over the points of Z_P that are inside."""
    density_P = np.exp(-(((Z_P - mean) / SIGMA) ** 2) / 2) / (SIGMA * math.sqrt(2 * math.pi))
    return float((density_P * inside_P).sum() * (Z_P[1] - Z_P[0]))


@pytest.mark.parametrize("p_a", [0.6, 0.9, 0.99])
@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0, 2.0])
def test_both_formulas_agree_with_numerical_integration(p_a, shift):
    cut = worst_case.edge(p_a, SIGMA)
    assert mass(cut >= Z_P, 0.0) == pytest.approx(p_a, abs=1e-4)
    kept = worst_case.half_space(p_a, shift, SIGMA)
    assert mass(cut >= Z_P, shift) == pytest.approx(float(kept), abs=1e-4)
    low, high = 0.0, 8.0
    for _ in range(40):  # the half width that holds p_a
        half_width = (low + high) / 2
        low, high = (
            (half_width, high) if math.erf(half_width / SIGMA / 2**0.5) < p_a else (low, half_width)
        )
    kept = worst_case.strip(p_a, shift, SIGMA)
    assert mass(abs(Z_P) <= half_width, shift) == pytest.approx(float(kept), abs=1e-4)


@pytest.mark.parametrize("p_a", [0.55, 0.8, 0.999])
def test_one_half_is_reached_at_the_certified_radius_and_nowhere_else(p_a):
    radius = radius_l2(SIGMA, p_a)
    assert worst_case.half_space(p_a, radius, SIGMA) == pytest.approx(0.5, abs=1e-12)
    assert worst_case.half_space(p_a, 0.999 * radius, SIGMA) > 0.5
    assert worst_case.half_space(p_a, 1.001 * radius, SIGMA) < 0.5


def test_no_other_region_of_the_same_share_keeps_less():
    """Neyman-Pearson, tried: random unions of cells of equal mass under the unmoved noise."""
    rng, cells, shift = np.random.default_rng(0), 100, 0.7
    share_P = np.cumsum(np.exp(-((Z_P / SIGMA) ** 2) / 2))
    cell_P = np.minimum((cells * share_P / share_P[-1]).astype(int), cells - 1)
    moved_P = np.exp(-(((Z_P - shift) / SIGMA) ** 2) / 2)
    moved_C = np.bincount(cell_P, weights=moved_P) / moved_P.sum()
    least = float(worst_case.half_space(0.8, shift, SIGMA))
    assert moved_C[:80].sum() == pytest.approx(least, abs=1e-3)  # the half-space is one of them
    tried = [moved_C[rng.permutation(cells)[:80]].sum() for _ in range(300)]
    assert min(tried) > least + 0.01
    assert moved_C[20:].sum() > least + 0.5  # away from the shift, not towards it
