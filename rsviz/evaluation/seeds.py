"""Differences between ways to train, over images and over seeds of training (no torch).

Shape suffixes: S seeds, N images.
"""

import numpy as np
from scipy import stats


def over_seeds(a_SN: np.ndarray, b_SN: np.ndarray) -> tuple[float, float, float, float]:
    """Return the mean of a - b, its 95 % interval (low, high), and the p-value of no difference.

    Of another training on other images: the variance is V/N + s_a^2/S_a + s_b^2/S_b, V that over
    images of the difference of means over seeds, s^2 that of one side's means over seeds; Student's
    t with the degrees of freedom of Welch (1947) and Satterthwaite (1946). What seeds do to single
    images is in both parts, which makes the interval a little too wide, never too narrow.

    Parameters
    ----------
    a_SN, b_SN : values of the same images; each side has at least two seeds of its own.
    """
    gap_N = a_SN.mean(0) - b_SN.mean(0)
    parts = [(gap_N.var(ddof=1) / len(gap_N), len(gap_N) - 1)]
    parts += [(side.mean(1).var(ddof=1) / len(side), len(side) - 1) for side in (a_SN, b_SN)]
    gap, variance = float(gap_N.mean()), sum(v for v, _ in parts)
    if variance == 0:
        return gap, gap, gap, float(gap == 0)
    freedom = variance**2 / sum(v**2 / k for v, k in parts)
    deviation = variance**0.5
    half = float(stats.t.ppf(0.975, freedom)) * deviation
    return gap, gap - half, gap + half, 2 * float(stats.t.sf(abs(gap) / deviation, freedom))


def ratio_over_seeds(a_SN: np.ndarray, b_SN: np.ndarray) -> tuple[float, float, float]:
    """Return mean(a)/mean(b) - 1 with its 95 % interval, by `over_seeds` of a - (1 + ratio) b.

    b is taken to be far enough from 0 that its own error only shifts the ratio (delta method).
    """
    mean = float(b_SN.mean())
    ratio = float(a_SN.mean()) / mean - 1
    _, low, high, _ = over_seeds(a_SN, (1 + ratio) * b_SN)
    return ratio, ratio + low / mean, ratio + high / mean
