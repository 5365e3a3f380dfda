"""Engines: what computes a network's votes, and how precisely; nothing else knows how they do it.

A network made ready by an engine is called like any other: pixels in, logits (or whatever it
answers) out. It keeps the float32 network it was made from, and answers with that one where a
gradient is wanted: attacks ascend by float32 and are judged by the votes of the engine.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rsviz.core.errors import UserError
from rsviz.core.late import torch
from rsviz.smoothing import graphs
from rsviz.smoothing.engine import INT8, LIBRARIES, PRECISIONS, REFERENCE, Engine, cores

if TYPE_CHECKING:
    from torch import Tensor, nn


def precision(nets: Mapping[str, nn.Module]) -> str:
    """Return the precisions these networks are computed in, as a certificate's dtype."""
    found = [_engine(m).precision for m in _members(nets)]
    return ", ".join(dict.fromkeys(found)) or "float32"


@cache
def absent(engine: Engine, device: str) -> str | None:
    """Return why an engine cannot serve on this machine, in words; None where it can."""
    if engine.library not in LIBRARIES or engine.precision not in PRECISIONS:
        return f"there is no engine {str(engine)!r}"
    on_gpu = device.startswith("cuda")
    if engine.library == "openvino":
        on_cpu = graphs.absent(engine.precision)
        return "OpenVINO computes on the CPU alone" if on_gpu else on_cpu
    if engine.precision == "int8" or (engine.precision == "float16" and not on_gpu):
        return f"torch does not compute {engine.precision} on {device}"
    if engine.precision == "bfloat16" and not on_gpu and not _has_bfloat16():
        return "this processor does not compute bfloat16"
    return None


def _has_bfloat16() -> bool:
    """Whether this processor has instructions for it; without, torch takes five times as long."""
    known = platform.machine() in ("x86_64", "AMD64")
    return not known or bool(torch.cpu._is_avx512_bf16_supported())


def usable(device: str) -> tuple[Engine, ...]:
    """Return the engines of this machine, as a rule the fastest first."""
    order = [INT8, *(Engine("openvino", p) for p in ("bfloat16", "float32"))]
    order += [Engine("torch", p) for p in ("bfloat16", "float16", "float32")]
    return tuple(engine for engine in order if absent(engine, device) is None)


def check(engine: Engine, device: str) -> None:
    """Refuse, in words, an engine that does not serve here."""
    if (why := absent(engine, device)) is not None:
        raise UserError(f"Votes cannot be counted by {engine}: {why}.")


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
    compiled = all(_engine(member).library == "openvino" for member in _members({"": net}))
    return cores() if compiled else 1


def noisy(net: Any, x_NCHW: Tensor, sigma_N111: Tensor, e_NCHW: Tensor) -> Tensor:
    """Return net(x + sigma e), of an ensemble whose members are made ready, too."""
    if hasattr(net, "noisy"):
        return net.noisy(x_NCHW, sigma_N111, e_NCHW)
    if all(hasattr(member, "noisy") for member in getattr(net, "members", [net])):
        answers = [noisy(member, x_NCHW, sigma_N111, e_NCHW) for member in net.members]
        return net.combine(torch.stack([a.log_softmax(1) for a in answers]))
    return net(torch.addcmul(x_NCHW, sigma_N111, e_NCHW))


def vectors(nets: Mapping[str, nn.Module]) -> str:
    """Return the widest vectors of this processor, as torch names them; torch is not asked if idle.

    Its own answer can be turned down by an environment variable, and then its sums differ.
    """
    if not nets or any(_engine(member).library == "torch" for member in _members(nets)):
        return str(torch.backends.cpu.get_cpu_capability())
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    found = {*simd["baseline"], *simd["found"]}
    if found & {"X86_V4", "AVX512_SKX"}:
        return "AVX512"
    return "AVX2" if found & {"X86_V3", "AVX2"} else "DEFAULT"


def arithmetic(nets: Mapping[str, nn.Module]) -> str:
    """Name what computes these networks: library and version, precision, and network files."""
    told: dict[str, dict[str, None]] = {}
    for member in _members(nets):
        files = told.setdefault(_named(_engine(member)), {})
        if file := getattr(member, "file", ""):
            files[file] = None
    told = told or {_named(REFERENCE): {}}
    return "; ".join(", ".join([name, *files]) for name, files in told.items())


def files(nets: Mapping[str, nn.Module]) -> list[str]:
    """Return the network files that answer for these networks: name and start of the hash."""
    return [file for member in _members(nets) if (file := getattr(member, "file", ""))]


def _members(nets: Mapping[str, nn.Module]) -> list[Any]:
    """Return the networks, and of ensembles their members."""
    found: list[Any] = []
    for net in nets.values():
        found += getattr(net, "members", [net])
    return found


def _engine(net: Any) -> Engine:
    """Return the engine a network was made ready by."""
    engine: Engine = getattr(net, "engine", REFERENCE)
    return engine


def _named(engine: Engine) -> str:
    if engine.library == "openvino":
        return f"{engine.precision}, openvino {graphs.version()}"
    return f"{engine.precision}, eager, torch {torch.__version__}"
