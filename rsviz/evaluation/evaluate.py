"""Certification over a data set: a log that grows a row an image and resumes where it stopped.

Line 1 of a log is ``# `` and a JSON object with every setting and hash; then a CSV table with one
row an image, in the order they finished. Methods that decide more than a class keep it as JSON in a
column ``detail``; where one radius is asked for, a column ``answer`` says what the votes settle
(`evaluation.answers`). Each row ends in a check, see `row_checks`.

Shape suffixes: C channels, H height, W width, K classes.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rsviz.certification.certify import sigma_of
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import clock, decision
from rsviz.core.errors import UserError
from rsviz.core.files import begun, check_out_file, shown, sole_writer
from rsviz.core.late import torch
from rsviz.core.progress import ProgressLine
from rsviz.core.radius import down
from rsviz.core.spec import Bound, Certificate, Norm, RunSpec
from rsviz.data.catalog import INPUT_SIZE
from rsviz.data.datasets import Dataset
from rsviz.data.images import image_id
from rsviz.evaluation import row_checks
from rsviz.evaluation.logs import COLUMNS, FORMAT, LOG_BYTES
from rsviz.methods.registry import METHODS
from rsviz.smoothing import engines, turns
from rsviz.smoothing.driver import default_chunks, drive, path
from rsviz.smoothing.engine import REFERENCE
from rsviz.smoothing.voters import MethodRun, Request

if TYPE_CHECKING:
    from torch import Tensor, nn

RULES = ("until_radius", "precision")  # by which an image's votes may end before n
LOGS_BYTES = 10**9  # of all logs that evaluations in the browser begin


@dataclass(frozen=True)
class EvaluationSpec:
    """Which images are certified and how; the head of the log.

    ``sigma`` is None where the method chooses it for each image. ``every`` k takes images 0, k, 2k,
    ...; ``first`` m takes images 0 to m-1; exactly one is set. With ``until_radius`` the votes of
    an image end as soon as it is settled whether this radius is certified, with ``precision`` as
    soon as its radius is within this share of what infinitely many would certify; n is the most.
    """

    name: str
    dataset: str
    method: str
    network: str
    checkpoint_sha256: str
    sigma: float | None
    n0: int
    n: int
    alpha: float
    seed: int
    split: str = "test"
    every: int | None = None
    first: int | None = None
    norm: str = Norm.L2
    bound: str = Bound.CLOPPER_PEARSON
    settings: tuple[tuple[str, float | str], ...] = ()
    engine: str = str(REFERENCE)
    until_radius: float | None = None
    precision: float | None = None

    def __post_init__(self) -> None:
        if (self.every is None) == (self.first is None):
            raise UserError("Say which images to certify: either every K or first M.")
        if (self.every or self.first or 0) < 1:
            raise UserError("every and first must be at least 1.")
        # Refused now and not at the first image.
        named = ("n0", "n", "alpha", "seed", *RULES)
        given = {name: getattr(self, name) for name in named}
        RunSpec("", "", self.sigma, bound=Bound(self.bound), **given)

    def indices(self, size: int) -> range:
        """Return the indices of the images, out of ``size``."""
        if self.every is not None:
            return range(0, size, self.every)
        return range(min(self.first or 0, size))

    def run(self, data: Dataset, index: int) -> RunSpec:
        """Return the RunSpec of one image."""
        return RunSpec(
            image=data.image_name(index),
            checkpoint=self.name,
            sigma=self.sigma,
            method=self.method,
            checkpoint_sha256=self.checkpoint_sha256,
            n0=self.n0,
            n=self.n,
            alpha=self.alpha,
            bound=Bound(self.bound),
            seed=self.seed,
            settings=self.settings,
            until_radius=self.until_radius,
            precision=self.precision,
        )


def spec_for(checkpoint: Checkpoint, sigma: float | None, **settings: Any) -> EvaluationSpec:
    """Return the EvaluationSpec of a checkpoint; sigma defaults to the one it was trained at.

    Settings of the run not given are those its card states. A method that chooses the noise of each
    image has no sigma of its own.
    """
    card = checkpoint.card
    method = METHODS[card.method]
    given = dict(card.run) | dict(settings.pop("settings", ()))
    if settings.get("split") == "validation" and card.split != "fit":
        raise UserError(
            f"{checkpoint.name} has seen the validation images; train one with --split fit."
        )
    sigma = sigma_of(checkpoint, sigma)
    asked = [name for name in RULES if settings.get(name) is not None]
    if asked and sigma is None:
        named = "a radius" if asked == ["until_radius"] else "a precision"
        raise UserError(
            f"{method.title} reads its radius from several counts, so no one of them can end "
            f"early by {named}; leave --{asked[0].replace('_', '-')} out."
        )
    if (radius := settings.get("until_radius")) is not None:
        assert sigma is not None
        d = 3 * INPUT_SIZE[card.dataset] ** 2 if method.norm is Norm.LINF else 1
        decision.plan(radius * math.sqrt(d) / sigma, settings["n"], settings["alpha"])
    return EvaluationSpec(
        name=checkpoint.name,
        dataset=card.dataset,
        method=card.method,
        network=card.network,
        checkpoint_sha256=checkpoint.sha256,
        sigma=sigma,
        norm=method.norm,
        settings=tuple(sorted(given.items())),
        **settings,
    )


@dataclass(frozen=True)
class Standing:
    """How far an evaluation is: images in the log, in all, and certified here in how long."""

    unit: ClassVar[str] = "images"

    done: int
    planned: int
    here: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether the log holds every image."""
        return self.done >= self.planned

    @property
    def rate(self) -> float:
        """Images a second, of those certified here."""
        return self.here / max(self.seconds, 1e-9)


