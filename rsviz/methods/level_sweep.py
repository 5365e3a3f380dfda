"""A smoothed choice among levels, and a classifier smoothed at it: certified over intervals.

Noisy copies x + q e vote for levels; the level of x is the quantile P of these votes, the least s
with P(level <= s) >= P (their median where P = 1/2), and the answer that of the classifier smoothed
at that level. A share p of votes that is above P at x is above it at every point closer than
q (PhiInv(p) - PhiInv(P)). So lower bounds, at a each, on P(level <= s) and on P(level > s) give for
each level the distance up to which the quantile stays on its side. Then, over all intervals S of
levels around the one chosen,

    R = max over S of min(reach of its upper edge, reach of its lower edge, min over s in S of R_s),

R_s = sigma_s PhiInv(p_a_lower) of one class for every level, on votes of its own at a_s. The claim
fails with probability at most 2 a + a_s: of all points where the answer is not that class take the
nearest; the level there is fixed, so either its own certificate is wrong, or the bounds left it
out, which is one fixed event a side. Hence no union over levels, thresholds or distances, and votes
of a level may be asked for or not by what those of others said. Dual RS and Variational RS share
this file.

Shape suffix: L levels, rising.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from scipy.special import ndtr, ndtri

from rsviz.core import reading
from rsviz.core.bounds import lower as lower_bound
from rsviz.core.flags import PARTIAL
from rsviz.core.radius import down, radius_l2
from rsviz.core.smoothed_median import best_interval, possible, quantile_index, reach
from rsviz.core.spec import Certificate, Ending, RunSpec, Votes
from rsviz.methods.base import Claim
from rsviz.smoothing.voters import Ask

SIDE, CLASS = 0.25, 0.5  # the shares of alpha: each side of the quantile, the class at every level


@dataclass(frozen=True)
class Choice:
    """Who votes for which levels: the stage, the noise q on the image, the quantile P."""

    stage: str
    level_L: tuple[float, ...]
    q: float
    quantile: float = 0.5

    def index(self, votes: Votes) -> int:
        """Return the level that these votes choose."""
        return quantile_index(votes.counts_K, self.quantile)


@dataclass(frozen=True, eq=False)
class Sweep:
    """What complete votes for the level, and those for the class so far, show.

    ``certificate_L`` is that of every level, ``down_L`` and ``up_L`` the reach of the quantile,
    ``low`` and ``high`` the edges of the best interval, as indices.
    """

    chosen: int
    certificate_L: tuple[Certificate, ...]
    down_L: tuple[float, ...]
    up_L: tuple[float, ...]
    radius: float
    low: int
    high: int

    @property
    def radius_L(self) -> tuple[float, ...]:
        """The radius of every level, 0 where there is none."""
        return tuple(c.radius for c in self.certificate_L)


def sweep(how: Choice, votes: Mapping[str, Votes], spec: RunSpec, guarantee: str) -> Sweep | None:
    """Read all votes there are; None while those for the level are not all in."""
    draws = votes.get(how.stage)
    if draws is None or draws.ended != "complete":
        return None
    chosen = how.index(draws)
    certificate_L = tuple(
        reading.read(
            select(how, votes, chosen),
            votes.get(f"bound-{s:g}"),
            replace(spec, sigma=s, alpha=CLASS * spec.alpha),
            guarantee,
        )
        for s in how.level_L
    )
    down_L, up_L = reach(draws, how.q, SIDE * spec.alpha, spec.bound, how.quantile)
    R, i, j = best_interval(down_L, up_L, [c.radius for c in certificate_L], chosen)
    return Sweep(chosen, certificate_L, tuple(down_L), tuple(up_L), R, i, j)


def select(how: Choice, votes: Mapping[str, Votes], chosen: int) -> Votes | None:
    """Return the n0 votes at the level chosen: the only ones, or those of this among all levels."""
    return votes.get("select", votes.get(f"select-{how.level_L[chosen]:g}"))


def certificate(
    how: Choice,
    votes: Mapping[str, Votes],
    spec: RunSpec,
    guarantee: str,
    ended: Ending,
    found: Sweep | None,
) -> Certificate:
    """Return the certificate of what was found; ``detail`` is left to the method."""
    if found is None:  # all else waits for the planned draws
        draws = votes.get(how.stage)
        waiting = Votes("select", (), spec.n0, draws.ended if draws else "running")
        c = reading.read(waiting, None, replace(spec, alpha=CLASS * spec.alpha), guarantee)
        return replace(c, sigma=None, alpha=spec.alpha, alpha_split=alpha_split(c))
    c = found.certificate_L[found.chosen]
    flags = [f for f in c.flags if f != PARTIAL] + ([PARTIAL] if ended != "complete" else [])
    return replace(
        c,
        radius=found.radius,
        abstained=found.radius <= 0,
        alpha=spec.alpha,
        alpha_split=alpha_split(c),
        ended=ended,
        flags=tuple(flags),
    )


def ending(how: Choice, votes: Mapping[str, Votes], spec: RunSpec) -> Ending:
    """Return how the votes came to an end: complete where `next_level` wants no more."""
    draws = votes.get(how.stage)
    if draws is None or draws.ended != "complete":
        return draws.ended if draws else "running"
    chosen = select(how, votes, how.index(draws))
    if chosen is None or chosen.ended != "complete":
        return chosen.ended if chosen else "running"
    cut = [v.ended for s, v in votes.items() if s.startswith("bound-") and v.ended != "complete"]
    if cut:
        return cut[0]
    return "complete" if next_level(how, votes, spec) is None else "running"


def next_level(how: Choice, votes: Mapping[str, Votes], spec: RunSpec) -> float | None:
    """Return the level whose votes may still make the radius larger, None where none can.

    First the level chosen; then, as long as some interval could be better if its missing levels
    were as good as n votes can be, the missing one nearest to the chosen. The votes for the level
    must be complete.
    """
    found = sweep(how, votes, spec, "")
    assert found is not None
    missing = [f"bound-{s:g}" not in votes for s in how.level_L]
    if missing[found.chosen]:
        return how.level_L[found.chosen]
    full = Votes("bound", (spec.n,), spec.n, "complete")
    most = lower_bound(full, spec.n, CLASS * spec.alpha, spec.bound)
    hoped_L = [
        radius_l2(s, most) if absent else R
        for s, absent, R in zip(how.level_L, missing, found.radius_L, strict=True)
    ]
    R, i, j = best_interval(found.down_L, found.up_L, hoped_L, found.chosen)
    inside = [k for k in range(i, j + 1) if missing[k]]
    if R <= found.radius or not inside:
        return None
    return how.level_L[min(inside, key=lambda k: abs(k - found.chosen))]


def needed(how: Choice, votes: Mapping[str, Votes], spec: RunSpec) -> dict[str, Votes]:
    """Return those of some votes that a run would have asked for that asks as `next_level` does."""
    draws = votes.get(how.stage)
    found = {} if draws is None else {how.stage: draws}
    if draws is None or draws.ended != "complete":
        return found
    if (chosen := select(how, votes, how.index(draws))) is not None:
        found[chosen.stage] = chosen
    while (level := next_level(how, found, spec)) is not None:
        stage = f"bound-{level:g}"
        if stage not in votes:
            break
        found[stage] = votes[stage]
    return found


def alpha_split(c: Certificate) -> dict[str, float]:
    """Return alpha of each event: two sides of the quantile, and the class at every level."""
    sides = {
        f"median {side}, {event}": share * SIDE / CLASS
        for side in ("below", "above")
        for event, share in c.alpha_split.items()
    }
    return sides | {f"class, {event}": share for event, share in c.alpha_split.items()}


class Detail(Protocol):
    """What the details of both methods tell of the radius; see `told`."""

    @property
    def down(self) -> Sequence[float | None]:
        """The distances at which the quantile may pass each level downwards."""

    @property
    def up(self) -> Sequence[float | None]:
        """The same upwards."""

    @property
    def radii(self) -> Sequence[float]:
        """R_s of every level."""

    @property
    def interval(self) -> Sequence[float]:
        """The ends of S; empty before the level is chosen."""


def told(how: Choice, found: Sweep, votes: Mapping[str, Votes], leaves: str) -> dict[str, Any]:
    """Return the fields of a detail that the radius rests on, by name.

    Distances are None at the ends of the grid.

    ``leaves`` says why a class certified at the level chosen may be certified at no distance.
    """
    low, high = how.level_L[found.low], how.level_L[found.high]
    return {
        "rule": "sweep",
        "levels": list(how.level_L),
        "level": how.level_L[found.chosen],
        "down": _edges(found.down_L),
        "up": _edges(found.up_L),
        "radii": list(found.radius_L),
        "counts": {
            s: list(v.counts_K) for s, v in votes.items() if s.startswith(("select-", "bound-"))
        },
        "interval": [low, high],
        "why": _why(found.radius, low, high, found.radius_L[found.chosen], leaves),
    }


def _edges(reach_L: Sequence[float]) -> list[float | None]:
    """Return distances as JSON can hold them: None where no draw can pass an end of the grid."""
    return [None if reach == float("inf") else reach for reach in reach_L]


def _why(R: float, low: float, high: float, at_level: float, leaves: str) -> str:
    if R > 0:
        between = f"at level {low:g}" if low == high else f"between levels {low:g} and {high:g}"
        return (
            f"Closer than {down(R, 4)} the level stays {between}, and its class is the same there."
        )
    if at_level > 0:
        return f"The class is certified at the chosen level, but {leaves}."
    return "The votes do not certify a class at the chosen level."


def claims(c: Certificate, how: Choice, detail: Detail) -> list[Claim]:
    """Return what a radius rests on: the class, the two sides of the level, the other levels."""
    found: list[Claim] = []
    if c.predicted is None:
        return found
    stage = f"bound-{c.sigma:g}"
    found.append(Claim(stage, (c.predicted,), c.p_a_lower, "p_a_lower", "p_A"))
    if not detail.interval or c.radius <= 0:
        return found
    level_L, P = how.level_L, how.quantile
    i, j = (level_L.index(level) for level in detail.interval)
    for distance, among, above, of in (
        (detail.down[i], range(i, len(level_L)), 1 - P, f"that of level {level_L[i]:g} or more"),
        (detail.up[j], range(j + 1), P, f"that of level {level_L[j]:g} or less"),
    ):
        if distance is not None:  # there is an end of the grid, which no draw passes
            lower = float(ndtr(distance / how.q + ndtri(above)))
            found.append(Claim(how.stage, tuple(among), lower, "a bound on the level", of))
    for k in range(i, j + 1):
        if level_L[k] != c.sigma:
            level, lower = level_L[k], float(ndtr(detail.radii[k] / level_L[k]))
            of = f"p_A at level {level:g}"
            found.append(Claim(f"bound-{level:g}", (c.predicted,), lower, "p_a_lower", of))
    return found


def predict(
    how: Choice, draw: Ask, at_level: Mapping[float, Ask], alpha: float
) -> Generator[Ask, Votes, int | None]:
    """Predict the class of one image, or None to abstain.

    alpha/2 bounds the exact quantile; PREDICT at alpha/2 runs at every level left, and all must
    agree. The classifier's class is another with probability at most alpha.

    Parameters
    ----------
    draw : the votes for the level; at_level those for the class at each level.
    """
    draws = yield draw
    said = set()
    for index in possible(draws, SIDE * alpha, how.quantile):
        votes = yield at_level[how.level_L[index]]
        said.add(reading.predict(votes.counts_K, CLASS * alpha))
    return said.pop() if len(said) == 1 else None
