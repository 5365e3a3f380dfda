"""The name of an engine: which library computes, and in which precision."""

import os
from dataclasses import dataclass

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


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
