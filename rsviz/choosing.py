"""What a method that chooses the noise of each image chose, beside what other levels would give.

Shape suffixes: N images, R rows, C channels, H height, W width, L noise levels.
"""

import csv
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from rsviz import run
from rsviz.checkpoints import Checkpoint, list_checkpoints
from rsviz.errors import UserError
from rsviz.logs import Log
from rsviz.median import median_index
from rsviz.methods import dual, variational
from rsviz.noise_levels import classifier_at, from_spec, network
from rsviz.spec import Certificate, RunSpec, Votes
from rsviz.voting import NoisyClassifier, Progress, Voter

METHODS = ("dual", "routing", "variational")
OWN = "own"  # the name of the method's own certificate among those of fixed levels
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """Who votes for the level of an image, at which noise, and among which levels."""

    voter: Voter
    noise: float
    level_L: tuple[float, ...]
    median: bool

    def index(self, counts_L: Sequence[int]) -> int:
        """Return the level these votes choose: their median, or the one with most votes."""
        return median_index(counts_L) if self.median else int(np.argmax(counts_L))


def choice(nets: Mapping[str, nn.Module], spec: RunSpec) -> Choice:
    """Return how a method chooses a level, from its networks and the settings of a run.

    Raises
    ------
    UserError
        The method does not choose levels, or lacks a network.
    """
    if spec.method == "variational":
        how = from_spec(variational.Options, spec)
        voter = variational.SelectorVoter(network(nets, "selector"), how.level_L, how.lam)
        return Choice(voter, how.q, how.level_L, True)
    if spec.method in METHODS:
        options = from_spec(dual.Options, spec)
        return Choice(
            NoisyClassifier(network(nets, "estimator")), options.noise, options.level_L, False
        )
    raise UserError(f"{spec.method} does not choose the noise of each image.")


def glance(how: Choice, x_NCHW: Tensor, copies: int, seed: int = 0) -> NDArray[np.int64]:
    """Return counts_NL of a few noisy copies of each image: for display, nothing is certified."""
    generator = torch.Generator().manual_seed(seed)
    counts = []
    with torch.inference_mode():
        for x_CHW in x_NCHW:
            noise_RCHW = torch.randn((copies, *x_CHW.shape), generator=generator)
            sigma_R111 = torch.full((copies, 1, 1, 1), how.noise)
            level_R = how.voter(x_CHW.expand_as(noise_RCHW), sigma_R111, noise_RCHW)
            counts.append(np.bincount(level_R.numpy(), minlength=len(how.level_L)))
    return np.stack(counts)


def selectors(dataset: str, folder: Path | None = None) -> dict[str, Checkpoint]:
    """Return the usable checkpoint of each of these methods for a data set, by method."""
    found = [c for c in list_checkpoints(folder) if c.verified and c.card["dataset"] == dataset]
    by_method = {c.card["method"]: c for c in reversed(found)}
    return {method: by_method[method] for method in METHODS if method in by_method}


