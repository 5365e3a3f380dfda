"""What methods that choose the noise of each image choose for one, side by side.

Shape suffixes: N images, R rows, C channels, H height, W width, L noise levels.
"""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsviz.certification import certify
from rsviz.certification.certify import Together
from rsviz.checkpoints.catalog import Checkpoint, list_checkpoints
from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate, RunSpec
from rsviz.methods.base import Choice
from rsviz.methods.noise_levels import classifier_at
from rsviz.methods.registry import METHODS
from rsviz.smoothing.estimates import count_votes
from rsviz.smoothing.voters import check_votes

Floats = NDArray[np.float64]


def choice(nets: Mapping[str, nn.Module], spec: RunSpec) -> Choice:
    """Return how a method chooses a level, from its networks and the settings of a run.

    Raises
    ------
    UserError
        Nobody votes for its levels, or a network is missing.
    """
    levels = METHODS[spec.method].levels
    if levels is None or levels.choice is None:
        raise UserError(f"{spec.method} has no votes for the noise of each image.")
    return levels.choice(nets, spec)


def glance(how: Choice, x_NCHW: Tensor, copies: int, seed: int = 0) -> NDArray[np.int64]:
    """Return counts_NL of a few noisy copies of each image: for display, nothing is certified."""
    generator = torch.Generator().manual_seed(seed)
    counts = []
    with torch.inference_mode():
        for x_CHW in x_NCHW:
            noise_RCHW = torch.randn((copies, *x_CHW.shape), generator=generator)
            sigma_R111 = torch.full((copies, 1, 1, 1), how.noise)
            level_R = how.voter(x_CHW.expand_as(noise_RCHW), sigma_R111, noise_RCHW)
            counts.append(np.bincount(check_votes(level_R).numpy(), minlength=len(how.level_L)))
    return np.stack(counts)


def level_at_a_glance(
    nets: Mapping[str, nn.Module], spec: RunSpec, x_CHW: Tensor, copies: int
) -> tuple[float, float]:
    """Return the level that a few noisy copies choose, and the mean level they vote for.

    Where nobody votes for a level, the mean is the level itself. Nothing is certified.
    """
    levels = METHODS[spec.method].levels
    if levels is not None and levels.settle is not None:
        generator = torch.Generator().manual_seed(spec.seed)
        level_L = levels.levels(spec)
        counts_LK = [
            count_votes(classifier_at(nets, s), x_CHW[None], s, copies, generator)[0].tolist()
            for s in level_L
        ]
        level = level_L[levels.settle(counts_LK, spec)]
        return level, level
    how = choice(nets, spec)
    counts_L = glance(how, x_CHW[None], copies, spec.seed)[0]
    mean = float(np.average(how.level_L, weights=counts_L))
    return how.level_L[how.index(counts_L.tolist())], mean


def selectors(dataset: str, folder: Path | None = None) -> dict[str, Checkpoint]:
    """Return a usable checkpoint of each of these methods for a data set, by method.

    It is the one that is named after its method, else that of largest ACR in its first log, else
    the first by name.
    """

    def rank(c: Checkpoint) -> tuple[bool, float, str]:
        acr = c.card.measured[0].acr if c.card.measured else 0.0
        return c.name != f"{dataset}-{c.card.method}", -acr, c.name

    found = [c for c in list_checkpoints(folder) if c.verified and c.card.dataset == dataset]
    by_method = {c.card.method: c for c in sorted(found, key=rank, reverse=True)}
    return {m: by_method[m] for m in METHODS if m in by_method and METHODS[m].levels}


def watch_all(
    x_CHW: Tensor,
    runs: Mapping[str, tuple[Mapping[str, nn.Module], RunSpec]],
    device: str = "cpu",
    cancel: threading.Event | None = None,
    every: float = 0.0,
) -> Iterator[Together]:
    """Certify one image by every method in turn, as each chooses its level; yield each reading.

    Cancelled, all that began end as they stand.

    Parameters
    ----------
    runs : the networks and the run of each method, by name.
    every : seconds between readings of a run, at least.
    """
    planned = {name: METHODS[spec.method].planned(spec) for name, (_, spec) in runs.items()}
    found: dict[str, Certificate] = {}
    done, seconds = 0, 0.0
    for name, (nets, spec) in runs.items():
        if cancel is not None and cancel.is_set():
            return
        del planned[name]
        last = None
        for last in certify.watch(x_CHW, nets, spec, device, cancel, every):
            found[name] = last.certificate
            yield Together(
                last.certificate,
                done + last.done,
                done + last.planned + sum(planned.values()),
                seconds + last.seconds,
                dict(found),
            )
        if last is not None:
            done, seconds = done + last.done, seconds + last.seconds


def paper_style(c: Certificate, spec: RunSpec) -> Certificate | None:
    """Return the heuristic reading of a finished run, None where there is none."""
    heuristic = METHODS[spec.method].heuristic
    return None if heuristic is None else heuristic(c, spec)
