"""Engines: what computes a network's votes, and how precisely; nothing else knows how they do it.

A network made ready by an engine is called like any other: pixels in, logits (or whatever it
answers) out. It keeps the float32 network it was made from, and answers with that one where a
gradient is wanted: attacks ascend by float32 and are judged by the votes of the engine.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from rsviz.core.errors import UserError
from rsviz.networks.ensembles import WeightedSum, WidestMargin
from rsviz.smoothing import openvino_engine
from rsviz.smoothing.engine import INT8, LIBRARIES, PRECISIONS, REFERENCE, Engine, Ready, cores
from rsviz.smoothing.openvino_engine import Compiled
from rsviz.smoothing.torch_engine import Cast


def precision(nets: Mapping[str, nn.Module]) -> str:
    """Return the precisions these networks are computed in, as a certificate's dtype."""
    found = [(m.engine if isinstance(m, Ready) else REFERENCE).precision for m in _members(nets)]
    return ", ".join(dict.fromkeys(found)) or "float32"


@cache
def absent(engine: Engine, device: str) -> str | None:
    """Return why an engine cannot serve on this machine, in words; None where it can."""
    if engine.library not in LIBRARIES or engine.precision not in PRECISIONS:
        return f"there is no engine {str(engine)!r}"
    on_gpu = device.startswith("cuda")
    if engine.library == "openvino":
        on_cpu = openvino_engine.absent(engine.precision)
        return "OpenVINO computes on the CPU alone" if on_gpu else on_cpu
    if engine.precision == "int8" or (engine.precision == "float16" and not on_gpu):
        return f"torch does not compute {engine.precision} on {device}"
    return None


def usable(device: str) -> tuple[Engine, ...]:
    """Return the engines of this machine, as a rule the fastest first."""
    order = [INT8, *(Engine("openvino", p) for p in ("bfloat16", "float32"))]
    order += [Engine("torch", p) for p in ("bfloat16", "float16", "float32")]
    return tuple(engine for engine in order if absent(engine, device) is None)


def check(engine: Engine, device: str) -> None:
    """Refuse, in words, an engine that does not serve here."""
    if (why := absent(engine, device)) is not None:
        raise UserError(f"Votes cannot be counted by {engine}: {why}.")


def ready(
    net: nn.Module, engine: Engine, device: str = "cpu", file: Path | None = None, sha256: str = ""
) -> nn.Module:
    """Return a network whose answers this engine computes.

    Parameters
    ----------
    net : the float32 network, in eval mode on the device; of an int8 file, the one it stands for.
    file, sha256 : the network file that answers instead (ONNX), and the hash it must have.

    Raises
    ------
    UserError
        The engine does not serve here, or the file is absent or another one.
    """
    check(engine, device)
    if file is not None:
        data = read_checked(file, sha256)
        return openvino_engine.from_file(net, engine, file, data, sha256)
    if engine.precision == "int8":
        raise UserError(
            "An int8 network is a file of its own; 'python -m rsviz quantize' makes it."
        )
    if engine.library == "openvino":
        return openvino_engine.from_network(net, engine)
    return net if engine == REFERENCE else Cast(net, engine)


def read_checked(file: Path, sha256: str) -> bytes:
    """Return a file's bytes if they have this hash; UserError says what is wrong with it."""
    try:
        data = file.read_bytes()
    except OSError:
        raise UserError(f"{file.parent.name} has no {file.name}, which its card names.") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(
            f"{file.name} of {file.parent.name} is not the file its card names (sha256 differs)."
        )
    return data


def at_once(net: nn.Module) -> int:
    """Return how many batches a network can be asked about at the same time."""
    compiled = all(isinstance(member, Compiled) for member in _members({"": net}))
    return cores() if compiled else 1


def noisy(net: nn.Module, x_NCHW: Tensor, sigma_N111: Tensor, e_NCHW: Tensor) -> Tensor:
    """Return net(x + sigma e), of an ensemble whose members are compiled, too."""
    if isinstance(net, Compiled):
        return net.noisy(x_NCHW, sigma_N111, e_NCHW)
    if isinstance(net, WeightedSum | WidestMargin) and at_once(net) > 1:
        answers = [noisy(member, x_NCHW, sigma_N111, e_NCHW) for member in net.members]
        return net.combine(torch.stack([a.log_softmax(1) for a in answers]))
    return net(torch.addcmul(x_NCHW, sigma_N111, e_NCHW))


def arithmetic(nets: Mapping[str, nn.Module]) -> str:
    """Name what computes these networks: library and version, precision, and network files."""
    told: dict[str, dict[str, None]] = {}
    for member in _members(nets):
        engine = member.engine if isinstance(member, Ready) else REFERENCE
        files = told.setdefault(_named(engine), {})
        if isinstance(member, Ready) and member.file:
            files[member.file] = None
    told = told or {_named(REFERENCE): {}}
    return "; ".join(", ".join([name, *files]) for name, files in told.items())


def files(nets: Mapping[str, nn.Module]) -> list[str]:
    """Return the network files that answer for these networks: name and start of the hash."""
    return [member.file for member in _members(nets) if isinstance(member, Ready) and member.file]


def _members(nets: Mapping[str, nn.Module]) -> list[nn.Module]:
    """Return the networks, and of ensembles their members."""
    found: list[nn.Module] = []
    for net in nets.values():
        found += net.members if isinstance(net, WeightedSum | WidestMargin) else [net]
    return found


def _named(engine: Engine) -> str:
    if engine.library == "openvino":
        return f"{engine.precision}, openvino {openvino_engine.version()}"
    return f"{engine.precision}, eager, torch {torch.__version__}"
