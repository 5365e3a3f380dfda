"""Shapes: 32x32 images that rsviz draws itself, ten classes, the same for the same seed and index.

Four knobs decide how much noise an image can bear. The object's true mask is known. Pure numpy.
Shape suffixes: N images, H height, W width, C channels, S supersampled height or width.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rsviz.core.errors import UserError

Array = NDArray[np.float64]
SIZES = {"train": 20_000, "test": 2_000}
SEEDS = {"train": 1, "test": 2}
_FINE = 2  # samples a pixel and axis, for smooth edges


@dataclass(frozen=True)
class Knobs:
    """What makes an image easy or hard, each from 0 to 1; None is drawn for each image.

    ``size`` of the object (radius 6 to 14 pixels), ``contrast`` to the background, strength of the
    background's ``texture``, and ``clutter``: how many distractor blobs lie behind the object.
    """

    size: float | None = None
    contrast: float | None = None
    texture: float | None = None
    clutter: float | None = None

    def __post_init__(self) -> None:
        for knob in fields(self):
            value = getattr(self, knob.name)
            if value is not None and not 0 <= value <= 1:
                raise UserError(f"{knob.name} must lie from 0 to 1, but is {value!r}.")


@dataclass(frozen=True, eq=False)
class Drawing:
    """One image x_HWC in [0, 1] (multiples of 1/255), its label, object mask and knobs used."""

    x_HWC: NDArray[np.float32]
    label: int
    mask_HW: NDArray[np.bool_]
    knobs: Knobs


def _polygon(points: list[tuple[float, float]]) -> Callable[[Array, Array], NDArray[np.bool_]]:
    """Return the inside test of a polygon, by counting crossings."""

    def inside(u: Array, v: Array) -> NDArray[np.bool_]:
        odd = np.zeros(u.shape, bool)
        for (a, b), (c, d) in zip(points, points[1:] + points[:1], strict=True):
            if b != d:
                odd ^= ((b > v) != (d > v)) & (u < (c - a) * (v - b) / (d - b) + a)
        return odd

    return inside


def _star_points() -> list[tuple[float, float]]:
    angle = np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2, 0.42, 1.08)
    return [
        (float(r * np.sin(a)), float(-r * np.cos(a))) for a, r in zip(angle, radius, strict=True)
    ]


def _in_heart(uu: Array, v: Array) -> NDArray[np.bool_]:
    """Return (u^2 + v^2 - 1)^3 + u^2 v^3 < 0; products, since numpy's cube is ten times slower."""
    rim = uu + v * v - 1
    return rim * rim * rim + uu * v * v * v < 0


_ARROW = [
    (-1, -0.28),
    (0.05, -0.28),
    (0.05, -0.8),
    (1.05, 0),
    (0.05, 0.8),
    (0.05, 0.28),
    (-1, 0.28),
]

# Inside tests on object coordinates: u to the right, v down, the object within about |(u, v)| < 1.
_INSIDE: dict[str, Callable[[Array, Array], NDArray[np.bool_]]] = {
    "disc": lambda u, v: u**2 + v**2 < 0.9,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.78) < 0.22,
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) < 0.82,
    "triangle": _polygon([(0, -1.02), (1.05, 0.78), (-1.05, 0.78)]),
    "star": _polygon(_star_points()),
    "cross": lambda u, v: (
        (np.minimum(np.abs(u), np.abs(v)) < 0.27) & (np.maximum(np.abs(u), np.abs(v)) < 0.98)
    ),
    "heart": lambda u, v: _in_heart((1.15 * u) ** 2, 1.15 * v - 0.1),
    "crescent": lambda u, v: (u**2 + v**2 < 1) & ((u - 0.55) ** 2 + v**2 > 0.62),
    "arrow": _polygon(_ARROW),
    "bars": lambda u, v: (np.abs(np.abs(u) - 0.72 * (np.abs(u) > 0.36)) < 0.2) & (np.abs(v) < 0.92),
}
CLASSES = tuple(_INSIDE)


def draw(seed: int, index: int, knobs: Knobs | None = None, canvas: int = 32) -> Drawing:
    """Draw image ``index`` of the data set ``seed``; knobs given are used, the others drawn.

    Parameters
    ----------
    canvas : height and width in pixels; the object keeps its size.
    """
    rng = np.random.default_rng([seed, index])
    label = int(rng.integers(len(CLASSES)))
    drawn = rng.beta([2.2, 2.0, 1.0, 1.0], [1.2, 1.0, 1.4, 1.4])
    given = knobs or Knobs()
    values = [
        float(d) if (g := getattr(given, f.name)) is None else float(g)
        for f, d in zip(fields(Knobs), drawn, strict=True)
    ]
    used = Knobs(*values)
    size, contrast, texture, clutter = values
    back_C, front_C = colours(rng, contrast)
    x_HWC = back_C + _texture(rng, canvas, 0.22 * texture)[..., None] * rng.uniform(0.6, 1.4, 3)
    _add_clutter(rng, x_HWC, round(7 * clutter), back_C, front_C)
    cover_HW = _cover(rng, CLASSES[label], 6 + 8 * size, canvas)[..., None]
    shade_HW = 1 + 0.06 * _texture(rng, canvas, 1.0)[..., None]
    x_HWC = (1 - cover_HW) * x_HWC + cover_HW * np.clip(front_C * shade_HW, 0, 1)
    x_HWC = np.round(255 * np.clip(x_HWC, 0, 1)) / 255
    return Drawing(x_HWC.astype(np.float32), label, cover_HW[..., 0] >= 0.5, used)


