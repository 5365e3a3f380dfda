"""Train a checkpoint, by the way its method is made."""

from collections.abc import Callable
from pathlib import Path

from rsviz.checkpoints import weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.progress import Report
from rsviz.data import datasets
from rsviz.training import adaptive, dual, loop, variational
from rsviz.training.card import card_of, seeded_network, state_folder
from rsviz.training.single import loss_for

Maker = Callable[[loop.TrainSpec, Path, str, str, bool, Report], Checkpoint]
MAKERS: dict[str, Maker] = {  # of methods that one loss does not train
    "dual": dual.make,
    "routing": dual.make,
    "variational": variational.make,
    "adaptive": adaptive.make,
    "static": adaptive.make,
    "plain-linf": adaptive.make,
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

    Methods of several networks have a training of their own, one of `MAKERS`.
    """
    if spec.method in MAKERS:
        made = MAKERS[spec.method](spec, out, device, command, compiled, report)
        report(f"wrote {out}")
        return made
    loss, settings = loss_for(spec)
    data = datasets.load(spec.dataset, "train")
    net = seeded_network(spec)
    seconds = loop.train(
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
    made = weights.save(net, out, card)
    report(f"wrote {out}")
    return made
