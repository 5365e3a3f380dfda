"""Is p above p*? Answered with as few votes as the question needs (no torch here).

A certificate of radius R is the statement p_A > p* = Phi(R / sigma). Votes come one by one; after
some of them, the looks, the count k of the class among t votes is held against two boundaries,

    yes  if k >= yes(t):  p > p*,       so the radius is above R;
    no   if k <= no(t):   p <= p*, so no number of votes would certify R for this class,

and at the cap of n votes the answer may be 'undecided'. Whatever p is, only one of the two answers
is false: yes where p <= p*, no where p > p*. Each may therefore spend all of alpha.

The boundary is the exact sequential test with alpha spending (Lan & DeMets 1983): at each look
yes(t) is the least count with

    P(yes at this look or before | p = p*) <= alpha s(t),    s(t) = (t / n)^0.3,

computed by recursion over the counts of all runs that have no answer yet. The probability that k
ever reaches a boundary rises in p, run by run, so that alpha at p* is alpha at every p <= p*. No
inequality is wasted, as it is in a test that holds for ever (Ville's): all of alpha is spent at n.
It holds if one stops earlier, at any time and for any reason, since fewer looks reach less. The no
boundary is the mirror image, of the votes for other classes. The exponent spends some alpha on
answers after a dozen votes and most on those that need thousands; from .2 to .5 little changes.

Shape suffixes: L looks, N votes of one batch, H counts, S counts of one step between looks.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import gammaln, ndtr, xlogy

from rsviz.core.errors import UserError

Answer = Literal["yes", "no certificate", "undecided"]

SPENDING = 0.3  # exponent of s
EVERY_VOTE, STEP, GROWTH = 1_000, 100, 1.01
_NOTHING = 1e-15  # of alpha: counts this improbable leave the recursion, and count as errors


@dataclass(frozen=True, eq=False)
class Plan:
    """The looks of one question, and at each the least count for yes and the greatest for no."""

    p: float
    n: int
    alpha: float
    look_L: np.ndarray
    yes_L: np.ndarray
    no_L: np.ndarray

    def answer(self, k: int, t: int) -> Answer:
        """Return what k of t votes say; between two looks, and before any boundary, undecided."""
        i = int(np.searchsorted(self.look_L, t))
        if i == len(self.look_L) or self.look_L[i] != t:
            return "undecided"
        return (
            "yes" if k >= self.yes_L[i] else "no certificate" if k <= self.no_L[i] else "undecided"
        )

    def settles(self, k: int, t: int, hit_N: np.ndarray) -> int | None:
        """Return how many of the next votes are needed for an answer, None if all leave it open.

        Parameters
        ----------
        k, t : votes for the class, and votes, before these.
        hit_N : whether each of the next votes is for the class.
        """
        first, last = np.searchsorted(self.look_L, (t + 1, t + len(hit_N) + 1))
        more_L = self.look_L[first:last] - t
        k_L = k + np.cumsum(hit_N)[more_L - 1]
        settled_L = (k_L >= self.yes_L[first:last]) | (k_L <= self.no_L[first:last])
        return int(more_L[np.argmax(settled_L)]) if settled_L.any() else None


@lru_cache(maxsize=64)
def plan(z: float, n: int, alpha: float) -> Plan:
    """Return the boundaries of 'is p above Phi(z)?', for at most n votes.

    Parameters
    ----------
    z : R / sigma for an L2 radius R; R sqrt(d) / sigma for one in Linf.
    alpha : each answer is wrong with probability at most this.

    Raises
    ------
    UserError
        n votes could not say yes even if all agreed.
    """
    p, rest = float(ndtr(z)), float(ndtr(-z))
    if n * math.log1p(-rest) > math.log(alpha):
        needed = math.ceil(math.log(alpha) / math.log1p(-rest)) if rest > 0 else math.inf
        least = f"at least {needed:,} are needed" if needed < 1e9 else "no number in reach could"
        raise UserError(
            f"Even if all {n:,} votes agreed they could not certify this radius: {least}; raise n "
            "or sigma, or ask for a smaller radius."
        )
    look_L = looks(n)
    yes_L = boundary(p, rest, look_L, alpha)
    no_L = look_L - boundary(rest, p, look_L, alpha)
    return Plan(p, n, alpha, look_L, yes_L, no_L)


def looks(n: int) -> np.ndarray:
    """Return the numbers of votes at which the count is looked at; the last is n.

    Every vote to 1,000, then whole hundreds, at least one in a hundred apart: to look at every vote
    would gain less than that.
    """
    found = list(range(1, min(n, EVERY_VOTE) + 1))
    while found[-1] < n:
        found.append(min(n, max(found[-1] + STEP, int(found[-1] * GROWTH) // STEP * STEP)))
    return np.array(found)


def boundary(
    p: float, rest: float, look_L: np.ndarray, alpha: float, spending: float = SPENDING
) -> np.ndarray:
    """Return at each look the least count that refutes 'at most p', t + 1 where none does.

    P(the count is ever at or above it) <= alpha at p, hence at all below.

    Parameters
    ----------
    rest : 1 - p, given apart because p may be near 1.
    spending : exponent of s; the larger, the more of alpha is left for the end.
    """
    found, spent, n = [], 0.0, look_L[-1]
    mass_H, first = np.ones(1), 0  # P(count = first, first + 1, .. and no boundary reached)
    for t, step in zip(look_L.tolist(), np.diff(look_L, prepend=0).tolist(), strict=True):
        mass_H, first = _after(mass_H, first, step, p, rest, _NOTHING * alpha)
        tail_H = np.cumsum(mass_H[::-1])[::-1]
        allowed_H = spent + tail_H <= alpha * (t / n) ** spending
        reached = int(np.argmax(allowed_H)) if allowed_H.any() else len(mass_H)
        found.append(first + reached)
        spent += float(mass_H[reached:].sum())
        mass_H = mass_H[:reached]
        likely_H = np.flatnonzero(mass_H > _NOTHING * alpha)
        low = int(likely_H[0]) if len(likely_H) else len(mass_H)
        spent += float(mass_H[:low].sum())
        mass_H, first = mass_H[low:], first + low
    return np.array(found)


def outcomes(plan: Plan, p: float) -> tuple[float, dict[Answer, float]]:
    """Return the votes used on average and the probability of each answer, exactly, at a true p."""
    mass_H, first, votes = np.ones(1), 0, 0.0
    answers: dict[Answer, float] = {"yes": 0.0, "no certificate": 0.0, "undecided": 0.0}
    steps = np.diff(plan.look_L, prepend=0).tolist()
    for step, yes, no in zip(steps, plan.yes_L.tolist(), plan.no_L.tolist(), strict=True):
        votes += step * float(mass_H.sum())
        mass_H, first = _after(mass_H, first, step, p, 1 - p, _NOTHING)
        high, low = max(yes - first, 0), max(no + 1 - first, 0)
        answers["yes"] += float(mass_H[high:].sum())
        answers["no certificate"] += float(mass_H[:low].sum())
        mass_H, first = mass_H[low:high], first + low
        if not len(mass_H):
            break
    answers["undecided"] = float(mass_H.sum())
    return votes, answers


def _after(
    mass_H: np.ndarray, first: int, step: int, p: float, rest: float, nothing: float
) -> tuple[np.ndarray, int]:
    """Return the distribution of the count after more votes, and the least count it holds."""
    if not len(mass_H):
        return mass_H, first
    pmf_S, low = _binomial(step, p, rest, nothing)
    return np.convolve(mass_H, pmf_S), first + low


@lru_cache(maxsize=1_024)
def _binomial(step: int, p: float, rest: float, nothing: float) -> tuple[np.ndarray, int]:
    """Return P(Bin(step, p) = low, low + 1, ..) as far as it is more than nothing, and low."""
    hit_S = np.arange(step + 1)
    ways_S = gammaln(step + 1) - gammaln(hit_S + 1) - gammaln(step - hit_S + 1)
    pmf_S = np.exp(ways_S + xlogy(hit_S, p) + xlogy(step - hit_S, rest))
    kept_S = np.flatnonzero(pmf_S > nothing)
    return pmf_S[kept_S[0] : kept_S[-1] + 1], int(kept_S[0])


def in_words(answer: Answer, radius: str, votes: int, n: int) -> str:
    """Return one or two sentences on an answer; no speaks of certificates for this class only."""
    if answer == "yes":
        return f"Yes: certified at {radius} after {votes:,} votes."
    if answer == "no certificate":
        return (
            f"No certificate at {radius} for this class: {votes:,} votes show that no number of "
            "votes would give one. That proves no change of the answer within that distance."
        )
    if votes < n:
        return f"Undecided at {radius} so far, after {votes:,} of at most {n:,} votes."
    return f"Undecided at {radius}: all {votes:,} votes leave p_A too near what that radius needs."
