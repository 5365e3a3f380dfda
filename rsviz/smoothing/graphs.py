"""Networks as graphs that OpenVINO computes on the CPU, from arrays to arrays; no torch.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rsviz.smoothing.engine import Engine, cores

try:  # some machines have no wheel of it: then torch counts
    import openvino
    from openvino import opset13 as op
except ImportError:
    openvino = None

_EACH_BY_ITSELF = {"Add", "Subtract", "Multiply", "Divide", "FakeQuantize", "Convert"}
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


class Graph:
    """A network compiled by OpenVINO for the shapes it is asked with, once for each.

    ``source`` gives its graph, from example inputs; ``file`` names the network file it stands in,
    and ``outputs`` are its numbers a row, where that is known. Threads may share it.
    """

    def __init__(
        self,
        engine: Engine,
        source: Callable[[tuple[np.ndarray, ...]], Any],
        file: str = "",
        outputs: int | None = None,
    ) -> None:
        self.engine, self.file, self.outputs = engine, file, outputs
        self._source, self._lock = source, threading.Lock()
        self._compiled: dict[tuple[Any, ...], Any] = {}
        self._idle: defaultdict[tuple[Any, ...], deque[Any]] = defaultdict(deque)

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the network's answer, float32."""
        return self._infer(inputs, noisy=False)

    def noisy(self, x_NCHW: np.ndarray, sigma_N111: np.ndarray, e_NCHW: np.ndarray) -> np.ndarray:
        """Return the answer to x + sigma e, the sum computed on the way into the network."""
        return self._infer((_once(x_NCHW), _once(sigma_N111), e_NCHW), noisy=True)

    def _infer(self, inputs: tuple[np.ndarray, ...], noisy: bool) -> np.ndarray:
        arrays = [_rows(x) for x in inputs]
        key = (noisy, *(x.shape for x in inputs))
        try:
            request = self._idle[key].pop()
        except IndexError:
            request = self._request(key, inputs)
        for i, array in enumerate(arrays):
            request.set_input_tensor(i, _tensor(array))
        request.infer()
        answer: np.ndarray = request.get_output_tensor(0).data.copy()
        self._idle[key].append(request)
        return answer

    def _request(self, key: tuple[Any, ...], inputs: tuple[np.ndarray, ...]) -> Any:
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = self._compile(inputs, noisy=key[0])
            return self._compiled[key].create_infer_request()

    def _compile(self, inputs: tuple[np.ndarray, ...], noisy: bool) -> Any:
        own = inputs if not noisy else (inputs[2],)
        graph = self._source(own)
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


def from_file(engine: Engine, file: Path, data: bytes, sha256: str) -> Graph:
    """Return the network of an ONNX file, whose bytes are given."""
    shape = _core().read_model(data).output(0).get_partial_shape()
    outputs = shape[1].get_length() if len(shape) == 2 and shape[1].is_static else None
    return Graph(engine, lambda _: _core().read_model(data), f"{file.name} {sha256[:12]}", outputs)


def _once(x: np.ndarray) -> np.ndarray:
    """Return the one row that a broadcast array repeats."""
    return x[:1] if x.strides[0] == 0 else x


def _rows(x: np.ndarray) -> np.ndarray:
    """Return a contiguous array, of pictures one a row, channels last in each."""
    rows = x.transpose(0, 2, 3, 1).reshape(len(x), -1) if x.ndim == 4 else x
    return np.require(rows, requirements=["C", "W"])


def _by_rows(graph: Any, inputs: tuple[np.ndarray, ...], noisy: bool) -> Any:
    """Return a graph that takes the arrays of `_rows`; ``noisy``, as image, sigma and noise."""
    given = [op.parameter(_rows(x).shape, np.float32) for x in inputs]
    pixels = [op.add(given[0], op.multiply(given[2], given[1]))] if noisy else given
    for old, new in zip(graph.inputs, pixels, strict=True):
        _feed(old, new.output(0))
    return openvino.Model(graph.get_results(), given, "rsviz")


def _feed(old: Any, rows: Any) -> None:
    """Let what reads an input of the graph read pictures from `_rows`, other numbers as they are.

    What an int8 network does before its first layer it does in rows, which fill whole vectors, and
    bytes are then put in order, not numbers four times as long; each number is as before.
    """
    shape = old.get_partial_shape().to_shape()
    end, readers = rows, old.get_target_inputs()
    if len(shape) == 4:
        N, C, H, W = shape
        steps = _rounding(old, C)
        for step in steps:
            for constant in _others(step):
                if constant.get_partial_shape().rank.get_length() == 4:
                    x_1CHW = op.broadcast(constant.get_source_output(), [1, C, H, W])
                    x_1HWC = op.transpose(x_1CHW, op.constant(np.array([0, 2, 3, 1])))
                    x_1D = op.reshape(x_1HWC, op.constant(np.array([1, -1])), special_zero=False)
                    constant.replace_source_output(x_1D.output(0))
        if steps:
            steps[0].replace_source_output(rows)
            for step in steps:
                step.get_node().validate_and_infer_types()
            end = steps[-1].get_node().output(0)
            readers = end.get_target_inputs()
        x_NHWC = op.reshape(end, op.constant(np.array([N, H, W, C])), special_zero=False)
        end = op.transpose(x_NHWC, op.constant(np.array([0, 3, 1, 2]))).output(0)
    for reader in readers:
        reader.replace_source_output(end)


def _rounding(old: Any, channels: int) -> list[Any]:
    """Return the inputs of the operations that change each number by itself, up to its rounding.

    Beside the number they take constants, or one constant a channel. None are returned where
    nothing is rounded: other precisions add and multiply in another order.
    """
    one_a_channel = openvino.PartialShape([1, channels, 1, 1])
    steps: list[Any] = []
    while len(readers := list(old.get_target_inputs())) == 1:
        node = readers[0].get_node()
        shapes = [other.get_partial_shape() for other in _others(readers[0])]
        constants = all(s.rank.get_length() == 0 or s == one_a_channel for s in shapes)
        if node.get_type_name() not in _EACH_BY_ITSELF or not constants:
            break
        steps.append(readers[0])
        old = node.output(0)
    return steps if any(s.get_node().get_type_name() == "FakeQuantize" for s in steps) else []


def _others(one: Any) -> list[Any]:
    """Return the other inputs of an input's operation."""
    return [i for i in one.get_node().inputs() if i.get_index() != one.get_index()]


def _tensor(array: np.ndarray) -> Any:
    return openvino.Tensor(array, shared_memory=True)


@cache
def _core() -> Any:
    return openvino.Core()
