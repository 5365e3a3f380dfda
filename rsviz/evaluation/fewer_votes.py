"""A log of radii alone, read as if fewer votes had been drawn: published logs beside ours.

A radius of the field's certificate tells the count behind it: R = sigma PhiInv(p), p the
Clopper-Pearson bound of k of N votes, grows with k. A random n of those N votes hold k' of the
class, hypergeometric, and certify sigma PhiInv of the bound of k' of n. What is returned is the
mean over that draw, so that nothing is left to chance.

Shape suffixes: N images, R radii, K counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtri
from scipy.stats import beta

from rsviz.core.errors import UserError
from rsviz.evaluation.logs import Log


@dataclass(frozen=True)
class Expected:
    """Certified accuracy at each radius, and ACR, that n votes an image give on average."""

    accuracy_R: tuple[float, ...]
    acr: float


def radius_K(n: int, sigma: float, alpha: float) -> np.ndarray:
    """Return the L2 radius that k of n votes certify, for every k from 0 to n, at least 0.

    sigma PhiInv(p), p = BetaInv(alpha; k, n - k + 1), as `core.bounds.clopper_pearson_lower`.
    """
    k_K = np.arange(n + 1)
    p_K = np.where(k_K > 0, beta.ppf(alpha, np.maximum(k_K, 1), n - k_K + 1), 0.0)
    return np.maximum(sigma * ndtri(np.maximum(p_K, 0.5)), 0.0)


def expected(log: Log, n: int, radius_R: Sequence[float]) -> Expected:
    """Return what a random n of each image's votes certify on average.

    E[1{R(k') >= r}] and E[R(k')] over k' ~ Hypergeometric(N, k, n), averaged over the images; an
    image that is wrong or abstains counts 0, also where fewer votes would have named another class.
    A radius rounded when it was written tells its count to that rounding.

    Raises
    ------
    UserError
        The log does not say its sigma, n and alpha, or has fewer votes than n.
    """
    if log.sigma is None or log.n is None or log.alpha is None:
        raise UserError(f"{log.name} does not say its sigma, n and alpha, so it has no counts.")
    if not 1 <= n <= log.n:
        raise UserError(f"{log.name} has {log.n:,} votes an image; give an n from 1 to {log.n:,}.")
    told_K, certified_K = (radius_K(m, log.sigma, log.alpha) for m in (log.n, n))
    won_N = np.where(log.correct_N.astype(bool), log.radius_N, 0.0)
    counted, times = np.unique(_nearest(told_K, won_N[won_N > 0]), return_counts=True)
    accuracy_R, acr = np.zeros(len(radius_R)), 0.0
    radius_R1 = np.maximum(np.asarray(radius_R) - 1e-12, np.nextafter(0, 1))[:, None]
    for k, many in zip(counted, times, strict=True):
        share = k / log.n
        mean, spread = n * share, (n * share * (1 - share)) ** 0.5 + 1
        low, high = max(0, int(mean - 10 * spread)), min(n, int(mean + 10 * spread) + 1)
        held_K = np.arange(low, high + 1)  # beyond them less than 1e-20 is left
        p_K, reached_K = _drawn(held_K, log.n, int(k), n), certified_K[held_K]
        accuracy_R += many * (reached_K >= radius_R1) @ p_K
        acr += many * float(p_K @ reached_K)
    return Expected(tuple((accuracy_R / len(log)).tolist()), acr / len(log))


def _drawn(held_K: np.ndarray, N: int, k: int, n: int) -> np.ndarray:
    """Return the probability that n of N votes, k of them for the class, hold so many of these.

    C(k, j) C(N - k, n - j) / C(N, n) by logarithms: scipy's own takes a millisecond a value here.
    """

    def log_choose(a: int, b_K: np.ndarray) -> np.ndarray:
        return gammaln(a + 1) - gammaln(b_K + 1) - gammaln(a - b_K + 1)

    possible_K = (held_K <= k) & (n - held_K <= N - k)
    j_K = np.where(possible_K, held_K, max(0, n - (N - k)))
    log_p_K = log_choose(k, j_K) + log_choose(N - k, n - j_K) - log_choose(N, np.array(n))
    return np.where(possible_K, np.exp(log_p_K), 0.0)


def _nearest(told_K: np.ndarray, radius_N: np.ndarray) -> np.ndarray:
    """Return the count whose radius is nearest to each, of a table that grows with the count."""
    above_N = np.clip(np.searchsorted(told_K, radius_N), 1, len(told_K) - 1)
    nearer_N = radius_N - told_K[above_N - 1] < told_K[above_N] - radius_N
    return above_N - nearer_N
