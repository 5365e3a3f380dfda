"""Find, verify, load and save trained networks: folders of weights and a card describing them.

checkpoints/NAME/weights.safetensors    half precision, evaluated as shipped
checkpoints/NAME/card.json              what, how trained, by which command, what was measured
checkpoints/NAME/certified.csv          the measured log
checkpoints/NAME/experiments/           logs of experiments, packed by ``gzip -9n``

An ensemble has no weights of its own: its card names its members, folders beside it, with their
hashes, and how they are weighed. The card of a method of several networks describes its ``parts``
by name: weights of its own, or another checkpoint beside it, with its hash.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from rsviz.checkpoints.catalog import (
    CARD,
    WEIGHTS,
    Checkpoint,
    card_text,
    find,
    inspect,
    members,
    parts_sha256,
    settle_card,
    with_normalisation,
    write_card,
)
from rsviz.core.errors import UserError
from rsviz.core.files import sole_writer, write_beside
from rsviz.networks.classifiers import build, fold
from rsviz.networks.ensembles import WeightedSum, WidestMargin
from rsviz.networks.from_card import build_part
from rsviz.networks.normalisation import of_card


def load(checkpoint: Checkpoint, device: str = "cpu", ready: bool = True) -> nn.Module:
    """Load a verified checkpoint: float32, eval mode, pixels in [0, 1] to logits.

    Parameters
    ----------
    ready : fold batch norms and forbid gradients to weights, for voting; False to train further.

    Raises
    ------
    UserError
        The folder is bad, or the weights do not fit the network its card names.
    """
    checkpoint.require_usable()
    if checkpoint.card.members:
        return _load_ensemble(checkpoint, device, ready)
    if checkpoint.card.parts:
        raise UserError(f"{checkpoint.name} is made of several networks; choose a single one here.")
    card = checkpoint.card
    net = build(card.network, card.dataset, normalisation=of_card(card.normalisation))
    _fill(net, checkpoint)
    return settle(net, device, ready)


def load_nets(
    checkpoint: Checkpoint, device: str = "cpu", ready: bool = True
) -> dict[str, nn.Module]:
    """Load all networks of a verified checkpoint by name: ``classifier``, or its card's parts.

    Parameters
    ----------
    ready : as in `load`.

    Raises
    ------
    UserError
        As `load`.
    """
    if not checkpoint.card.parts or checkpoint.problem:
        return {"classifier": load(checkpoint, device, ready)}
    parts, dataset = checkpoint.card.parts, checkpoint.card.dataset
    own = {n: build_part(p, dataset) for n, p in parts.items() if "checkpoint" not in p}
    if own:
        _fill(nn.ModuleDict(own), checkpoint)
    nets = {name: settle(net, device, ready) for name, net in own.items()}
    for name, other in parts.items():
        if "checkpoint" in other:
            found = find(other["checkpoint"], checkpoint.folder.parent)
            _check_same(found.name, found.sha256, other["sha256"])
            nets[name] = load(found, device, ready)
    return {name: nets[name] for name in parts}


def _fill(net: nn.Module, checkpoint: Checkpoint) -> None:
    """Read a checkpoint's weights into net; UserError says what does not fit.

    The bytes that are read are those whose hash is held against the checkpoint's: its folder may
    hold another network by now.
    """
    data, card = (checkpoint.folder / WEIGHTS).read_bytes(), checkpoint.card
    sha256 = network_sha256(data, card.normalisation)
    if card.parts:
        sha256 = parts_sha256(card.parts, sha256)
    _check_same(checkpoint.name, sha256, checkpoint.sha256)
    try:
        state = from_bytes(data)
        load_state(net, state)
    except (SafetensorError, RuntimeError, UserError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(
            f"Checkpoint {checkpoint.name} cannot be used: its weights do not fit a "
            f"{checkpoint.card.network} ({reason})."
        ) from None
    try:
        check_numbers(state)
    except UserError as error:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {error}.") from None


def _check_same(name: str, sha256: str, expected: str) -> None:
    """Refuse weights that took the place of those that were asked for."""
    if sha256 != expected:
        raise UserError(f"Checkpoint {name} was changed meanwhile; ask for it again.")


def settle(net: nn.Module, device: str, ready: bool) -> nn.Module:
    """Return a network in eval mode on a device; ``ready`` as in `load`."""
    net.eval()
    if ready:
        fold(net.requires_grad_(False))
    return net.to(device).to(memory_format=torch.channels_last)


def _load_ensemble(checkpoint: Checkpoint, device: str, ready: bool) -> nn.Module:
    if not ready:
        raise UserError(f"{checkpoint.name} is an ensemble; train its members instead.")
    found = members(checkpoint)
    for member, named in zip(found, checkpoint.card.members, strict=True):
        _check_same(member.name, member.sha256, named.sha256)
    nets = [load(member, device) for member in found]
    weights = checkpoint.card.weights
    net = WidestMargin(nets) if weights is None else WeightedSum(nets, weights)
    return net.eval()


def load_state(net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy a state dict of any floating dtype into net; UserError names what does not fit."""
    own = net.state_dict()
    if missing := sorted(set(own) - set(state)):
        raise UserError(f"{missing[0]} is missing")
    if unknown := sorted(set(state) - set(own)):
        raise UserError(f"{unknown[0]} is not part of it")
    for key, value in own.items():
        if value.shape != state[key].shape:
            shapes = f"{tuple(state[key].shape)} instead of {tuple(value.shape)}"
            raise UserError(f"{key} has shape {shapes}")
    net.load_state_dict({key: state[key].to(own[key].dtype) for key in own})


