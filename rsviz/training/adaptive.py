"""Training for canvases: a classifier with its mask, and the two baselines of the same budget.

All three go through the one training loop, with the same sigma, epochs and images; they differ in
their loss and in the mask they train beside the classifier. Shape suffixes: N images.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import settings
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.data.catalog import CLASS_COUNT, INPUT_SIZE
from rsviz.methods import adaptive
from rsviz.methods.base import Loss
from rsviz.networks.from_card import build_part
from rsviz.networks.masks import Split
from rsviz.training import loop
from rsviz.training.card import card_of, state_folder
from rsviz.training.loop import TrainSpec


@dataclass(frozen=True)
class Settings:
    """What these trainings know besides a TrainSpec.

    ``steps`` is how many queries a vote of ARS makes, each but the first through a mask network of
    its own. ``f`` is the first query's share of the budget, the others share the rest equally; with
    ``learn_split`` 1 it is where the share starts, which is then trained beside the networks. What
    results is what runs use. ``channels``
    and ``half`` are those of `masks.MaskUNet`, ``dropout`` its share of channels dropped;
    ``images`` is the number of training images used, from the first (0: all of them).
    ``consistency`` above 0 weighs the disagreement of two votes (Consistency's lambda).
    """

    f: float = 0.5
    learn_split: int = 0
    channels: int = 8
    half: int = 1
    dropout: float = 0.0
    images: int = 0
    consistency: float = 0.0
    steps: int = 2

    def __post_init__(self) -> None:
        settings.check_numbers(consistency=self.consistency)
        settings.check_counts(channels=(self.channels, 1), half=(self.half, 0))
        settings.check_counts(images=(self.images, 0), learn_split=(self.learn_split, 0))
        settings.check_counts(steps=(self.steps, 2))
        if not 0 < self.f < 1:
            raise UserError(
                f"f, the first query's share of the budget, must lie in (0, 1), not {self.f!r}."
            )
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout must lie in [0, 1), not {self.dropout!r}.")


Parts = dict[str, dict[str, Any]]


def parts(spec: TrainSpec, chosen: Settings) -> Parts:
    """Return the networks a training makes, as a card names them."""
    classifier: Parts = {"classifier": {"network": spec.network}}
    if spec.method == "adaptive":
        mask = {"network": "mask-unet", "channels": chosen.channels, "half": bool(chosen.half)}
        return classifier | {adaptive.mask_name(j): dict(mask) for j in range(1, chosen.steps)}
    if spec.method == "static":
        return classifier | {"mask": {"network": "static-mask", "size": INPUT_SIZE[spec.dataset]}}
    return classifier


def fresh_nets(spec: TrainSpec, chosen: Settings) -> nn.ModuleDict:
    """Return the networks to train: new by the seed, the classifier from ``spec.start`` if given.

    Networks without a fully connected size, such as ``compact``, start from any size of image. The
    last layer stays new where the classes are others.
    """
    with torch.random.fork_rng(devices=[]):  # torch's initialisers take no generator
        torch.manual_seed(spec.seed)
        made = {name: build_part(p, spec.dataset) for name, p in parts(spec, chosen).items()}
    if chosen.learn_split and spec.method == "adaptive":
        made["split"] = Split(chosen.f)
    if spec.start:
        _continue_from(made["classifier"], catalog.find(spec.start), spec.dataset)
    nets = nn.ModuleDict(made)
    for module in nets.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = chosen.dropout
    return nets


def _continue_from(net: nn.Module, start: Checkpoint, dataset: str) -> None:
    """Copy the weights of a checkpoint into net, except a last layer of other classes."""
    state = weights.load(start, ready=False).state_dict()
    if CLASS_COUNT[dataset] != CLASS_COUNT[start.card.dataset]:
        own = net.state_dict()
        last = [k for k, v in own.items() if k in state and v.shape != state[k].shape]
        state |= {key: own[key] for key in last}
    weights.load_state(net, state)


def loss_of(method: str, chosen: Settings) -> Loss:
    """Return the loss of ``adaptive``, ``static`` or ``plain-linf``, on a ModuleDict."""
    losses: Mapping[str, Callable[..., torch.Tensor]] = {
        "adaptive": partial(adaptive.loss, f=chosen.f, lam=chosen.consistency),
        "static": partial(adaptive.loss_static, lam=chosen.consistency),
        "plain-linf": partial(adaptive.loss_plain, lam=chosen.consistency),
    }
    if method not in losses:
        raise UserError(f"The method must be one of {', '.join(losses)}, not {method!r}.")
    return losses[method]


def first_images(data: datasets.Dataset, images: int) -> datasets.Dataset:
    """Return the first images of a data set, all of them for 0."""
    if not images:
        return data
    return replace(data, x_NCHW=data.x_NCHW[:images], y_N=data.y_N[:images])


def make(
    spec: TrainSpec,
    out: Path,
    device: str,
    command: str,
    compiled: bool = True,
    report: Callable[[str], None] = print,
) -> Checkpoint:
    """Train a classifier (and its mask) as ``spec`` says; write both and their card into ``out``.

    Raises
    ------
    UserError
        A setting is not known or out of range, or the starting network does not fit.
    """
    chosen = settings.choose({0.5: Settings()}, spec.sigma, spec.settings)
    loss = loss_of(spec.method, chosen)
    nets = fresh_nets(spec, chosen)
    data = first_images(datasets.load(spec.dataset, "train"), chosen.images)
    state = state_folder() / f"{out.name}.pt"
    compiled &= device != "cpu"  # there it gains nothing for these networks and takes two minutes
    seconds = loop.train(nets, data, loss, spec, state, device, compiled, report)
    card = card_of(spec, out, device, command, seconds)
    told = asdict(chosen)
    if spec.method != "adaptive":
        told = {"images": chosen.images, "consistency": chosen.consistency}
    card |= {"settings": told, "train_images": len(data)}
    if spec.method == "adaptive":
        card |= {"run": {"f": round(nets["split"]().item(), 4) if "split" in nets else chosen.f}}
    if spec.method == "plain-linf":  # a single network, as of any other method
        return weights.save(nets["classifier"], out, card)
    return weights.save_parts(dict(nets.items()), out, card | {"parts": parts(spec, chosen)})
