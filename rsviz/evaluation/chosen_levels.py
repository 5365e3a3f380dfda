"""What choosing a level gains over fixed ones and what it costs, from logs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from rsviz.certification.every_level import Floats
from rsviz.core.errors import UserError
from rsviz.core.spec import Votes
from rsviz.evaluation import curves, stored_votes
from rsviz.evaluation.logs import Log, own_rows
from rsviz.methods.registry import METHODS
from rsviz.networks.inspection import multiply_adds


@dataclass(frozen=True, eq=False)
class Chosen:
    """The levels a log chose beside the best fixed ones: level_N (nan: none), best_N, and more.

    ``gain_NL`` is radius * correct at each fixed level, ``gain_N`` the method's own; ``worth_N``
    says where any fixed level certifies the right class, so that there is a best one.
    ``abstains_N`` and ``wrong_N`` say what became of the images that the method gains nothing on.
    """

    index_N: NDArray[np.int64]
    level_N: Floats
    gain_N: Floats
    best_N: Floats
    gain_NL: Floats
    level_L: tuple[float, ...]
    abstains_N: NDArray[np.bool_]
    wrong_N: NDArray[np.bool_]

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
    _, rows = own_rows(file)
    if rows and not any("level" in row.detail for row in rows):
        raise UserError(f"{file.name} does not say which level was chosen for each image.")
    found = {row.index: row.detail.get("level") for row in rows}
    return {i: float("nan") if level is None else float(level) for i, level in found.items()}


def compare(own: Log, levels: Mapping[int, float], fixed: Mapping[float, Log]) -> Chosen:
    """Return what was chosen beside the fixed levels, on the images that all logs hold.

    Raises
    ------
    UserError
        No image is in all of them.
    """
    shared = set(own.index_N.tolist()) & set(levels)
    for log in fixed.values():
        shared &= set(log.index_N.tolist())
    if not shared:
        raise UserError(f"{own.name} and the logs of fixed levels share no image.")
    index_N = np.array(sorted(shared))
    level_L = tuple(sorted(fixed))
    gain_NL = np.stack([_gain(fixed[level], index_N) for level in level_L], 1)
    at_N = np.searchsorted(own.index_N, index_N)
    return Chosen(
        index_N,
        np.array([levels[i] for i in index_N.tolist()]),
        _gain(own, index_N),
        np.array(level_L)[gain_NL.argmax(1)],
        gain_NL,
        level_L,
        own.predicted_N[at_N] < 0,
        (own.predicted_N[at_N] >= 0) & ~own.correct_N[at_N],
    )


def _gain(log: Log, index_N: NDArray[np.int64]) -> Floats:
    at_N = np.searchsorted(log.index_N, index_N)
    return (log.radius_N * log.correct_N)[at_N]


@dataclass(frozen=True)
class Gap:
    """How far a chooser stays behind the envelope of fixed levels, on the images that all hold.

    ``acr`` is its own, ``envelope`` the area under the best fixed level's accuracy at each radius,
    ``oracle`` the mean over images of the best level of each, which needs the label; ``fixed`` is
    the ACR of each level. ``points`` are envelope less own accuracy at some radii. ``at_chosen`` is
    the ACR that the levels it chose would have, had each been fixed for its image.
    """

    acr: float
    envelope: float
    oracle: float
    fixed: Mapping[float, float]
    points: Mapping[float, float]
    at_chosen: float

    @property
    def lost_to_choice(self) -> float:
        """What the oracle's levels would prove beyond those chosen."""
        return self.oracle - self.at_chosen

    @property
    def lost_to_proof(self) -> float:
        """What the levels chosen would prove, had nobody to prove that they stay chosen."""
        return self.at_chosen - self.acr

    @property
    def farthest(self) -> float:
        """What it stays behind the envelope by where that is most, of the radii of ``points``."""
        return max(self.points.values())

    @property
    def gap(self) -> float:
        """The area between the envelope and the chooser's own curve."""
        return self.envelope - self.acr


RADII = (0.0, 0.25, 0.5, 1.0)


def behind(gain_N: Floats, gain_NL: Floats) -> dict[float, float]:
    """Return the best level's accuracy less one's own, by radius; ``gain`` as in `Chosen`."""
    return {r: float(_accuracy(gain_NL, r).max() - _accuracy(gain_N, r)) for r in RADII}