def check_numbers(state: Mapping[str, Tensor]) -> None:
    """Refuse weights that are NaN or infinite: the network could not answer with numbers."""
    for key, value in state.items():
        if value.is_floating_point() and not bool(value.float().isfinite().all()):
            raise UserError(
                f"{key} holds values that are not numbers (NaN or infinite), so the network's "
                "answers are not numbers either"
            )


def save(
    net: nn.Module, folder: Path, card: Mapping[str, Any], dtype: torch.dtype = torch.float16
) -> Checkpoint:
    """Write weights, in half precision by default, and the card; return what was written.

    Both are written beside, flushed to the disk, and then renamed: a kill or a full disk leaves
    the old checkpoint or the new one. The hash of a card with ``parts`` covers these too, and that
    of one with a ``normalisation`` covers it.

    Raises
    ------
    UserError
        A weight is not a number, or too large for half precision; nothing is written then.
    """
    state = _in_dtype(net, dtype)
    try:
        check_numbers(state)
    except UserError as error:
        raise UserError(
            f"{folder.name} was not saved: in half precision {error}; train it with a lower --lr."
        ) from None
    data = to_bytes(state)
    sha256 = network_sha256(data, card.get("normalisation"))
    if "parts" in card:
        sha256 = parts_sha256(card["parts"], sha256)
    folder.mkdir(parents=True, exist_ok=True)
    text = card_text(dict(card) | {"name": folder.name, "sha256": sha256})
    with sole_writer(folder / CARD):
        settle_card(folder)
        weights, written = write_beside(folder / WEIGHTS, data), write_beside(folder / CARD, text)
        weights.replace(folder / WEIGHTS)  # killed here, the new card beside fits: see `inspect`
        written.replace(folder / CARD)
    return inspect(folder)


def packed(net: nn.Module, dtype: torch.dtype) -> bytes:
    """Return a network's weights as a file of safetensors holds them."""
    return to_bytes(_in_dtype(net, dtype))


def _in_dtype(net: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        key: (value.to(dtype) if value.is_floating_point() else value).cpu().contiguous()
        for key, value in net.state_dict().items()
    }


def network_sha256(data: bytes, normalisation: Mapping[str, Any] | None) -> str:
    """Return the hash of one network: of its packed weights, and of its normalisation if stated."""
    return with_normalisation(hashlib.sha256(data).hexdigest(), normalisation)


def save_parts(nets: Mapping[str, nn.Module], folder: Path, card: Mapping[str, Any]) -> Checkpoint:
    """Write networks under one card, which describes them all in ``parts``; as `save`.

    Parameters
    ----------
    nets : by name, at least the parts that are not checkpoints of their own.
    """
    parts = card["parts"]
    own = nn.ModuleDict({n: nets[n] for n, p in parts.items() if "checkpoint" not in p})
    if not own:
        folder.mkdir(parents=True, exist_ok=True)
        sha256 = parts_sha256(parts, "")
        with sole_writer(folder / CARD):
            write_card(folder, dict(card) | {"name": folder.name, "sha256": sha256})
        return inspect(folder)
    return save(own, folder, card)
