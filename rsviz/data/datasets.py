"""Labelled images: CIFAR-10 and SVHN through torchvision, and Shapes, which rsviz draws itself.

CIFAR-10 and Shapes also come on distractor canvases: ``cifar10-k48`` is CIFAR-10, each image at a
random place on a canvas of 48x48 (`rsviz.data.canvases`). ``shapes-attribute-k64`` is drawn for
canvases alone (`rsviz.data.shape_attributes`).

Settings are chosen on training images that training did not see, never on test images: ``train``
also comes in two parts: ``validation`` is its last tenth, ``fit`` the rest.

Shape suffixes: N images, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsviz.core.errors import UserError
from rsviz.core.files import shown, sole_writer
from rsviz.core.late import torch
from rsviz.data import canvases, shape_attributes, shapes
from rsviz.data.catalog import CLASSES, SPLITS
from rsviz.data.labels import FOLDER, cifar10_image, data_folder

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Dataset:
    """All images of one split: x_NCHW uint8, y_N int64, and the names of the classes."""

    name: str
    split: str
    classes: tuple[str, ...]
    x_NCHW: Tensor
    y_N: Tensor

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.y_N)

    def image(self, index: int) -> Tensor:
        """Return image x_CHW, float32 in [0, 1]; UserError names the range of valid indices."""
        check_index(self.name, self.split, index, len(self))
        return self.x_NCHW[index].float() / 255

    def image_name(self, index: int) -> str:
        """Return the name a RunSpec uses, such as ``cifar10/test/17``."""
        return f"{self.name}/{self.split}/{index}"


def check_index(name: str, split: str, index: int, images: int) -> None:
    """Raise UserError, which names the range, where a split has no image of this number."""
    if not 0 <= index < images:
        raise UserError(f"{name}/{split} has images 0 to {images - 1:,}, not {index}.")


# Loaders of this machine's own data sets, by name: only `rsviz.data.local_folders.use` adds one.
LOCAL: dict[str, Callable[[str], Dataset]] = {}


def available(name: str) -> bool:
    """Return whether a data set can be loaded now, without any download."""
    if name in LOCAL or name not in CLASSES:
        return name in LOCAL
    base, _, _ = name.partition("-k")
    return base not in _PUBLIC or (data_folder() / _PUBLIC[base].there).is_file()


@lru_cache(maxsize=4)
def load(name: str, split: str) -> Dataset:
    """Return one split of ``cifar10``, ``shapes`` or ``svhn``, or on canvases, as ``shapes-k64``.

    Raises
    ------
    UserError
        The name is not known, or the data set is not on this machine.
    """
    if name not in CLASSES or split not in SPLITS:
        raise UserError(
            f"There is no data set {shown(f'{name}/{split}')}; use cifar10, shapes or svhn, "
            f"one of {', '.join(SPLITS)}, or cifar10, shapes or {shape_attributes.BASE} on "
            f"canvases: -k{', -k'.join(map(str, canvases.SIZES))} after the name."
        )
    if not available(name):
        found = _PUBLIC[name.partition("-k")[0]]
        raise UserError(
            f"{found.title} is not in {data_folder()}; set RSVIZ_DATA to the folder that holds "
            f"{found.files}, or run '{found.command}'."
        )
    if split in ("fit", "validation"):
        return _part(load(name, "train"), split)
    if name in LOCAL:
        return LOCAL[name](split)
    base, _, size = name.partition("-k")
    if base == shape_attributes.BASE:
        x, y = shape_attributes.split(split, int(size))
        return Dataset(name, split, CLASSES[name], torch.from_numpy(x), torch.from_numpy(y))
    if size:
        data = load(base, split)
        x = canvases.place_all(data.x_NCHW.numpy(), int(size), canvases.SEEDS[split])
        return Dataset(name, split, data.classes, torch.from_numpy(x), data.y_N)
    if name == "shapes":
        x, y = shapes.split(split)
        return Dataset(name, split, CLASSES[name], torch.from_numpy(x), torch.from_numpy(y))
    found = _PUBLIC[name]
    try:
        pixels_NCHW, label_N = found.read(split)
    except Exception:  # torchvision, pickles and scipy raise whatever a damaged file makes of them
        raise UserError(
            f"{found.title} in {shown(data_folder())} is damaged or not whole; remove "
            f"{found.files} there and run '{found.command}'."
        ) from None
    x_NCHW = torch.from_numpy(np.ascontiguousarray(pixels_NCHW))
    return Dataset(name, split, CLASSES[name], x_NCHW, torch.from_numpy(label_N))


Read = tuple[NDArray[np.uint8], NDArray[np.int64]]  # x_NCHW, label_N


def _cifar10(split: str) -> Read:
    from torchvision.datasets import CIFAR10  # seconds, for those who want it

    raw = CIFAR10(str(data_folder()), train=split == "train")
    return raw.data.transpose(0, 3, 1, 2), np.array(raw.targets, np.int64)


def _svhn(split: str) -> Read:
    """Return the cropped house numbers; torchvision checks the file and makes its label 10 a 0."""
    from torchvision.datasets import SVHN

    raw = SVHN(str(data_folder()), split)
    return raw.data, raw.labels


@dataclass(frozen=True)
class _Public:
    """A data set of torchvision's: a file that is there if it is, all its files, and its reader."""

    title: str
    there: str
    files: str
    command: str
    megabytes: int
    read: Callable[[str], Read]


