"""Votes of every level from stored logs, and the cascade read from them at any thresholds.

The votes that Multiscale asks for at a level are those of plain smoothing there, noise for noise,
so logs of fixed levels hold them as well as a log of Multiscale that asked every level; so it is
with Dual RS by the sweep, whose experts are networks of their own. Nothing is counted here.

Shape suffixes: N images, K classes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from rsviz.certification.engine_choice import engine_of
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_file, kept, shown, sole_writer, write_whole
from rsviz.core.settings import options_of
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.evaluation import row_checks, stored_votes
from rsviz.evaluation.evaluate import EvaluationSpec, head_of, row
from rsviz.evaluation.logs import LogHead, LogRow, own_rows
from rsviz.methods import dual, multiscale
from rsviz.methods.registry import METHODS

SAME = ("dataset", "split", "n0", "n", "seed", "every", "first", "path")
_FILES = re.compile(r"(, [^ ,;]+\.onnx [0-9a-f]+)+")  # of the networks, in a path


@dataclass(frozen=True, eq=False)
class LevelVotes:
    """The votes of images at every level, by the stages of Multiscale, and how they were counted.

    ``head`` is that of the log, or of the first of several; ``seconds_N`` are of all levels.
    """

    head: LogHead
    index_N: NDArray[np.int64]
    label_N: NDArray[np.int64]
    seconds_N: NDArray[np.float64]
    votes_N: tuple[Mapping[str, Votes], ...]
    level_L: tuple[float, ...]


def of_log(file: Path) -> LevelVotes:
    """Return the votes that a log of Multiscale holds.

    Raises
    ------
    UserError
        It is no such log, or was not asked for every level.
    """
    head, rows = own_rows(file)
    method = METHODS.get(head.method)
    how = None
    if method is not None and method.options is multiscale.Options:
        how = multiscale.Options(**dict(head.settings))  # type: ignore[arg-type]  # they check it
    if how is None or not how.asks_all:
        raise UserError(
            f"{shown(file.name)} holds no votes of every level; measure with --set ask=every."
        )
    votes = []
    for r in rows:
        found: dict[str, Votes] = {}
        for name, stage, n in (("counts0", "select", head.n0), ("counts", "bound", head.n)):
            for level, counts in r.detail[name].items():
                found |= _votes(f"{stage}-{level}", counts, n)
        votes.append(found)
    return _table(head, rows, votes, how.s_L[::-1], [r.seconds for r in rows])


def of_dual(file: Path) -> LevelVotes:
    """Return the votes that a log of Dual RS by the sweep holds, those for the level among them.

    Raises
    ------
    UserError
        It is no such log, or was not asked for every level.
    """
    head, rows = own_rows(file)
    method, settings = METHODS.get(head.method), dict(head.settings)
    if method is None or method.options is not dual.Options or settings.get("ask") != "every":
        raise UserError(
            f"{shown(file.name)} holds no votes of every level; measure with --set rule=sweep "
            "--set ask=every."
        )
    how = options_of(dual.Options, stored_votes.run_of(head))
    votes = [stored_votes.of_row(head, r) for r in rows]
    return _table(head, rows, votes, how.level_L, [r.seconds for r in rows])


def of_fixed(files: Sequence[Path]) -> LevelVotes:
    """Return the votes of several logs of plain smoothing, one for each level, as one.

    Raises
    ------
    UserError
        They are not of the same images, votes and noise, or two are of one level.
    """
    if not files:
        raise UserError("There must be a log of plain smoothing for each level.")
    read = [own_rows(file) for file in files]
    heads = _with_one_path([head for head, _ in read])
    first = heads[0]
    for file, head in zip(files, heads, strict=True):
        if head.method in METHODS and METHODS[head.method].chooses_sigma:
            raise UserError(f"{shown(file)} is not a log of plain smoothing at one level.")
        if unlike := [key for key in SAME if getattr(head, key) != getattr(first, key)]:
            raise UserError(f"{shown(files[0])} and {shown(file)} differ in {', '.join(unlike)}.")
    level_L = tuple(sorted({head.sigma for head in heads if head.sigma is not None}))
    if len(level_L) < len(files):
        raise UserError("Two of these logs are of the same level; give one for each.")
    by_index = [{r.index: r for r in rows} for _, rows in read]
    if len({frozenset(table) for table in by_index}) > 1:
        raise UserError("These logs do not hold the same images.")
    votes, seconds = [], []
    for index in by_index[0]:
        found: dict[str, Votes] = {}
        for head, table in zip(heads, by_index, strict=True):
            level = f"{head.sigma:g}"
            for name, stage, n in (("counts0", "select", "n0"), ("counts", "bound", "n")):
                counts = getattr(table[index], name)
                found |= _votes(f"{stage}-{level}", counts, getattr(head, n))
        votes.append(found)
        seconds.append(sum(table[index].seconds for table in by_index))
    return _table(first, list(by_index[0].values()), votes, level_L, seconds)


def _with_one_path(heads: Sequence[LogHead]) -> list[LogHead]:
    """Return heads whose paths name the network files of all, as that of a run of all does."""
    by_level = sorted(heads, key=lambda head: head.sigma or 0.0)
    files = [found.group() for head in by_level if (found := _FILES.search(head.path))]
    named = "".join(dict.fromkeys(files))
    return [
        msgspec.structs.replace(head, path=_FILES.sub(lambda _: named, head.path, count=1))
        for head in heads
    ]


def _votes(stage: str, counts: Sequence[int], n: int) -> dict[str, Votes]:
    return {stage: Votes(stage, tuple(counts), n, "complete" if sum(counts) == n else "stopped")}


def _table(
    head: LogHead,
    rows: Sequence[LogRow],
    votes: Sequence[Mapping[str, Votes]],
    level_L: tuple[float, ...],
    seconds: Sequence[float],
) -> LevelVotes:
    """Return the votes in the order of the images."""
    index_N = np.array([r.index for r in rows])
    order_N = np.argsort(index_N)
    label_N = np.array([r.label for r in rows])
    return LevelVotes(
        head,
        index_N[order_N],
        label_N[order_N],
        np.array(seconds)[order_N],
        tuple(votes[i] for i in order_N),
        level_L,
    )


def certificates(
    votes: LevelVotes, settings: Mapping[str, str] | None = None, alpha: float | None = None
) -> list[Certificate]:
    """Read every image as Multiscale, with settings of `multiscale.Options`.

    Choosing thresholds by what they give on the images they are then claimed for is no certificate
    of those images: choose on training images.
    """
    head = votes.head
    levels = {"levels": ",".join(f"{s:g}" for s in votes.level_L)}
    spec = RunSpec(
        image="",
        checkpoint=head.name or "",
        sigma=None,
        method="multiscale",
        n0=head.n0,
        n=head.n,
        alpha=head.alpha if alpha is None else alpha,
        bound=head.bound,
        seed=head.seed,
        settings=tuple(sorted((levels | dict(settings or {})).items())),
    )
    return [multiscale.read(found, spec) for found in votes.votes_N]


def assemble(
    checkpoint: Checkpoint, spec: EvaluationSpec, files: Sequence[Path], out: Path, command: str
) -> EvaluationSpec:
    """Write the log that evaluating a checkpoint would write, from logs of its fixed levels.

    The votes are theirs, and so is the arithmetic the new log names; the spec returned has it.
    Votes for the level, where a method has them, come from a log of the checkpoint itself, made by
    any rule; a log of its own alone is read again, if it was asked for every level.

    Raises
    ------
    UserError
        The run would not ask every level; a log is of another network, level, image or noise, or
        missing; or there is one already.
    """
    mine = [f for f in files if own_rows(f)[0].checkpoint_sha256 == checkpoint.sha256]
    fixed = [f for f in files if f not in mine]
    run, again = stored_votes.run_of(spec), len(mine) == 1 and not fixed
    if again:
        votes = (of_dual if METHODS[spec.method].options is dual.Options else of_log)(mine[0])
        _check_levels(checkpoint, votes, run)
    else:
        votes = of_fixed(fixed)
        _check_networks(checkpoint, votes, run, fixed)
    asked = {key: value for key, value in vars(spec).items() if key in SAME}
    if unlike := [key for key, value in asked.items() if getattr(votes.head, key) != value]:
        raise UserError(f"The logs are of another {', '.join(unlike)} than asked for.")
    check_out_file(out)
    if kept(out).exists():
        raise UserError(f"{shown(out)} is there already; choose another --out.")
    chosen_N = _votes_for_level(checkpoint, run, mine, votes)
    place = {key: getattr(votes.head, key) for key in ("device", "dtype", "path", "torch")}
    spec = replace(spec, engine=str(engine_of(votes.head.path)))
    method, lines = METHODS[spec.method], []
    for i, (chosen, found) in enumerate(zip(chosen_N, votes.votes_N, strict=True)):
        c = stored_votes.read({**chosen, **found}, run)
        if c.ended != "complete":
            raise UserError(f"{checkpoint.name} would ask for more votes than these logs hold.")
        index, label, seconds = (
            v[i].item() for v in (votes.index_N, votes.label_N, votes.seconds_N)
        )
        lines.append(row(index, label, c, seconds, method.logged))
    with sole_writer(out):
        if kept(out).exists():
            raise UserError(f"{shown(out)} is there already; choose another --out.")
        write_whole(out, row_checks.with_checks(head_of(spec, place, command), lines))
    return spec


def _check_networks(
    checkpoint: Checkpoint, votes: LevelVotes, run: RunSpec, files: Sequence[Path]
) -> None:
    """Refuse logs that are not of the checkpoint's own networks at its own levels."""
    levels = METHODS[run.method].levels
    settings = dict(run.settings)
    whole = levels is not None and not levels.choosing
    if levels is None or not (
        whole or (settings.get("rule"), settings.get("ask")) == ("sweep", "every")
    ):
        raise UserError(
            "Only Multiscale, and Dual RS with --set rule=sweep --set ask=every, are read from "
            "logs of fixed levels."
        )
    _check_levels(checkpoint, votes, run)
    sha256 = {head.sigma: head.checkpoint_sha256 for head, _ in map(own_rows, files)}
    parts = checkpoint.card.parts
    for level in votes.level_L:
        part = parts.get(f"classifier-{level:g}", parts.get("classifier", {}))
        if part.get("sha256") != sha256[level]:
            raise UserError(f"The log of level {level:g} is of another network.")


