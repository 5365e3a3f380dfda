"""Making ensembles: fit the weights of several networks, and choose among weightings by votes.

Shape suffixes: J images, N images of a split, C channels, H height, W width, L networks, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rsviz.certification import engine_choice
from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint, ensemble_sha256
from rsviz.checkpoints.weights import load
from rsviz.core import clock, settings
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_folder, sole_writer
from rsviz.core.progress import Report
from rsviz.core.spec import RunSpec
from rsviz.data import datasets
from rsviz.data.datasets import Dataset
from rsviz.data.images import image_id
from rsviz.evaluation.curves import bootstrap
from rsviz.methods import ensemble
from rsviz.networks.inspection import class_count
from rsviz.smoothing.driver import drive
from rsviz.smoothing.engine import REFERENCE
from rsviz.smoothing.voters import Request
from rsviz.training.card import device_name

VALIDATED = "validated"  # the average, unless another weighting is above it on validation images
WEIGHTINGS = (
    VALIDATED,
    ensemble.AVERAGE,
    ensemble.LEAST_BOUND,
    "optimal",
    "max-margin",
    "printed",
)


@dataclass(frozen=True)
class FitSpec:
    """How an ensemble is fitted: whose weights, at which noise, on how many training images.

    ``sigma`` None takes the members' own; ``weighting`` is one of `WEIGHTINGS`. Where it is
    `VALIDATED`, ``votes`` of each weighting are counted in ``precision`` on ``validate`` other
    images (0: as many as are fitted on); the weights themselves are found in float32.
    """

    names: tuple[str, ...]
    sigma: float | None = None
    weighting: str = VALIDATED
    images: int = 200
    floor: float = ensemble.FLOOR
    seed: int = 0
    votes: int = 1_000
    validate: int = 0
    precision: str = REFERENCE.precision

    def __post_init__(self) -> None:
        if len(set(self.names)) < max(2, len(self.names)):
            raise UserError("An ensemble needs at least two networks, each named once.")
        if self.images < 1 or not self.floor > 0:
            raise UserError("Fitting needs at least one image, and a floor above 0.")
        settings.check_counts(votes=(self.votes, 1), validate=(self.validate, 0))


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
    if out.resolve().parent != catalog.root().resolve() or out.name in spec.names:
        raise UserError(f"--out must be a new folder beside its members, in {catalog.root()}.")
    with sole_writer(out):
        return _fitted(spec, out, device, command, report)


def _fitted(spec: FitSpec, out: Path, device: str, command: str, report: Report) -> Checkpoint:
    members = [member(name) for name in spec.names]
    dataset, sigma = dataset_of(members), _sigma(spec.sigma, members)
    engines = [engine_choice.choose(m, device, precision=spec.precision) for m in members]
    start = clock.now()
    data = datasets.load(dataset, "train")
    fitting, rest = apart(len(data), spec.images, spec.validate)
    x_JCHW = data.x_NCHW[fitting].to(device).float() / 255
    y_J = data.y_N[fitting].to(device)
    nets = [load(m, device, ready=False) for m in members]
    generator = torch.Generator(device).manual_seed(spec.seed)
    m = ensemble.measure(nets, x_JCHW, y_J, sigma, generator)
    found = ensemble.every_weighting(m, spec.floor)
    if spec.weighting not in (VALIDATED, *found):
        raise UserError(f"The {spec.weighting} formula is for two networks, not {len(nets)}.")
    for name, weights in found.items():
        report(f"{name}: {weights and [round(w, 4) for w in weights]}")
    fitted = {
        "weightings": found,
        "quadratic": ensemble.quadratic(m, spec.floor).tolist(),
        "images": f"train, {len(x_JCHW)} images, every {fitting.step}th",
        "floor": spec.floor,
    }
    shared = ensemble.shared_variances(m, [c.card.method for c in members])
    fitted["shared variances"] = [
        {name: None if value != value else value for name, value in asdict(row).items()}
        for row in shared  # JSON has no nan
    ]
    for line in table(shared):
        report(line)
    chosen = spec.weighting
    if chosen == VALIDATED:
        run = RunSpec("", out.name, sigma, method="ensemble", n=spec.votes, seed=spec.seed)
        pairs = zip(members, engines, strict=True)
        voting = [engine_choice.load(m, device, engine)["classifier"] for m, engine in pairs]
        won = certified(voting, found, data, rest, run, device)
        gains = gains_over_average(won)
        chosen = choose(gains)
        fitted["validation"] = {
            "images": f"train, {len(rest)} images, every {rest.step}th from {rest.start}",
            "n": spec.votes,
            "engine": str(engines[0]),
            "acr": {name: round(float(won_N.mean()), 5) for name, won_N in won.items()},
            "over the average": {name: [round(v, 5) for v in g] for name, g in gains.items()},
        }
        for name, (mean, low, high) in gains.items():
            report(f"{name} is {mean:+.4f} above the average in ACR, {low:+.4f} to {high:+.4f}")
        report(f"chosen: {chosen}")
    card = {
        "name": out.name,
        "method": "ensemble",
        "dataset": dataset,
        "network": network_of(members),
        "sigma": sigma,
        "seed": spec.seed,
        "command": command,
        "members": [{"name": m.name, "sha256": m.sha256} for m in members],
        "weighting": chosen,
        "weights": found[chosen],
        "fit": fitted,
        "seconds": round(clock.since(start)),
        "device": device_name(device),
        "torch": torch.__version__,
        "measured": [],
    }
    card["sha256"] = ensemble_sha256([m.sha256 for m in members], found[chosen])
    out.mkdir(parents=True, exist_ok=True)
    with sole_writer(out / catalog.CARD):
        catalog.write_card(out, card)
    report(f"wrote {out}")
    return catalog.inspect(out)


def apart(size: int, images: int, validate: int = 0) -> tuple[range, range]:
    """Return evenly spaced indices to fit on and others, between them, to validate on.

    Parameters
    ----------
    validate : how many; 0 stands for as many as are fitted on, each halfway between two of them.

    Raises
    ------
    UserError
        So many images leave none between them, or some would be fitted and validated on.
    """
    every = size // images
    if every < 2:
        raise UserError(
            f"--images must be at most {size // 2:,}, half of the {size:,} training images: the "
            "others validate the weights."
        )
    count = validate or images
    step = every if count == images else size // count
    fitting = range(0, every * images, every)
    rest = range(step // 2, step * count, step) if step else range(0)
    if len(rest) < count or set(fitting) & set(rest):
        raise UserError(
            f"{count:,} images to validate on cannot be set between the {images:,} fitted; choose "
            "a number that divides these, or that they divide."
        )
    return fitting, rest


def certified(
    members: Sequence[nn.Module],
    weightings: Mapping[str, ensemble.Weights],
    data: Dataset,
    indices: Sequence[int],
    run: RunSpec,
    device: str,
) -> dict[str, np.ndarray]:
    """Return, by weighting, the radius certified right of each image, 0 where wrong; one pass."""

    def request(i: int) -> Request:
        x_CHW = data.image(i)
        start = lambda: ensemble.certify_each(members, weightings, run)  # noqa: E731
        return Request(i, x_CHW, image_id(x_CHW), run.seed, start)

    classes, won = class_count(members[0]), {name: np.zeros(len(indices)) for name in weightings}
    place = {i: at for at, i in enumerate(indices)}
    for task in drive(map(request, indices), device):
        if task.finished:
            i, read = task.request.key, ensemble.read_each(task.votes, weightings, classes, run)
            for name, c in read.items():
                right = c.predicted == int(data.y_N[i]) and not c.abstained
                won[name][place[i]] = c.radius if right else 0
    return won


def table(shared: Sequence[ensemble.Shared]) -> list[str]:
    """Return lines that set variances within methods beside those between, in 10^-3."""
    lines = ["other class  variance  within methods (alpha)  between (beta), in 10^-3"]
    for row in shared:
        named = "  alpha < beta" if row.within < row.between else ""
        cells = f"{row.variance * 1e3:8.3f}  {row.within * 1e3:22.3f}  {row.between * 1e3:14.3f}"
        lines.append(f"{row.rank:11d}  {cells}{named}")
    return lines


Gains = Mapping[str, tuple[float, float, float]]


def gains_over_average(won: Mapping[str, np.ndarray]) -> Gains:
    """Return the ACR of each other weighting less the average's, with its paired 95 % interval."""
    average_N = won[ensemble.AVERAGE]
    return {
        name: bootstrap(won_N - average_N, np.random.default_rng(0))
        for name, won_N in won.items()
        if name != ensemble.AVERAGE
    }


def choose(gains: Gains) -> str:
    """Return the weighting of the largest gain whose interval lies above 0, else the average.

    Each interval is for its own weighting: of four that gain nothing one is chosen in up to 10 %.
    """
    above = {name: mean for name, (mean, low, _) in gains.items() if low > 0}
    return max(above, key=above.__getitem__, default=ensemble.AVERAGE)


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
