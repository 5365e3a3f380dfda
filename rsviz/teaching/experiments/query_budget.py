"""Budgets in numbers: how well several noisy looks distinguish two images, and what masks save.

`rsviz.smoothing.queries` does the same for the votes of a network; lessons need only this.
The unit of a distance mu is one standard deviation of the look that spends the whole budget.

Shape suffixes: P points of a curve, T thresholds, N simulated looks.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]


def missed(false_alarm_P: Floats, mu: float) -> Floats:
    """Return the least share missed at each share of false alarms: Phi(PhiInv(1 - a) - mu).

    The trade-off curve of telling N(0, 1) from N(mu, 1) (Dong, Roth & Su 2019, arXiv 1905.02383).
    """
    return ndtr(-ndtri(false_alarm_P) - mu)


def split(mu: float, share: float) -> tuple[float, float]:
    """Return the distances (mu sqrt(f), mu sqrt(1 - f)) that two looks of shares f, 1 - f see."""
    return mu * math.sqrt(share), mu * math.sqrt(1 - share)


def simulate(mu: float, share: float, thresholds_T: Floats, seed: int) -> tuple[Floats, Floats]:
    """Try the best test on 20,000 simulated pairs of looks at each of the two images.

    The test says 'the other image' where mu_1 z_1 + mu_2 z_2, the log-likelihood ratio up to a
    constant, is above mu t; returned are its shares of false alarms and of misses at each t.
    """
    mu_1, mu_2 = split(mu, share)
    z_2N = np.random.default_rng(seed).standard_normal((2, 2, 20_000))
    here_N = mu_1 * z_2N[0, 0] + mu_2 * z_2N[0, 1]
    there_N = mu_1 * (z_2N[1, 0] + mu_1) + mu_2 * (z_2N[1, 1] + mu_2)
    above_T = mu * thresholds_T[:, None]
    return (here_N > above_T).mean(1), (there_N <= above_T).mean(1)


def masked_noise(sigma: float, share: float, kept: float) -> tuple[float, float, float]:
    """Return (s_1, s_2, s): noise of look 1, of look 2, and of both averaged inside the mask.

    s_1 = sigma / sqrt(f), s_2 = sigma / sqrt(1 - f) sqrt(q) for a mask of ones on a share q of
    the pixels and zeros elsewhere, 1 / s^2 = 1 / s_1^2 + 1 / s_2^2. Outside it s_1 is all there is.
    """
    s_1 = sigma / math.sqrt(share)
    s_2 = sigma / math.sqrt(1 - share) * math.sqrt(kept)
    return s_1, s_2, 1 / math.sqrt(s_1**-2 + s_2**-2)
