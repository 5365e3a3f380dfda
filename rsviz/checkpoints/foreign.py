"""A visitor's file in the field's layout, read without executing anything in it."""

import hashlib
import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePath

import torch
from torch import Tensor, nn

from rsviz.checkpoints.catalog import Checkpoint
from rsviz.checkpoints.weights import check_numbers, load_state, settle
from rsviz.core.errors import UserError
from rsviz.networks.classifiers import build

MEGABYTES = 60
UNPACKED = 256 * 2**20  # bytes: a small zip can hold a large file
NETWORKS = ("resnet110", "resnet20", "compact")


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
    try:
        check_numbers(state)
    except UserError as error:
        raise UserError(f"{file.name} cannot be used: {error}.") from None
    net = build(network, dataset)
    try:
        load_state(net[1], {_plain_key(key): value for key, value in state.items()})
    except UserError as error:
        raise UserError(f"{file.name} does not fit a {network}: {error}.") from None
    return net.eval()


def _plain_key(key: str) -> str:
    key = key.removeprefix("module.").removeprefix("1.").removeprefix("module.")
    return key


@dataclass(frozen=True, eq=False)
class Own:
    """A network that belongs to one session: its description, which no folder holds, and it."""

    checkpoint: Checkpoint
    nets: dict[str, nn.Module]


def read_own(data: bytes, name: str, dataset: str, sigma: float, device: str = "cpu") -> Own:
    """Read weights of one of the `NETWORKS`, whichever they fit; nothing in the file is executed.

    Parameters
    ----------
    data, name : the file and its name, {arch, state_dict} or a bare state dict.
    dataset : whose classes it answers with, and whose normalisation it has in front.
    sigma : the noise it was trained with, as its owner states.

    Raises
    ------
    UserError
        The file is too large, holds more than tensors, or fits none of the networks.
    """
    _check_size(data, name)
    sha256 = hashlib.sha256(data).hexdigest()
    short = PurePath(name).name[:40]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights"
        file.write_bytes(data)
        network, net = _fitting(file, short, dataset)
    card = {
        "name": f"yours: {short}",
        "method": "gaussian",
        "dataset": dataset,
        "network": network,
        "sigma": sigma,
        "sha256": sha256,
    }
    nowhere = Path("/nonexistent") / sha256  # it has no folder, hence no examples and no log
    checkpoint = Checkpoint(card["name"], nowhere, card, sha256, None)  # type: ignore[arg-type]
    return Own(checkpoint, {"classifier": settle(net, device, True)})


def _check_size(data: bytes, name: str) -> None:
    if len(data) > MEGABYTES * 2**20:
        raise UserError(f"{name[:40]} is larger than {MEGABYTES} MB; save the state_dict alone.")
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise UserError(
            f"{name[:40]} is not a file that torch.save writes; save the state_dict with it again."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
    except (zipfile.BadZipFile, ValueError):
        raise UserError(f"{name[:40]} is damaged; save it again.") from None
    if size > UNPACKED:
        raise UserError(f"{name[:40]} unpacks to more than {UNPACKED >> 20} MB; it is not read.")


def _fitting(file: Path, name: str, dataset: str) -> tuple[str, nn.Module]:
    """Return the first of the networks that the weights fit."""
    reasons = []
    for network in NETWORKS:
        try:
            return network, read_foreign(file, network, dataset)
        except UserError as error:
            reasons.append(str(error).replace(file.name, name, 1))
    if "does not fit" not in reasons[0]:
        raise UserError(reasons[0])
    raise UserError(f"{name} fits none of {', '.join(NETWORKS)}; {reasons[0]}")
