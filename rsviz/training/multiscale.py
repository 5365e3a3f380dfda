"""Multiscale checkpoints: trained networks as levels, thresholds chosen on training images.

Nothing is trained. The card names one universal network for all levels, or one expert for each, and
copies no weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_folder, sole_writer, write_whole
from rsviz.core.progress import Report
from rsviz.data import datasets
from rsviz.evaluation import evaluate, level_votes
from rsviz.evaluation.level_votes import LevelVotes
from rsviz.methods import noise_levels
from rsviz.training.card import device_name, kept_log
from rsviz.training.ensemble import dataset_of, member, network_of

LOG = "thresholds.csv"  # the votes of training images that the thresholds were chosen by
GRID = (0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


@dataclass(frozen=True)
class LevelsSpec:
    """Which networks make the levels, and the training images and votes that choose thresholds.

    ``levels`` are those of one universal network; experts bring their own.
    """

    names: tuple[str, ...]
    levels: str = "0.25,0.5,1"
    images: int = 200
    n: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        noise_levels.parse(self.levels)
        if not self.names or len(set(self.names)) < len(self.names) or self.images < 1:
            raise UserError("Multiscale needs networks, each named once, and at least one image.")


def fit(
    spec: LevelsSpec, out: Path, device: str = "cpu", command: str = "", report: Report = print
) -> Checkpoint:
    """Write the checkpoint ``out`` and choose its thresholds; killed, the same call goes on.

    Raises
    ------
    UserError
        The networks do not fit together, or ``out`` does not lie beside them.
    """
    check_out_folder(out)
    if out.resolve().parent != catalog.root().resolve() or out.name in spec.names:
        raise UserError(f"--out must be a new folder beside its networks, in {catalog.root()}.")
    with sole_writer(out):
        return _fitted(spec, out, device, command, report)


def _fitted(spec: LevelsSpec, out: Path, device: str, command: str, report: Report) -> Checkpoint:
    """Choose the thresholds, and only then write: no card is there whose thresholds are not."""
    members = [member(name) for name in spec.names]
    parts, levels = _parts(members, spec.levels)
    start = clock.now()
    card: dict[str, Any] = {
        "name": out.name,
        "method": "multiscale",
        "dataset": dataset_of(members),
        "network": network_of(members),
        "sigma": None,
        "seed": spec.seed,
        "command": command,
        "device": device_name(device),
        "torch": torch.__version__,
        "measured": [],
        "run": {"levels": levels},
        "parts": parts,
    }
    made = catalog.draft(out, card)
    data = datasets.load(str(card["dataset"]), "train")
    how = evaluate.spec_for(
        made,
        None,
        split="train",
        every=max(len(data) // spec.images, 1),
        n0=100,
        n=spec.n,
        alpha=0.001,
        seed=spec.seed,
        settings={"ask": "every"},
    )
    nets = weights.load_nets(made, device)
    log = kept_log(how, device, LOG)
    evaluate.evaluate(how, nets, data, log, device, command, report)
    votes = level_votes.of_log(log)
    found = acr_by_thresholds(votes)
    best = max(found, key=found.__getitem__)
    report(f"thresholds {best}: ACR {found[best]:.4f} on {len(votes.votes_N)} training images")
    card["run"] = {"levels": levels, "thresholds": best}
    card["seconds"] = round(clock.since(start))
    card["fit"] = {
        "log": LOG,
        "images": f"train, {len(votes.votes_N)} images, every {how.every}th",
        "n": spec.n,
        "acr": {name: round(acr, 4) for name, acr in found.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / LOG, log.read_bytes())
    return weights.save_parts({}, out, card)


def acr_by_thresholds(votes: LevelVotes, grid: Sequence[float] = GRID) -> dict[str, float]:
    """Return the ACR of every combination of thresholds in the grid, the lowest ones first."""
    found = {}
    for upper in product(grid, repeat=len(votes.level_L) - 1):
        name = ",".join(f"{tau:g}" for tau in (0.5, *upper))
        read = level_votes.certificates(votes, {"thresholds": name})
        gain = [c.radius * (c.predicted == y) for c, y in zip(read, votes.label_N, strict=True)]
        found[name] = float(np.mean(gain))
    return found


def _parts(members: Sequence[Checkpoint], levels: str) -> tuple[dict[str, dict[str, str]], str]:
    """Return the parts of the card, and the levels: one network for all, or one for each."""
    named = [{"checkpoint": m.name, "sha256": m.sha256} for m in members]
    for m in members:
        if m.card.parts:
            raise UserError(f"{m.name} is made of several networks; name single ones.")
    sigmas = [m.card.sigma for m in members]
    if len(members) == 1:
        return {"classifier": named[0]}, levels
    if None in sigmas or len(set(sigmas)) < len(sigmas):
        raise UserError("Name one universal network, or experts trained at one level each.")
    by_level = dict(sorted(zip(sigmas, named, strict=True)))
    parts = {f"classifier-{level:g}": part for level, part in by_level.items()}
    return parts, ",".join(f"{level:g}" for level in by_level)
