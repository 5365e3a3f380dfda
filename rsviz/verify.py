"""Does a certificate hold? Everything that can be done again is done again, by whoever received it.

The certificate's own votes are played back to its method, which so asks for the same votes again:
they are counted with the certificate's seed, and with a fresh one, and read once more.

Shape suffixes: C channels, H height, W width, K classes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scipy.stats import fisher_exact
from torch import Tensor, nn

from rsviz import datasets, run
from rsviz.bounds import anytime_upper
from rsviz.certify import two_sided
from rsviz.checkpoints import Checkpoint, load_nets
from rsviz.errors import UserError
from rsviz.images import image_id
from rsviz.methods import METHODS, Method, reader
from rsviz.spec import N_MAX, Bound, Certificate, RunSpec, Votes
from rsviz.voting import default_chunks, path

LEVEL = 0.001  # of each statistical comparison: how often it refuses an honest certificate
FRESH = 10_000  # votes of the fresh seed at least: few votes could not tell a hunted seed
READ = (
    "predicted abstained norm radius p_a_lower sigma counts counts0 n0 n alpha bound ended "
    "alpha_split guarantee detail"
).split()


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


def holds(checks: Sequence[Check]) -> bool:
    """Return whether every check holds."""
    return all(check.holds for check in checks)


def verify(
    c: Certificate,
    x_CHW: Tensor,
    checkpoint: Checkpoint,
    fresh_seed: int,
    device: str = "cpu",
    fresh: int = FRESH,
) -> list[Check]:
    """Check a certificate against the image and the weights; votes are counted last.

    An honest one is refused with probability at most alpha + 3 `LEVEL` for each stage of votes.

    Parameters
    ----------
    fresh_seed : another seed than the certificate's, chosen by whoever verifies.
    fresh : votes of each stage with it, at least; as many as the certificate has if that is more.

    Raises
    ------
    UserError
        The certificate cannot be checked at all: it holds values that no run has.
    """
    spec = spec_of(c)
    if fresh_seed == spec.seed:
        raise UserError(f"The fresh seed must not be the certificate's own, {spec.seed}.")
    checks = [_image(c, x_CHW), _weights(c, checkpoint), _settings(c, checkpoint)]
    if not holds(checks):
        return checks
    return checks + recheck(c, x_CHW, load_nets(checkpoint, device), fresh_seed, device, fresh)


def recheck(
    c: Certificate,
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    fresh_seed: int,
    device: str = "cpu",
    fresh: int = FRESH,
) -> list[Check]:
    """Count the votes again with networks at hand; see `verify`."""
    spec, method = spec_of(c), METHODS[c.method]
    try:
        read, recounts = _replay(c, x_CHW, nets, spec, method, (fresh_seed, fresh), device)
    except UserError as error:
        return [Check("reading", False, f"Its votes do not fit its own settings: {error}")]
    checks = [_reading(c, read)]
    if not recounts:
        said = "It has no votes yet and claims nothing, so there is nothing to count again."
        return [*checks, Check("same seed", True, said)]
    here = path(device, default_chunks(device))
    checks += [_again(r, here == c.path, c.path, here) for r in recounts]
    return checks + [_fresh(r, c, fresh_seed) for r in recounts if r.stage != "select"]


def spec_of(c: Certificate) -> RunSpec:
    """Return the run that a certificate states; UserError if no run can be like that."""
    _check_types(c)
    return RunSpec(
        image=c.image or c.image_sha256,
        checkpoint=c.checkpoint,
        sigma=0.5 if METHODS[c.method].chooses_sigma or c.sigma is None else c.sigma,
        method=c.method,
        checkpoint_sha256=c.checkpoint_sha256,
        n0=c.n0,
        n=c.n,
        alpha=c.alpha,
        bound=Bound(c.bound),
        seed=c.seed,
        settings=tuple(sorted(c.settings.items())),
    )


def _check_types(c: Certificate) -> None:
    """Refuse what `Certificate.from_json` lets through: counts that are none, words for numbers."""
    words = ("method", "checkpoint", "image", "image_sha256", "checkpoint_sha256", "path")
    if any(not isinstance(getattr(c, name), str) for name in words):
        raise UserError("This certificate's names and hashes are not all text; it was altered.")
    if c.method not in METHODS:
        raise UserError(f"This certificate's method, {c.method[:40]!r}, is not one rsviz knows.")
    if not isinstance(c.stages, Mapping) or not isinstance(c.settings, Mapping):
        raise UserError("This certificate's stages or settings are not lists by name.")
    for counts in (c.counts, c.counts0, *c.stages.values()):
        whole = isinstance(counts, Sequence) and all(type(k) is int and k >= 0 for k in counts)
        if not whole or sum(counts) > N_MAX:
            raise UserError("This certificate's counts are not all whole numbers of votes.")
    for name in ("radius", "p_a_lower", "alpha"):
        value = getattr(c, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(f"This certificate's {name} is not a number.")


def _image(c: Certificate, x_CHW: Tensor) -> Check:
    if image_id(x_CHW) != c.image_sha256:
        said = "The image is not the one certified: its hash differs. A crop counts as a change."
        return Check("image", False, said)
    dataset = c.image.split("/")[0]
    if dataset in datasets.CLASSES and datasets.available(dataset):
        named, _ = datasets.find_image(c.image)
        if image_id(named) != c.image_sha256:
            return Check("image", False, f"It names {c.image}, which is another image.")
    return Check("image", True, "The image is the one certified, by hash.")


def _weights(c: Certificate, checkpoint: Checkpoint) -> Check:
    if checkpoint.problem:
        return Check("weights", False, f"{checkpoint.name} cannot be used: {checkpoint.problem}.")
    if checkpoint.sha256 != c.checkpoint_sha256:
        said = f"The weights of {checkpoint.name} here are others than it names (sha256 differs)."
        return Check("weights", False, said)
    return Check("weights", True, f"The weights of {checkpoint.name} are those it names, by hash.")


def _settings(c: Certificate, checkpoint: Checkpoint) -> Check:
    method = checkpoint.card.get("method")
    if method != c.method:
        said = f"It says method {c.method}, but {checkpoint.name} is {method}."
        return Check("settings", False, said)
    return Check("settings", True, "Method and settings are ones a run can have.")


def _replay(
    c: Certificate,
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    spec: RunSpec,
    method: Method,
    fresh: tuple[int, int],
    device: str,
) -> tuple[Certificate, list[Recount]]:
    """Send a method the stated votes; return what it reads from them, and every stage recounted."""
    stated = {"select": c.counts0, "bound": c.counts} | dict(c.stages)
    votes: dict[str, Votes] = {}
    recounts = []
    votes_of = method.certify(x_CHW, nets, spec)
    ask = next(votes_of)
    while (n := sum(stated.get(ask.stage, ()))) > 0:
        counts_K = tuple(stated[ask.stage])
        if len(counts_K) != ask.classes:
            raise UserError(f"{len(counts_K)} counts where {ask.classes} classes are voted for.")
        again = run.count(ask, n, x_CHW, spec.seed, device)
        new = run.count(ask, max(n, fresh[1]), x_CHW, fresh[0], device)
        recounts.append(Recount(ask.stage, counts_K, again, new))
        ended = "complete" if n == ask.n else c.ended if c.ended != "complete" else "stopped"
        votes[ask.stage] = Votes(ask.stage, counts_K, ask.n, ended)
        if n != ask.n:
            break
        try:
            ask = votes_of.send(votes[ask.stage])
        except StopIteration as end:
            return _as_read(end.value, c), recounts
    read = reader(method, x_CHW)(votes, spec)
    stopped = c.ended if c.ended != "complete" else "stopped"
    return _as_read(replace(read, ended=stopped), c), recounts


def _as_read(read: Certificate, c: Certificate) -> Certificate:
    """Return the reading in the two-class form where the certificate is in it."""
    return two_sided(read) if "p_b_upper" in c.detail else read


def _reading(c: Certificate, read: Certificate) -> Check:
    """Compare all that follows from the stated counts."""
    mine, its = asdict(read), asdict(c)
    wrong = [name for name in READ if not _same(mine[name], its[name])]
    wrong += ["flags"] * (not set(read.flags) <= set(c.flags))
    if not wrong:
        return Check("reading", True, "Radius and p_a_lower follow from its counts.")
    told = [
        f"{name} is stated as {_short(its[name])}, but its counts give {_short(mine[name])}"
        for name in wrong
    ]
    return Check("reading", False, "; ".join(told) + ".")


def _same(a: Any, b: Any) -> bool:
    """Whether two values are equal, lists and tuples alike, numbers to nine digits."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return set(a) == set(b) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, int | float) and not isinstance(b, bool):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return type(a) is type(b) and bool(a == b)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _again(r: Recount, same_path: bool, stated_path: str, here: str) -> Check:
    """Compare the stated votes with those of the certificate's seed, counted here."""
    name = f"same seed, {r.stage}"
    total = sum(r.stated_K)
    if r.stated_K == r.again_K:
        return Check(name, True, f"All {total:,} votes came out identical.")
    if same_path:
        said = (
            f"Counted again with its seed on the same arithmetic, the {total:,} votes are "
            f"{_short(list(r.again_K))}, not {_short(list(r.stated_K))}: counts, seed, sigma or "
            "weights were altered."
        )
        return Check(name, False, said)
    p = differ(r.stated_K, r.again_K)
    where = f"counted on {_short(stated_path or 'unknown arithmetic')}, here on {_short(here)}"
    if p < LEVEL:
        said = f"The votes differ beyond chance from those counted here (p = {p:.1g}; {where})."
        return Check(name, False, said)
    return Check(name, True, f"The votes agree within chance, at level {LEVEL} ({where}).")


