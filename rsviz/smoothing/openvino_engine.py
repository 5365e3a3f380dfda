"""The engine of OpenVINO for networks of torch: int8, bfloat16 and float32 on the CPU.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

import copy
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsviz.smoothing.engine import Engine
from rsviz.smoothing.graphs import Graph
from rsviz.smoothing.torch_engine import Ready

try:
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
except ImportError:  # `graphs.absent` says so before anything here is asked for
    pass


class Compiled(Ready):
    """A network of torch whose answers a graph of OpenVINO computes. Threads may share it."""

    def __init__(self, reference: nn.Module, graph: Graph) -> None:
        super().__init__(reference, graph.engine, graph.file)
        self.graph = graph

    def answer(self, *inputs: Tensor) -> Tensor:
        """Return the engine's answer, float32."""
        return torch.from_numpy(self.graph(*(x.detach().numpy() for x in inputs)))

    def noisy(self, x_NCHW: Tensor, sigma_N111: Tensor, e_NCHW: Tensor) -> Tensor:
        """Return the answer to x + sigma e, the sum computed on the way into the network."""
        return torch.from_numpy(
            self.graph.noisy(x_NCHW.numpy(), sigma_N111.numpy(), e_NCHW.numpy())
        )


def from_network(reference: nn.Module, engine: Engine) -> Compiled:
    """Return a float32 network of torch, computed by OpenVINO."""
    return Compiled(reference, Graph(engine, lambda inputs: _converted(reference, inputs)))


def _converted(net: nn.Module, arrays: tuple[np.ndarray, ...]) -> Any:
    """Return the graph of a float32 network of torch."""
    inputs = tuple(torch.from_numpy(np.ascontiguousarray(x)) for x in arrays)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, which its makers call old
        traced = torch.jit.trace(copy.deepcopy(net).to("cpu"), inputs, strict=False)
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=inputs)
        return frontend.convert(frontend.load(decoder))
