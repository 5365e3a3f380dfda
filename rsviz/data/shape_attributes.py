"""Shapes with an attribute: a large body on a canvas, and a small mark on it that is the label.

A stand-in, drawn by rsviz, for one attribute of a portrait such as an open mouth: of thousands of
pixels few matter, and those move. The mark is a ring (open) or a bar (closed) that cover the same
area. All else, and the disc that holds the mark, is drawn without looking at the label. Pure numpy.

Shape suffixes: N images, C channels, H height, W width, S supersampled height or width.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rsviz.core.errors import UserError
from rsviz.data import canvases, shapes
from rsviz.data.canvases import Array, Canvas

BASE = "shapes-attribute"
CLASSES = ("open", "closed")
SIZES = {"train": 10_000, "test": 2_000}
SEEDS = {"train": 5, "test": 6}
RADIUS = (6.0, 8.0)  # of the disc that holds the mark, in pixels, whatever the canvas
_FINE = 2  # samples a pixel and axis, for smooth edges
_INNER = 0.7  # radius of the ring's hole, that of the disc being 1
_HALVES = (0.88, 0.4552)  # of the bar's sides: it covers what the ring does, pi (1 - .7^2)


def label_of(seed: int, index: int) -> int:
    """Return the label of image ``index``: one of each in every pair 2j, 2j + 1, in drawn order."""
    first = int(np.random.default_rng([seed, index // 2]).integers(2))
    return (first + index) % 2


def place(
    size: int,
    seed: int,
    index: int,
    label: int | None = None,
    background: str | None = None,
    corner: tuple[int, int] | None = None,
) -> Canvas:
    """Draw image ``index`` of ``seed`` on a canvas; what is not given is drawn.

    The box and the object of the canvas are the mark's: the square around its disc, and the disc.

    Parameters
    ----------
    size : height and width of the canvas in pixels; the body grows with it, the mark does not.
    label : 0 for an open mark, 1 for a closed one; nothing but the mark's disc depends on it.
    background : one of `canvas.BACKGROUNDS`.
    corner : (top, left) of the mark's box; None puts it anywhere on the body.

    Raises
    ------
    UserError
        The canvas is too small or too large, the background is not known, or the mark would not lie
        wholly on the canvas.
    """
    if not min(canvases.SIZES) <= size <= canvases.LARGEST:
        raise UserError(
            f"This canvas must be {min(canvases.SIZES)} to {canvases.LARGEST} pixels wide, "
            f"not {size}."
        )
    # Everything is drawn, used or not: giving one choice leaves the others as they were.
    rng = np.random.default_rng([seed, index, size])
    kind = canvases.BACKGROUNDS[int(rng.integers(len(canvases.BACKGROUNDS)))]
    radius, angle = rng.uniform(*RADIUS), np.deg2rad(rng.uniform(-20, 20))
    body_C, mark_C = shapes.colours(rng, rng.uniform(0.3, 1))
    centre_2, half_2 = size * rng.uniform(0.45, 0.55, 2), size * rng.uniform(0.34, 0.42, 2)
    drawn_2 = _in_ellipse(rng, centre_2, half_2 - radius - 1)
    top, left = (int(c - radius - 1) for c in drawn_2) if corner is None else corner
    side = int(np.ceil(2 * radius)) + 2
    if not (0 <= top <= size - side and 0 <= left <= size - side):
        raise UserError(f"At ({top}, {left}) the mark would not lie wholly on the canvas.")
    kind = background or kind
    eye_C = rng.uniform(0, 1, 3)
    x_HWC = canvases.draw_background(rng, size, kind)
    _paint(x_HWC, _ellipse(size, centre_2, half_2), body_C)
    for shift in (-0.4, 0.4):
        eye_2 = centre_2 + half_2 * np.array([-0.35, shift])
        _paint(x_HWC, _ellipse(size, eye_2, half_2 * 0.12), eye_C)
    at_2 = np.array(drawn_2 if corner is None else (top + radius + 1, left + radius + 1))
    closed = label_of(seed, index) if label is None else label
    mark_SS, disc_SS = _mark(size, at_2, radius, angle, bool(closed))
    _paint(x_HWC, mark_SS, mark_C)
    x_CHW = np.round(255 * np.clip(x_HWC, 0, 1)).astype(np.uint8).transpose(2, 0, 1).copy()
    return Canvas(x_CHW, (top, left, side, side), _cover(disc_SS) > 0, kind)


@lru_cache(maxsize=2)
def split(name: str, size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return (x_NCHW, y_N) of ``train`` or ``test``; image i is ``place(size, SEEDS[name], i)``."""
    seed, count = SEEDS[name], SIZES[name]
    x_NCHW = np.empty((count, 3, size, size), np.uint8)
    for i in range(count):
        x_NCHW[i] = place(size, seed, i).x_CHW
    return x_NCHW, np.array([label_of(seed, i) for i in range(count)])


def _in_ellipse(rng: np.random.Generator, centre_2: Array, half_2: Array) -> Array:
    """Return a place drawn evenly from an ellipse."""
    away, angle = np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    return centre_2 + half_2 * away * np.array([np.sin(angle), np.cos(angle)])


def _mark(
    size: int, at_2: Array, radius: float, angle: float, closed: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which samples the ring or bar covers, and which its disc does."""
    y_S1, x_1S = _offsets(size, at_2, np.array([radius, radius]))
    apart_SS = y_S1 * y_S1 + x_1S * x_1S  # squared: roots would take most of the time
    if not closed:
        return (apart_SS < 1) & (apart_SS > _INNER**2), apart_SS < 1
    u_SS = np.cos(angle) * x_1S + np.sin(angle) * y_S1
    v_SS = np.cos(angle) * y_S1 - np.sin(angle) * x_1S
    return (np.abs(u_SS) < _HALVES[0]) & (np.abs(v_SS) < _HALVES[1]), apart_SS < 1


def _ellipse(size: int, centre_2: Array, half_2: Array) -> NDArray[np.bool_]:
    """Return which samples lie inside an ellipse."""
    y_S1, x_1S = _offsets(size, centre_2, half_2)
    return y_S1 * y_S1 + x_1S * x_1S < 1


def _offsets(size: int, centre_2: Array, half_2: Array) -> tuple[Array, Array]:
    """Return (y, x) of each sample from the centre, in units of the half axes."""
    at_S = (np.arange(_FINE * size) + 0.5) / _FINE
    y_S, x_S = ((at_S - c) / h for c, h in zip(centre_2, half_2, strict=True))
    return y_S[:, None], x_S[None, :]


def _paint(x_HWC: Array, inside_SS: NDArray[np.bool_], colour_C: Array) -> None:
    """Paint a colour where samples lie inside, smooth at the edge, in place."""
    cover_HW1 = _cover(inside_SS)[..., None]
    x_HWC += cover_HW1 * (colour_C - x_HWC)


def _cover(inside_SS: NDArray[np.bool_]) -> Array:
    """Return the share of each pixel's samples that lie inside."""
    size = len(inside_SS) // _FINE
    return inside_SS.reshape(size, _FINE, size, _FINE).mean((1, 3))
