"""Making checkpoints: train one, measure one, or run the recipes that are missing."""

import importlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from rsviz import checkpoints, curves, datasets, evaluation, networks, training
from rsviz.checkpoints import Checkpoint
from rsviz.errors import UserError
from rsviz.methods import loss_for
from rsviz.recipe import Recipe
from rsviz.spec import Curve, Norm

# Each has make(spec, out, device, command, compiled, report) -> Checkpoint.
MAKERS = {
    "dual": "rsviz.making_dual",
    "routing": "rsviz.making_dual",
    "variational": "rsviz.making_variational",
    "adaptive": "rsviz.making_adaptive",
    "static": "rsviz.making_adaptive",
    "plain-linf": "rsviz.making_adaptive",
}
RADII = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
RADII_LINF = tuple(k / 255 for k in (0, 0.5, 1, 1.5, 2, 3, 4, 6, 8))
Report = Callable[[str], None]


def state_folder() -> Path:
    """Return where the states of unfinished trainings lie: RSVIZ_STATES, else the cache."""
    return Path(os.environ.get("RSVIZ_STATES") or Path.home() / ".cache" / "rsviz" / "training")


def train_checkpoint(
    spec: training.TrainSpec,
    out: Path,
    device: str,
    command: str,
    compiled: bool = True,
    report: Report = print,
) -> Checkpoint:
    """Train a network as ``spec`` says and write it, with its card, into the folder ``out``.

    Methods of several networks are made by a module of their own, one of `MAKERS`.
    """
    if spec.method in MAKERS:
        maker = importlib.import_module(MAKERS[spec.method])  # it uses this module itself
        made: Checkpoint = maker.make(spec, out, device, command, compiled, report)
        report(f"wrote {out}")
        return made
    loss, settings = loss_for(spec)
    data = datasets.load(spec.dataset, "train")
    net = seeded_network(spec)
    seconds = training.train(
        net,
        data,
        loss,
        spec,
        state_folder() / f"{out.name}.pt",
        device,
        compiled,
        report,
    )
    card = card_of(spec, out, device, command, seconds) | {"settings": settings}
    made = checkpoints.save(net, out, card)
    report(f"wrote {out}")
    return made


def card_of(
    spec: training.TrainSpec, out: Path, device: str, command: str, seconds: float
) -> dict[str, Any]:
    """Return what every card says of how its networks were trained; nothing is measured yet."""
    return {
        "name": out.name,
        "method": spec.method,
        "dataset": spec.dataset,
        "network": spec.network,
        "sigma": None if spec.sigma == "uniform" else spec.sigma,
        "sigma_training": spec.sigma,
        "seed": spec.seed,
        "start": spec.start,
        "epochs": spec.epochs,
        "dtype": spec.dtype,
        "command": command,
        "seconds": round(seconds),
        "device": device_name(device),
        "torch": torch.__version__,
        "measured": [],
    }


def seeded_network(spec: training.TrainSpec) -> torch.nn.Module:
    """Return the network training starts from: a checkpoint's, or fresh weights by the seed."""
    if spec.start:
        return checkpoints.load(checkpoints.find(spec.start), ready=False)
    with torch.random.fork_rng(devices=[]):  # torch's initialisers take no generator
        torch.manual_seed(spec.seed)
        return networks.build(spec.network, spec.dataset)


def device_name(device: str) -> str:
    """Return what a card calls the device."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"CPU ({torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()})"


def measure(
    checkpoint: Checkpoint,
    spec: evaluation.EvaluationSpec,
    out: Path,
    device: str,
    command: str,
    report: Report = print,
) -> Curve:
    """Evaluate a checkpoint into the log ``out``; in its own folder, also record it in its card."""
    data = datasets.load(spec.dataset, spec.split)
    nets = checkpoints.load_nets(checkpoint, device)
    evaluation.evaluate(spec, nets, data, out, device, command, report)
    curve = curves.curve(curves.read_log(out), RADII if spec.norm == Norm.L2 else RADII_LINF)
    if out.resolve().parent == checkpoint.folder.resolve():
        _record(checkpoint, spec, curve, out.name, command)
    return curve


def _record(
    checkpoint: Checkpoint, spec: evaluation.EvaluationSpec, curve: Curve, log: str, command: str
) -> None:
    subset = f"every {spec.every}th" if spec.every else f"first {spec.first}"
    row = {
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
    card = json.loads((checkpoint.folder / checkpoints.CARD).read_text())
    card["measured"] = [m for m in card.get("measured", []) if m.get("log") != log] + [row]
    checkpoints.write_card(checkpoint.folder, card)


def run_recipes(
    recipes: Sequence[Recipe], minutes: float, n: int, device: str, report: Report
) -> None:
    """Train and measure what is missing, in order, starting nothing new after ``minutes``."""
    end = time.monotonic() + 60 * minutes
    for recipe in recipes:
        for what, step in _missing(recipe, n, device, report):
            if time.monotonic() > end:
                report("out of time; the same command goes on from here")
                return
            report(what)
            step()


def _make(recipe: Recipe, folder: Path, device: str, report: Report) -> None:
    """Train a recipe's network, or fit its ensemble."""
    command = recipe.train_command(device)
    if not recipe.members:
        train_checkpoint(recipe.train_spec(), folder, device, command, True, report)
        return
    from rsviz.ensembles import FitSpec, fit  # which itself uses this module

    fit(FitSpec(recipe.members, seed=recipe.seed), folder, device, command, report)


def _score(
    checkpoint: Checkpoint,
    spec: evaluation.EvaluationSpec,
    out: Path,
    device: str,
    command: str,
    report: Report,
) -> None:
    """Measure every weighting of an ensemble, and record its own, whose log is ``out``."""
    from rsviz.ensembles import score  # which itself uses this module

    score(checkpoint, spec, out.parent, device, command, report)
    curve = curves.curve(curves.read_log(out), RADII)
    _record(checkpoint, spec, curve, str(out.relative_to(checkpoint.folder)), command)


def _missing(
    recipe: Recipe, n: int, device: str, report: Report
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what a recipe still lacks, as (what it is, how to make it)."""
    folder = checkpoints.root() / recipe.name
    if not (folder / checkpoints.CARD).exists():
        for parent in recipe.parents:
            if not (checkpoints.root() / parent).exists():
                raise UserError(f"{recipe.name} starts from {parent}, which is missing.")
        yield f"making {recipe.name}", partial(_make, recipe, folder, device, report)
    checkpoint = checkpoints.find(recipe.name)
    logs = {m["log"] for m in checkpoint.card.get("measured", [])}
    step = _score if recipe.members else measure
    for sigma in recipe.sigmas:
        if recipe.log(sigma) not in logs:
            how = evaluation.spec_for(
                checkpoint, sigma, every=recipe.every, n0=100, n=n, alpha=0.001, seed=0
            )
            out, command = (
                folder / recipe.log(sigma),
                recipe.evaluate_command(sigma, n, device),
            )
            yield (
                f"measuring {recipe.name} at sigma {sigma}",
                partial(step, checkpoint, how, out, device, command, report),
            )
