"""Distractor canvases: a small image at a random place on a larger background drawn by rsviz.

What a classifier must find, and a mask may keep, is known for every canvas. The same seed and index
give the same canvas; nothing is downloaded. Pure numpy.

Shape suffixes: N images, C channels, H height, W width, G nodes of a coarse grid.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rsviz.core.errors import UserError

Array = NDArray[np.float64]
SIZES = (48, 64, 96)
SEEDS = {"train": 3, "test": 4}
LARGEST = 512


@dataclass(frozen=True, eq=False)
class Canvas:
    """One canvas: x_CHW uint8, where the image lies, what of it is the object, and its background.

    ``box`` is (top, left, height, width) of the pasted image; ``object_HW`` is its true object, or
    the whole box where none is known.
    """

    x_CHW: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    object_HW: NDArray[np.bool_]
    background: str


def place(
    image_CHW: NDArray[np.uint8],
    size: int,
    seed: int,
    index: int,
    background: str | None = None,
    corner: tuple[int, int] | None = None,
    object_HW: NDArray[np.bool_] | None = None,
) -> Canvas:
    """Paste an image on canvas ``index`` of ``seed``; what is not given is drawn.

    Parameters
    ----------
    image_CHW : what is pasted, unchanged, three channels.
    size : height and width of the canvas in pixels.
    background : one of `BACKGROUNDS`.
    corner : (top, left) of the image on the canvas.
    object_HW : which pixels of the image are its object; None takes all of them.

    Raises
    ------
    UserError
        The image does not fit there, the canvas is too large, or the background is not known.
    """
    _, height, width = image_CHW.shape
    if not max(height, width) <= size <= LARGEST:
        raise UserError(
            f"A canvas for this image must be {max(height, width)} to {LARGEST} pixels wide, "
            f"not {size}."
        )
    # Everything is drawn, used or not: giving one choice leaves the others as they were.
    rng = np.random.default_rng([seed, index, size])
    drawn = (int(rng.integers(size - height + 1)), int(rng.integers(size - width + 1)))
    kind = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    top, left = drawn if corner is None else corner
    if not (0 <= top <= size - height and 0 <= left <= size - width):
        raise UserError(f"At ({top}, {left}) the image would not lie wholly on the canvas.")
    kind = background or kind
    x_HWC = draw_background(rng, size, kind)
    x_CHW = np.round(255 * x_HWC).astype(np.uint8).transpose(2, 0, 1).copy()
    rows, columns = slice(top, top + height), slice(left, left + width)
    x_CHW[:, rows, columns] = image_CHW
    object_canvas_HW = np.zeros((size, size), bool)
    object_canvas_HW[rows, columns] = True if object_HW is None else object_HW
    return Canvas(x_CHW, (top, left, height, width), object_canvas_HW, kind)


def draw_background(rng: np.random.Generator, size: int, kind: str) -> Array:
    """Return a background of one of `BACKGROUNDS`, (H, W, C) in [0, 1]."""
    if kind not in _DRAW:
        raise UserError(f"The background must be one of {', '.join(_DRAW)}, not {kind!r}.")
    return np.clip(_DRAW[kind](rng, size), 0, 1)


def place_all(x_NCHW: NDArray[np.uint8], size: int, seed: int) -> NDArray[np.uint8]:
    """Return x_NCHW of the canvases: image i is pasted on canvas ``place(x_i, size, seed, i)``."""
    canvas_NCHW = np.empty((len(x_NCHW), 3, size, size), np.uint8)
    for i, image_CHW in enumerate(x_NCHW):
        canvas_NCHW[i] = place(image_CHW, size, seed, i).x_CHW
    return canvas_NCHW


def _texture(rng: np.random.Generator, size: int) -> Array:
    """Return a random colour with smooth random fields of two scales over it, (H, W, C)."""
    coarse, fine = _field(rng, size, 16), _field(rng, size, 4)
    strength_2 = rng.uniform(0.05, 0.2, 2)
    return rng.uniform(0.2, 0.8, 3) + strength_2[0] * coarse + strength_2[1] * fine


def _gradient(rng: np.random.Generator, size: int) -> Array:
    """Return two colours that run into each other along a random direction, in waves, (H, W, C)."""
    angle, waves = rng.uniform(0, 2 * np.pi), rng.uniform(0, 3)
    at = (np.arange(size) + 0.5) / size - 0.5
    along_HW = np.cos(angle) * at[:, None] + np.sin(angle) * at[None, :]
    t_HW1 = (0.5 + along_HW / 1.5 + 0.15 * np.sin(2 * np.pi * waves * along_HW))[..., None]
    from_C, to_C = rng.uniform(0, 1, (2, 3))
    return (1 - t_HW1) * from_C + t_HW1 * to_C


def _clutter(rng: np.random.Generator, size: int) -> Array:
    """Return a faint texture strewn with discs and rectangles of all colours, (H, W, C)."""
    x_HWC = rng.uniform(0.2, 0.8, 3) + 0.05 * _field(rng, size, 8)
    for _ in range(round(size * size / 150)):
        i, j = rng.uniform(0, size, 2)
        half_2 = rng.uniform(1.5, 6, 2)
        colour_C, is_disc = rng.uniform(0, 1, 3), rng.random() < 0.5
        rows, columns = (
            slice(max(int(c - h), 0), int(c + h) + 1) for c, h in zip((i, j), half_2, strict=True)
        )
        patch = x_HWC[rows, columns]  # a view
        if is_disc:
            v, u = np.ogrid[rows, columns]
            v, u = v[: len(patch)], u[:, : patch.shape[1]]
            patch[((v - i) / half_2[0]) ** 2 + ((u - j) / half_2[1]) ** 2 < 1] = colour_C
        else:
            patch[:] = colour_C
    return x_HWC


def _field(rng: np.random.Generator, size: int, cell: int) -> Array:
    """Return a smooth random field of mean 0 for each channel, (H, W, C), cells of given width."""
    weights_HG = _interpolation(size, max(size // cell, 2))
    nodes_CGG = rng.standard_normal((3, weights_HG.shape[1], weights_HG.shape[1]))
    return (weights_HG @ nodes_CGG @ weights_HG.T).transpose(1, 2, 0)


@lru_cache(maxsize=16)
def _interpolation(size: int, cells: int) -> Array:
    """Return the weights (H, G) that interpolate G nodes smoothly at H pixels."""
    at = np.linspace(0, cells, size, endpoint=False)
    node, t = at.astype(np.int64), at % 1
    t = t * t * (3 - 2 * t)
    weights_HG = np.zeros((size, cells + 1))
    weights_HG[np.arange(size), node] = 1 - t
    weights_HG[np.arange(size), node + 1] = t
    return weights_HG


_DRAW: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "texture": _texture,
    "gradient": _gradient,
    "clutter": _clutter,
}
BACKGROUNDS = tuple(_DRAW)
