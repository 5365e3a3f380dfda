"""Which engine counts a checkpoint's votes here, and its networks made ready by that engine.

A network in another precision is a classifier of its own, with a file and measured logs of its own:
it serves unasked only where its certified radii were measured beside those of float32, image by
image, and are not below them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Card, Checkpoint, Difference, Precision
from rsviz.core.errors import UserError
from rsviz.core.late import torch
from rsviz.smoothing import engines, graphs
from rsviz.smoothing.engine import INT8, PRECISIONS, REFERENCE, Engine
from rsviz.smoothing.graphs import Graph

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Choice:
    """The engine that serves by default, and in a sentence why it is not a faster one, if so."""

    engine: Engine
    why: str = ""


def keeps_radius(card: Card, precision: str) -> bool:
    """Whether ACR was measured in this precision, and never below float32's paired interval.

    Logs that no float32 log was held against say nothing of it.
    """
    beside = _beside(card, precision)
    return bool(beside) and all(difference.high >= 0 for difference in beside)


def _beside(card: Card, precision: str) -> list[Difference]:
    """Return by how much its measured ACR differs from float32's, of each log held against one."""
    rows = card.precisions.get(precision, Precision()).measured
    return [row.difference for row in rows if row.difference is not None]


def default(checkpoint: Checkpoint, device: str = "cpu") -> Choice:
    """Return the fastest engine here that keeps the checkpoint's certified radius.

    OpenVINO's float32 is left to those who ask for it: it is little faster than torch's and takes
    seconds to begin.
    """
    why = engines.absent(INT8, device)
    if why is None and has_files(checkpoint):
        if keeps_radius(checkpoint.card, "int8"):
            return Choice(INT8)
        known = (
            "is below that of" if _beside(checkpoint.card, "int8") else "was not measured beside"
        )
        why = f"its certified radius {known} float32"
    elif why is None:
        why = "this checkpoint has no int8 network file"
    for precision in ("bfloat16", "float16"):
        for library in ("openvino", "torch"):
            engine = Engine(library, precision)
            if keeps_radius(checkpoint.card, precision) and not engines.absent(engine, device):
                return Choice(engine, f"int8 is not used: {why}.")
    return Choice(REFERENCE, f"int8 is not used: {why}.")


def choose(
    checkpoint: Checkpoint,
    device: str = "cpu",
    library: str | None = None,
    precision: str | None = None,
) -> Engine:
    """Return the engine asked for by library, precision or both; asked for neither, the default.

    Raises
    ------
    UserError
        It cannot serve here, or the checkpoint has no network in that precision.
    """
    if library is None and precision is None:
        return default(checkpoint, device).engine
    if precision is None:
        int8 = library == "openvino" and has_files(checkpoint)
        precision = "int8" if int8 and not engines.absent(INT8, device) else "float32"
    if library is None:
        library = "openvino" if precision == "int8" else "torch"
    engine = Engine(library, precision)
    engines.check(engine, device)
    if precision == "int8" and not has_files(checkpoint):
        lacking = [m.name for m in catalog.members(checkpoint) if not has_files(m)]
        names = " and ".join(lacking or [checkpoint.name])
        raise UserError(f"{names} has no int8 network file; 'python -m rsviz quantize' makes one.")
    return engine


def has_files(checkpoint: Checkpoint, precision: str = "int8") -> bool:
    """Whether a checkpoint, or all members of an ensemble, have network files in a precision."""
    if checkpoint.card.members:
        return all(has_files(member, precision) for member in catalog.members(checkpoint))
    others = [p["checkpoint"] for p in checkpoint.card.parts.values() if "checkpoint" in p]
    beside = [catalog.find(name, checkpoint.folder.parent) for name in others]
    return bool(catalog.network_files(checkpoint, precision)) or any(
        has_files(other, precision) for other in beside
    )


def alone(checkpoint: Checkpoint, engine: Engine) -> dict[str, Graph] | None:
    """Return the network of a checkpoint that is one file, ready to vote on arrays without torch.

    None if it is of several networks, or has no file for this engine.

    Raises
    ------
    UserError
        The file is absent or another one than the card names.
    """
    files = catalog.network_files(checkpoint, engine.precision)
    if engine.library != "openvino" or checkpoint.card.parts or set(files) != {"classifier"}:
        return None
    file, sha256 = files["classifier"]
    data = engines.read_checked(file, sha256)
    return {"classifier": graphs.from_file(engine, file, data, sha256)}


def load(
    checkpoint: Checkpoint, device: str = "cpu", engine: Engine | None = None
) -> dict[str, nn.Module]:
    """Load all networks of a verified checkpoint by name, ready to vote; None takes the default.

    In int8 a part without a file of its own stays what it is, and a certificate's path says so.

    Raises
    ------
    UserError
        As `weights.load`, or the engine cannot serve.
    """
    from rsviz.checkpoints import weights  # needs torch, which `alone` does without

    engine = engine or default(checkpoint, device).engine
    nets = weights.load_nets(checkpoint, device)
    if engine == REFERENCE:
        return nets
    parts = checkpoint.card.parts
    for name, net in nets.items():
        owner, part = checkpoint, name
        if "checkpoint" in parts.get(name, {}):
            owner = catalog.find(parts[name]["checkpoint"], checkpoint.folder.parent)
            part = "classifier"
        nets[name] = _ready(net, owner, part, engine, device)
    return nets


def _ready(net: nn.Module, owner: Checkpoint, part: str, engine: Engine, device: str) -> nn.Module:
    from rsviz.smoothing.make_ready import ready

    if owner.card.members:
        assert isinstance(net.members, torch.nn.ModuleList)
        for i, member in enumerate(catalog.members(owner)):
            net.members[i] = _ready(net.members[i], member, "classifier", engine, device)
        return net
    if engine.precision != "int8":
        return ready(net, engine, device)
    files = catalog.network_files(owner, "int8")
    if part not in files:
        return net
    return ready(net, engine, device, *files[part])


def engine_of(path: str) -> Engine:
    """Return the engine that a certificate's path names; the reference where it names none."""
    words = path.replace(",", " ").replace(";", " ").split()
    library = "openvino" if "openvino" in words else "torch"
    found = [p for p in PRECISIONS if p in words and p != "float32"]
    return Engine(library, found[0] if found else "float32")