@dataclass(frozen=True)
class Together(Progress):
    """A reading of several runs of one image: the newest certificate of each, by name."""

    by_name: Mapping[str, Certificate] = field(default_factory=dict)


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
        for last in run.watch(x_CHW, these, asked, device, cancel):
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
    """Return the heuristic reading of a finished Variational RS run, None where there is none."""
    counts = c.detail.get("counts", {}).get(f"bound-{c.sigma:g}") if c.sigma else None
    if counts is None or c.ended != "complete":
        return None
    votes = {
        "selector": Votes("selector", tuple(c.detail["selector"]), sum(c.detail["selector"])),
        "select": Votes("select", c.counts0, sum(c.counts0)),
        f"bound-{c.sigma:g}": Votes(f"bound-{c.sigma:g}", tuple(counts), sum(counts)),
    }
    whole = {name: replace(v, ended="complete") for name, v in votes.items()}
    return variational.read_paper(whole, spec)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The levels a log chose beside the best fixed ones: level_N (nan: none), best_N, and more.

    ``gain_NL`` is radius * correct at each fixed level, ``gain_N`` the method's own; ``worth_N``
    says where any fixed level certifies the right class, so that there is a best one.
    """

    index_N: NDArray[np.int64]
    level_N: Floats
    gain_N: Floats
    best_N: Floats
    gain_NL: Floats
    level_L: tuple[float, ...]

    @property
    def worth_N(self) -> NDArray[np.bool_]:
        """Where there is a best level."""
        return self.gain_NL.max(1) > 0


def levels_of(file: Path) -> dict[int, float]:
    """Return the level that a log chose for each image, from its column ``detail``; nan for none.

    Raises
    ------
    UserError
        The log has no such column.
    """
    lines = file.read_text(encoding="utf-8").splitlines()[1:]
    rows = list(csv.DictReader(lines))
    if rows and "detail" not in rows[0]:
        raise UserError(f"{file.name} does not say which level was chosen for each image.")
    found = {int(row["index"]): json.loads(row["detail"]).get("level") for row in rows}
    return {i: float("nan") if level is None else float(level) for i, level in found.items()}


def compare(own: Log, levels: Mapping[int, float], fixed: Mapping[float, Log]) -> Chosen:
    """Return what was chosen beside the fixed levels, on the images that all logs hold.

    Raises
    ------
    UserError
        There is no image that all hold.
    """
    shared = set(own.index_N.tolist()) & set(levels)
    for log in fixed.values():
        shared &= set(log.index_N.tolist())
    if not shared:
        raise UserError(f"{own.name} and the logs of fixed levels share no image.")
    index_N = np.array(sorted(shared))
    level_L = tuple(sorted(fixed))
    gain_NL = np.stack([_gain(fixed[level], index_N) for level in level_L], 1)
    return Chosen(
        index_N,
        np.array([levels[i] for i in index_N.tolist()]),
        _gain(own, index_N),
        np.array(level_L)[gain_NL.argmax(1)],
        gain_NL,
        level_L,
    )


def _gain(log: Log, index_N: NDArray[np.int64]) -> Floats:
    at_N = np.searchsorted(log.index_N, index_N)
    return (log.radius_N * log.correct_N)[at_N]


def correlation(chosen: Chosen) -> float:
    """Return Spearman's rank correlation of chosen and best level, where both are; nan if flat."""
    both_N = chosen.worth_N & ~np.isnan(chosen.level_N)
    a_N, b_N = chosen.level_N[both_N], chosen.best_N[both_N]
    if len(set(a_N)) < 2 or len(set(b_N)) < 2:
        return float("nan")
    return float(spearmanr(a_N, b_N).statistic)


def at_levels(chosen: Chosen, level_N: Floats) -> Floats:
    """Return radius * correct of each image at the fixed level nearest to the one given; nan: 0."""
    distance_NL = np.abs(np.log(level_N[:, None]) - np.log(np.array(chosen.level_L)))
    known_N = ~np.isnan(level_N)
    at_N = np.where(known_N, np.nan_to_num(distance_NL).argmin(1), 0)
    return np.where(known_N, chosen.gain_NL[np.arange(len(at_N)), at_N], 0.0)


def against_shuffled(
    chosen: Chosen, generator: np.random.Generator, shuffles: int = 200, resamples: int = 2_000
) -> tuple[float, float, float]:
    """Return the mean gain of the choices over the same choices dealt out at random, and 95 %.

    The second is the mean over ``shuffles`` deals; the interval is a bootstrap over images, paired.
    Each image is read at the fixed level nearest to the one dealt to it.
    """
    as_chosen_N = at_levels(chosen, chosen.level_N)
    dealt = [at_levels(chosen, generator.permutation(chosen.level_N)) for _ in range(shuffles)]
    gap_N = as_chosen_N - np.mean(dealt, axis=0)
    size = len(gap_N)
    means = [gap_N[generator.integers(size, size=size)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(gap_N.mean()), float(low), float(high)
