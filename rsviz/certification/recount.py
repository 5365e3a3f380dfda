"""Votes a certificate states, held against votes counted again: with its own seed, and afresh.

Votes of its own seed must come out the same. Fresh votes are held against what the certificate says
of each probability it rests on: a seed that was hunted for lucky votes claims more than there is.

Shape suffixes: K classes (or noise levels), L noise levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtr, ndtri
from scipy.stats import fisher_exact

from rsviz.core.bounds import anytime_upper
from rsviz.core.spec import Certificate

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


@dataclass(frozen=True)
class Claim:
    """What a certificate says of one stage: the answers ``among`` have at least this probability.

    ``name`` is what it calls the bound, ``of`` what is bounded.
    """

    stage: str
    among: tuple[int, ...]
    lower: float
    name: str
    of: str


def claims(c: Certificate) -> list[Claim]:
    """Return all that a certificate's radius rests on, as lower bounds of probabilities.

    Parameters
    ----------
    c : read from counts here, not as it was received.
    """
    rule = c.detail.get("rule")
    if rule == "cascade":
        return _of_cascade(c)
    found = []
    if c.predicted is not None:
        sweep = rule == "sweep"
        stage = f"bound-{c.sigma:g}" if sweep else "bound"
        found.append(Claim(stage, (c.predicted,), c.p_a_lower, "p_a_lower", "p_A"))
    if rule == "min" and c.detail["level"] is not None:
        chosen = c.detail["levels"].index(c.detail["level"])
        lower = c.detail["estimate"]["p_lower"]
        of = f"the probability of level {c.detail['level']:g}"
        found.append(Claim("estimate-bound", (chosen,), lower, "p_lower", of))
    if "interval" in c.detail and c.predicted is not None and c.radius > 0:
        found += _of_interval(c, c.predicted)
    return found


def _of_cascade(c: Certificate) -> list[Claim]:
    """Return what Multiscale says of each level: of its class at m, of all but another above it.

    An upper bound on the other class is a lower bound on all the rest.
    """
    found = []
    for row in c.detail.get("limits", ()):
        level, predicted = row["level"], c.predicted
        if row["distance"] is None or predicted is None:
            continue
        if "p_lower" in row:
            of = f"p_A at level {level:g}"
            claim = Claim(f"bound-{level:g}", (predicted,), row["p_lower"], "p_a_lower", of)
        else:
            classes = range(len(c.detail["counts"][f"{level:g}"]))
            rest = tuple(k for k in classes if k != row["other"])
            of = f"that of all but class {row['other']} at level {level:g}"
            claim = Claim(f"bound-{level:g}", rest, 1 - row["p_upper"], "a bound above it", of)
        found.append(claim)
    return found


def _of_interval(c: Certificate, predicted: int) -> list[Claim]:
    """Return what a sweep says of the two sides of the level, and of the class at other levels."""
    level_L, detail = c.detail["levels"], c.detail
    stage = "selector" if "selector" in detail else "estimate-bound"
    P = detail.get("quantile", 0.5)
    i, j = (level_L.index(level) for level in detail["interval"])
    found = []
    for reach, among, above, of in (
        (detail["down"][i], range(i, len(level_L)), 1 - P, f"that of level {level_L[i]:g} or more"),
        (detail["up"][j], range(j + 1), P, f"that of level {level_L[j]:g} or less"),
    ):
        if reach is not None:  # there is an end of the grid, which no draw passes
            lower = float(ndtr(reach / detail["q"] + ndtri(above)))
            found.append(Claim(stage, tuple(among), lower, "a bound on the level", of))
    for k in range(i, j + 1):
        if level_L[k] != c.sigma:
            level, lower = level_L[k], float(ndtr(detail["radii"][k] / level_L[k]))
            of = f"p_A at level {level:g}"
            found.append(Claim(f"bound-{level:g}", (predicted,), lower, "p_a_lower", of))
    return found


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
    stated, checks = claims(read), []
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
    """Return a p-value that two counts come from the same probabilities; exact, hence valid.

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
