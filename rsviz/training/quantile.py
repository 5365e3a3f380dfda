"""The quantile of the sweep of a routed Dual RS, chosen on training images.

The level of an image is a quantile of the estimator's votes (`rsviz.methods.level_sweep`), and it
must be fixed which one before the images it is claimed for are seen. The experts' votes on training
images are those that a cascade of them was fitted by; only the estimator's are counted here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from rsviz.certification import certify
from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.core.files import sole_writer, write_whole
from rsviz.core.progress import ProgressLine, Report
from rsviz.core.settings import options_of
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.data import datasets
from rsviz.evaluation import evaluate, level_votes, row_checks, stored_votes
from rsviz.evaluation.level_votes import LevelVotes
from rsviz.methods import dual
from rsviz.methods.registry import METHODS
from rsviz.smoothing.voters import Ask, NoisyClassifier

LOG = "quantile.csv"
ASKED = ("split", "every", "first", "n0", "n", "alpha", "seed")
GRID = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def fit(
    checkpoint: Checkpoint,
    file: Path,
    device: str = "cpu",
    command: str = "",
    report: Report = print,
) -> dict[str, float]:
    """Choose the quantile by ACR, and record it in the card; return the ACR of each.

    Parameters
    ----------
    file : a log of every level, of a cascade of the same experts, on training images.

    Raises
    ------
    UserError
        The log is of other networks, levels or images, or the checkpoint is not routed.
    """
    votes = level_votes.of_log(file)
    run = _run(checkpoint, votes)
    _check(checkpoint, votes, run)
    data = datasets.load(checkpoint.card.dataset, str(votes.head.split))
    how = options_of(dual.Options, run)
    net = NoisyClassifier(weights.load_nets(checkpoint, device)["estimator"])
    ask = Ask(dual.STAGE, net, how.noise, run.n, len(how.level_L))
    progress, votes_N = ProgressLine(len(votes.index_N), 0, report), []
    for index, found in zip(votes.index_N.tolist(), votes.votes_N, strict=True):
        counts_L = certify.count(ask, run.n, data.image(index), run.seed, device)
        votes_N.append({dual.STAGE: Votes(dual.STAGE, counts_L, run.n, "complete"), **found})
        progress.step()
    progress.close()
    acr = {f"{p:g}": _acr(read_at(votes_N, run, p), votes) for p in GRID}
    best = max(acr, key=lambda name: (acr[name], -abs(float(name) - 0.5)))
    report(f"quantile {best}: ACR {acr[best]:.4f} on {len(votes_N)} training images")
    _write(checkpoint, read_at(votes_N, run, float(best)), votes, run, float(best), command)
    with sole_writer(checkpoint.folder / catalog.CARD):
        card = dict(catalog.inspect(checkpoint.folder).stored)
        card["run"] = dict(card["run"]) | {"quantile": float(best)}
        card["fit"] = {
            "log": LOG,
            "images": f"train, {len(votes_N)} images, every {votes.head.every}th",
            "n": run.n,
            "acr": {name: round(value, 4) for name, value in acr.items()},
        }
        catalog.write_card(checkpoint.folder, card)
    return acr


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
    """Refuse votes of other experts."""
    levels = METHODS[run.method].levels
    if METHODS[run.method].options is not dual.Options or levels is None:
        raise UserError(f"{checkpoint.name} is not Dual RS, so there is no quantile to choose.")
    if votes.head.split == "test":
        raise UserError("A quantile must be chosen on training images, not on those of the test.")
    other = catalog.find(str(votes.head.name), checkpoint.folder.parent)
    experts = {n: p for n, p in checkpoint.card.parts.items() if n.startswith("classifier")}
    if other.card.parts != experts or votes.level_L != levels.levels(run):
        raise UserError(f"{other.name} is not a cascade of the experts of {checkpoint.name}.")


def read_at(
    votes_N: Sequence[Mapping[str, Votes]], run: RunSpec, quantile: float
) -> list[Certificate]:
    """Return the certificates of all images at one quantile."""
    settings = tuple(sorted((dict(run.settings) | {"quantile": quantile}).items()))
    return [dual.read(found, replace(run, settings=settings)) for found in votes_N]


def _acr(read: Sequence[Certificate], votes: LevelVotes) -> float:
    pairs = zip(read, votes.label_N, strict=True)
    return float(np.mean([c.radius * (c.predicted == y) for c, y in pairs]))


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
