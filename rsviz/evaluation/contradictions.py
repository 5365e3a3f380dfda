"""Finds what cannot be true in a log, given its settings or what its owner states (no torch here).

One checker for the command line and the pages; each contradiction is one sentence. What a log
contradicts within itself (an image twice, `correct` against label and prediction) its reader
already refuses. Shape suffixes: N images, M labels of a data set.
"""

import math

import numpy as np
from numpy.typing import NDArray

from rsviz.core.files import shown
from rsviz.core.radius import ceiling
from rsviz.core.spec import Norm
from rsviz.data.labels import labels
from rsviz.evaluation.logs import Log

# Shape of the images of a data set; on canvases, as in shapes-k48, the size follows the k.
SIDES = {"cifar10": 32, "shapes": 32, "imagenet": 224}
# Logs print radii to three digits, which moves the largest by at most half a percent.
ROUNDING = 1.005
FEW = 10  # rows: that none of so few agrees with the labels is a notable chance (1 in 3)


def side(dataset: str) -> int | None:
    """Return height and width of the images of a data set, None where it is not known."""
    base, _, size = dataset.partition("-k")
    if size.isdecimal() and len(size) < 5:
        return int(size)
    return SIDES.get(base)


def contradictions(log: Log) -> list[str]:
    """Return, one sentence each, what cannot be true of a log; none is an empty list.

    Radii that no two images in [0, 1]^d can have; radii above what sigma, n and alpha can certify;
    labels that are not those of the images it states, where their data set is at hand.
    """
    found = [_too_far(log) or _beyond_ceiling(log), _beyond_the_data(log)]
    if len(log) >= FEW:
        found.append(_other_labels(log))
    return [sentence for sentence in found if sentence]


def doubts(log: Log) -> list[str]:
    """Return, one sentence each, what looks wrong of a log but is too little to refuse it.

    Labels of fewer than `FEW` images that are not those of the images it states.
    """
    if len(log) >= FEW or not (sentence := _other_labels(log)):
        return []
    return [f"{sentence.rstrip('.')}. So few rows cannot settle it; their pictures are not shown."]


def _too_far(log: Log) -> str:
    """Say that radii exceed the diameter of [0, 1]^d: sqrt(d) in L2, 1 in Linf."""
    known = side(log.dataset)
    size = known or max(SIDES.values())
    most = 1.0 if log.norm is Norm.LINF else math.sqrt(3 * size**2)
    over = int(np.sum(log.radius_N > most))
    if not over:
        return ""
    pictures = f"3x{size}x{size}" if known else f"even 3x{size}x{size}"
    return (
        f"{log.name}: {_of(over, log)} cannot be true, since no two pictures of {pictures} in "
        f"[0, 1] are further apart than {_up(most)} in {log.norm or 'L2'}; check its column of "
        "radii."
    )


def unit_ceiling(log: Log) -> float | None:
    """Return the largest radius of a log's votes at sigma 1, PhiInv(alpha^(1/n)); None if unknown.

    Over sqrt(d) in Linf.
    """
    size = side(log.dataset)
    if not log.n or not log.alpha or (log.norm is Norm.LINF and size is None):
        return None
    scale = 1 / math.sqrt(3 * (size or 1) ** 2) if log.norm is Norm.LINF else 1.0
    return ceiling(1.0, log.n, log.alpha) * scale


def _beyond_ceiling(log: Log) -> str:
    """Say that radii exceed sigma times `unit_ceiling`."""
    sigma_N = np.full(len(log), log.sigma) if log.sigma_N is None and log.sigma else log.sigma_N
    unit = unit_ceiling(log)
    if sigma_N is None or unit is None:
        return ""
    assert log.alpha is not None
    over = int(np.sum(log.radius_N > unit * sigma_N * ROUNDING))
    if not over:
        return ""
    noise = f"sigma {log.sigma:g}" if log.sigma else "its column sigma"
    top = f"{_up(unit * float(sigma_N.max()))}, " if log.sigma else ""
    return (
        f"{log.name}: {_of(over, log)} {'are' if over > 1 else 'is'} larger than {top}the most "
        f"that {noise}, n {log.n:,} and alpha {log.alpha:g} can certify; state the settings it was "
        "certified with."
    )


def _beyond_the_data(log: Log) -> str:
    """Say that an index is beyond the images of the data set and split."""
    label_M, split = _labels_of(log)
    if label_M is None or log.index_N[-1] < len(label_M):
        return ""
    return (
        f"{log.name} lists image {log.index_N[-1]:,}, but {log.dataset}/{split} has images 0 "
        f"to {len(label_M) - 1:,}; state another data set or split."
    )


def _other_labels(log: Log) -> str:
    """Say that labels are not those of the data set and split."""
    label_M, split = _labels_of(log)
    if label_M is None or log.index_N[-1] >= len(label_M):
        return ""
    agree = int(np.sum(label_M[log.index_N] == log.label_N))
    if agree == len(log):
        return ""
    other = _fits_elsewhere(log, split)
    return (
        f"{log.name}: its labels are not those of the {shown(log.dataset)} {split} images "
        f"({agree:,} of {len(log):,} agree); {other or 'state another data set or split.'}"
    )


def _labels_of(log: Log) -> tuple[NDArray[np.int64] | None, str]:
    """Return the labels of the data set and split a log states; without a split, the test one."""
    split = log.split or "test"
    return (labels(log.dataset, split) if log.dataset else None), split


def _fits_elsewhere(log: Log, split: str) -> str:
    other = "train" if split == "test" else "test"
    label_M = labels(log.dataset, other)
    if label_M is None or log.index_N[-1] >= len(label_M):
        return ""
    fits = np.array_equal(label_M[log.index_N], log.label_N)
    return f"they are those of the {other} images, so state that split." if fits else ""


def _of(over: int, log: Log) -> str:
    stand = int(np.sum(log.predicted_N >= 0))
    return f"{over:,} of its {stand:,} radii"


def _up(value: float) -> str:
    """Write a limit to three digits after the point, rounded up, so that it stays one."""
    return f"{math.ceil(value * 1000 - 1e-9) / 1000:g}"
