"""A visitor's file of weights, in the layouts of the field, read without executing anything in it.

Weights may lie under any name (``state_dict``, ``net``, ``model``, ...) and their names may have
any prefix (``module.``, ``_orig_mod.``, ``1.``, ``module.model.``, ...): what fits one of the
`NETWORKS` is found by the names and shapes of its own weights. Whatever else lies beside them must
be their normalisation, or a copy of them; anything more is another network, and refused.
"""

import argparse
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from pickletools import genops
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from torch import Tensor, nn

from rsviz.checkpoints.catalog import OWN, Card, Checkpoint
from rsviz.checkpoints.weights import (
    check_numbers,
    load_state,
    network_sha256,
    packed,
    save,
    settle,
)
from rsviz.core.errors import UserError
from rsviz.core.records import read_record
from rsviz.data.catalog import CLASS_COUNT
from rsviz.networks.classifiers import build
from rsviz.networks.normalisation import Normalisation, to_card

MEGABYTES = 60  # as an uploader counts them
MAX_BYTES = MEGABYTES * 10**6
UNPACKED = 256 * 2**20  # bytes: a small zip can hold a large file
PICKLE_BYTES = 16 * 2**20  # of what a file holds beside its numbers
OPCODES = 300_000  # of the pickle in a file: 110 layers with an optimiser's state take 30,000
NETWORKS = ("resnet110", "resnet20", "compact", "compact-48")
USUAL = ("state_dict", "model_state_dict", "net", "model")  # names that weights lie under
DEPTH = 3  # of dicts in dicts
COUNTER = (
    "num_batches_tracked"  # of batch norm; torch before 0.4.1 wrote none, and it decides nothing
)
# What buffers of a normalisation layer are called.
MEANS = ("mean", "means", "new_mean", "mu", "_mean")
STDS = ("std", "stds", "sd", "sds", "new_std", "sigma", "_std")
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6
LEGACY_PICKLES = 5
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z"}
_NOT = {
    b"version https://git-lfs": "is a pointer to a file in Git LFS; fetch the file itself",
    b"<": "is a web page; download the file itself",
    b"\x89HDF": "is an HDF5 file; save the weights with torch.save",
    b"\x93NUMPY": "is a numpy array; save the weights with torch.save",
}


@dataclass(frozen=True, eq=False)
class Foreign:
    """Weights of one of the `NETWORKS`, by rsviz's own names, and what their file says beside.

    ``sha256`` is the file's. ``where`` is the name they lay under, empty where the file holds
    nothing else. ``stated`` is the normalisation found in the file; ``in_front`` says that some
    layer without weights stood in front of the network. ``notes`` are sentences for the owner.
    """

    name: str
    sha256: str
    network: str
    state: Mapping[str, Tensor]
    where: str
    stated: Normalisation | None
    in_front: bool
    notes: tuple[str, ...]


def read_foreign(data: bytes, name: str, dataset: str) -> Foreign:
    """Read weights of whichever of the `NETWORKS` they fit; nothing in the file is executed.

    Parameters
    ----------
    data, name : the file and its name: of torch.save, old or new, or safetensors.
    dataset : whose classes the network answers with.

    Raises
    ------
    UserError
        The file is too large, holds more than weights, or they fit none of the networks or are not
        numbers.
    """
    name = PurePath(name).name[:40]
    found = list(_states(_content(data, name)))
    if not found:
        raise UserError(f"{name} holds no weights; save the network's state_dict.")
    found.sort(key=lambda item: USUAL.index(item[0]) if item[0] in USUAL else len(USUAL))
    tries = [
        _match(state, network, CLASS_COUNT[dataset], where)
        for where, state in found
        for network in NETWORKS
    ]
    fits = [t for t in tries if not t.amiss]
    if not fits:
        nearest = max(tries, key=lambda t: t.shared)
        if not nearest.shared[0]:
            raise UserError(f"{name} holds weights, but of none of {', '.join(NETWORKS)}.")
        raise UserError(
            f"{name} fits none of {', '.join(NETWORKS)}; nearest is a {nearest.network}, but "
            f"{nearest.amiss}."
        )
    first, *others = fits
    try:
        check_numbers(first.state)
    except UserError as error:
        raise UserError(f"{name} cannot be used: {error}.") from None
    notes = list(first.notes)
    if unlike := sorted({t.where for t in others if not _equal(t.state, first.state)}):
        told = " and ".join(repr(where) for where in unlike)
        notes.append(f"Other weights that fit lie under {told}; those under {first.where!r} count.")
    return Foreign(
        name,
        hashlib.sha256(data).hexdigest(),
        first.network,
        first.state,
        first.where,
        first.stated,
        first.in_front,
        tuple(notes),
    )


def build_foreign(foreign: Foreign, dataset: str, how: Normalisation) -> nn.Sequential:
    """Return the network of a file, in eval mode, with a normalisation in front of its weights."""
    net = build(foreign.network, dataset, normalisation=how)
    load_state(net[1], foreign.state)
    return net.eval()


@dataclass(frozen=True, eq=False)
class Own:
    """A network that belongs to one session: its description, which no folder holds, and it."""

    checkpoint: Checkpoint
    nets: dict[str, nn.Module]