def _check_levels(checkpoint: Checkpoint, votes: LevelVotes, run: RunSpec) -> None:
    levels = METHODS[run.method].levels
    if levels is None or votes.level_L != levels.levels(run):
        named = ",".join(f"{s:g}" for s in levels.levels(run)) if levels else "none"
        raise UserError(f"{checkpoint.name} needs one log for each of its levels, {named}.")


def _votes_for_level(
    checkpoint: Checkpoint, run: RunSpec, own: Sequence[Path], votes: LevelVotes
) -> list[dict[str, Votes]]:
    """Return each image's votes for the level, from the log of the checkpoint itself."""
    levels = METHODS[run.method].levels
    if levels is None or not levels.choosing:
        return [{} for _ in votes.votes_N]
    if len(own) != 1:
        raise UserError(
            f"{checkpoint.name} needs one log of its own, with the votes for the level."
        )
    head, rows = own_rows(own[0])
    stated, asked = (options_of(dual.Options, r) for r in (stored_votes.run_of(head), run))
    if (stated.level_L, stated.noise) != (asked.level_L, asked.noise):
        raise UserError(
            f"{shown(own[0])} is of other levels, or of another noise on the estimator."
        )
    if unlike := [key for key in SAME if getattr(head, key) != getattr(votes.head, key)]:
        raise UserError(f"{shown(own[0])} and the other logs differ in {', '.join(unlike)}.")
    by_index = {r.index: stored_votes.of_row(head, r) for r in rows}
    if set(by_index) != set(votes.index_N.tolist()):
        raise UserError(f"{shown(own[0])} does not hold the same images as the other logs.")
    return [
        {stage: v for stage, v in by_index[i].items() if stage in levels.choosing}
        for i in votes.index_N.tolist()
    ]
