"""Train a checkpoint, by the way its method is made."""

import importlib
from pathlib import Path

from rsviz.checkpoints import weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.progress import Report
from rsviz.data import datasets
from rsviz.training import loop
from rsviz.training.card import card_of, seeded_network, state_folder
from rsviz.training.run_recipes import _keep_apart
from rsviz.training.single import loss_for

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
    """
    _keep_apart(spec)
    if spec.method in MAKERS:
        maker = importlib.import_module(MAKERS[spec.method])  # it uses this module itself
        made: Checkpoint = maker.make(spec, out, device, command, compiled, report)
        report(f"wrote {out}")
        return made
    loss, settings = loss_for(spec)
    data = datasets.load(spec.dataset, spec.split)
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
