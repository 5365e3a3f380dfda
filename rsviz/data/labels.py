"""The labels of a data set without its images, and one image without the rest (no torch here).

Shape suffixes: N images, C channels, H height, W width.
"""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from pickletools import genops

import numpy as np
from numpy.typing import NDArray

from rsviz.core.files import version
from rsviz.data import shapes

FOLDER = "cifar-10-batches-py"
PER_BATCH = 10_000
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
MD5 = {  # of the published files, as torchvision checks them
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def data_folder() -> Path:
    """Return where data sets lie: RSVIZ_DATA, else ~/.cache/rsviz."""
    return Path(os.environ.get("RSVIZ_DATA") or Path.home() / ".cache" / "rsviz")


def labels(dataset: str, split: str) -> NDArray[np.int64] | None:
    """Return y_N of CIFAR-10 or Shapes, also on canvases; None if they are not here."""
    base = dataset.partition("-k")[0]
    if split not in BATCHES:
        return None
    if base == "shapes":
        return _of_shapes(split)
    if base != "cifar10":
        return None
    files = [data_folder() / FOLDER / name for name in BATCHES[split]]
    return _of_cifar10(tuple(files), tuple(map(version, files)))


@lru_cache(maxsize=2)
def _of_shapes(split: str) -> NDArray[np.int64]:
    """Return the first number that `shapes.draw` draws of each image."""
    seed, count = shapes.SEEDS[split], len(shapes.CLASSES)
    drawn = (np.random.default_rng([seed, i]).integers(count) for i in range(shapes.SIZES[split]))
    return np.fromiter(drawn, np.int64, shapes.SIZES[split])


@lru_cache(maxsize=4)
def _of_cifar10(files: tuple[Path, ...], _versions: tuple[object, ...]) -> NDArray[np.int64] | None:
    """Read the labels, once for each version of the files."""
    try:
        batches = [file.read_bytes() for file in files]
        return np.array([label for data in batches for label in _numbers_after(b"labels", data)])
    except (OSError, ValueError):
        return None


def cifar10_image(split: str, index: int) -> NDArray[np.uint8] | None:
    """Return x_CHW of one image of CIFAR-10; None if it is not here, or its file is damaged."""
    try:
        batch, row = divmod(index, PER_BATCH)
        name = BATCHES[split][batch]
        data = (data_folder() / FOLDER / name).read_bytes()
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != MD5[name]:
            return None
        pixels = next(
            a for _, a, _ in genops(data) if isinstance(a, str | bytes) and len(a) > 10**7
        )
        own = pixels[3072 * row : 3072 * (row + 1)]
        raw = own.encode("latin-1") if isinstance(own, str) else own
        return np.frombuffer(raw, np.uint8).reshape(3, 32, 32)
    except (OSError, ValueError, LookupError, StopIteration):
        return None


def _numbers_after(key: bytes, data: bytes) -> list[int]:
    """Return the list of small numbers that follows a key in a pickle, reading its codes alone.

    Nothing is built or executed, whatever the file holds.
    """
    found: list[int] | None = None
    for code, argument, _ in genops(data):
        if argument in (key, key.decode()):
            found = []
        elif found is not None and isinstance(argument, int) and code.name.startswith("BININT"):
            found.append(argument)
        elif found and isinstance(argument, str | bytes):
            return found
    raise ValueError("there is no such list")
