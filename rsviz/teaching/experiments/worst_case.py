"""What a shift of the image can cost the class, at worst: Gaussians, half-spaces, strips.

A classifier is a region of the space of images, the noisy copies it gives the class. Of all
regions that hold the same share p_A of N(x, sigma^2 I), the half-space that lies away from delta
holds the least of N(x + delta, sigma^2 I) (Neyman & Pearson 1933; Cohen, Rosenfeld & Kolter 2019).
Along delta this is a matter of one dimension.

Shape suffix: P points.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]


def edge(p_a: float, sigma: float) -> float:
    """Return where the worst half-space {z <= edge} ends, z along delta: sigma PhiInv(p_a)."""
    return sigma * float(ndtri(p_a))


def half_space(p_a: float, shift_P: Floats | float, sigma: float) -> Floats:
    """Return Phi(PhiInv(p_a) - shift / sigma): what the shift leaves at worst of a share p_a.

    Parameters
    ----------
    p_a : probability of the class at the image itself, in (0, 1).
    shift_P : L2 length of the shift, in units of pixels in [0, 1].
    sigma : standard deviation of the noise, in the same units.
    """
    return np.asarray(ndtr(ndtri(p_a) - np.asarray(shift_P) / sigma))


def strip(p_a: float, shift_P: Floats | float, sigma: float) -> Floats:
    """Return what the shift across it leaves of a strip {|z| <= a} that holds p_a of the noise.

    Phi(a - s) - Phi(-a - s) with s = shift / sigma and a = PhiInv((1 + p_a) / 2), in sigmas.
    """
    a, s_P = ndtri((1 + p_a) / 2), np.asarray(shift_P) / sigma
    return np.asarray(ndtr(a - s_P) - ndtr(-a - s_P))