def _accuracy(gain: Floats, r: float) -> Floats:
    """Return the share of images, the first axis; at radius 0 of those with any certificate."""
    return np.asarray((gain >= r if r else gain > 0).mean(0))


def gap(chosen: Chosen) -> Gap:
    """Return the gap of what was chosen.

    The area is exact: accuracies change only at certified radii.
    """
    edge_E = np.unique(np.concatenate([[0.0], chosen.gain_NL.ravel()]))
    best_E = np.array([_accuracy(chosen.gain_NL, r).max() for r in edge_E[1:]])
    return Gap(
        float(chosen.gain_N.mean()),
        float(best_E @ np.diff(edge_E)),
        float(chosen.gain_NL.max(1).mean()),
        dict(zip(chosen.level_L, chosen.gain_NL.mean(0).tolist(), strict=True)),
        behind(chosen.gain_N, chosen.gain_NL),
        float(at_levels(chosen, chosen.level_N).mean()),
    )


def beyond_fixed(
    chosen: Chosen, generator: np.random.Generator, resamples: int = 2_000
) -> tuple[float, float, float]:
    """Return the mean gain over the best fixed level, and 95 % by a bootstrap paired by image.

    That level is the best on these very images, which favours it.
    """
    best_N = chosen.gain_NL[:, chosen.gain_NL.mean(0).argmax()]
    return curves.bootstrap(chosen.gain_N - best_N, generator, resamples)


def beyond(
    chosen: Chosen, other: Chosen, generator: np.random.Generator, resamples: int = 2_000
) -> tuple[float, float, float]:
    """Return the mean gain over another chooser on the images of both, and 95 %, as above."""
    _, i, j = np.intersect1d(chosen.index_N, other.index_N, return_indices=True)
    return curves.bootstrap(chosen.gain_N[i] - other.gain_N[j], generator, resamples)


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
    return curves.bootstrap(gap_N, generator, resamples)


def share(nets: Mapping[str, nn.Module], size: int) -> float:
    """Return the chooser's multiply-adds a vote over those of one classifier; 0 without one."""
    if "estimator" not in nets and "selector" not in nets:
        return 0.0
    chooser = nets["estimator"] if "estimator" in nets else nets["selector"].trunk
    classifier = next(net for name, net in nets.items() if name.startswith("classifier"))
    assert isinstance(chooser, nn.Module)
    return multiply_adds(chooser, size) / multiply_adds(classifier, size)


@dataclass(frozen=True)
class Cost:
    """Means over the images of a log.

    ``chooser`` and ``classifier`` are votes an image; ``share`` the chooser's multiply-adds a vote
    over the classifier's; ``plain`` the votes n0 + n of plain RS; ``seconds`` as recorded, by a
    machine whose load nobody wrote down.
    """

    chooser: float
    classifier: float
    share: float
    plain: int
    seconds: float

    @property
    def ratio(self) -> float:
        """Multiply-adds over those of plain RS with the same n0 and n."""
        return (self.chooser * self.share + self.classifier) / self.plain


def seconds_of(file: Path) -> float:
    """Return the mean seconds of an image of a log, as recorded."""
    return float(np.mean([row.seconds for row in own_rows(file)[1]]))


def of_log(file: Path, share: float) -> Cost:
    """Return what the images of a finished log cost.

    Votes of a stage that was never reached, as where no level is certain, are not counted, nor are
    those that a run would not have asked for.
    """
    head, rows = own_rows(file)
    levels, run = METHODS[head.method].levels, stored_votes.run_of(head)
    if levels is None:
        raise UserError(f"{file.name} is of a method that does not choose levels by votes.")
    sparing = replace(run, settings=tuple((k, v) for k, v in run.settings if k != "ask"))
    votes_N2 = []
    for row in rows:
        votes: Mapping[str, Votes] = stored_votes.of_row(head, row)
        if sparing != run:  # it was asked for more, so that it can be read again
            votes = levels.needed(votes, sparing)
        chooser = sum(v.total for stage, v in votes.items() if stage in levels.choosing)
        votes_N2.append((chooser, sum(v.total for v in votes.values()) - chooser))
    chooser, classifier = np.mean(votes_N2, axis=0)
    return Cost(float(chooser), float(classifier), share, run.n0 + run.n, seconds_of(file))
