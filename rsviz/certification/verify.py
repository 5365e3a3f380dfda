"""Check a certificate: whoever received it repeats everything that can be repeated.

The stated votes are replayed to the method, so that it asks for the same votes again. They are
counted with the certificate's seed and with a fresh one, and read again.

Shape suffixes: C channels, H height, W width, K classes.
"""

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor, nn

from rsviz.certification import certify, engine_choice
from rsviz.certification.recount import Check, Recount, check_fresh, compare_again, short
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.reading import two_sided
from rsviz.core.records import read_record
from rsviz.core.spec import N_MAX, Bound, Certificate, Ending, RunSpec, Votes
from rsviz.data import catalog, datasets
from rsviz.data.images import image_id
from rsviz.methods.base import Method
from rsviz.methods.registry import METHODS, reader
from rsviz.networks.normalisation import of_card
from rsviz.smoothing import engines
from rsviz.smoothing.driver import default_chunks, path
from rsviz.smoothing.engine import REFERENCE
from rsviz.smoothing.noise import scheme_of
from rsviz.smoothing.voters import Ask

FRESH = 10_000  # votes of the fresh seed at least: few votes could not reveal a hunted seed
READ = (
    "predicted abstained norm radius p_a_lower sigma counts counts0 n0 n alpha bound ended "
    "alpha_split guarantee detail until_radius precision"
).split()


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
    challenge: int | None = None,
) -> list[Check]:
    """Check a certificate against the image and the weights; votes are counted last.

    An honest one is refused with probability at most alpha, and 3 `recount.LEVEL` for each stage.

    Parameters
    ----------
    fresh_seed : another seed than the certificate's, chosen by whoever verifies.
    fresh : votes of each stage with it, at least; as many as the certificate has if that is more.
    challenge : the seed that whoever verifies asked its maker to use, None if none was asked for.

    Raises
    ------
    UserError
        The certificate cannot be checked at all: it holds values that no run has.
    """
    spec = spec_of(c)
    if fresh_seed == spec.seed:
        raise UserError(f"The fresh seed must not be the certificate's own, {spec.seed}.")
    checks = [_image(c, x_CHW), _weights(c, checkpoint), _settings(c, checkpoint)]
    checks += [] if challenge is None else [_challenge(spec.seed, challenge)]
    if not holds(checks):
        return checks
    nets = _nets(c, checkpoint, device)
    if missing := [file for file in engines.files(nets) if file not in c.path]:
        said = f"Its votes were cast by another network file than {missing[0]}, which is here."
        return [*checks, Check("network file", False, said)]
    return checks + recheck(c, x_CHW, nets, fresh_seed, device, fresh)


def afresh(
    c: Certificate, x_CHW: Tensor, checkpoint: Checkpoint, seed: int, device: str = "cpu"
) -> Certificate:
    """Return the certificate of a whole run of its own settings with another seed.

    Chosen by whoever verifies, the seed cannot have been hunted: this one is wrong with probability
    at most alpha, whatever was tried before. The rest must have been checked.
    """
    spec = replace(spec_of(c), seed=seed)
    nets = _nets(c, checkpoint, device)
    *_, last = certify.watch(x_CHW, nets, spec, device, every=math.inf)
    return _as_read(last.certificate, c)


def worth(c: Certificate, challenge: int | None = None) -> str:
    """Say what the votes of a certificate's own seed are worth to whoever receives it."""
    if challenge == c.seed:
        return (
            f"Its seed, {c.seed}, is the one you set, so its maker had none to choose from: it is "
            f"wrong with probability at most {c.alpha:g}."
        )
    said = (
        f"Its own seed, {c.seed}, was its maker's choice, and no count can tell how many were "
        f"tried: the best of m seeds is wrong with probability up to m x {c.alpha:g}. Rely on the "
        "radius counted afresh, or set the seed before it is made and name it as --challenge."
    )
    if c.tries is None:
        return said
    return (
        f"{said} It states itself that it is one of {c.tries.runs}, which together are wrong with "
        f"probability at most {c.tries.alpha:.2g}."
    )


def _challenge(seed: int, challenge: int) -> Check:
    """Compare the certificate's seed with the one that was asked for."""
    if seed == challenge:
        return Check("challenge", True, f"It was made with the seed you set, {challenge}.")
    said = f"You set the seed {challenge}, but it was made with {seed}, chosen by its maker."
    return Check("challenge", False, said)


def _nets(c: Certificate, checkpoint: Checkpoint, device: str) -> dict[str, nn.Module]:
    """Load the networks that cast a certificate's votes, by the engine that did where it serves.

    Float32 stands in for other floating point; votes then agree up to rounding. An int8 file is
    another network, which nothing can replace.
    """
    engine = engine_choice.engine_of(c.path)
    why = engines.absent(engine, device)
    if why is not None and engine.precision == "int8":
        raise UserError(
            f"This certificate's votes were cast by an int8 network file, by {engine}, and only "
            f"that can count them again: {why}."
        )
    if engine.precision == "int8":
        engine_choice.choose(checkpoint, device, engine.library, engine.precision)
    return engine_choice.load(checkpoint, device, engine if why is None else REFERENCE)


