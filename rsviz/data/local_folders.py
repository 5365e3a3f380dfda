"""Data sets that cannot be shipped: CelebA by one attribute, and folders laid out like ImageNet.

Both through torchvision, from files the user has. Shape suffixes: N images, C channels, H height,
W width.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.datasets import CelebA, ImageFolder

from rsviz.core.errors import UserError
from rsviz.data.datasets import Dataset
from rsviz.data.images import crop

CELEBA_SIZE, IMAGENET_SIZE = 160, 224


def load_celeba(
    folder: Path,
    split: str,
    attribute: str = "Mouth_Slightly_Open",
    size: int = CELEBA_SIZE,
    images: int | None = None,
) -> Dataset:
    """Return one split of CelebA, labelled by one attribute: classes ``not ...`` and ``...``.

    Parameters
    ----------
    folder : holds ``celeba`` in torchvision's layout; nothing is downloaded.
    split : ``train`` or ``test``.
    attribute : one of CelebA's forty names.
    size : each face is cut to its middle square and brought to this many pixels a side.
    images : only the first so many; None takes all.

    Raises
    ------
    UserError
        The files are not there, or the attribute is not among theirs.
    """
    try:
        raw = CelebA(str(folder), _split(split), target_type="attr", download=False)
    except RuntimeError:
        raise UserError(
            f"CelebA is not in {folder}; put its files into {folder / 'celeba'} as torchvision "
            "lays them out."
        ) from None
    names = [name for name in raw.attr_names if name]
    if attribute not in names:
        raise UserError(f"CelebA has no attribute {attribute!r}; it has {', '.join(names)}.")
    column = names.index(attribute)
    word = attribute.replace("_", " ").lower()
    at = range(len(raw))[:images]
    return _dataset("celeba", split, (f"not {word}", word), raw, at, size, lambda y: int(y[column]))


def load_folder(
    folder: Path, split: str, size: int = IMAGENET_SIZE, images: int | None = None
) -> Dataset:
    """Return one split of a folder laid out like ImageNet: ``split/class/image``.

    Parameters
    ----------
    folder : holds ``train`` and ``test`` (or ``val``), each with one folder a class.
    size : each picture is cut to its middle square and brought to this many pixels a side.
    images : only so many, spread evenly over the classes' order; None takes all.

    Raises
    ------
    UserError
        There is no such split, or no picture in one of its classes.
    """
    found = [folder / name for name in _names(split) if (folder / name).is_dir()]
    if not found:
        raise UserError(
            f"{folder} has no folder {' or '.join(_names(split))}; lay pictures out as "
            f"{split}/class/picture."
        )
    try:
        raw = ImageFolder(str(found[0]))
    except FileNotFoundError as error:
        raise UserError(f"{found[0]} cannot be used: {str(error).splitlines()[0]}") from None
    wanted = min(images or len(raw), len(raw))  # at even steps: a folder is ordered by class
    at = [i * len(raw) // wanted for i in range(wanted)]
    return _dataset(folder.name, split, tuple(raw.classes), raw, at, size)


def _split(split: str) -> str:
    if split not in ("train", "test"):
        raise UserError(f"The split must be train or test, not {split!r}.")
    return split


def _names(split: str) -> tuple[str, ...]:
    """Return the folders that may hold a split; ImageNet calls its test images val."""
    return ("test", "val") if _split(split) == "test" else ("train",)


def _dataset(
    name: str,
    split: str,
    classes: tuple[str, ...],
    raw: Sequence[tuple[Image.Image, Any]],
    at: Sequence[int],
    size: int,
    label: Callable[[Any], int] = int,
) -> Dataset:
    """Return some pictures as one tensor of bytes, cut to their middle squares, one at a time."""
    x_NHWC, y_N = np.empty((len(at), size, size, 3), np.uint8), np.empty(len(at), np.int64)
    for row, i in enumerate(at):
        image, target = raw[i]
        square = crop(image.convert("RGB"), "centre")
        how = Image.Resampling.BOX if square.width > size else Image.Resampling.BICUBIC
        x_NHWC[row], y_N[row] = np.asarray(square.resize((size, size), how)), label(target)
    x_NCHW = torch.from_numpy(np.ascontiguousarray(x_NHWC.transpose(0, 3, 1, 2)))
    return Dataset(name, split, classes, x_NCHW, torch.from_numpy(y_N))