def own_network(
    foreign: Foreign, dataset: str, sigma: float, how: Normalisation, device: str = "cpu"
) -> Own:
    """Return a visitor's network, named and hashed as `import_network` would.

    Parameters
    ----------
    sigma : the noise it was trained with, as its owner states.
    how : the normalisation in front of it.
    """
    net = build_foreign(foreign, dataset, how)
    card = _card(foreign, dataset, sigma, how)
    sha256 = network_sha256(packed(net, torch.float32), card["normalisation"])
    card |= {"name": OWN + foreign.name, "sha256": sha256}
    typed = read_record(card, Card, "Its card is wrong")
    nowhere = Path("/nonexistent") / sha256  # it has no folder, hence no examples and no log
    checkpoint = Checkpoint(card["name"], nowhere, typed, sha256, None, card)
    return Own(checkpoint, {"classifier": settle(net, device, True)})


def import_network(
    foreign: Foreign,
    folder: Path,
    dataset: str,
    sigma: float,
    how: Normalisation,
    command: str,
) -> Checkpoint:
    """Write a file's network as a checkpoint, in full precision; return what was written.

    Raises
    ------
    UserError
        The folder is there already.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already; choose another name with --name.")
    card = _card(foreign, dataset, sigma, how) | {"command": command, "measured": []}
    return save(build_foreign(foreign, dataset, how), folder, card, torch.float32)


def _card(foreign: Foreign, dataset: str, sigma: float, how: Normalisation) -> dict[str, Any]:
    return {
        "method": "gaussian",
        "dataset": dataset,
        "network": foreign.network,
        "sigma": sigma,
        "normalisation": to_card(how),
        "imported_from": {"file": foreign.name, "sha256": foreign.sha256},
    }


def _content(data: bytes, name: str) -> Any:
    """Return what a file holds: plain values and tensors, never anything executed."""
    if len(data) > MAX_BYTES:
        raise UserError(f"{name} is larger than {MEGABYTES} MB; save the state_dict alone.")
    if _is_safetensors(data):
        try:
            return from_safetensors(data)
        except (SafetensorError, ValueError, KeyError, TypeError):
            raise UserError(f"{name} is a damaged safetensors file; save it again.") from None
    if _is_zip(data):
        _check_pickles(_check_zip(data, name), name, 1)
    elif data.startswith(LEGACY):
        _check_pickles(data, name, LEGACY_PICKLES)
    else:
        raise UserError(f"{name} {_what_else(data)}.")
    try:
        # A Namespace is what a script's arguments are kept in: names with values, no code.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises pickle, zip, runtime and value errors alike here
        if kind := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise UserError(
                f"{name} holds more than plain weights, a pickled {kind[1]}, which is not read "
                "since that could run code; save the state_dict alone."
            ) from None
        raise UserError(f"{name} is damaged; save it again.") from None


def _is_safetensors(data: bytes) -> bool:
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= 10**8  # the format's limit


def _is_zip(data: bytes) -> bool:
    try:
        return zipfile.is_zipfile(io.BytesIO(data))
    except Exception:  # as where it says that it is one of several disks
        return True


def _check_pickles(data: bytes, name: str, count: int) -> None:
    """Refuse more than `OPCODES` in the first pickles of some data; damage is for torch to tell."""
    stream, seen = io.BytesIO(data), 0
    with suppress(Exception):
        for _ in range(count):
            for _ in genops(stream):
                seen += 1
                if seen > OPCODES:
                    break
    if seen > OPCODES:
        raise UserError(
            f"{name} holds more than {OPCODES:,} entries beside its numbers; save the network's "
            "state_dict alone."
        )


def _check_zip(data: bytes, name: str) -> bytes:
    """Return the pickle in a zip; refuse one not of torch.save, or that unpacks to too much."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
            names = packed.namelist()
            inner = [n for n in names if n.partition("/")[2] == "data.pkl"]
            small = inner and packed.getinfo(inner[0]).file_size <= PICKLE_BYTES
            pickled = packed.read(inner[0]) if inner and size <= UNPACKED and small else b""
    except Exception:  # zipfile raises whatever the numbers in a damaged file lead to
        raise UserError(f"{name} is damaged; save it again.") from None
    if inner and not small:
        raise UserError(
            f"{name} holds more than {PICKLE_BYTES >> 20} MB beside its numbers; save the "
            "network's state_dict alone."
        )
    if size > UNPACKED:
        raise UserError(f"{name} unpacks to more than {UNPACKED >> 20} MB; it is not read.")
    parts = {n.partition("/")[2] for n in names}
    if "constants.pkl" in parts:
        raise UserError(
            f"{name} is a TorchScript program; save the network's state_dict with torch.save."
        )
    if "data.pkl" not in parts:
        kind = "numpy arrays" if all(n.endswith(".npy") for n in names) else "a zip of other files"
        raise UserError(
            f"{name} is {kind}, not written by torch.save; save the state_dict with it."
        )
    return pickled


