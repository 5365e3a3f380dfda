"""The engine of OpenVINO: int8, bfloat16 and float32 on the CPU.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

import copy
import threading
import warnings
from collections import defaultdict, deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsviz.smoothing.engine import Engine, Ready, cores

try:  # some machines have no wheel of it: then torch counts
    import openvino
    from openvino import opset13 as op
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
except ImportError:
    openvino = None

_CAPABILITY = {"float32": "FP32", "bfloat16": "BF16", "float16": "FP16", "int8": "INT8"}


def absent(precision: str) -> str | None:
    """Return why OpenVINO cannot compute this precision here, in words; None where it can."""
    if openvino is None:
        return "the package openvino is not installed"
    try:
        known = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except RuntimeError:
        return "OpenVINO finds no processor it can use"
    if _CAPABILITY[precision] not in known:
        return f"this processor does not compute {precision}"
    return None


def version() -> str:
    """Return OpenVINO's version."""
    return str(openvino.__version__).split("-")[0]


def from_file(
    reference: nn.Module, engine: Engine, file: Path, data: bytes, sha256: str
) -> "Compiled":
    """Return the network of an ONNX file, whose bytes are given."""
    return Compiled(
        reference, engine, lambda _: _core().read_model(data), f"{file.name} {sha256[:12]}"
    )


def from_network(reference: nn.Module, engine: Engine) -> "Compiled":
    """Return a float32 network of torch, computed by OpenVINO."""
    return Compiled(reference, engine, lambda inputs: _converted(reference, inputs))


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


def _once(x: Tensor) -> Tensor:
    """Return the one row that an expanded tensor repeats."""
    return x[:1] if x.stride(0) == 0 else x


def _rows(x: Tensor) -> np.ndarray:
    """Return a contiguous array, pixels by rows and channels last."""
    x = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
    return x.contiguous().numpy()


def _by_rows(graph: Any, inputs: tuple[Tensor, ...], noisy: bool) -> Any:
    """Return a graph whose pixels come channels last; ``noisy``, as image, sigma and noise."""
    given = [op.parameter(_rows(x).shape, np.float32) for x in inputs]
    pixels = [op.add(given[0], op.multiply(given[2], given[1]))] if noisy else given
    for old, new in zip(graph.inputs, pixels, strict=True):
        if len(old.get_partial_shape()) == 4:
            new = op.transpose(new, op.constant(np.array([0, 3, 1, 2])))
        for reader in old.get_target_inputs():
            reader.replace_source_output(new.output(0))
    return openvino.Model(graph.get_results(), given, "rsviz")


def _tensor(array: np.ndarray) -> Any:
    return openvino.Tensor(array, shared_memory=True)


def _converted(net: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """Return the graph of a float32 network of torch."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, which its makers call old
        traced = torch.jit.trace(copy.deepcopy(net).to("cpu"), inputs, strict=False)
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=inputs)
        return frontend.convert(frontend.load(decoder))


@cache
def _core() -> Any:
    return openvino.Core()