@lru_cache(maxsize=2)
def split(name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return (x_NCHW uint8, y_N) of ``train`` or ``test``; image i is ``draw(SEEDS[name], i)``."""
    x_NHWC = np.empty((SIZES[name], 32, 32, 3), np.uint8)
    y_N = np.empty(SIZES[name], np.int64)
    for i in range(SIZES[name]):
        drawing = draw(SEEDS[name], i)
        x_NHWC[i], y_N[i] = np.round(255 * drawing.x_HWC), drawing.label
    return np.ascontiguousarray(x_NHWC.transpose(0, 3, 1, 2)), y_N


def colours(rng: np.random.Generator, contrast: float) -> tuple[Array, Array]:
    """Return background and object colour: their lightness differs by .15 to .75 with contrast."""
    step = 0.15 + 0.6 * contrast
    low = rng.uniform(0.08, max(0.92 - step, 0.09))
    levels = (low, low + step) if rng.random() < 0.5 else (low + step, low)
    tint_2C = rng.uniform(-0.22, 0.22, (2, 3))
    tint_2C -= tint_2C.mean(1, keepdims=True)  # a tint changes the hue, not the lightness
    return np.clip(levels[0] + tint_2C[0], 0, 1), np.clip(levels[1] + tint_2C[1], 0, 1)


def _texture(rng: np.random.Generator, canvas: int, strength: float) -> Array:
    """Return a smooth random field of mean 0 and about the given spread, (H, W)."""
    cells, i, t = _grid(canvas)
    coarse = rng.standard_normal((cells + 1, cells + 1))
    rows = coarse[i] * (1 - t)[:, None] + coarse[i + 1] * t[:, None]
    return strength * (rows[:, i] * (1 - t) + rows[:, i + 1] * t)


@lru_cache(maxsize=4)
def _grid(canvas: int) -> tuple[int, NDArray[np.int64], Array]:
    """Return the number of cells, and for each pixel its cell and its smoothed place in it."""
    cells = max(canvas // 4, 2)
    at = np.linspace(0, cells, canvas, endpoint=False)
    t = at % 1
    return cells, at.astype(np.int64), t * t * (3 - 2 * t)


def _add_clutter(
    rng: np.random.Generator, x_HWC: Array, blobs: int, back_C: Array, front_C: Array
) -> None:
    """Paint small discs in colours between background and object, in place."""
    canvas = len(x_HWC)
    at = np.arange(canvas)
    for _ in range(blobs):
        i, j = rng.uniform(0, canvas, 2)
        radius = rng.uniform(1.2, 3.0)
        rows, columns = (slice(max(int(c - radius), 0), int(c + radius) + 2) for c in (i, j))
        apart = np.hypot(at[rows, None] - i, at[None, columns] - j)
        cover_HW = np.clip(radius - apart + 0.5, 0, 1)[..., None]
        colour_C = back_C + rng.uniform(0.3, 0.9) * (front_C - back_C)
        patch = x_HWC[rows, columns]  # a view: the blob covers nothing outside it
        patch += cover_HW * (np.clip(colour_C + rng.uniform(-0.15, 0.15, 3), 0, 1) - patch)


def _cover(rng: np.random.Generator, name: str, radius: float, canvas: int) -> Array:
    """Return how much of each pixel the object covers, 0 to 1, at a random place and angle."""
    room = max(canvas / 2 - 1.05 * radius, 0.0)
    i, j = canvas / 2 + rng.uniform(-room, room, 2)
    angle = np.deg2rad(rng.uniform(-15, 15))
    at_S = (np.arange(_FINE * canvas) + 0.5) / _FINE
    y_SS, x_SS = (at_S[:, None] - i) / radius, (at_S[None, :] - j) / radius
    u_SS = np.cos(angle) * x_SS + np.sin(angle) * y_SS
    v_SS = np.cos(angle) * y_SS - np.sin(angle) * x_SS
    inside = _INSIDE[name](u_SS, v_SS).astype(np.float64)
    return inside.reshape(canvas, _FINE, canvas, _FINE).mean((1, 3))
