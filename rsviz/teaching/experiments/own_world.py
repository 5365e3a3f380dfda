"""A two-pixel world that a reader draws: cells of two classes, smoothed without sampling.

The square of images is cut into SIDE x SIDE cells, each of one class; beyond the square the classes
of its edge go on. So the share of noisy copies that land on a class is a finite sum.

Shape suffixes: Y rows (from the bottom), X columns, N noise draws, 2 pixels.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from rsviz.core import bounds
from rsviz.core.radius import radius_l2
from rsviz.teaching.experiments.two_pixels import votes

SIDE = 32
SIGMAS = (0.02, 0.32)  # the least and the most
N, N0, ALPHA = 10_000, 100, 0.001

Floats = NDArray[np.float64]


Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class World(msgspec.Struct, frozen=True):
    """What a reader has drawn: ``cells`` row by row from the bottom, the point, the noise."""

    cells: Annotated[str, msgspec.Meta(pattern=rf"^[01]{{{SIDE * SIDE}}}\Z")]
    x: Share
    y: Share
    sigma: Annotated[float, msgspec.Meta(ge=SIGMAS[0], le=SIGMAS[1])]

    @property
    def class_YX(self) -> NDArray[np.int64]:
        """The class of each cell."""
        return np.array([int(c) for c in self.cells]).reshape(SIDE, SIDE)


def starts() -> dict[str, str]:
    """Return the cells of worlds to begin with, by what a button says."""
    middle = (np.arange(SIDE) + 0.5) / SIDE
    x_YX, y_YX = np.meshgrid(middle, middle)
    spike = (abs(y_YX - 0.52) < 0.04) & (x_YX > 0.3)
    worlds = {
        "Halves": x_YX < 0.5,
        "A spike": (x_YX < 0.45) | spike,
        "An island": (x_YX - 0.5) ** 2 + (y_YX - 0.5) ** 2 < 0.09,
        "Stripes": np.floor(8 * x_YX) % 2 == 0,
    }
    return {name: "".join(map(str, w.astype(int).ravel())) for name, w in worlds.items()}


def checked(value: object) -> World | None:
    """Return a world that a browser sent, None if it is none."""
    try:
        return msgspec.convert(value, World)
    except msgspec.ValidationError:
        return None


def _weights(at: float, sigma: float) -> Floats:
    """Return the share of the noise round a coordinate that lands in each row or column.

    Phi((right - at) / sigma) - Phi((left - at) / sigma), those at the edge reaching to infinity;
    each taken on its smaller tail, so that small shares keep their digits.
    """
    edge = np.linspace(0, 1, SIDE + 1)
    edge[0], edge[-1] = -np.inf, np.inf
    z = (edge - at) / sigma
    left, right = z[:-1], z[1:]
    return np.where(left > 0, ndtr(-left) - ndtr(-right), ndtr(right) - ndtr(left))


def probabilities(world: World) -> Floats:
    """Return the exact shares (2,) of noisy copies of the point that land on each class."""
    weight_YX = np.outer(_weights(world.y, world.sigma), _weights(world.x, world.sigma))
    return np.array([weight_YX[world.class_YX == c].sum() for c in (0, 1)])


def classify(world: World, point_N2: Floats) -> NDArray[np.int64]:
    """Return the class of each point (x, y)."""
    cell_N2 = np.clip(np.floor(point_N2 * SIDE), 0, SIDE - 1).astype(int)
    return world.class_YX[cell_N2[:, 1], cell_N2[:, 0]]


@dataclass(frozen=True)
class Look:
    """What votes prove of the point, and what is true of it.

    ``radius`` is that of the certificate from ``count`` of ``N`` votes, 0 where it abstains;
    ``radius_exact`` is what infinitely many votes would certify, infinite in a world of one class.
    """

    predicted: int
    count: int
    p_a: float
    p_a_lower: float
    radius: float
    radius_exact: float


def look(world: World, seed: int = 0) -> Look:
    """Certify the point with N votes, class chosen on N0 others, and compute the truth beside it.

    R = sigma PhiInv(p_a_lower), p_a_lower by Clopper-Pearson.
    """
    x_2 = np.array([world.x, world.y])
    predicted, count = votes(partial(classify, world), x_2, world.sigma, N, seed, N0)
    lower = bounds.clopper_pearson_lower(count, N, ALPHA)
    p_2 = probabilities(world)
    p_a, p_b = float(p_2[predicted]), float(p_2[1 - predicted])
    exact = -world.sigma * float(ndtri(p_b)) if p_a > 0.5 else 0.0
    return Look(predicted, count, p_a, lower, radius_l2(world.sigma, lower), exact)
