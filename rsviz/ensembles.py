"""Making ensembles: fit the weights of several networks once, and measure every weighting at once.

Shape suffixes: J images, C channels, H height, W width, L networks, K classes.
"""

import csv
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from rsviz import checkpoints, curves, datasets, evaluation
from rsviz.checkpoints import Checkpoint
from rsviz.errors import UserError
from rsviz.evaluation import EvaluationSpec
from rsviz.hashes import ensemble_sha256
from rsviz.methods import ensemble
from rsviz.networks import class_count
from rsviz.spec import Curve
from rsviz.voting import drive
from rsviz.workshop import RADII, device_name

Report = Callable[[str], None]


@dataclass(frozen=True)
class FitSpec:
    """How an ensemble is fitted: whose weights, at which noise, on how many training images.

    ``sigma`` None takes the members' own; ``weighting`` is one of `ensemble.weightings`.
    """

    names: tuple[str, ...]
    sigma: float | None = None
    weighting: str = "optimal"
    images: int = 200
    floor: float = ensemble.FLOOR
    seed: int = 0

    def __post_init__(self) -> None:
        if len(set(self.names)) < max(2, len(self.names)):
            raise UserError("An ensemble needs at least two networks, each named once.")
        if self.images < 1 or not self.floor > 0:
            raise UserError("Fitting needs at least one image, and a floor above 0.")


def fit(
    spec: FitSpec, out: Path, device: str = "cpu", command: str = "", report: Report = print
) -> Checkpoint:
    """Find the weights on evenly spaced training images and write the checkpoint ``out``.

    The weights never see the images that are evaluated, so the certificate is that of one fixed
    classifier. The card keeps every weighting and the matrix they came from.

    Raises
    ------
    UserError
        The members do not fit together, or ``out`` does not lie beside them.
    """
    members = [_member(name) for name in spec.names]
    dataset, sigma = _dataset(members), _sigma(spec.sigma, members)
    if out.resolve().parent != checkpoints.root().resolve() or out.name in spec.names:
        raise UserError(f"--out must be a new folder beside its members, in {checkpoints.root()}.")
    start = time.perf_counter()
    data = datasets.load(dataset, "train")
    every = max(len(data) // spec.images, 1)
    x_JCHW = data.x_NCHW[::every][: spec.images].to(device).float() / 255
    y_J = data.y_N[::every][: spec.images].to(device)
    nets = [checkpoints.load(m, device, ready=False) for m in members]
    generator = torch.Generator(device).manual_seed(spec.seed)
    Q_LL = ensemble.quadratic(ensemble.measure(nets, x_JCHW, y_J, sigma, generator), spec.floor)
    found = ensemble.weightings(Q_LL)
    if spec.weighting not in found:
        raise UserError(f"The {spec.weighting} formula is for two networks, not {len(nets)}.")
    for name, weights in found.items():
        report(f"{name}: {weights and [round(w, 4) for w in weights]}")
    fitted = {
        "weightings": found,
        "quadratic": Q_LL.tolist(),
        "images": f"train, {len(x_JCHW)} images, every {every}th",
        "floor": spec.floor,
    }
    card = {
        "name": out.name,
        "method": "ensemble",
        "dataset": dataset,
        "network": _network(members),
        "sigma": sigma,
        "seed": spec.seed,
        "command": command,
        "members": [{"name": m.name, "sha256": m.sha256} for m in members],
        "weighting": spec.weighting,
        "weights": found[spec.weighting],
        "fit": fitted,
        "seconds": round(time.perf_counter() - start),
        "device": device_name(device),
        "torch": torch.__version__,
        "measured": [],
    }
    card["sha256"] = ensemble_sha256(card["members"], card["weights"])  # type: ignore[arg-type]
    out.mkdir(parents=True, exist_ok=True)
    checkpoints.write_card(out, card)
    report(f"wrote {out}")
    return checkpoints.inspect(out)


def _member(name: str) -> Checkpoint:
    member = checkpoints.find(name)
    if member.problem:
        raise UserError(f"Checkpoint {name} cannot be used: {member.problem}.")
    if "members" in member.card:
        raise UserError(f"{name} is an ensemble itself; name its members instead.")
    return member


def _dataset(members: list[Checkpoint]) -> str:
    names = {m.card["dataset"] for m in members}
    if len(names) > 1:
        raise UserError(f"The networks are for unlike data sets: {', '.join(sorted(names))}.")
    return str(names.pop())


def _sigma(sigma: float | None, members: list[Checkpoint]) -> float:
    levels = {m.card["sigma"] for m in members} if sigma is None else {sigma}
    if len(levels) > 1 or None in levels:
        raise UserError("The networks were not all trained at one noise level; give --sigma.")
    return float(levels.pop())


def _network(members: list[Checkpoint]) -> str:
    names = [m.card["network"] for m in members]
    return f"{len(names)} x {names[0]}" if len(set(names)) == 1 else " + ".join(names)


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
    if "members" not in checkpoint.card:
        raise UserError(f"{checkpoint.name} is a single network; use evaluate.")
    data = datasets.load(spec.dataset, spec.split)
    weighings = checkpoint.card["fit"]["weightings"]
    members = [checkpoints.load(m, device) for m in checkpoints.members(checkpoint)]
    specs = {name: _spec_of(checkpoint, spec, name) for name in weighings}
    files = {name: out / f"{name}.csv" for name in weighings}
    done = {n: evaluation.open_log(files[n], specs[n], device, command) for n in weighings}
    indices = spec.indices(len(data))
    todo = [i for i in indices if not all(i in rows for rows in done.values())]
    queue = evaluation.requests(
        spec, data, todo, lambda x_CHW, run: ensemble.certify_each(members, weighings, run)
    )
    progress = evaluation.Progress(len(indices), len(indices) - len(todo), report)
    classes = class_count(members[0])
    with ExitStack() as stack:
        logs = {n: stack.enter_context(f.open("a", newline="")) for n, f in files.items()}
        for task in drive(queue, device):
            if not task.certificate:
                continue
            i = task.request.key
            read = ensemble.read_each(task.votes, weighings, classes, spec.run(data, i))
            for name in weighings:
                if i not in done[name]:
                    writer = csv.writer(logs[name], lineterminator="\n")
                    writer.writerow(evaluation.row(task, read[name], int(data.y_N[i])))
                    logs[name].flush()
                    os.fsync(logs[name].fileno())
            progress.step()
    progress.close()
    return [curves.curve(curves.read_log(f), RADII) for f in files.values()]


def _spec_of(checkpoint: Checkpoint, spec: EvaluationSpec, weighting: str) -> EvaluationSpec:
    """Return the evaluation of one weighting; that of the checkpoint's own is ``spec`` itself."""
    if weighting == checkpoint.card["weighting"]:
        return spec
    weights = checkpoint.card["fit"]["weightings"][weighting]
    sha256 = ensemble_sha256(checkpoint.card["members"], weights)
    return replace(spec, name=f"{checkpoint.name} ({weighting})", checkpoint_sha256=sha256)