def evaluate(
    spec: EvaluationSpec,
    nets: Mapping[str, nn.Module],
    data: Dataset,
    out: Path,
    device: str = "cpu",
    command: str = "",
    report: Callable[[str], None] = print,
    among: Sequence[int] | None = None,
) -> None:
    """Certify every chosen image that ``out`` does not hold yet; see `walk`.

    Raises
    ------
    UserError
        ``out`` holds a log of another run.
    """
    progress = None
    for standing in walk(spec, nets, data, out, device, command, among=among):
        if progress is None:
            progress = ProgressLine(standing.planned, standing.done, report)
        else:
            progress.step()
    if progress is not None:
        progress.close()


def walk(
    spec: EvaluationSpec,
    nets: Mapping[str, nn.Module],
    data: Dataset,
    out: Path,
    device: str = "cpu",
    command: str = "",
    cancel: threading.Event | None = None,
    among: Sequence[int] | None = None,
) -> Iterator[Standing]:
    """Certify what ``out`` does not hold yet, appending a row an image; yield after each.

    Each row is flushed to disk as it is written, so that a kill loses at most the images in flight;
    cancelled, images in flight are left out, and the same call goes on from there. The first
    standing is that of the log as it was found.

    Parameters
    ----------
    among : the images to certify; None stands for those of ``spec``.

    Raises
    ------
    UserError
        ``out`` holds something else, which stays as it is, or is written by another process.
    """
    check_out_file(out)
    with ExitStack() as held_open:
        with turns.aside():
            held_open.enter_context(sole_writer(out))
        indices = spec.indices(len(data)) if among is None else among
        begun = clock.now()
        held = open_log(out, spec, device, command, nets)
        todo = [i for i in indices if i not in held]
        done, method = len(indices) - len(todo), METHODS[spec.method]
        yield Standing(done, len(indices), 0, 0.0)
        queue = requests(spec, data, todo, lambda x_CHW, run: method.certify(x_CHW, nets, run))
        here = 0
        with row_checks.appending(out) as append:
            for task in drive(queue, device, cancel=cancel):
                if task.certificate:
                    label = int(data.y_N[task.request.key])
                    seconds = clock.since(task.started)
                    append(row(task.request.key, label, task.certificate, seconds, method.logged))
                    here += 1
                    yield Standing(done + here, len(indices), here, clock.since(begun))


def requests(
    spec: EvaluationSpec,
    data: Dataset,
    indices: Iterable[int],
    certify: Callable[[Tensor, RunSpec], MethodRun],
) -> Iterator[Request]:
    """Yield one request for each image, its method started only when its turn comes."""
    for i in indices:
        x_CHW = data.image(i)
        start = partial(certify, x_CHW, spec.run(data, i))
        yield Request(i, x_CHW, image_id(x_CHW), spec.seed, start)


def row(
    index: int, label: int, certificate: Certificate, seconds: float, logged: Sequence[str] = ()
) -> Sequence[object]:
    """Return one line of a log, in the order of `columns_of`: ``logged`` is kept of its detail."""
    decided = certificate.predicted is not None and not certificate.abstained
    predicted = certificate.predicted if decided else -1
    detail = {name: certificate.detail[name] for name in logged if name in certificate.detail}
    return (
        index,
        label,
        predicted,
        _digits(certificate),
        int(predicted == label),
        " ".join(map(str, certificate.counts0)),
        " ".join(map(str, certificate.counts)),
        certificate.n,
        f"{seconds:.3f}",
        *([json.dumps(detail)] if logged else []),
        *([certificate.detail["answer"]] if certificate.until_radius is not None else []),
    )


def _digits(c: Certificate) -> str:
    """Write a radius, rounded down, to six digits; in Linf, where it is small, to nine."""
    return down(c.radius, 9 if c.norm is Norm.LINF else 6)


