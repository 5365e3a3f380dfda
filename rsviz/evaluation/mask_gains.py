"""What a mask for each vote gains over its rivals, canvas by canvas, from the shipped logs.

Shape suffix: N images.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rsviz.certification import mask_rivals
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.checkpoints.weights import load_nets
from rsviz.core.errors import UserError
from rsviz.core.files import kept
from rsviz.data.catalog import INPUT_SIZE
from rsviz.evaluation import curves
from rsviz.evaluation.logs import Log, images_of, read_log
from rsviz.evaluation.verdicts import RESAMPLES, SEED, log_file
from rsviz.methods.registry import METHODS
from rsviz.networks.inspection import multiply_adds


@dataclass(frozen=True)
class Gain:
    """Certified accuracy of ARS less that of a rival, with its paired 95 % bootstrap interval."""

    dataset: str
    sigma: float
    rival: str
    gap: float
    low: float
    high: float
    images: str
    n: int

    @property
    def where(self) -> str:
        """The canvases in words: what is on them, and how large they are."""
        return f"{self.dataset.partition('-k')[0]}, k = {INPUT_SIZE[self.dataset]}"


def gains(found: Iterable[Checkpoint], radius: float) -> list[Gain]:
    """Return the gains at a radius (Linf, of [0, 1]) wherever two logs are of the same images."""
    rows = []
    for c in found:
        rivals = METHODS[c.card.method].rivals
        if not rivals or (ours := _log(c)) is None:
            continue
        partners = mask_rivals.partners(c)
        for rival in (r for r in rivals if r in partners):
            theirs = _log(partners[rival])
            if theirs is None or ours.n is None or theirs.n != ours.n:
                continue
            if not np.array_equal(ours.index_N, theirs.index_N):
                continue
            generator = np.random.default_rng(SEED)
            gap = curves.paired_bootstrap(ours, theirs, generator, RESAMPLES, radius)
            sigma = c.card.sigma or 0.0
            rows.append(Gain(c.card.dataset, sigma, rival, *gap, images_of(ours), ours.n))
    return rows


def _log(c: Checkpoint) -> Log | None:
    file = log_file(c.folder.parent, c.name)
    try:
        return read_log(file) if kept(file).is_file() else None
    except UserError:
        return None


def arithmetic(c: Checkpoint) -> float:
    """Return the multiply-adds of a vote, mask and classifier, over those of the classifier."""
    nets, size = load_nets(c), INPUT_SIZE[c.card.dataset]
    alone = multiply_adds(nets["classifier"], size)
    masks = [net for name, net in nets.items() if name.startswith("mask")]
    return 1 + sum(multiply_adds(net, size) for net in masks) / alone
