"""One network trained by one loss."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from torch import Tensor

from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import settings
from rsviz.core.errors import UserError
from rsviz.core.progress import Report
from rsviz.data import datasets
from rsviz.methods.base import Loss, Weigh
from rsviz.methods.registry import METHODS
from rsviz.smoothing.processes import here
from rsviz.training.card import card_of, seeded_network, state_folder
from rsviz.training.loop import TrainSpec, train


def loss_for(spec: TrainSpec) -> tuple[Loss, dict[str, float]]:
    """Return the loss a training asks for, and its settings in full, for the card.

    Raises
    ------
    UserError
        A setting is not known to the method, or out of range.
    """
    method = METHODS[spec.method]
    if method.loss is None:
        raise UserError(f"{method.title} is not trained by one loss.")
    if not method.presets:
        if spec.settings:
            name = spec.settings[0][0]
            raise UserError(f"There is no setting {name!r}: {method.title}'s loss has none.")
        return method.loss, {}
    try:
        chosen = settings.choose(method.presets, spec.sigma, spec.settings)
    except UserError as error:
        raise UserError(f"{method.title}: {error}") from None
    loss: Callable[..., Tensor] = method.loss
    return partial(loss, settings=chosen), asdict(chosen)


def weigh_for(spec: TrainSpec) -> Weigh | None:
    """Return how a training weighs its images, None if it takes each once an epoch.

    Raises
    ------
    UserError
        It weighs them by the network it starts from, and there is none.
    """
    method = METHODS[spec.method]
    if method.weigh is None:
        return None
    if not spec.start:  # fresh weights name one class, and would keep the images of that alone
        raise UserError(
            f"{method.title} weighs images by how the network it starts from classes them; name a "
            "trained one by --start."
        )
    chosen = settings.choose(method.presets, spec.sigma, spec.settings)
    return partial(method.weigh, settings=chosen)


def make(
    spec: TrainSpec,
    out: Path,
    device: str,
    command: str,
    compiled: bool,
    report: Report,
) -> Checkpoint:
    """Train one network by its method's loss and write it, with its card, into ``out``."""
    loss, chosen = loss_for(spec)
    weigh = weigh_for(spec)
    net = seeded_network(spec)
    data = datasets.load(spec.dataset, spec.split)
    state_file = state_folder() / f"{out.name}.pt"
    seconds = train(net, data, loss, spec, state_file, device, compiled, report, weigh)
    card = card_of(spec, out, device, command, seconds) | {"settings": chosen}
    workers = here()
    if workers.count > 1:
        card |= {"processes": workers.count}
    if workers.first:
        weights.save(net, out, card)
    workers.wait()
    return catalog.inspect(out)
