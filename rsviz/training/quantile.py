"""The quantile of the sweep of Dual RS, and the estimator's own noise, chosen on training images.

The level of an image is a quantile of the estimator's votes (`rsviz.methods.level_sweep`), and it
must be fixed which one, and at which noise they are counted, before the images it is claimed for
are seen. Where a cascade of the same classifiers was fitted, its log holds their votes on training
images, and only the estimator's are counted here; else all are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from rsviz.certification import certify
from rsviz.certification.every_level import Floats
from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import reading
from rsviz.core.errors import UserError
from rsviz.core.files import sole_writer, write_whole
from rsviz.core.progress import ProgressLine, Report
from rsviz.core.settings import options_of
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.data import datasets
from rsviz.evaluation import chosen_levels, evaluate, level_votes, row_checks, stored_votes
from rsviz.evaluation.level_votes import LevelVotes
from rsviz.evaluation.logs import own_rows
from rsviz.methods import dual
from rsviz.methods.registry import METHODS
from rsviz.smoothing.driver import default_chunks, path
from rsviz.smoothing.voters import Ask, NoisyClassifier
from rsviz.training.card import kept_log

LOG = "quantile.csv"
ASKED = ("split", "every", "first", "n0", "n", "alpha", "seed")
GRID = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
IMAGES, VOTES = 200, 400  # of the training split, where all votes are counted here


def fit(
    checkpoint: Checkpoint,
    file: Path | None = None,
    device: str = "cpu",
    command: str = "",
    report: Report = print,
    images: int = IMAGES,
    sigmas_e: Sequence[float] = (),
    within: float = math.inf,
) -> dict[float, dict[str, float]]:
    """Choose the quantile by ACR, and sigma_e of several; return the ACR of each, by sigma_e.

    What is chosen is recorded in the card.

    Parameters
    ----------
    file : a log of every level on training images, of a cascade of the same classifiers or of the
        checkpoint itself; None counts all votes, on about so many ``images``. Killed, the same
        call goes on.
    sigmas_e : levels of the estimator's own noise to choose from; none keeps the card's.
    within : how many points of certified accuracy the choice may stay behind the best single level
        of its own classifiers at radius 0, .25, .5 and 1; where all stay farther, the nearest is
        taken.

    Raises
    ------
    UserError
        The log is of other networks, levels or images, or the checkpoint is not Dual RS.
    """
    if not within >= 0:
        raise UserError(f"--within must be at least 0 points, but is {within:g}.")
    if METHODS[checkpoint.card.method].options is not dual.Options:
        raise UserError(f"{checkpoint.name} is not Dual RS, so there is no quantile to choose.")
    with sole_writer(checkpoint.folder / LOG):
        return _chosen(checkpoint, file, device, command, report, images, sigmas_e, within)


def _chosen(
    checkpoint: Checkpoint,
    file: Path | None,
    device: str,
    command: str,
    report: Report,
    images: int,
    sigmas_e: Sequence[float],
    within: float,
) -> dict[float, dict[str, float]]:
    if file is None:
        file = _counted(checkpoint, images, device, command, report)
    own = own_rows(file)[0].checkpoint_sha256 == checkpoint.sha256
    of_classes = level_votes.of_dual(file) if own else level_votes.of_log(file)
    run = _run(checkpoint, of_classes)
    if own:
        _check_split(of_classes)
    else:
        _check(checkpoint, of_classes, run)
    noise = options_of(dual.Options, run).noise
    runs = {s: _changed(run, sigma_e=s) for s in sigmas_e or (noise,)}
    votes = {
        s: of_classes
        if own and s == noise
        else _with_estimator(checkpoint, of_classes, how, device, report)
        for s, how in runs.items()
    }
    won = {
        s: {f"{p:g}": _won(read_at(votes[s].votes_N, how, p), of_classes) for p in GRID}
        for s, how in runs.items()
    }
    acr = {s: {p: float(won_N.mean()) for p, won_N in of.items()} for s, of in won.items()}
    single = _single(of_classes, run)
    behind = {
        s: {p: 100 * max(chosen_levels.behind(won_N, single).values()) for p, won_N in of.items()}
        for s, of in won.items()
    }

    def worth(s: float, p: str) -> tuple[float, float, float, bool]:
        """By what is missing of ``within``, then by ACR, the middle, and what the card has."""
        return min(within - behind[s][p], 0.0), acr[s][p], -abs(float(p) - 0.5), s == noise

    best = {s: max(of, key=partial(worth, s)) for s, of in acr.items()}
    sigma_e = max(acr, key=lambda s: worth(s, best[s]))
    chosen, how = best[sigma_e], runs[sigma_e]
    found = f"quantile {chosen}: ACR {acr[sigma_e][chosen]:.4f} on {len(of_classes.votes_N)} "
    far = f", at most {behind[sigma_e][chosen]:.1f} points behind the best single level"
    report(f"sigma_e {sigma_e:g}, {found}training images{far}")
    with sole_writer(checkpoint.folder / catalog.CARD):
        card = dict(catalog.find_unchanged(checkpoint).stored)
        read = read_at(votes[sigma_e].votes_N, how, float(chosen))
        _write(checkpoint, read, votes[sigma_e], how, float(chosen), command)
        card["run"] = dict(card.get("run", {})) | {"quantile": float(chosen)}
        card["fit"] = {
            "log": LOG,
            "images": f"train, {len(read)} images, every {of_classes.head.every}th",
            "n": run.n,
            "acr": {name: round(value, 4) for name, value in acr[sigma_e].items()},
        }
        if within < math.inf:
            card["fit"]["within"] = within
            card["fit"]["behind"] = {p: round(v, 1) for p, v in behind[sigma_e].items()}
        if sigmas_e:
            card["run"]["sigma_e"] = sigma_e
            card["fit"]["sigma_e"] = {f"{s:g}": round(acr[s][best[s]], 4) for s in acr}
        catalog.write_card(checkpoint.folder, card)
    return acr


def _counted(
    checkpoint: Checkpoint, images: int, device: str, command: str, report: Report
) -> Path:
    """Return a log of training images: votes for the level, and those of every level."""
    data = datasets.load(checkpoint.card.dataset, "train")
    how = evaluate.spec_for(
        checkpoint,
        None,
        split="train",
        every=max(len(data) // images, 1),
        n0=100,
        n=VOTES,
        alpha=0.001,
        seed=0,
        settings={"rule": "sweep", "ask": "every"},
    )
    out = kept_log(how, device, LOG)
    nets = weights.load_nets(checkpoint, device)
    evaluate.evaluate(how, nets, data, out, device, command, report)
    return out


def _with_estimator(
    checkpoint: Checkpoint, votes: LevelVotes, run: RunSpec, device: str, report: Report
) -> LevelVotes:
    """Add the estimator's votes, counted here, to those of the classifiers.

    Where those were counted elsewhere, the path names both places.
    """
    data = datasets.load(checkpoint.card.dataset, str(votes.head.split))
    how = options_of(dual.Options, run)
    estimator = weights.load_nets(checkpoint, device)["estimator"]
    net = NoisyClassifier(estimator)
    here = path(device, default_chunks(device, data.image(0).shape[-1]), {"estimator": estimator})
    if here != votes.head.path:
        both = f"{votes.head.path}; {dual.STAGE}: {here}"
        votes = replace(votes, head=msgspec.structs.replace(votes.head, path=both))
    ask = Ask(dual.STAGE, net, how.noise, run.n, len(how.level_L))
    progress, votes_N = ProgressLine(len(votes.index_N), 0, report), []
    for index, found in zip(votes.index_N.tolist(), votes.votes_N, strict=True):
        counts_L = certify.count(ask, run.n, data.image(index), run.seed, device)
        votes_N.append({**found, dual.STAGE: Votes(dual.STAGE, counts_L, run.n, "complete")})
        progress.step()
    progress.close()
    return replace(votes, votes_N=tuple(votes_N))


def _run(checkpoint: Checkpoint, votes: LevelVotes) -> RunSpec:
    head = msgspec.structs.replace(
        votes.head,
        name=checkpoint.name,
        method=checkpoint.card.method,
        checkpoint_sha256=checkpoint.sha256,
        settings=tuple(checkpoint.card.run.items()),
    )
    return stored_votes.run_of(head, {"rule": "sweep", "ask": "every"})


def _check(checkpoint: Checkpoint, votes: LevelVotes, run: RunSpec) -> None:
    """Refuse votes of other classifiers."""
    levels = METHODS[run.method].levels
    assert levels is not None  # it is Dual RS
    _check_split(votes)
    other = catalog.find(str(votes.head.name), checkpoint.folder.parent)
    experts = {n: p for n, p in checkpoint.card.parts.items() if n.startswith("classifier")}
    if other.card.parts != experts or votes.level_L != levels.levels(run):
        raise UserError(f"{other.name} is not a cascade of the classifiers of {checkpoint.name}.")


def _check_split(votes: LevelVotes) -> None:
    if votes.head.split == "test":
        raise UserError("A quantile must be chosen on training images, not on those of the test.")


def read_at(
    votes_N: Sequence[Mapping[str, Votes]], run: RunSpec, quantile: float
) -> list[Certificate]:
    """Return the certificates of all images at one quantile."""
    how = _changed(run, quantile=quantile)
    return [dual.read(found, how) for found in votes_N]


def _changed(run: RunSpec, **settings: float) -> RunSpec:
    return replace(run, settings=tuple(sorted((dict(run.settings) | settings).items())))


def _won(read: Sequence[Certificate], votes: LevelVotes) -> Floats:
    pairs = zip(read, votes.label_N, strict=True)
    return np.array([c.radius * (c.predicted == y) for c, y in pairs])


def _single(votes: LevelVotes, run: RunSpec) -> Floats:
    """Return won_NL of plain smoothing at each level alone, on the same votes."""

    def plain(found: Mapping[str, Votes], s: float) -> Certificate:
        how = replace(run, sigma=s)
        return reading.read(found[f"select-{s:g}"], found[f"bound-{s:g}"], how, "")

    by_level = [_won([plain(v, s) for v in votes.votes_N], votes) for s in votes.level_L]
    return np.stack(by_level, 1)


def _write(
    checkpoint: Checkpoint,
    read: Sequence[Certificate],
    votes: LevelVotes,
    run: RunSpec,
    quantile: float,
    command: str,
) -> None:
    """Write the log of the training images at the quantile chosen."""
    spec = evaluate.spec_for(
        checkpoint,
        None,
        settings=dict(run.settings) | {"quantile": quantile},
        **{
            k: getattr(votes.head, k)
            for k in ("split", "every", "first", "n0", "n", "alpha", "seed")
        },
    )
    place = {key: getattr(votes.head, key) for key in ("device", "dtype", "path", "torch")}
    logged = METHODS[run.method].logged
    known = zip(*(v.tolist() for v in (votes.index_N, votes.label_N, votes.seconds_N)), strict=True)
    rows = [
        evaluate.row(index, label, c, seconds, logged)
        for (index, label, seconds), c in zip(known, read, strict=True)
    ]
    head = evaluate.head_of(spec, place, command)
    write_whole(checkpoint.folder / LOG, row_checks.with_checks(head, rows))
