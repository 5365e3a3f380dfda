"""Engines: what computes a network's votes, and how precisely; nothing else knows how they do it.

A network made ready by an engine is called like any other: pixels in, logits (or whatever it
answers) out. It keeps the float32 network it was made from, and answers with that one where a
gradient is wanted: attacks ascend by float32 and are judged by the votes of the engine.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

import copy
import hashlib
import os
import threading
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino.opset13
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import Tensor, nn

from rsviz.core.errors import UserError
from rsviz.networks.ensembles import WeightedSum, WidestMargin

LIBRARIES = ("torch", "openvino")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def precision(nets: Mapping[str, nn.Module]) -> str:
    """Return the precisions these networks are computed in, as a certificate's dtype."""
    found = [(m.engine if isinstance(m, Ready) else REFERENCE).precision for m in _members(nets)]
    return ", ".join(dict.fromkeys(found)) or "float32"


@dataclass(frozen=True)
class Engine:
    """Which library computes, and in which precision; float32 by torch is the reference."""

    library: str = "torch"
    precision: str = "float32"

    def __str__(self) -> str:
        return f"{self.library} {self.precision}"


REFERENCE = Engine()
INT8 = Engine("openvino", "int8")


@cache
def absent(engine: Engine, device: str) -> str | None:
    """Return why an engine cannot serve on this machine, in words; None where it can."""
    if engine.library not in LIBRARIES or engine.precision not in PRECISIONS:
        return f"there is no engine {str(engine)!r}"
    on_gpu = device.startswith("cuda")
    if engine.library == "torch":
        if engine.precision == "int8" or (engine.precision == "float16" and not on_gpu):
            return f"torch does not compute {engine.precision} on {device}"
        return None
    if on_gpu:
        return "OpenVINO computes on the CPU alone"
    try:
        known = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except ImportError:
        return "the package openvino is not installed"
    except RuntimeError:
        return "OpenVINO finds no processor it can use"
    needed = {"float32": "FP32", "bfloat16": "BF16", "float16": "FP16", "int8": "INT8"}
    if needed[engine.precision] not in known:
        return f"this processor does not compute {engine.precision}"
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
        return Compiled(
            net, engine, lambda _: _core().read_model(data), f"{file.name} {sha256[:12]}"
        )
    if engine.precision == "int8":
        raise UserError(
            "An int8 network is a file of its own; 'python -m rsviz quantize' makes it."
        )
    if engine.library == "openvino":
        return Compiled(net, engine, lambda inputs: _converted(net, inputs))
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


class Ready(nn.Module):
    """A network made ready by an engine; asked for a gradient, the float32 one answers."""

    def __init__(self, reference: nn.Module, engine: Engine, file: str = "") -> None:
        super().__init__()
        self.reference, self.engine, self.file = reference, engine, file

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return what the network answers, float32."""
        if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
            return self.reference(*inputs)
        return self.answer(*inputs)

    def answer(self, *inputs: Tensor) -> Tensor:
        """Return the engine's answer, float32."""
        raise NotImplementedError


class Compiled(Ready):
    """A network compiled by OpenVINO for the shapes it is called with, once for each.

    ``source`` gives its graph, from example inputs. Threads may share it.
    """

    def __init__(
        self,
        reference: nn.Module,
        engine: Engine,
        source: Callable[[tuple[Tensor, ...]], Any],
        file: str = "",
    ) -> None:
        super().__init__(reference, engine, file)
        self._source, self._lock = source, threading.Lock()
        self._compiled: dict[tuple[Any, ...], Any] = {}
        self._idle: defaultdict[tuple[Any, ...], deque[Any]] = defaultdict(deque)

    def answer(self, *inputs: Tensor) -> Tensor:
        """Return the engine's answer, float32."""
        return self._infer(inputs, noisy=False)

    def noisy(self, x_NCHW: Tensor, sigma_N111: Tensor, e_NCHW: Tensor) -> Tensor:
        """Return the answer to x + sigma e, the sum computed on the way into the network."""
        return self._infer((_once(x_NCHW), _once(sigma_N111), e_NCHW), noisy=True)

    def _infer(self, inputs: tuple[Tensor, ...], noisy: bool) -> Tensor:
        arrays = [_rows(x) for x in inputs]
        key = (noisy, *(a.shape for a in arrays))
        try:
            request = self._idle[key].pop()
        except IndexError:
            request = self._request(key, inputs)
        for i, array in enumerate(arrays):
            request.set_input_tensor(i, _tensor(array))
        request.infer()
        answer = torch.from_numpy(request.get_output_tensor(0).data.copy())
        self._idle[key].append(request)
        return answer

    def _request(self, key: tuple[Any, ...], inputs: tuple[Tensor, ...]) -> Any:
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = self._compile(inputs, noisy=key[0])
            return self._compiled[key].create_infer_request()

    def _compile(self, inputs: tuple[Tensor, ...], noisy: bool) -> Any:
        own = inputs if not noisy else (inputs[2],)
        graph = self._source(tuple(x.detach().cpu().contiguous() for x in own))
        graph.reshape({i: list(x.shape) for i, x in enumerate(own)})
        kind = "bf16" if self.engine.precision == "bfloat16" else "f32"
        kind = "f16" if self.engine.precision == "float16" else kind
        # Batches side by side, each on one core, take a third less than one batch on all cores.
        config = {
            "INFERENCE_PRECISION_HINT": kind,
            "INFERENCE_NUM_THREADS": cores(),
            "NUM_STREAMS": cores(),
        }
        return _core().compile_model(_by_rows(graph, inputs, noisy), "CPU", config)


