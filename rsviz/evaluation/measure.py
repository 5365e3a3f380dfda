"""A checkpoint measured: logs in its folder, their summary on its card, stored examples."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from rsviz.certification import engine_choice, walks
from rsviz.certification.certify import Progress
from rsviz.certification.verify import spec_of
from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint, ensemble_sha256
from rsviz.checkpoints.weights import load
from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_file, kept, sole_writer, write_whole
from rsviz.core.progress import ProgressLine, Report
from rsviz.core.radius import down
from rsviz.core.spec import Bound, Certificate, Norm
from rsviz.data import datasets
from rsviz.evaluation import curves, evaluate, examples, logs, row_checks, shards
from rsviz.evaluation.answers import Answers, read_answers
from rsviz.evaluation.curves import RADII, RADII_LINF, Curve
from rsviz.evaluation.evaluate import EvaluationSpec
from rsviz.evaluation.examples import FILE
from rsviz.evaluation.logs import ordinal, read_log
from rsviz.methods import ensemble
from rsviz.networks.inspection import class_count
from rsviz.smoothing import processes
from rsviz.smoothing.driver import drive
from rsviz.smoothing.engine import Engine


def score(
    checkpoint: Checkpoint,
    spec: EvaluationSpec,
    out: Path,
    device: str = "cpu",
    command: str = "",
    report: Report = print,
) -> list[Curve]:
    """Measure every weighting of an ensemble in one pass, into ``out``/WEIGHTING.csv.

    Each log is, up to its seconds, the one that evaluating that weighting alone would write; a
    killed run goes on where it stopped.
    """
    if not checkpoint.card.members:
        raise UserError(f"{checkpoint.name} is a single network; use evaluate.")
    weighings = checkpoint.card.fit["weightings"]
    specs = {name: _spec_of(checkpoint, spec, name) for name in weighings}
    return _in_one_pass(catalog.members(checkpoint), weighings, specs, out, device, command, report)


def grow(
    members: Sequence[Checkpoint],
    spec: EvaluationSpec,
    out: Path,
    device: str = "cpu",
    command: str = "",
    report: Report = print,
) -> list[Curve]:
    """Measure the first network, the first two, and so on, in equal parts: what each one adds.

    Of all sizes in one pass over the members, into ``out`` and beside it: ``first-8.csv`` of eight
    networks, ``first-1.csv``, ... Beyond six networks the sizes are 1 to 5 and all of them.

    Parameters
    ----------
    spec : of the first network alone.

    Raises
    ------
    UserError
        ``out`` is not named for as many networks as there are.
    """
    count = len(members)
    if out.name != f"first-{count}.csv":
        raise UserError(f"--out must end in first-{count}.csv, the log of all {count} networks.")
    sizes = [*range(1, min(count, 5) + 1), *([count] if count > 5 else [])]
    parts = {f"first-{k}": [1 / k] * k for k in sizes}
    specs = {
        name: replace(
            spec,
            name=f"{members[0].name}, {name}",
            method="ensemble",
            network=f"{len(w)} x {members[0].card.network}",
            checkpoint_sha256=ensemble_sha256([m.sha256 for m in members[: len(w)]], w),
        )
        for name, w in parts.items()
    }
    padded = {name: w + [0.0] * (count - len(w)) for name, w in parts.items()}
    return _in_one_pass(members, padded, specs, out.parent, device, command, report)


def _in_one_pass(
    members: Sequence[Checkpoint],
    weighings: Mapping[str, ensemble.Weights],
    specs: Mapping[str, EvaluationSpec],
    out: Path,
    device: str,
    command: str,
    report: Report,
) -> list[Curve]:
    """Measure every weighting by the same noise, each into its log ``out``/NAME.csv."""
    spec = next(iter(specs.values()))
    data = datasets.load(spec.dataset, spec.split)
    nets = [load(m, device) for m in members]
    files = {name: out / f"{name}.csv" for name in weighings}
    with ExitStack() as held:
        for file in files.values():
            check_out_file(file)
            held.enter_context(sole_writer(file))
        done = {n: evaluate.open_log(files[n], specs[n], device, command) for n in weighings}
        indices = spec.indices(len(data))
        todo = [i for i in indices if not all(i in held_N for held_N in done.values())]
        queue = evaluate.requests(
            spec, data, todo, lambda x_CHW, run: ensemble.certify_each(nets, weighings, run)
        )
        progress = ProgressLine(len(indices), len(indices) - len(todo), report)
        classes = class_count(nets[0])
        append = {n: held.enter_context(row_checks.appending(f)) for n, f in files.items()}
        for task in drive(queue, device):
            if not task.certificate:
                continue
            i = task.request.key
            read = ensemble.read_each(task.votes, weighings, classes, spec.run(data, i))
            for name in weighings:
                if i not in done[name]:
                    seconds = clock.since(task.started)
                    append[name](evaluate.row(i, int(data.y_N[i]), read[name], seconds))
            progress.step()
    progress.close()
    return [curves.curve(read_log(f), RADII) for f in files.values()]


def _spec_of(checkpoint: Checkpoint, spec: EvaluationSpec, weighting: str) -> EvaluationSpec:
    """Return the evaluation of one weighting; that of the checkpoint's own is ``spec`` itself."""
    if weighting == checkpoint.card.weighting:
        return spec
    weights = checkpoint.card.fit["weightings"][weighting]
    sha256 = ensemble_sha256([m.sha256 for m in checkpoint.card.members], weights)
    return replace(spec, name=f"{checkpoint.name} ({weighting})", checkpoint_sha256=sha256)


