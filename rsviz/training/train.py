"""Train a checkpoint, by the way its method is made."""

from contextlib import nullcontext
from pathlib import Path

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import faults
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_folder, sole_writer
from rsviz.core.progress import Report
from rsviz.data.labels import labels
from rsviz.smoothing.processes import here
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
    """Train what ``spec`` says and write it, with its card, into the folder ``out``.

    Raises
    ------
    UserError
        A setting is out of range, ``out`` cannot be a folder, another training writes into it, the
        method cannot be trained by several processes, or a network trained on ``fit`` would see the
        validation images after all.
    """
    check_out_folder(out)
    _keep_apart(spec)
    label_N = labels(spec.dataset, spec.split)
    if label_N is not None and spec.batch > len(label_N):  # told before images are drawn or loaded
        raise UserError(
            f"--batch must be at most {len(label_N):,}, the images of {spec.dataset}/{spec.split}, "
            f"but is {spec.batch:,}."
        )
    make, workers = MAKERS.get(spec.method, single.make), here()
    if workers.count > 1 and make is not single.make:
        raise UserError(f"{spec.method} trains several networks in turn, by one process alone.")
    on_cpu = device == "cpu"  # a GPU's driver reserves far more than it uses
    with (
        sole_writer(out) if workers.first else nullcontext(),
        faults.kept_to(faults.free_memory()) if on_cpu else nullcontext(),
    ):
        made = make(spec, out, device, command, compiled, report)
    report(f"wrote {out}")
    return made


def _keep_apart(spec: TrainSpec) -> None:
    """Refuse what would let a network trained on ``fit`` see the validation images after all."""
    if spec.split == "train":
        return
    if spec.method in MAKERS:
        raise UserError(f"{spec.method} trains on all training images; leave --split out.")
    if spec.start and catalog.find(spec.start).card.split != spec.split:
        raise UserError(
            f"{spec.start} has seen the validation images; start from one trained with "
            f"--split {spec.split}, or from none."
        )
