"""Networks that answer in an engine's precision; those of torch, on the CPU and on a GPU."""

from __future__ import annotations

import copy
import math
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from rsviz.networks.classifiers import Normalize
from rsviz.smoothing.engine import Engine
from rsviz.smoothing.fused import Stem, fused, of_patches
from rsviz.smoothing.noise import newest

PRODUCTS = {"float32": torch.float32, "bfloat16": torch.bfloat16}  # wide enough for gradients
DTYPES = PRODUCTS | {"float16": torch.float16}
PATCHES = 2**29  # numbers of a batch's patches: beyond, memory is worth more than time


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
        self._dtype = DTYPES[engine.precision]
        self._net = copy.deepcopy(reference).to(self._dtype)
        self._recordings: dict[tuple[int, ...], _Recording | None] = {}
        self._lock = threading.Lock()

    def answer(self, *inputs: Tensor) -> Tensor:
        """Return the network's answer, float32."""
        if inputs[0].is_cuda and len(inputs) == 1:
            with self._lock:
                recording = self._recording(inputs[0].shape, inputs[0].device, self._net)
                if recording is not None:
                    recording.given.copy_(inputs[0])
                    return recording.replay()
        return self._net(*(x.to(self._dtype) for x in inputs)).float()

    def noisy(self, x_NCHW: Tensor, sigma_N111: Tensor, e_NCHW: Tensor) -> Tensor:
        """Return the answer to x + sigma e, on a GPU written as its first convolution reads it."""
        entry = self._entry if newest(str(e_NCHW.device)) == "philox" else None
        if entry is not None:
            N, _, H, W = e_NCHW.shape
            shape = (N, entry.stem.patch, entry.stem.out(H), entry.stem.out(W))
            if math.prod(shape) <= PATCHES:
                with self._lock:
                    recording = self._recording(shape, e_NCHW.device, entry.net)
                    if recording is not None:
                        entry.write(recording.given, x_NCHW, sigma_N111, e_NCHW)
                        return recording.replay()
        return self.answer(torch.addcmul(x_NCHW, sigma_N111, e_NCHW))

    @cached_property
    def _entry(self) -> _Entry | None:
        """The network behind its normalisation, reading patches; None where it cannot."""
        if not isinstance(self._net, nn.Sequential) or not isinstance(self._net[0], Normalize):
            return None
        found = of_patches(self._net[1:])
        if found is None:
            return None
        first: Any = self.reference.get_submodule("0")  # in float32
        scale_2C = torch.stack([first.mean_1C11.flatten(), first.std_1C11.flatten()])
        return _Entry(*found, scale_2C.float())

    def _recording(
        self, shape: tuple[int, ...], device: torch.device, net: nn.Module
    ) -> _Recording | None:
        """Return a network's kernels for a shape; None where they cannot be recorded."""
        if shape not in self._recordings:
            given = torch.zeros(shape, dtype=self._dtype, device=device)
            given = given.to(memory_format=torch.channels_last)
            self._recordings[shape] = _record(fused(net), given) or _record(net, given)
        return self._recordings[shape]


@dataclass(frozen=True, eq=False)
class _Entry:
    """A network that reads patches, how they are cut, and the normalisation before it."""

    net: nn.Module
    stem: Stem
    scale_2C: Tensor

    def write(self, given: Tensor, x_NCHW: Tensor, sigma_N111: Tensor, e_NCHW: Tensor) -> None:
        """Write x + sigma e, normalised, as the network reads it."""
        from rsviz.smoothing import gpu_entry  # needs Triton, which few machines have

        gpu_entry.enter(given, x_NCHW, sigma_N111, e_NCHW, self.scale_2C, self.stem)


@dataclass(frozen=True, eq=False)
class _Recording:
    """A network's kernels, recorded, with what they read and write."""

    graph: Any
    given: Tensor
    answer: Tensor

    def replay(self) -> Tensor:
        """Return the answer to ``given``, float32."""
        self.graph.replay()
        return self.answer.to(torch.float32, copy=True)


def _record(net: nn.Module, given: Tensor) -> _Recording | None:
    """Return the kernels of a network that reads ``given``; None where recording them fails.

    Not every version of cuDNN has every kernel of `fused` networks.
    """
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
    return _Recording(graph, given, answer)
