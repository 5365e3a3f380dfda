"""Differences between ways to train, over images and over seeds of training (no torch).

Shape suffixes: S seeds, N images.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def over_seeds(a_SN: np.ndarray, b_SN: np.ndarray) -> tuple[float, float, float, float]:
    """Return the mean of a - b, its 95 % interval (low, high), and the p-value of no difference.

    See `summed_over_seeds`.
    """
    return summed_over_seeds((a_SN, -b_SN))


def summed_over_seeds(sides: Sequence[np.ndarray]) -> tuple[float, float, float, float]:
    """Return the mean of a sum of sides, its 95 % interval, and the p-value that it is 0.

    Of other trainings on other images: the variance is V/N + sum_i s_i^2/S_i, V that over images of
    the sum of means over seeds, s_i^2 that of one side's means over seeds; Student's t with the
    degrees of freedom of Welch (1947) and Satterthwaite (1946). What seeds do to single images is
    in both parts, which makes the interval a little too wide, never too narrow.

    Parameters
    ----------
    sides : values_SN of the same images, those to be subtracted with their sign turned; each side
        has at least two seeds of its own.
    """
    sum_N = sum(side.mean(0) for side in sides)
    parts = [(sum_N.var(ddof=1) / len(sum_N), len(sum_N) - 1)]
    parts += [(side.mean(1).var(ddof=1) / len(side), len(side) - 1) for side in sides]
    mean, variance = float(sum_N.mean()), sum(v for v, _ in parts)
    if variance == 0:
        return mean, mean, mean, float(mean == 0)
    freedom = variance**2 / sum(v**2 / k for v, k in parts)
    deviation = variance**0.5
    half = float(stats.t.ppf(0.975, freedom)) * deviation
    return mean, mean - half, mean + half, 2 * float(stats.t.sf(abs(mean) / deviation, freedom))


def ratio_over_seeds(a_SN: np.ndarray, b_SN: np.ndarray) -> tuple[float, float, float]:
    """Return mean(a)/mean(b) - 1 with its 95 % interval, by `over_seeds` of a - (1 + ratio) b.

    b is taken to be far enough from 0 that its own error only shifts the ratio (delta method).
    """
    mean = float(b_SN.mean())
    ratio = float(a_SN.mean()) / mean - 1
    _, low, high, _ = over_seeds(a_SN, (1 + ratio) * b_SN)
    return ratio, ratio + low / mean, ratio + high / mean
