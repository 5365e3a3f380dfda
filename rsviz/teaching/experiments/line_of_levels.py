"""A cascade of noise levels on a line, where every probability is known exactly.

Images are points of a line, cut into pieces that each have a class; some are too narrow to be seen
through much noise. Three levels are asked from the most noise down; see `rsviz.methods.multiscale`,
whose own formulas give the radius here.

Shape suffixes: P points, E pieces, K classes, L levels from the most noise down.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rsviz.core.cascade import Limit, distances, limit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASSES = ("A", "B", "C")
LEVELS = (1.0, 0.5, 0.25)
EDGES = np.array([-1.1, -1.0, -0.6, -0.2, 1.2])
CLASS_E = np.array([1, 2, 0, 1, 0, 2])
REACH = 3.0  # farther away no change is looked for
SURE = 1e-9  # a probability nearer to 0 or 1 is rounded, so that its PhiInv stays finite


def probabilities(at_P: Floats, sigma: float) -> Floats:
    """Return p_PK, the probability of each class at points under noise of one level."""
    below_PE = ndtr((EDGES - np.atleast_1d(at_P)[:, None]) / sigma)
    piece_PE = np.diff(below_PE, axis=1, prepend=0.0, append=1.0)
    return np.stack([piece_PE[:, k == CLASS_E].sum(1) for k in range(len(CLASSES))], 1)


def answers(at_P: Floats, tau: float) -> tuple[Ints, Ints]:
    """Return the level that answers at each point, by its place in `LEVELS`, and the class.

    Parameters
    ----------
    tau : the threshold of every level but the last, whose threshold is 1/2.
    """
    level_P = np.full(len(np.atleast_1d(at_P)), len(LEVELS) - 1)
    class_P = probabilities(at_P, LEVELS[-1]).argmax(1)
    for j in reversed(range(len(LEVELS) - 1)):
        p_PK = probabilities(at_P, LEVELS[j])
        sure_P = p_PK.max(1) > tau
        level_P = np.where(sure_P, j, level_P)
        class_P = np.where(sure_P, p_PK.argmax(1), class_P)
    return level_P, class_P


@dataclass(frozen=True)
class Seen:
    """What is true at a point: who answers, how far it is proved, and the nearest change.

    ``limit_L`` and ``m`` are those of Multiscale, ``radius`` is 0 where nothing is proved.
    ``change`` is the nearest point with another class, ``by`` the level that answers there.
    """

    at: float
    level: int
    cls: int
    limit_L: tuple[Limit, ...]
    m: int
    radius: float
    change: float
    by: int
    other: int

    @property
    def decides(self) -> int:
        """The level whose distance is the radius."""
        return int(np.argmin(distances(self.limit_L, self.m)))

    @property
    def distance(self) -> float:
        """How far away the answer first changes, in truth."""
        return abs(self.change - self.at)


def look(at: float, tau: float) -> Seen:
    """Return what is true at a point, its radius read from the exact probabilities there."""
    level_1, class_1 = answers(np.array([at]), tau)
    level, cls = int(level_1[0]), int(class_1[0])
    limit_L = []
    for s in LEVELS:
        p_K = probabilities(np.array([at]), s)[0].clip(SURE, 1 - SURE)
        rivals = [k for k in range(len(CLASSES)) if k != cls]
        other = max(rivals, key=lambda k: float(p_K[k]))
        threshold = 0.5 if s == LEVELS[-1] else tau
        limit_L.append(limit(s, threshold, float(p_K[cls]), float(p_K[other]), other))
    radius_L = [min(distances(limit_L, m)) for m in range(len(LEVELS))]
    m = int(np.argmax(radius_L))
    change = _nearest_change(at, cls, tau)
    by_1, other_1 = answers(np.array([change]), tau)
    return Seen(
        at,
        level,
        cls,
        tuple(limit_L),
        m,
        max(radius_L[m], 0.0),
        change,
        int(by_1[0]),
        int(other_1[0]),
    )


def _nearest_change(at: float, cls: int, tau: float) -> float:
    """Return the nearest point on the line that answers another class, just beyond its edge."""
    step_D = np.linspace(0, REACH, 6001)[1:]
    sides = [(side, answers(at + side * step_D, tau)[1] != cls) for side in (1, -1)]
    firsts = [(step_D[other_D.argmax()], side) for side, other_D in sides if other_D.any()]
    far, side = min(firsts)
    near = far - step_D[0]
    for _ in range(30):
        middle = (near + far) / 2
        changed = answers(np.array([at + side * middle]), tau)[1][0] != cls
        near, far = (near, middle) if changed else (middle, far)
    return float(at + side * far)
