"""Train a checkpoint, by the way its method is made."""

from pathlib import Path

from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.progress import Report
from rsviz.training import adaptive, dual, single, variational
from rsviz.training.loop import TrainSpec

# How a method of several networks is made; every other method is one network and its loss.
MAKERS = {
    "dual": dual.make,
    "routing": dual.make,
    "variational": variational.make,
    "adaptive": adaptive.make,
    "static": adaptive.make,
    "plain-linf": adaptive.make,
}


def train_checkpoint(
    spec: TrainSpec,
    out: Path,
    device: str,
    command: str,
    compiled: bool = True,
    report: Report = print,
) -> Checkpoint:
    """Train what ``spec`` says and write it, with its card, into the folder ``out``."""
    make = MAKERS.get(spec.method, single.make)
    made = make(spec, out, device, command, compiled, report)
    report(f"wrote {out}")
    return made
