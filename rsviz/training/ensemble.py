"""Making ensembles: fit the weights of several networks once, and measure every weighting at once.

Shape suffixes: J images, C channels, H height, W width, L networks, K classes.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint, ensemble_sha256
from rsviz.checkpoints.weights import load
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_folder
from rsviz.core.progress import Report
from rsviz.data import datasets
from rsviz.methods import ensemble
from rsviz.training.card import device_name


@dataclass(frozen=True)
class FitSpec:
    """How an ensemble is fitted: whose weights, at which noise, on how many training images.

    ``sigma`` None takes the members' own; ``weighting`` is one of `ensemble.weightings`.
    """

    names: tuple[str, ...]
    sigma: float | None = None
    weighting: str = "optimal"
    images: int = 200
    floor: float = ensemble.FLOOR
    seed: int = 0

    def __post_init__(self) -> None:
        if len(set(self.names)) < max(2, len(self.names)):
            raise UserError("An ensemble needs at least two networks, each named once.")
        if self.images < 1 or not self.floor > 0:
            raise UserError("Fitting needs at least one image, and a floor above 0.")


def fit(
    spec: FitSpec, out: Path, device: str = "cpu", command: str = "", report: Report = print
) -> Checkpoint:
    """Find the weights on evenly spaced training images and write the checkpoint ``out``.

    The weights never see the images that are evaluated, so the certificate is that of one fixed
    classifier. The card keeps every weighting and the matrix they came from.

    Raises
    ------
    UserError
        The members do not fit together, or ``out`` does not lie beside them.
    """
    check_out_folder(out)
    members = [member(name) for name in spec.names]
    dataset, sigma = dataset_of(members), _sigma(spec.sigma, members)
    if out.resolve().parent != catalog.root().resolve() or out.name in spec.names:
        raise UserError(f"--out must be a new folder beside its members, in {catalog.root()}.")
    start = time.perf_counter()
    data = datasets.load(dataset, "train")
    every = max(len(data) // spec.images, 1)
    x_JCHW = data.x_NCHW[::every][: spec.images].to(device).float() / 255
    y_J = data.y_N[::every][: spec.images].to(device)
    nets = [load(m, device, ready=False) for m in members]
    generator = torch.Generator(device).manual_seed(spec.seed)
    Q_LL = ensemble.quadratic(ensemble.measure(nets, x_JCHW, y_J, sigma, generator), spec.floor)
    found = ensemble.weightings(Q_LL)
    if spec.weighting not in found:
        raise UserError(f"The {spec.weighting} formula is for two networks, not {len(nets)}.")
    for name, weights in found.items():
        report(f"{name}: {weights and [round(w, 4) for w in weights]}")
    fitted = {
        "weightings": found,
        "quadratic": Q_LL.tolist(),
        "images": f"train, {len(x_JCHW)} images, every {every}th",
        "floor": spec.floor,
    }
    card = {
        "name": out.name,
        "method": "ensemble",
        "dataset": dataset,
        "network": network_of(members),
        "sigma": sigma,
        "seed": spec.seed,
        "command": command,
        "members": [{"name": m.name, "sha256": m.sha256} for m in members],
        "weighting": spec.weighting,
        "weights": found[spec.weighting],
        "fit": fitted,
        "seconds": round(time.perf_counter() - start),
        "device": device_name(device),
        "torch": torch.__version__,
        "measured": [],
    }
    card["sha256"] = ensemble_sha256([m.sha256 for m in members], found[spec.weighting])
    out.mkdir(parents=True, exist_ok=True)
    catalog.write_card(out, card)
    report(f"wrote {out}")
    return catalog.inspect(out)


def member(name: str) -> Checkpoint:
    """Return a single network by name; UserError says why it cannot be a member."""
    member = catalog.find(name)
    if member.problem:
        raise UserError(f"Checkpoint {name} cannot be used: {member.problem}.")
    if member.card.members:
        raise UserError(f"{name} is an ensemble itself; name its members instead.")
    return member


def dataset_of(members: list[Checkpoint]) -> str:
    """Return the data set that all members are for."""
    names = {m.card.dataset for m in members}
    if len(names) > 1:
        raise UserError(f"The networks are for unlike data sets: {', '.join(sorted(names))}.")
    return str(names.pop())


def _sigma(sigma: float | None, members: list[Checkpoint]) -> float:
    levels = {m.card.sigma for m in members} if sigma is None else {sigma}
    level = levels.pop()
    if levels or level is None:
        raise UserError("The networks were not all trained at one noise level; give --sigma.")
    return level


def network_of(members: list[Checkpoint]) -> str:
    """Return what a card calls the members' networks together."""
    names = [m.card.network for m in members]
    if len(names) == 1:
        return names[0]
    return f"{len(names)} x {names[0]}" if len(set(names)) == 1 else " + ".join(names)
