"""Data sets that cannot be shipped: CelebA by one attribute, and folders laid out like ImageNet.

Both through torchvision, from files the user has. On the command line they are named
``celeba:PATH`` and ``folder:PATH``; append ``:SIZE`` for a side of SIZE pixels instead of 32. Only
`use` accepts such a name, and only the command line calls it, so nothing that a visitor of the
pages types or uploads reaches the file system.

Shape suffixes: N images, C channels, H height,
W width.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from rsviz.core.errors import UserError
from rsviz.core.files import shown
from rsviz.core.late import torch
from rsviz.data import catalog, datasets
from rsviz.data.datasets import Dataset
from rsviz.data.images import crop

CELEBA_SIZE, IMAGENET_SIZE = 160, 224
SIZE, SIZES = 32, range(8, 513)  # of what the command line names
ATTRIBUTE = "Mouth_Slightly_Open"
KINDS = ("folder", "celeba")


def is_local(name: str) -> bool:
    """Whether a data set is named as files of this machine."""
    return name.partition(":")[0] in KINDS and ":" in name


def use(name: str) -> str:
    """Let the data set ``folder:PATH`` or ``celeba:PATH`` be loaded by name; return its full name.

    The full name holds the absolute path and the size, so a card that states it is understood from
    any folder. The classes are those of the training images, or of the test images if there are
    no others.

    Raises
    ------
    UserError
        There are no such pictures; the sentence says how to lay them out.
    """
    kind, _, where = name.partition(":")
    path, _, digits = where.rpartition(":")
    if not (path and digits.isascii() and digits.isdecimal()):
        path, digits = where, str(SIZE)
    if kind not in KINDS or not path:
        raise UserError(f"{shown(name)!r} names no folder; write folder:PATH or folder:PATH:SIZE.")
    if len(digits) > 3 or int(digits) not in SIZES:
        raise UserError(f"Pictures may be {SIZES[0]} to {SIZES[-1]} pixels a side, not {digits}.")
    folder, size = Path(os.path.abspath(os.path.expanduser(path))), int(digits)
    full = f"{kind}:{folder}:{size}"
    if full not in datasets.LOCAL:
        classes = _classes(kind, folder)
        catalog.add(full, classes, size)
        datasets.LOCAL[full] = partial(_load, full, kind, folder, size, classes)
    return full


def _classes(kind: str, folder: Path) -> tuple[str, ...]:
    """Return the names of the classes, from the names of folders alone."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {shown(folder)}.")
    if kind == "celeba":
        return _faces(ATTRIBUTE)
    names = [n for split in ("train", "test") for n in _names(split) if (folder / n).is_dir()]
    if not names:
        raise UserError(
            f"{shown(folder)} has no folder train, test or val; lay pictures out as "
            "train/class/picture and test/class/picture."
        )
    classes = tuple(sorted(f.name for f in (folder / names[0]).iterdir() if f.is_dir()))
    if len(classes) < 2:
        raise UserError(
            f"{shown(folder / names[0])} needs a folder for each of at least two classes, with "
            "pictures in it."
        )
    return classes


def _load(
    full: str, kind: str, folder: Path, size: int, classes: tuple[str, ...], split: str
) -> Dataset:
    if kind == "celeba":
        return replace(load_celeba(folder, split, size=size), name=full)
    found = load_folder(folder, split, size)
    if found.classes != classes:
        raise UserError(
            f"The folders of {split} in {shown(folder)} are {', '.join(found.classes)[:200]}, not "
            "those of train; every split needs the same classes."
        )
    # Folders lie class by class; in a fixed other order every part of a split holds every class.
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(found)))
    return replace(found, name=full, x_NCHW=found.x_NCHW[order], y_N=found.y_N[order])


def _faces(attribute: str) -> tuple[str, ...]:
    word = attribute.replace("_", " ").lower()
    return f"not {word}", word


def load_celeba(
    folder: Path,
    split: str,
    attribute: str = ATTRIBUTE,
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
        from torchvision.datasets import CelebA

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
    at = range(len(raw))[:images]
    return _dataset("celeba", split, _faces(attribute), raw, at, size, lambda y: int(y[column]))


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
        from torchvision.datasets import ImageFolder

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
        try:
            image, target = raw[i]
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"A picture of {name} cannot be read: {shown(str(error))}.") from None
        square = crop(image.convert("RGB"), "centre")
        how = Image.Resampling.BOX if square.width > size else Image.Resampling.BICUBIC
        x_NHWC[row], y_N[row] = np.asarray(square.resize((size, size), how)), label(target)
    x_NCHW = torch.from_numpy(np.ascontiguousarray(x_NHWC.transpose(0, 3, 1, 2)))
    return Dataset(name, split, classes, x_NCHW, torch.from_numpy(y_N))
