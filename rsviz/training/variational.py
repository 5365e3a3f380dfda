"""Training for Variational RS: a selector of the noise, for a classifier that stays as it is."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import settings
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.methods import variational
from rsviz.networks.from_card import build_selector
from rsviz.networks.selectors import Pair
from rsviz.training import loop
from rsviz.training.card import card_of, copy_all_but_the_end, state_folder
from rsviz.training.loop import TrainSpec


@dataclass(frozen=True)
class Settings:
    """What this training knows besides a TrainSpec, whose sigma is the target of the KL term.

    The selector's levels lie in (``low``, ``high``), its trunk is a compact net of ``width``
    channels (16 of 32 is about a quarter of the arithmetic); with ``trunk`` ``classifier`` it must
    be as wide as the classifier and begins with that one's weights, all but the last layer.
    ``draws``, ``spread`` and ``lam`` are of `selector.Settings`: lam below 0 is drawn from U(0, 1)
    at each step, so that it can be turned afterwards. ``q`` is the noise on the selector's input,
    while trained and when run (the paper's choice is not known here). ``images``: how many training
    images are used, the first (0: all).
    """

    low: float = 0.1
    high: float = 1.2
    width: int = 16
    draws: int = 4
    spread: float = 0.0
    lam: float = -1.0
    q: float = 0.25
    images: int = 0
    trunk: str = "own"

    def __post_init__(self) -> None:
        settings.check_counts(width=(self.width, 1), images=(self.images, 0))
        settings.check_word("trunk", self.trunk, ("own", "classifier"))


def make(
    spec: TrainSpec,
    out: Path,
    device: str,
    command: str,
    compiled: bool = True,
    report: Callable[[str], None] = print,
) -> Checkpoint:
    """Train a selector for the classifier ``spec.start``; the card names that one by its hash.

    Raises
    ------
    UserError
        A setting is not known or out of range, or there is no such classifier.
    """
    how = settings.fill(Settings, spec.settings)
    if not isinstance(spec.sigma, int | float) or spec.sigma <= 0:
        raise UserError("--sigma is the target noise of the KL term; give a number above 0.")
    if not spec.start:
        raise UserError("The selector needs a trained classifier; name one with --start.")
    base = catalog.find(spec.start)
    with torch.random.fork_rng(devices=[]):  # torch's initialisers take no generator
        torch.manual_seed(spec.seed)
        chooser = build_selector(spec.dataset, how.low, how.high, how.width)
    if how.trunk == "classifier":
        _begin_with(weights.load(base, ready=False), chooser.trunk)
    pair = Pair(weights.load(base, device), chooser)
    data = datasets.load(spec.dataset, "train")
    rows = slice(0, how.images or len(data))
    data = replace(data, x_NCHW=data.x_NCHW[rows], y_N=data.y_N[rows])
    of_loss = variational.Settings(how.draws, float(spec.sigma), how.spread, how.lam, how.q)
    state = state_folder() / f"{out.name}.pt"
    loss = partial(variational.loss, settings=of_loss)
    seconds = loop.train(pair, data, loss, spec, state, device, compiled, report=report)
    part = {"network": "selector", "low": how.low, "high": how.high, "width": how.width}
    card = card_of(spec, out, device, command, seconds) | {
        "sigma": None,
        "settings": asdict(how),
        "run": {"q": how.q},
        "train_images": len(data),
        "parts": {"selector": part, "classifier": {"checkpoint": base.name, "sha256": base.sha256}},
    }
    return weights.save_parts({"selector": pair["selector"]}, out, card)


def _begin_with(classifier: nn.Module, trunk: nn.Module) -> None:
    """Give the selector's trunk the classifier's weights, all but the last layer."""
    shapes = [
        {name: value.shape for name, value in net.state_dict().items() if ".fc." not in name}
        for net in (classifier, trunk)
    ]
    if shapes[0] != shapes[1]:
        raise UserError(
            "The selector's trunk is not as wide as the classifier; set width to the classifier's, "
            "32 of a compact net."
        )
    copy_all_but_the_end(classifier, trunk)