def _fresh(r: Recount, c: Certificate, seed: int) -> Check:
    """Hold the stated bound against votes of a seed that its maker could not know."""
    name = f"fresh seed, {r.stage}"
    n = sum(r.fresh_K)
    if r.stated_K != tuple(c.counts) or c.predicted is None:
        p = differ(r.stated_K, r.fresh_K)
        said = f"{n:,} votes with seed {seed} {'differ beyond' if p < LEVEL else 'agree within'}"
        return Check(name, p >= LEVEL, f"{said} chance (level {LEVEL}, p = {p:.2g}).")
    upper = anytime_upper(r.fresh_K[c.predicted], n, LEVEL)
    if c.p_a_lower > upper:
        said = (
            f"p_a_lower is {c.p_a_lower:.4f}, but {n:,} votes with seed {seed} show that p_A is at "
            f"most {upper:.4f} (at {LEVEL}): its seed was hunted, or its noise is not Gaussian."
        )
        return Check(name, False, said)
    said = f"p_a_lower, {c.p_a_lower:.4f}, is below the {upper:.4f} that {n:,} votes with seed"
    return Check(name, True, f"{said} {seed} allow p_A.")


def differ(a_K: Sequence[int], b_K: Sequence[int]) -> float:
    """Return a p-value that two counts come from the same probabilities; exact, hence valid.

    K times the least of Fisher's exact tests of each class against all others, at most 1.
    """
    a, b = sum(a_K), sum(b_K)
    pairs = [(i, j) for i, j in zip(a_K, b_K, strict=True) if i or j]
    least = min(float(fisher_exact([[i, a - i], [j, b - j]]).pvalue) for i, j in pairs)
    return min(1.0, least * len(a_K))