_PUBLIC = {
    "cifar10": _Public(
        "CIFAR-10", f"{FOLDER}/test_batch", FOLDER, "python -m rsviz download", 170, _cifar10
    ),
    "svhn": _Public(
        "SVHN",
        "test_32x32.mat",
        "train_32x32.mat and test_32x32.mat",
        "python -m rsviz download svhn",
        250,
        _svhn,
    ),
}


def _part(whole: Dataset, split: str) -> Dataset:
    """Return ``fit``, the training images without the last tenth, or ``validation``, that tenth."""
    cut = _first_held_out(len(whole))
    part = slice(cut) if split == "fit" else slice(cut, None)
    return replace(whole, split=split, x_NCHW=whole.x_NCHW[part], y_N=whole.y_N[part])


def _first_held_out(images: int) -> int:
    return images - images // 10


def from_pixels(x_HWC: np.ndarray) -> Tensor:
    """Return x_CHW, float32 in [0, 1], of an image given as x_HWC."""
    return torch.from_numpy(np.ascontiguousarray(x_HWC.transpose(2, 0, 1), dtype=np.float32))


def dataset_of(image: str) -> str:
    """Return the data set that the name of an image begins with, whether there is one or not."""
    return image.rsplit("/", 2)[0]


def find_image(name: str) -> tuple[Tensor, int]:
    """Return (x_CHW, label) of an image named like ``cifar10/test/17``, refused in words if not.

    What rsviz draws is drawn without the rest of its data set.
    """
    dataset, split, index = _parsed(name)
    if _is_drawn(dataset, split):
        x_CHW, label = _draw(dataset, split, index)
        return torch.from_numpy(x_CHW).float() / 255, label
    data = load(dataset, split)
    return data.image(index), int(data.y_N[index])


def find_pixels(name: str) -> np.ndarray:
    """Return x_CHW of an image as `find_image` does, as an array, without loading the others."""
    dataset, split, index = _parsed(name)
    x_CHW = None
    if _is_drawn(dataset, split):
        x_CHW, _ = _draw(dataset, split, index)
    elif dataset == "cifar10":
        x_CHW = cifar10_image(split, index)
    if x_CHW is None:  # of another data set, or refused in words
        return find_image(name)[0].numpy()
    return x_CHW.astype(np.float32) / np.float32(255)


