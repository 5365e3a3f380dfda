"""Find, verify, load and save trained networks: folders of weights and a card describing them.

checkpoints/NAME/weights.safetensors    half precision, evaluated as shipped
checkpoints/NAME/card.json              what, how trained, by which command, what was measured
checkpoints/NAME/certified.csv          the measured log

An ensemble has no weights of its own: its card names its members, folders beside it, with their
hashes, and how they are weighed. The card of a method of several networks describes its ``parts``
by name: weights of its own, or another checkpoint beside it, with its hash.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rsviz.errors import UserError
from rsviz.hashes import WEIGHTS, card_hash, parts_sha256, weights_hash
from rsviz.networks import WeightedSum, WidestMargin, build, fold
from rsviz.parts import build_part

CARD = "card.json"
REQUIRED = ("name", "method", "dataset", "network", "sigma", "sha256")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One folder: its card, the hash of its weights, and what is wrong with it, if anything."""

    name: str
    folder: Path
    card: Mapping[str, Any]
    sha256: str
    problem: str | None

    @property
    def verified(self) -> bool:
        """Whether the weights are those the card speaks of."""
        return self.problem is None


def root() -> Path:
    """Return the folder of checkpoints: RSVIZ_CHECKPOINTS, else the one beside the package."""
    default = Path(__file__).resolve().parent.parent / "checkpoints"
    return Path(os.environ.get("RSVIZ_CHECKPOINTS") or default)


def list_checkpoints(folder: Path | None = None) -> list[Checkpoint]:
    """Return every checkpoint found, by name; a bad one is listed with its ``problem``."""
    folder = folder or root()
    if not folder.is_dir():
        return []
    return [inspect(f) for f in sorted(folder.iterdir()) if f.is_dir()]


def find(name: str, folder: Path | None = None) -> Checkpoint:
    """Return one checkpoint by name; UserError names those there are, or what is wrong with it."""
    folder = folder or root()
    if Path(name).name != name or not (folder / name).is_dir():
        names = ", ".join(c.name for c in list_checkpoints(folder)) or "none"
        raise UserError(f"There is no checkpoint {name!r}; there are: {names}.")
    return inspect(folder / name)


def inspect(folder: Path) -> Checkpoint:
    """Read a folder's card and verify the hash of its weights, executing nothing."""
    try:
        card = json.loads((folder / CARD).read_text())
        missing = [key for key in REQUIRED if key not in card]
        if missing:
            raise UserError(f"its card lacks {', '.join(missing)}")
        sha256 = card_hash(folder, card)
        wrong = sha256 != card["sha256"]
        problem = "its weights are not those its card names (sha256 differs)" if wrong else None
        return Checkpoint(folder.name, folder, card, sha256, problem)
    except FileNotFoundError:
        problem = f"it has no {CARD}"
    except UserError as error:
        problem = str(error)
    except (ValueError, TypeError, KeyError, AttributeError):
        problem = f"its {CARD} is not a JSON object that describes a network"
    return Checkpoint(folder.name, folder, {}, "", problem)


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
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    if "members" in checkpoint.card:
        return _load_ensemble(checkpoint, device, ready)
    if "parts" in checkpoint.card:
        raise UserError(f"{checkpoint.name} is made of several networks; choose a single one here.")
    net = build(checkpoint.card["network"], checkpoint.card["dataset"])
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
    if "parts" not in checkpoint.card or checkpoint.problem:
        return {"classifier": load(checkpoint, device, ready)}
    parts, dataset = checkpoint.card["parts"], checkpoint.card["dataset"]
    own = {n: build_part(p, dataset) for n, p in parts.items() if "checkpoint" not in p}
    if own:
        _fill(nn.ModuleDict(own), checkpoint)
    nets = {name: settle(net, device, ready) for name, net in own.items()}
    for name, other in parts.items():
        if "checkpoint" in other:
            nets[name] = load(find(other["checkpoint"], checkpoint.folder.parent), device, ready)
    return {name: nets[name] for name in parts}


def _fill(net: nn.Module, checkpoint: Checkpoint) -> None:
    """Read a checkpoint's weights into net; UserError says what does not fit."""
    try:
        load_state(net, load_file(checkpoint.folder / WEIGHTS))
    except (SafetensorError, RuntimeError, UserError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(
            f"Checkpoint {checkpoint.name} cannot be used: its weights do not fit a "
            f"{checkpoint.card['network']} ({reason})."
        ) from None


def settle(net: nn.Module, device: str, ready: bool) -> nn.Module:
    """Return a network in eval mode on a device; ``ready`` as in `load`."""
    net.eval()
    if ready:
        fold(net.requires_grad_(False))
    return net.to(device).to(memory_format=torch.channels_last)


def members(checkpoint: Checkpoint) -> list[Checkpoint]:
    """Return the members of an ensemble, none of a single network."""
    named = checkpoint.card.get("members", [])
    return [find(member["name"], checkpoint.folder.parent) for member in named]


def _load_ensemble(checkpoint: Checkpoint, device: str, ready: bool) -> nn.Module:
    if not ready:
        raise UserError(f"{checkpoint.name} is an ensemble; train its members instead.")
    nets = [load(member, device) for member in members(checkpoint)]
    weights = checkpoint.card["weights"]
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


def save(net: nn.Module, folder: Path, card: Mapping[str, Any]) -> Checkpoint:
    """Write weights in half precision and the card with their hash; return what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {
        key: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for key, value in net.state_dict().items()
    }
    save_file(half, folder / WEIGHTS)
    sha256 = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    write_card(folder, dict(card) | {"name": folder.name, "sha256": sha256})
    return inspect(folder)


def save_parts(nets: Mapping[str, nn.Module], folder: Path, card: Mapping[str, Any]) -> Checkpoint:
    """Write networks under one card, which describes them all in ``parts``; as `save`.

    Parameters
    ----------
    nets : by name, at least those parts that are no checkpoint of their own.
    """
    parts = card["parts"]
    own = nn.ModuleDict({n: nets[n] for n, p in parts.items() if "checkpoint" not in p})
    if not own:
        folder.mkdir(parents=True, exist_ok=True)
        sha256 = parts_sha256(parts, "")
        write_card(folder, dict(card) | {"name": folder.name, "sha256": sha256})
        return inspect(folder)
    saved = save(own, folder, card)  # its card names the file's hash, not yet the parts'
    sha256 = parts_sha256(parts, weights_hash(folder))
    write_card(folder, dict(card) | {"name": saved.name, "sha256": sha256})
    return inspect(folder)


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write card.json, readable and with a stable order."""
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n")


def read_foreign(file: Path, network: str, dataset: str) -> nn.Module:
    """Load a file in the field's layout: {arch, state_dict}, or a bare state dict, never unpickled.

    A leading ``module.`` (DataParallel) is dropped, and so is the index of the normalisation layer
    in front of the network (``1.``); the normalisation is rsviz's own for the data set.

    Raises
    ------
    UserError
        The file holds anything but tensors, or weights that do not fit.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # torch raises pickle, zip, runtime and value errors alike here
        raise UserError(
            f"{file.name} is not a file of plain weights; save the state_dict alone and try again."
        ) from None
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{file.name} holds no state_dict of tensors.")
    net = build(network, dataset)
    try:
        load_state(net[1], {_plain_key(key): value for key, value in state.items()})
    except UserError as error:
        raise UserError(f"{file.name} does not fit a {network}: {error}.") from None
    return net.eval()


def _plain_key(key: str) -> str:
    key = key.removeprefix("module.").removeprefix("1.").removeprefix("module.")
    return key
