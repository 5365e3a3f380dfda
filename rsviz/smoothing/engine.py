"""The name of an engine, and a network whose answers it computes.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

import os
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LIBRARIES = ("torch", "openvino")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")


@dataclass(frozen=True)
class Engine:
    """Which library computes, and in which precision; float32 by torch is the reference."""

    library: str = "torch"
    precision: str = "float32"

    def __str__(self) -> str:
        return f"{self.library} {self.precision}"


REFERENCE = Engine()
INT8 = Engine("openvino", "int8")


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


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
