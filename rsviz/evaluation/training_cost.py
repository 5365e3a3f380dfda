"""ACR against the work of training: a point a measurement, and which may be compared (no torch).

Shape suffixes: N images.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rsviz.checkpoints.catalog import CARD, Card, Checkpoint, Measured, read_card
from rsviz.core.errors import UserError
from rsviz.core.files import version
from rsviz.evaluation import curves
from rsviz.evaluation.logs import Log, read_log

SEED = 0
BATCH = 256  # what every recipe trains with
# Images of a split; of a card from before there were others it is not stated.
IMAGES = {
    (name, split): size if split != "fit" else size * 9 // 10
    for name, size in (("cifar10", 50_000), ("shapes", 20_000))
    for split in ("", "train", "fit")
}
# Multiply-adds of one forward pass, as `rsviz.networks.inspection` counts them.
FORWARD = {
    "compact": 16_909_568,
    "compact-48": 37_750_656,
    "compact-64": 66_849_280,
    "resnet20": 40_813_184,
    "resnet110": 253_149_824,
}


@dataclass(frozen=True)
class Point:
    """One measurement of a network: the multiply-adds of its training, all in all, and its ACR.

    ``sigma`` is None where the network chooses it; ``low`` and ``high`` are the 95 % interval of
    ACR over images, None without a log.
    """

    name: str
    method: str
    dataset: str
    sigma: float | None
    multiply_adds: float
    minutes: float | None
    acr: float
    low: float | None
    high: float | None
    subset: str
    n: int
    alpha: float
    device: str


def points(
    root: Path, checkpoints: Iterable[Checkpoint], read: Callable[[Path], Log] = read_log
) -> list[Point]:
    """Return a point for each L2 measurement of each checkpoint whose work is counted.

    Work and minutes are also those of the networks one starts from or is made of: `training_work`,
    `training_minutes`.
    """
    found = []
    for c in checkpoints:
        if not c.verified or (work := training_work(root, c.name)) is None:
            continue
        spent = work.multiply_adds, training_minutes(root, c.name)
        found += [_point(c, m, spent, read) for m in c.card.measured if m.norm == "L2"]
    return found


def alike(points: Iterable[Point]) -> dict[str, list[Point]]:
    """Return groups of points that may be compared, by what they share: data set, then sigma.

    They share data set, images, n, alpha and sigma; a network that chooses sigma is in every group
    of its images.
    """
    groups: dict[tuple[Any, ...], list[Point]] = {}
    chosen: dict[tuple[Any, ...], list[Point]] = {}
    for p in points:
        images = (p.dataset, p.subset, p.n, p.alpha)
        if p.sigma is None:
            chosen.setdefault(images, []).append(p)
        else:
            groups.setdefault((*images, p.sigma), []).append(p)
    whole = {key: [*g, *chosen.get(key[:-1], [])] for key, g in groups.items()}
    ranked = sorted(whole.items(), key=lambda item: (item[0][0], item[0][-1], *item[0][1:-1]))
    short = [f"{key[0]}, σ {key[-1]:g}" for key, _ in ranked]
    return {
        name if short.count(name) == 1 else f"{name}, {key[1]}, n {key[2]:,}, α {key[3]:g}": group
        for name, (key, group) in zip(short, ranked, strict=True)
    }


def in_words(points: Sequence[Point]) -> str:
    """Return a group in words, for those who do not see its figure."""
    told = [f"{p.name}: ACR {p.acr:.3f} after {p.multiply_adds:.2g} multiply-adds" for p in points]
    return "; ".join(told) + "."


def _point(
    checkpoint: Checkpoint,
    measured: Measured,
    spent: tuple[float, float | None],
    read: Callable[[Path], Log],
) -> Point:
    card, low, high = checkpoint.card, None, None
    try:
        log = read(checkpoint.folder / measured.log)
        low, high = curves.acr_interval(log, np.random.default_rng(SEED))
    except (UserError, OSError, KeyError):  # the card alone still gives the ACR
        pass
    return Point(
        checkpoint.name,
        card.method,
        card.dataset,
        measured.sigma,
        *spent,
        measured.acr,
        low,
        high,
        measured.subset,
        measured.n,
        measured.alpha,
        card.device,
    )


def training_minutes(root: Path, name: str) -> float | None:
    """Return the training minutes of a checkpoint and of all it starts from or is made of, once.

    None where a card lacks them.
    """
    cards = _lineage(root, name)
    if cards is None or any(card.seconds is None for card in cards):
        return None
    return sum((card.seconds or 0.0) / 60 for card in cards)


@dataclass(frozen=True)
class Work:
    """What training took, whatever the machine: updates, and multiply-adds of all its passes."""

    updates: int
    multiply_adds: float

    def __str__(self) -> str:
        return f"{self.updates:,} updates and {self.multiply_adds:.2g} multiply-adds"


def training_work(root: Path, name: str) -> Work | None:
    """Return the work of training a checkpoint and all it starts from or is made of, once.

    An image takes draws (steps + 1) passes forward and back in an epoch, of which ``steps`` are the
    attack's; one back counts as two forward. None where a network or a way to train is not counted:
    those of several networks.
    """
    cards = _lineage(root, name)
    if cards is None:
        return None
    updates, total = 0, 0.0
    for card in cards:
        if card.members:
            continue
        images, forward = IMAGES.get((card.dataset, card.split)), FORWARD.get(card.network)
        if card.parts or images is None or forward is None:
            return None
        passes = card.settings.get("draws", 1) * (card.settings.get("steps", 0) + 1)
        updates += card.epochs * math.ceil(images / BATCH)
        total += 3.0 * forward * passes * card.epochs * images
    return Work(updates, total)


def _lineage(root: Path, name: str) -> list[Card] | None:
    """Return the cards of a checkpoint and of all it starts from or is made of, each once."""
    todo, seen, cards = [name], set[str](), list[Card]()
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        try:
            card = _card(root / here, version(root / here / CARD))
        except UserError:
            return None
        cards.append(card)
        others = [p["checkpoint"] for p in card.parts.values() if "checkpoint" in p]
        todo += [*filter(None, [card.start]), *(m.name for m in card.members), *others]
    return cards


@lru_cache(maxsize=512)  # a network is a side of several claims, and the start of others
def _card(folder: Path, seen: tuple[int, ...] | None) -> Card:
    return read_card(folder)
