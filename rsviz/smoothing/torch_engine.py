"""Networks that answer in an engine's precision; those of torch, on the CPU and on a GPU."""

import copy
import threading
from typing import Any

import torch
from torch import Tensor, nn

from rsviz.smoothing.engine import Engine
from rsviz.smoothing.fused import fused

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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


class Cast(Ready):
    """A network of torch in another precision; on a GPU its kernels are recorded and replayed."""

    def __init__(self, reference: nn.Module, engine: Engine) -> None:
        super().__init__(reference, engine)
        self._net = copy.deepcopy(reference).to(DTYPES[engine.precision])
        self._graphs: dict[tuple[int, ...], tuple[Any, Tensor, Tensor] | None] = {}
        self._lock = threading.Lock()

    def answer(self, *inputs: Tensor) -> Tensor:
        """Return the network's answer, float32."""
        if inputs[0].is_cuda and len(inputs) == 1:
            with self._lock:
                return self._replay(inputs[0]).float()
        return self._net(*(x.to(DTYPES[self.engine.precision]) for x in inputs)).float()

    def _replay(self, x: Tensor) -> Tensor:
        """Answer by the recorded kernels, or, where they cannot be recorded, by launching each."""
        shape = tuple(x.shape)
        if shape not in self._graphs:
            given = torch.empty_like(x, dtype=DTYPES[self.engine.precision])
            self._graphs[shape] = _record(fused(self._net), given) or _record(self._net, given)
        recorded = self._graphs[shape]
        if recorded is None:
            return self._net(x.to(DTYPES[self.engine.precision]))
        graph, given, answer = recorded
        given.copy_(x)
        graph.replay()
        return answer.clone()


def _record(net: nn.Module, given: Tensor) -> tuple[Any, Tensor, Tensor] | None:
    """Return the kernels of a network, recorded, with what they read and write; None if it fails.

    Not every version of cuDNN has every kernel of `fused` networks.
    """
    given.zero_()
    beside = torch.cuda.Stream()
    try:
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # cuDNN chooses its kernels before they are recorded
            for _ in range(3):
                net(given)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            answer = net(given)
    except (RuntimeError, NotImplementedError):
        return None
    return graph, given, answer