def _parsed(name: str) -> tuple[str, str, int]:
    """Return the data set, the split and the number in the name of an image."""
    dataset, split, index = (*name.rsplit("/", 2), "", "")[:3]
    if not (index.isascii() and index.isdecimal() and len(index) < 13):
        raise UserError(
            f"{shown(name)!r} is not an image of a data set; write, say, shapes/test/3."
        )
    return dataset, split, int(index)


def size_of(name: str, split: str) -> int:
    """Return how many images a split has; what rsviz draws is counted undrawn."""
    if not _is_drawn(name, split):
        return len(load(name, split))
    sizes = _DRAWN[name.partition("-k")[0]]
    if split in sizes:
        return sizes[split]
    held = _first_held_out(sizes["train"])
    return held if split == "fit" else sizes["train"] - held


_DRAWN = {"shapes": shapes.SIZES, shape_attributes.BASE: shape_attributes.SIZES}


def _is_drawn(name: str, split: str) -> bool:
    return name.partition("-k")[0] in _DRAWN and name in CLASSES and split in SPLITS


def _draw(name: str, split: str, index: int) -> tuple[NDArray[np.uint8], int]:
    """Return (x_CHW, label) of one image that rsviz draws; UserError where there is none."""
    check_index(name, split, index, size_of(name, split))
    base, _, size = name.partition("-k")
    if split == "validation":
        index += _first_held_out(_DRAWN[base]["train"])
    whole = "test" if split == "test" else "train"
    if base == shape_attributes.BASE:
        seed = shape_attributes.SEEDS[whole]
        label = shape_attributes.label_of(seed, index)
        return shape_attributes.place(int(size), seed, index).x_CHW, label
    drawing = shapes.draw(shapes.SEEDS[whole], index)
    x_CHW = np.round(255 * drawing.x_HWC).astype(np.uint8).transpose(2, 0, 1)
    if size:
        x_CHW = canvases.place(x_CHW, int(size), canvases.SEEDS[whole], index).x_CHW
    return np.ascontiguousarray(x_CHW), drawing.label


def find_canvas(name: str) -> canvases.Canvas:
    """Return the canvas of an image named like ``shapes-k48/test/17``: its box and true object.

    The object of a shape is the shape, that of `rsviz.data.shape_attributes` its mark; of any
    other image nothing but its box is known.
    """
    dataset, split, index = _parsed(name)
    check_index(dataset, split, index, size_of(dataset, split))
    if split in ("fit", "validation"):
        first = size_of(dataset, "fit") if split == "validation" else 0
        return find_canvas(f"{dataset}/train/{first + index}")
    base, _, size = dataset.partition("-k")
    if not size:
        raise UserError(f"{name} lies on no canvas; name one such as {base}-k48/{split}/{index}.")
    if base == shape_attributes.BASE:
        return shape_attributes.place(int(size), shape_attributes.SEEDS[split], index)
    seed, object_HW = canvases.SEEDS[split], None
    if base == "shapes":
        image_CHW, _ = _draw(base, split, index)
        object_HW = shapes.draw(shapes.SEEDS[split], index).mask_HW
    else:
        image_CHW = load(base, split).x_NCHW[index].numpy()
    return canvases.place(image_CHW, int(size), seed, index, object_HW=object_HW)


def download(name: str, report: Callable[[str], None]) -> None:
    """Download CIFAR-10 or SVHN through torchvision into `data_folder`."""
    found = _PUBLIC[name]
    report(f"Downloading {found.title} ({found.megabytes} MB) into {data_folder()}")
    data_folder().mkdir(parents=True, exist_ok=True)
    from torchvision.datasets import CIFAR10, SVHN

    with sole_writer(data_folder() / (FOLDER if name == "cifar10" else name)):
        if name == "cifar10":
            CIFAR10(str(data_folder()), download=True)
        else:
            for split in ("train", "test"):
                SVHN(str(data_folder()), split, download=True)
    load.cache_clear()
    report(f"{found.title} is ready.")