def _what_else(data: bytes) -> str:
    """Say what a file is that neither torch.save nor safetensors wrote."""
    if not data:
        return "is empty"
    if data[257:262] == b"ustar":
        return "is a tar archive, or was written by torch before 0.2; unpack it, or save it again"
    for start, kind in _PACKED.items():
        if data.startswith(start):
            return f"is packed with {kind}; unpack it first"
    for start, told in _NOT.items():
        if data.lstrip().startswith(start):
            return told
    if data[:1] == b"\x80" and data[-1:] == b".":
        return "is a pickle that torch.save did not write; save the state_dict with torch.save"
    return "is not a file that torch.save writes; save the state_dict with it"


def _states(
    content: Any, where: str = "", depth: int = 0
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield every dict of tensors in dicts, with the name it lies under."""
    if not isinstance(content, Mapping) or depth > DEPTH:
        return
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if tensors:
        yield where, tensors
    for key, value in content.items():
        if isinstance(key, str):
            yield from _states(value, f"{where}.{key}" if where else key, depth + 1)


@dataclass(frozen=True, eq=False)
class _Match:
    """How a dict of tensors fits one network: what is amiss, empty if nothing."""

    network: str
    where: str
    state: Mapping[str, Tensor]
    shared: tuple[int, int]  # how many names, and, less of them being better, how many there are
    amiss: str
    stated: Normalisation | None = None
    in_front: bool = False
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def weight_shapes(network: str, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of all values that a network of the field holds."""
    with torch.device("meta"):
        net = build(network, "cifar10", classes)[1]
    return {key: tuple(value.shape) for key, value in net.state_dict().items()}


def _match(tensors: Mapping[str, Tensor], network: str, classes: int, where: str) -> _Match:
    """Find the prefix under which most names are the network's own, and say what does not fit."""
    shapes = weight_shapes(network, classes)
    first = next(iter(shapes))
    prefixes = [key[: -len(first)] for key in tensors if key == first or key.endswith(f".{first}")]
    own = {p: [key for key in shapes if p + key in tensors] for p in prefixes}
    if not own:
        return _Match(network, where, {}, (0, 0), f"{first} is missing")
    prefix = max(own, key=lambda p: (len(own[p]), -len(p)))
    state = {key: tensors[prefix + key] for key in own[prefix]}
    state |= {k: torch.tensor(0) for k in shapes if k.endswith(COUNTER) and k not in state}
    used = {prefix + key for key in own[prefix]}
    rest = _without_copies({k: v for k, v in tensors.items() if k not in used}, state)
    stated, rest, notes = _normalisation(rest)
    amiss = _amiss(state, shapes, classes) or _besides(rest)
    in_front = re.search(r"(^|\.)1\.", prefix) is not None
    shared = len(own[prefix]), -len(shapes)
    return _Match(network, where, state, shared, amiss, stated, in_front, notes)


def _amiss(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], classes: int) -> str:
    """Say what of a network's own weights is missing or cannot be used."""
    for key, shape in shapes.items():
        if key not in state:
            return f"{key} is missing"
        value = state[key]
        if key == "fc.weight" and tuple(value.shape[1:]) == shape[1:] and value.shape != shape:
            return f"it answers with {len(value)} classes instead of {classes}"
        if tuple(value.shape) != shape:
            return f"{key} has shape {tuple(value.shape)} instead of {shape}"
        plain = value.layout is torch.strided and not value.is_quantized
        if not plain or not (value.is_floating_point() or key.endswith(COUNTER)):
            return f"{key} does not hold plain numbers but {value.dtype}".replace("torch.", "")
    return ""


def _besides(rest: Mapping[str, Tensor]) -> str:
    return f"the file holds {min(rest)} besides, which is not part of it" if rest else ""


def _without_copies(rest: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out second copies of the network's weights, as some libraries save for an attacker."""

    def is_copy(key: str, value: Tensor) -> bool:
        ends = [k for k in state if f".{key}".endswith(f".{k}")]
        own = state[max(ends, key=len)] if ends else None
        return own is not None and value.shape == own.shape and torch.equal(value, own)

    return {key: value for key, value in rest.items() if not is_copy(key, value)}


def _normalisation(
    rest: Mapping[str, Tensor],
) -> tuple[Normalisation | None, dict[str, Tensor], tuple[str, ...]]:
    """Return the normalisation that buffers state, what else there is, and a note if it is odd."""
    sides = {"mean": Normalisation().mean, "std": Normalisation().std}
    left, found, notes = dict(rest), set(), []
    for side, names in (("mean", MEANS), ("std", STDS)):
        for key, value in rest.items():
            if (
                key.rpartition(".")[2] in names
                and value.numel() in (1, 3)
                and not value.is_complex()
            ):
                found.add((side, tuple(value.float().flatten().expand(3).tolist())))
                del left[key]
    values = dict(found)
    if not found:
        return None, left, ()
    if len(values) < len(found):
        notes.append("The file states several normalisations, of which none is taken.")
        return None, left, tuple(notes)
    try:
        return Normalisation(**{k: values.get(k, sides[k]) for k in sides}), left, ()
    except UserError:
        return None, left, ("The file states a normalisation that cannot be of pixels in [0, 1].",)


def _equal(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a)