class Cast(Ready):
    """A network of torch in another precision; on a GPU its kernels are recorded and replayed."""

    def __init__(self, reference: nn.Module, engine: Engine) -> None:
        super().__init__(reference, engine)
        self._net = copy.deepcopy(reference).to(DTYPES[engine.precision])
        self._graphs: dict[tuple[int, ...], tuple[Any, Tensor, Tensor] | None] = {}
        self._lock = threading.Lock()

    def answer(self, *inputs: Tensor) -> Tensor:
        """Return the network's answer, float32."""
        x = tuple(i.to(DTYPES[self.engine.precision]) for i in inputs)
        if x[0].is_cuda and len(x) == 1:
            with self._lock:
                return self._replay(x[0]).float()
        return self._net(*x).float()

    def _replay(self, x: Tensor) -> Tensor:
        """Answer by the recorded kernels, or, where they cannot be recorded, by launching each."""
        shape = tuple(x.shape)
        if shape not in self._graphs:
            self._graphs[shape] = self._record(x)
        recorded = self._graphs[shape]
        if recorded is None:
            return self._net(x)
        graph, given, answer = recorded
        given.copy_(x)
        graph.replay()
        return answer.clone()

    def _record(self, x: Tensor) -> tuple[Any, Tensor, Tensor] | None:
        given, beside = x.clone(), torch.cuda.Stream()
        try:
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):  # cuDNN chooses its kernels before they are recorded
                for _ in range(3):
                    self._net(given)
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                answer = self._net(given)
        except RuntimeError:
            return None
        return graph, given, answer


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        return f"{engine.precision}, openvino {_openvino().__version__.split('-')[0]}"
    return f"{engine.precision}, eager, torch {torch.__version__}"


def _once(x: Tensor) -> Tensor:
    """Return the one row that an expanded tensor repeats."""
    return x[:1] if x.stride(0) == 0 else x


def _rows(x: Tensor) -> np.ndarray:
    """Return a contiguous array, pixels by rows and channels last."""
    x = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
    return x.contiguous().numpy()


def _by_rows(graph: Any, inputs: tuple[Tensor, ...], noisy: bool) -> Any:
    """Return a graph whose pixels come channels last; ``noisy``, as image, sigma and noise."""
    op = _openvino().opset13
    given = [op.parameter(_rows(x).shape, np.float32) for x in inputs]
    pixels = [op.add(given[0], op.multiply(given[2], given[1]))] if noisy else given
    for old, new in zip(graph.inputs, pixels, strict=True):
        if len(old.get_partial_shape()) == 4:
            new = op.transpose(new, op.constant(np.array([0, 3, 1, 2])))
        for reader in old.get_target_inputs():
            reader.replace_source_output(new.output(0))
    return _openvino().Model(graph.get_results(), given, "rsviz")


def _tensor(array: np.ndarray) -> Any:
    return _openvino().Tensor(array, shared_memory=True)


def _converted(net: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """Return the graph of a float32 network of torch."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, which its makers call old
        traced = torch.jit.trace(copy.deepcopy(net).to("cpu"), inputs, strict=False)
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=inputs)
        return frontend.convert(frontend.load(decoder))


@cache
def _openvino() -> Any:

    return openvino


@cache
def _core() -> Any:
    return _openvino().Core()