def recheck(
    c: Certificate,
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    fresh_seed: int,
    device: str = "cpu",
    fresh: int = FRESH,
) -> list[Check]:
    """Count the votes again with loaded networks; see `verify`."""
    spec, method = spec_of(c), METHODS[c.method]
    try:
        read, recounts = _replay(c, x_CHW, nets, spec, method, (fresh_seed, fresh), device)
    except UserError as error:
        return [Check("reading", False, f"Its votes do not fit its own settings: {error}")]
    checks = [_reading(c, read, {r.stage for r in recounts})]
    if not recounts:
        said = "It has no votes yet and claims nothing, so there is nothing to count again."
        return [*checks, Check("same seed", True, said)]
    chunks = default_chunks(device, x_CHW.shape[-1])
    here = path(device, chunks, nets, scheme_of(c.path, device))
    checks += [compare_again(r, c.path, here) for r in recounts]
    return checks + check_fresh(recounts, read, fresh_seed)


def spec_of(c: Certificate) -> RunSpec:
    """Return the run that a certificate states; UserError if no run can be like that."""
    _check_types(c)
    return RunSpec(
        image=c.image or c.image_sha256,
        checkpoint=c.checkpoint,
        sigma=None if METHODS[c.method].chooses_sigma else c.sigma,
        method=c.method,
        checkpoint_sha256=c.checkpoint_sha256,
        n0=c.n0,
        n=c.n,
        alpha=c.alpha,
        bound=Bound(c.bound),
        seed=c.seed,
        settings=tuple(sorted(c.settings.items())),
        normalisation=c.normalisation,
        until_radius=c.until_radius,
        precision=c.precision,
    )


def _check_types(c: Certificate) -> None:
    """Refuse fields of another type, a method that is not known, and counts no run has."""
    read_record(asdict(c), Certificate, "This certificate was altered")
    if c.method not in METHODS:
        raise UserError(f"This certificate's method, {c.method[:40]!r}, is not one rsviz knows.")
    for counts in (c.counts, c.counts0, *c.stages.values()):
        if sum(counts) > N_MAX:
            raise UserError(f"This certificate's counts are more than {N_MAX:,} votes.")


def _image(c: Certificate, x_CHW: Tensor) -> Check:
    if image_id(x_CHW) != c.image_sha256:
        said = "The image is not the one certified: its hash differs. A crop counts as a change."
        return Check("image", False, said)
    dataset = datasets.dataset_of(c.image)
    if dataset in catalog.CLASSES and datasets.available(dataset):
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
    method = checkpoint.card.method
    if method != c.method:
        said = f"It says method {c.method}, but {checkpoint.name} is {method}."
        return Check("settings", False, said)
    if c.settings and METHODS[c.method].options is None:
        return Check("settings", False, f"It states settings, but method {c.method} has none.")
    how = of_card(checkpoint.card.normalisation)
    if c.normalisation != ("" if how is None else str(how)):
        said = f"It says normalisation {c.normalisation or 'unstated'}, but {checkpoint.name} has "
        return Check("settings", False, f"{said}{how or 'its data set`s own'}.".replace("`", "'"))
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
        again = certify.count(ask, n, x_CHW, spec.seed, device, scheme_of(c.path, device))
        new = certify.count(ask, max(n, fresh[1]), x_CHW, fresh[0], device)
        recounts.append(Recount(ask.stage, counts_K, again, new))
        ended = "complete" if n == ask.n else _ended(c, ask)
        votes[ask.stage] = Votes(ask.stage, counts_K, ask.n, ended)
        if ended not in ("complete", "settled"):
            break
        try:
            ask = votes_of.send(votes[ask.stage])
        except StopIteration as end:
            return _as_read(end.value, c), recounts
    read = reader(method, x_CHW)(votes, spec)
    stopped = "stopped" if c.ended in ("complete", "settled") else c.ended
    return _as_read(replace(read, ended=stopped), c), recounts


def _ended(c: Certificate, ask: Ask) -> Ending:
    """Return how an incomplete count ended; only an ask with a stopping rule can settle."""
    if c.ended == "settled" and ask.until is not None:
        return "settled"
    return c.ended if c.ended in ("running", "stopped", "extended") else "stopped"


def _as_read(read: Certificate, c: Certificate) -> Certificate:
    """Return the reading in the two-class form where the certificate is in it."""
    return two_sided(read) if "p_b_upper" in c.detail else read


def _reading(c: Certificate, read: Certificate, asked: Set[str]) -> Check:
    """Compare all that follows from the stated counts; a run asks for no other stages than it."""
    mine, its = asdict(read), asdict(c)
    wrong = [name for name in READ if not _same(mine[name], its[name])]
    wrong += ["flags"] * (not set(read.flags) <= set(c.flags))
    told = [
        f"{name} is stated as {short(its[name])}, but its counts give {short(mine[name])}"
        for name in wrong
    ]
    told += [
        f"it states votes for {short(stage)}, which its run does not ask for"
        for stage, counts in c.stages.items()
        if sum(counts) > 0 and stage not in asked
    ]
    if not told:
        return Check("reading", True, "Radius and p_a_lower follow from its counts.")
    return Check("reading", False, "; ".join(told) + ".")


def _same_words(a: str, b: str) -> bool:
    """Whether two sentences differ in their four-digit numbers by one unit of the last at most.

    Certificates made before radii were rounded down state them rounded to the nearest.
    """
    number = r"\d+\.\d{4}(?!\d)"
    if re.sub(number, "", a) != re.sub(number, "", b):
        return False
    pairs = zip(re.findall(number, a), re.findall(number, b), strict=True)
    return all(abs(float(x) - float(y)) < 1.5e-4 for x, y in pairs)


def _same(a: Any, b: Any) -> bool:
    """Whether two values are equal: lists and tuples alike, numbers to nine digits."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return set(a) == set(b) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, str) and isinstance(b, str) and a != b:
        return _same_words(a, b)
    if isinstance(a, float) and isinstance(b, int | float) and not isinstance(b, bool):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return type(a) is type(b) and bool(a == b)
