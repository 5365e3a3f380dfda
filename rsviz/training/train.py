"""Train a checkpoint, by the way its method is made."""

from pathlib import Path

from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_folder, sole_writer
from rsviz.core.progress import Report
from rsviz.data.labels import labels
from rsviz.training import loop
from rsviz.training.run_recipes import _train_checkpoint

# Each has make(spec, out, device, command, compiled, report) -> Checkpoint.
MAKERS = {
    "dual": "rsviz.training.dual",
    "routing": "rsviz.training.dual",
    "variational": "rsviz.training.variational",
    "adaptive": "rsviz.training.adaptive",
    "static": "rsviz.training.adaptive",
    "plain-linf": "rsviz.training.adaptive",
}


def train_checkpoint(
    spec: loop.TrainSpec,
    out: Path,
    device: str,
    command: str,
    compiled: bool = True,
    report: Report = print,
) -> Checkpoint:
    """Train a network as ``spec`` says and write it, with its card, into the folder ``out``.

    Methods of several networks are made by a module of their own, one of `MAKERS`.

    Raises
    ------
    UserError
        A setting is out of range, ``out`` cannot be a folder, or another training writes into it.
    """
    check_out_folder(out)
    label_N = labels(spec.dataset, "train")
    if label_N is not None and spec.batch > len(label_N):  # told before images are drawn or loaded
        raise UserError(
            f"--batch must be at most {len(label_N):,}, the images of {spec.dataset}/train, but is "
            f"{spec.batch:,}."
        )
    with sole_writer(out):
        made = _train_checkpoint(spec, out, device, command, compiled, report)
    report(f"wrote {out}")
    return made
