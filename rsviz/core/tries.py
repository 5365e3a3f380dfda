"""What a claim is worth that was chosen among several on one picture.

Each certificate is wrong with probability at most its alpha. Whoever makes several on one picture
and keeps the best has a claim that is wrong with probability at most the sum of their alphas
(Boole's inequality; for the best of two it comes close: 1.9 alpha where n is raised after seeing,
1.4 alpha where the bound is chosen after the votes).
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from rsviz.core.flags import RAISED, REREAD, RETRIED, TRIED
from rsviz.core.spec import Certificate, Tries


@dataclass(frozen=True)
class Statement:
    """What makes two certificates of one picture two statements, in the words of the controls.

    How many of the planned votes have come in is not part of it: a reading that may be taken at any
    time is taken as often as one likes.
    """

    crop: str
    network: str
    noise: float | None
    n0: int
    n: int
    seed: int
    alpha: float
    bound: str
    question: tuple[float | None, float | None]
    form: bool
    settings: tuple[tuple[str, float | int | str], ...]


def statement(c: Certificate) -> Statement:
    """Return what a certificate is a statement of."""
    return Statement(
        crop=c.image_sha256,
        network=c.checkpoint_sha256,
        noise=None if "level" in c.detail else c.sigma,
        n0=c.n0,
        n=c.n,
        seed=c.seed,
        alpha=c.alpha,
        bound=str(c.bound),
        question=(c.until_radius, c.precision),
        form="p_b_upper" in c.detail,
        settings=tuple(sorted(c.settings.items())),
    )


def together(own: Statement, others: Iterable[Statement]) -> Tries:
    """Return how many statements there are, the sum of their alphas, and what differs.

    ``alpha`` is min(1, sum alpha_i), and bounds the probability that any of them is wrong.
    """
    every = dict.fromkeys((own, *others))
    changed = [name for field in fields(Statement) for name in _changed(field.name, own, every)]
    return Tries(len(every), min(1.0, sum(s.alpha for s in every)), tuple(changed))


def _changed(name: str, own: Statement, every: Iterable[Statement]) -> list[str]:
    """Name a field that is not the same everywhere; of settings, each that is not."""
    if name != "settings":
        return [name] * any(getattr(s, name) != getattr(own, name) for s in every)
    mine = dict(own.settings)
    found: set[str] = set()
    for other in every:
        theirs = dict(other.settings)
        found |= {k for k in mine | theirs if mine.get(k) != theirs.get(k)}
    return sorted(found)


def flags_of(tries: Tries) -> tuple[str, ...]:
    """Return the flags of a certificate that is one of several."""
    changed = set(tries.changed)
    found = {
        RETRIED: "seed" in changed,
        RAISED: bool(changed & {"n", "n0", "question"}),
        REREAD: bool(changed & {"alpha", "bound", "form"}),
        TRIED: bool(changed - {"seed", "n", "n0", "question", "alpha", "bound", "form"}),
    }
    return tuple(name for name, raised in found.items() if raised)