def open_log(
    out: Path,
    spec: EvaluationSpec,
    device: str,
    command: str,
    nets: Mapping[str, nn.Module] | None = None,
) -> set[int]:
    """Write the head of a new log, or check that of an old one and return the indices it holds.

    A last row that a kill tore is cut off, once the rest is known to be a log of this very run.

    Parameters
    ----------
    nets : that vote; None stands for the reference. A log holds the votes of one arithmetic.

    Raises
    ------
    UserError
        ``out`` holds something else; it stays as it is.
    """
    where = path(device, default_chunks(device, INPUT_SIZE[spec.dataset]), nets)
    columns = columns_of(spec)
    dtype = engines.precision(nets or {})
    place = {"device": device, "dtype": dtype, "path": where, "torch": torch.__version__}
    data = begun(out, head_of(spec, place, command), LOG_BYTES)
    if not data:
        return set()
    whole = data[: data.rfind(b"\n") + 1]
    try:
        lines = whole.decode().split("\n")
        head = json.loads(lines[0].removeprefix("# "))
        old = {"settings": []} | head["spec"]  # of early logs
        if len(lines) < 3:
            raise ValueError
        checked = row_checks.has_checks(head, lines[1], shown(out))
        if checked:
            row_checks.whole_rows(lines[:-1], True, shown(out))
            columns = (*columns, row_checks.CHECK)
        if head["format"] != FORMAT or lines[1].split(",") != list(columns):
            raise ValueError
        rows = list(csv.reader(lines[2:-1]))
        done = {int(row[0]) for row in rows}
        if any(len(row) != len(columns) for row in rows) or len(done) < len(rows):
            raise ValueError
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, csv.Error):
        raise UserError(
            f"{shown(out)} is not a log of rsviz, or is damaged; choose another --out."
        ) from None
    none = dict.fromkeys(RULES)  # of logs without a rule
    new = none | json.loads(json.dumps(_head(spec))) | {"path": where}  # as a log holds it
    old = none | {"settings": [], "engine": str(REFERENCE)} | old  # of early logs
    del new["name"]  # a label: the weights' hash tells which network it is of
    if unlike := [key for key, value in new.items() if old.get(key) != value]:
        raise UserError(
            f"{shown(out)} holds a run with another {', '.join(unlike)}; choose another --out or "
            "repeat its settings."
        )
    if len(whole) < len(data):
        os.truncate(out, len(whole))
    return done


def columns_of(spec: EvaluationSpec) -> tuple[str, ...]:
    """Return the columns of a log: those of all, and ``detail`` where its method decides more.

    The log of a question has its ``answer`` too.
    """
    more = ("detail",) * bool(METHODS[spec.method].logged)
    return COLUMNS + more + ("answer",) * (spec.until_radius is not None)


def head_of(spec: EvaluationSpec, place: Mapping[str, str], command: str) -> str:
    """Return the two lines that begin a log: its settings, where votes are counted; its columns.

    Its rows are to be written with checks (`row_checks`).
    """
    settings = _head(spec) | dict(place) | {"command": command}
    head = {"format": FORMAT, row_checks.CHECK: row_checks.KIND, "spec": settings}
    return f"# {json.dumps(head)}\n{','.join((*columns_of(spec), row_checks.CHECK))}\n"


def _head(spec: EvaluationSpec) -> dict[str, Any]:
    """Return the settings as a head holds them: a log of the field's protocol names no rule."""
    return {k: v for k, v in asdict(spec).items() if k not in RULES or v is not None}


def log_path(spec: EvaluationSpec, device: str) -> Path:
    """Return the log of a run: the same settings on the same arithmetic go on in it."""
    where = path(device, default_chunks(device, INPUT_SIZE[spec.dataset]))
    text = json.dumps(_head(spec) | {"path": where}, sort_keys=True)
    return log_folder() / f"{spec.name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}.csv"


def command(spec: EvaluationSpec, out: Path, device: str) -> str:
    """Return the command that makes the same log."""
    level = "" if spec.sigma is None else f" --sigma {spec.sigma:g}"
    which = f"--every {spec.every}" if spec.every else f"--first {spec.first}"
    return (
        f"python -m rsviz evaluate --checkpoint {shlex.quote(spec.name)}{level} {which}"
        f" --n0 {spec.n0} --n {spec.n} --alpha {spec.alpha:g} --seed {spec.seed}"
        f" --device {device} {arguments_of(spec.engine)} --out {shlex.quote(out.name)}"
    )


def arguments_of(engine: str) -> str:
    """Return the arguments by which the command line asks for an engine."""
    library, precision = engine.split()
    return f"--engine {library} --precision {precision}"


def check_room(out: Path) -> None:
    """Refuse a new log where those in its folder take `LOGS_BYTES` already.

    Raises
    ------
    UserError
        There is no room; the sentence says who can make some.
    """
    taken = sum(file.stat().st_size for file in out.parent.glob("*.csv"))
    if not out.exists() and taken >= LOGS_BYTES:
        raise UserError(
            f"The logs of evaluations here take {taken / 10**6:,.0f} MB, and no new one is begun "
            f"beyond {LOGS_BYTES / 10**6:,.0f} MB; who keeps this server can delete old ones."
        )


def log_folder() -> Path:
    """Return where the logs of evaluations started here lie: RSVIZ_LOGS, else the cache."""
    return Path(os.environ.get("RSVIZ_LOGS") or Path.home() / ".cache" / "rsviz" / "logs")
