"""What a method that chooses the noise of each image chose, beside what other levels would give.

Shape suffixes: N images, R rows, C channels, H height, W width, L noise levels.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
from rsviz.smoothing.voters import check_votes

OWN = "own"  # the name of the method's own certificate among those of fixed levels
Floats = NDArray[np.float64]


def choice(nets: Mapping[str, nn.Module], spec: RunSpec) -> Choice:
    """Return how a method chooses a level, from its networks and the settings of a run.

    Raises
    ------
    UserError
        The method does not choose levels, or lacks a network.
    """
    levels = METHODS[spec.method].levels
    if levels is None:
        raise UserError(f"{spec.method} does not choose the noise of each image.")
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


def selectors(dataset: str, folder: Path | None = None) -> dict[str, Checkpoint]:
    """Return the usable checkpoint of each of these methods for a data set, by method."""
    found = [c for c in list_checkpoints(folder) if c.verified and c.card.dataset == dataset]
    by_method = {c.card.method: c for c in reversed(found)}
    return {m: by_method[m] for m in METHODS if m in by_method and METHODS[m].levels}


def what_if(nets: Mapping[str, nn.Module], spec: RunSpec) -> dict[str, tuple[float, nn.Module]]:
    """Return (level, its classifier) of every level there is, by name: what a fixed one would do.

    The best of them, picked afterwards, is not a certificate.
    """
    level_L = choice(nets, spec).level_L
    return {f"{level:g}": (level, classifier_at(nets, level)) for level in level_L}


def watch_all(
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    spec: RunSpec,
    device: str = "cpu",
    cancel: threading.Event | None = None,
) -> Iterator[Together]:
    """Certify one image as the method does, then at every level held fixed; yield each reading.

    ``by_name`` holds `OWN` and the levels. Cancelled, all end as they stand.
    """
    runs: list[tuple[str, Mapping[str, nn.Module], RunSpec]] = [(OWN, nets, spec)]
    for name, (level, net) in what_if(nets, spec).items():
        fixed = replace(spec, method="gaussian", sigma=level, settings=())
        runs.append((name, {"classifier": net}, fixed))
    found: dict[str, Certificate] = {}
    done, seconds = 0, 0.0
    for i, (name, these, asked) in enumerate(runs):
        planned = (len(runs) - i - 1) * (spec.n0 + spec.n)
        last = None
        for last in certify.watch(x_CHW, these, asked, device, cancel):
            found[name] = last.certificate
            yield Together(
                last.certificate,
                done + last.done,
                done + last.planned + planned,
                seconds + last.seconds,
                dict(found),
            )
        if last is not None:
            done, seconds = done + last.done, seconds + last.seconds


def paper_style(c: Certificate, spec: RunSpec) -> Certificate | None:
    """Return the heuristic reading of a finished run, None where there is none."""
    heuristic = METHODS[spec.method].heuristic
    return None if heuristic is None else heuristic(c, spec)
