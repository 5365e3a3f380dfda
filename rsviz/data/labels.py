"""The labels of a data set, without its images (no torch here).

Shape suffix: N images.
"""

import os
import pickle
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from numpy.typing import NDArray

from rsviz.data import shapes

FOLDER = "cifar-10-batches-py"
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}


def data_folder() -> Path:
    """Return where data sets lie: RSVIZ_DATA, else ~/.cache/rsviz."""
    return Path(os.environ.get("RSVIZ_DATA") or Path.home() / ".cache" / "rsviz")


def labels(dataset: str, split: str) -> NDArray[np.int64] | None:
    """Return y_N of CIFAR-10 or Shapes, also on canvases; None where they are not at hand."""
    base = dataset.partition("-k")[0]
    if split not in BATCHES:
        return None
    if base == "shapes":
        return _of_shapes(split)
    return _of_cifar10(data_folder(), split) if base == "cifar10" else None


@lru_cache(maxsize=2)
def _of_shapes(split: str) -> NDArray[np.int64]:
    """Return the first number that `shapes.draw` draws of each image."""
    seed, count = shapes.SEEDS[split], len(shapes.CLASSES)
    drawn = (np.random.default_rng([seed, i]).integers(count) for i in range(shapes.SIZES[split]))
    return np.fromiter(drawn, np.int64, shapes.SIZES[split])


@lru_cache(maxsize=4)
def _of_cifar10(folder: Path, split: str) -> NDArray[np.int64] | None:
    try:
        found: list[int] = []
        for name in BATCHES[split]:
            with (folder / FOLDER / name).open("rb") as file:
                found += _Arrays(file, encoding="latin1").load()["labels"]
        return np.array(found, np.int64)
    except Exception:  # what a damaged pickle raises can be anything
        return None


class _Arrays(pickle.Unpickler):
    """Reads arrays and plain values, and executes nothing else."""

    def __init__(self, file: IO[bytes], **options: Any) -> None:
        super().__init__(file, **options)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if name == "_reconstruct" and module.endswith("multiarray"):
            return _reconstruct
        raise pickle.UnpicklingError(f"{module}.{name} is not read")