def choose(checkpoint: Checkpoint) -> dict[str, tuple[int, float | None]]:
    """Choose an image and a sigma for each preset the checkpoint's measured log has one for.

    sigma is None where the method chooses the noise; then none is too much.
    """
    log = logs.read_log(checkpoint.folder / "certified.csv")
    sigma = log.sigma
    rows = sorted(zip(log.radius_N, log.index_N, log.predicted_N, log.correct_N, strict=True))
    right = [(r, i) for r, i, _, correct in rows if correct]
    silent = [i for _, i, predicted, _ in rows if predicted < 0]
    if not right:
        raise UserError(f"The log of {checkpoint.name} holds no image that is certified right.")
    certain = int(right[-1][1])
    found: dict[str, tuple[int, float | None]]
    found = {"certain": (certain, sigma), "borderline": (int(right[0][1]), sigma)}
    if silent:
        found["abstains"] = (int(silent[len(silent) // 2]), sigma)
    return found if sigma is None else found | {"noisy": (certain, 4 * sigma)}


def make(
    checkpoint: Checkpoint,
    follow: Callable[..., Iterator[Progress]],
    report: Callable[[str], None],
) -> None:
    """Certify every preset of a checkpoint; store results and what led to them beside its weights.

    The log's own seed chose the images, by its radii; theirs would no longer be one draw among
    others, so another seed certifies them.

    Parameters
    ----------
    follow : certifies an image with a checkpoint and returns its readings.
    """
    with sole_writer(checkpoint.folder / FILE):
        rows = _rows(checkpoint, follow, report)
        write_whole(checkpoint.folder / FILE, examples.text_of(rows))


def _rows(
    checkpoint: Checkpoint,
    follow: Callable[..., Iterator[Progress]],
    report: Callable[[str], None],
) -> list[dict[str, Any]]:
    data = datasets.load(checkpoint.card.dataset, "test")
    seed = logs.head_of(checkpoint.folder / "certified.csv").seed + 1
    rows = []
    for preset, (index, sigma) in choose(checkpoint).items():
        found = [
            progress.certificate
            for progress in follow(
                data.image(index),
                checkpoint,
                sigma=sigma,
                image=data.image_name(index),
                seed=seed,
                bound=Bound.SPLIT,
            )
        ]
        walked = _walks(checkpoint, data.image(index), found[-1])
        rows.append(examples.row(preset, [replace(c, seconds=0.0) for c in found], walked))
        report(f"{preset}: {found[-1].image}, radius {down(found[-1].radius, 3)}")
    return rows


def _walks(checkpoint: Checkpoint, x_CHW: Tensor, c: Certificate) -> dict[str, Any]:
    """Return the walks away from an image that Certify shows, by direction; none if it abstains."""
    if c.abstained or not c.radius or c.norm is not Norm.L2:
        return {}
    nets = engine_choice.load(checkpoint, "cpu", engine_choice.engine_of(c.path))
    found = {}
    for name in walks.DIRECTIONS:
        direction_CHW, shares = walks.walk(name, x_CHW, nets, spec_of(c), c)
        found[name] = examples.walk_row(direction_CHW.numpy().ravel(), shares)
    return found


def measure(
    checkpoint: Checkpoint,
    spec: evaluate.EvaluationSpec,
    out: Path,
    device: str,
    command: str,
    report: Report = print,
) -> Curve:
    """Evaluate a checkpoint into the log ``out``; in its own folder, also record it in its card.

    Votes are counted by the engine that ``spec`` names, by all processes that share the run.
    """
    _evaluate(checkpoint, spec, out, device, command, report)
    return record(checkpoint, spec, out, command)


def ask(
    checkpoint: Checkpoint,
    spec: evaluate.EvaluationSpec,
    out: Path,
    device: str,
    command: str,
    report: Report = print,
) -> Answers:
    """Ask of every image whether one radius is certified; see `measure`. Cards keep no answers."""
    _evaluate(checkpoint, spec, out, device, command, report)
    return read_answers(out)


def _evaluate(
    checkpoint: Checkpoint,
    spec: evaluate.EvaluationSpec,
    out: Path,
    device: str,
    command: str,
    report: Report,
) -> None:
    check_out_file(out)
    data = datasets.load(spec.dataset, spec.split)
    nets = engine_choice.load(checkpoint, device, Engine(*spec.engine.split()))
    shards.evaluate_together(spec, nets, data, out, processes.here(), device, command, report)


def record(checkpoint: Checkpoint, spec: evaluate.EvaluationSpec, out: Path, command: str) -> Curve:
    """Return the curve of a log; one in the checkpoint's own folder is recorded in its card.

    Not one whose votes end by a precision: cards hold the field's protocol.
    """
    curve = curves.curve(read_log(out), RADII if spec.norm == Norm.L2 else RADII_LINF)
    own = out.resolve().parent == checkpoint.folder.resolve()
    if own and spec.precision is None and processes.here().first:
        _record(checkpoint, spec, curve, out.name, command)
    return curve


def _record(
    checkpoint: Checkpoint, spec: evaluate.EvaluationSpec, curve: Curve, log: str, command: str
) -> None:
    subset = f"every {ordinal(spec.every)}" if spec.every else f"first {spec.first}"
    row: dict[str, Any] = {
        "sigma": spec.sigma,
        "subset": f"{spec.split}, {subset}",
        "images": curve.images,
        "n0": spec.n0,
        "n": spec.n,
        "alpha": spec.alpha,
        "norm": str(spec.norm),
        "acr": round(curve.acr, 4),
        "accuracy": {
            f"{r:g}": round(a, 4) for r, a in zip(curve.radius_R, curve.accuracy_R, strict=True)
        },
        "log": log,
        "command": command,
    }
    with sole_writer(checkpoint.folder / catalog.CARD):
        found = catalog.find_unchanged(checkpoint)
        card = json.loads(json.dumps(found.stored))
        precision = spec.engine.split()[1]
        if precision == "float32":
            card["measured"] = _with(card.get("measured", []), row)
        else:
            named = card.setdefault("precisions", {}).setdefault(precision, {})
            row |= {"engine": spec.engine, "difference": _difference(found, spec, row)}
            named["measured"] = _with(named.get("measured", []), row)
        catalog.write_card(checkpoint.folder, card)


def _with(rows: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [old for old in rows if old.get("log") != row["log"]] + [row]


def _difference(
    checkpoint: Checkpoint, spec: EvaluationSpec, row: Mapping[str, Any]
) -> dict[str, float | str] | None:
    """Return this log's ACR less that of float32 on the same images, with its paired interval.

    A float32 log of more votes is thinned to as many (`logs.thin`). None where the card has none of
    these images at this noise, these settings and so many votes, or it is not here: what was
    counted is recorded all the same.
    """
    same = ("sigma", "subset", "n0", "alpha", "norm")
    run = checkpoint.card.run
    held = [m for m in checkpoint.card.measured if kept(checkpoint.folder / m.log).is_file()]
    for other in sorted(held, key=lambda m: m.n):
        head = logs.head_of(checkpoint.folder / other.log)
        alike = run | dict(head.settings) == run | dict(spec.settings) and other.n >= row["n"]
        if alike and all(getattr(other, key) == row[key] for key in same):
            own, beside = (read_log(checkpoint.folder / log) for log in (row["log"], other.log))
            if other.n > row["n"]:
                beside = logs.thin(beside, row["n"], np.random.default_rng(0))
            mean, low, high = curves.paired_bootstrap(own, beside, np.random.default_rng(0))
            found = {"mean": mean, "low": low, "high": high}
            return {name: round(value, 5) for name, value in found.items()} | {"beside": other.log}
    return None


def score_and_record(
    checkpoint: Checkpoint,
    spec: evaluate.EvaluationSpec,
    out: Path,
    device: str,
    command: str,
    report: Report,
) -> None:
    """Measure every weighting of an ensemble, and record its own, whose log is ``out``."""
    score(checkpoint, spec, out.parent, device, command, report)
    curve = curves.curve(read_log(out), RADII)
    _record(checkpoint, spec, curve, str(out.relative_to(checkpoint.folder)), command)
