"""The votes of a certificate, compared with votes counted again, by its own and by a fresh seed.

Votes of its own seed must come out the same. Fresh votes are held against what the certificate says
of each probability it rests on: a certificate of a hunted lucky seed claims too much.

Shape suffixes: K classes (or noise levels), L noise levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import fisher_exact

from rsviz.core.bounds import anytime_upper
from rsviz.core.spec import Certificate
from rsviz.methods.base import Claim
from rsviz.methods.registry import METHODS

LEVEL = 0.001  # of each statistical comparison: how often it refuses an honest certificate


@dataclass(frozen=True)
class Check:
    """One thing that was checked, whether it holds, and a sentence that says so."""

    name: str
    holds: bool
    says: str


@dataclass(frozen=True)
class Recount:
    """The votes a certificate states for one stage, and those counted with its seed and afresh."""

    stage: str
    stated_K: tuple[int, ...]
    again_K: tuple[int, ...]
    fresh_K: tuple[int, ...]


def compare_again(r: Recount, stated_path: str, here: str) -> Check:
    """Compare the stated votes with those of the certificate's seed, counted here.

    Parameters
    ----------
    stated_path, here : the arithmetic of both; only the same one must give identical votes.
    """
    name = f"same seed, {r.stage}"
    total = sum(r.stated_K)
    if r.stated_K == r.again_K:
        return Check(name, True, f"All {total:,} votes came out identical.")
    if stated_path == here:
        said = (
            f"Counted again with its seed on the same arithmetic, the {total:,} votes are "
            f"{short(list(r.again_K))}, not {short(list(r.stated_K))}: counts, seed, sigma or "
            "weights were altered."
        )
        return Check(name, False, said)
    p = differ(r.stated_K, r.again_K)
    where = f"counted on {short(stated_path or 'unknown arithmetic')}, here on {short(here)}"
    if p < LEVEL:
        said = f"The votes differ beyond chance from those counted here (p = {p:.1g}; {where})."
        return Check(name, False, said)
    return Check(name, True, f"The votes agree within chance, at level {LEVEL} ({where}).")


def check_fresh(recounts: Sequence[Recount], read: Certificate, seed: int) -> list[Check]:
    """Hold each stated bound against votes of a seed that its maker could not know.

    A stage on which no bound rests must agree with them within chance; a choice need not.
    """
    stated, checks = METHODS[read.method].claims(read), []
    for r in recounts:
        own = [claim for claim in stated if claim.stage == r.stage]
        checks += [_hold(r, claim, seed) for claim in own]
        chooses = r.stage.removeprefix("estimate-").partition("-")[0] == "select"
        if not own and not chooses:
            n, p = sum(r.fresh_K), differ(r.stated_K, r.fresh_K)
            said = (
                f"{n:,} votes with seed {seed} {'differ beyond' if p < LEVEL else 'agree within'}"
            )
            said = f"{said} chance (level {LEVEL}, p = {p:.2g})."
            checks.append(Check(f"fresh seed, {r.stage}", p >= LEVEL, said))
    return checks


def _hold(r: Recount, claim: Claim, seed: int) -> Check:
    """Hold one claim against the anytime upper bound that fresh votes allow."""
    n = sum(r.fresh_K)
    upper = anytime_upper(sum(r.fresh_K[k] for k in claim.among), n, LEVEL)
    if claim.lower > upper:
        said = (
            f"{claim.name} is {claim.lower:.4f}, but {n:,} votes with seed {seed} show that "
            f"{claim.of} is at most {upper:.4f} (at {LEVEL}): its seed was hunted, or its noise is "
            "not Gaussian."
        )
    else:
        said = (
            f"{claim.name}, {claim.lower:.4f}, is below the {upper:.4f} that {n:,} votes with seed "
            f"{seed} allow {claim.of}."
        )
    return Check(f"fresh seed, {r.stage}", claim.lower <= upper, said)


def differ(a_K: Sequence[int], b_K: Sequence[int]) -> float:
    """Return a p-value that two counts come from the same probabilities; exact, so valid.

    K times the least of Fisher's exact tests of each class against all others, at most 1.
    """
    a, b = sum(a_K), sum(b_K)
    pairs = [(i, j) for i, j in zip(a_K, b_K, strict=True) if i or j]
    least = min(float(fisher_exact([[i, a - i], [j, b - j]]).pvalue) for i, j in pairs)
    return min(1.0, least * len(a_K))


def short(value: object) -> str:
    """Return a value in at most 60 characters."""
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
