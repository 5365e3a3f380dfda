"""Training for Dual RS: labels from radii, the estimator, then the classifier; or routing.

A round labels training images with the radius that each level's own classifier gives them, teaches
the estimator which level is best, and fine-tunes the classifier on the levels that it chooses.
Routing stops after the estimator: the classifiers are shipped experts, one for each level.

Shape suffixes: N images, C channels, H height, W width, L noise levels.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.checkpoints.weights import load, save_parts
from rsviz.core import clock, settings
from rsviz.core.bounds import clopper_pearson_lower
from rsviz.core.errors import UserError
from rsviz.core.files import write_whole
from rsviz.core.progress import Report
from rsviz.core.radius import radius_l2
from rsviz.data import datasets
from rsviz.data.datasets import Dataset
from rsviz.methods import dual, gaussian, noise_levels
from rsviz.methods.base import Loss
from rsviz.methods.dual import Targets
from rsviz.networks.classifiers import HEADED, Compact
from rsviz.networks.from_card import build_part
from rsviz.smoothing import estimates
from rsviz.smoothing.estimates import count_votes
from rsviz.smoothing.torch_engine import PRODUCTS
from rsviz.training import loop
from rsviz.training.card import card_of, copy_all_but_the_end, state_folder
from rsviz.training.loop import TrainSpec

BLOCK = 500  # images between two reports
HIDDEN = 64  # units of each layer of a head

Risk = Literal["strong", "weak", "follow", "none"]


@dataclass(frozen=True)
class Settings:
    """What this training knows besides a TrainSpec, whose sigma is the estimator's own noise.

    ``levels`` to choose from; ``votes`` of a label and ``images`` labelled (0: all); ``width`` of
    the estimator, a compact net (24 of 32 channels is .57 of the classifier's arithmetic).
    ``draws``, ``lam`` and ``eta`` are of its loss, ``risk`` how its consistency is weighed,
    ``temperature`` that of its targets. For ``class_epochs`` before it learns levels it learns the
    classes, at its own noise: which stay visible is most of what tells the levels apart. With
    ``trunk`` ``classifier`` it is as wide as the classifier of most noise and begins with that
    one's weights, all but the last layer, instead of its own; ``headed``, a head of two hidden
    layers first learns alone on that one as it is, for ``head_epochs`` at ``head_lr``, then all
    weights do, the statistics of norms as they were. ``targets`` are radii of the ``label``, or
    those ``claimed`` for the class with most votes, right or wrong. ``weigh``: images by the
    ``share`` of their best level, as the paper does, or all ``alike``. Of a head, its last layers
    may then learn alone again, for ``proof_epochs`` at ``proof_lr``: not levels but what the sweep
    would prove, by ``proof_draws`` of noise, certified accuracy near radius 0 ``worth`` so much
    beside a mean radius of 1 (`dual.proof_loss`). The classifier is fine-tuned
    for ``fine_epochs`` at ``fine_lr``, in each of ``rounds``; for none it is the checkpoint it is.
    ``experts``: of routing, the stem of their names, or the name of each, a comma between, by
    rising level.
    """

    levels: str = "0.25,0.5,1"
    votes: int = 50
    images: int = 0
    width: int = 24
    draws: int = 2
    lam: float = 40.0
    eta: float = 0.5
    risk: str = "strong"
    temperature: float = 1.0
    trunk: str = "own"
    targets: str = "label"
    weigh: str = "share"
    head_epochs: int = 10
    head_lr: float = 0.3
    proof_epochs: int = 0
    proof_lr: float = 0.05
    proof_draws: int = 8
    worth: float = 0.25
    class_epochs: int = 0
    fine_epochs: int = 3
    fine_lr: float = 0.02
    rounds: int = 1
    experts: str = ""

    def __post_init__(self) -> None:
        noise_levels.parse(self.levels)
        settings.check_counts(votes=(self.votes, 1), images=(self.images, 0))
        settings.check_counts(width=(self.width, 1), rounds=(self.rounds, 1))
        settings.check_counts(fine_epochs=(self.fine_epochs, 0))
        settings.check_counts(class_epochs=(self.class_epochs, 0))
        settings.check_word("risk", self.risk, get_args(Risk))
        settings.check_word("trunk", self.trunk, ("own", "classifier", "headed"))
        settings.check_word("targets", self.targets, ("label", "claimed"))
        settings.check_word("weigh", self.weigh, ("share", "alike"))
        settings.check_counts(head_epochs=(self.head_epochs, 1))
        settings.check_counts(
            proof_epochs=(self.proof_epochs, 0), proof_draws=(self.proof_draws, 1)
        )
        settings.check_numbers(worth=self.worth)
        if self.proof_epochs and (self.trunk, self.targets) != ("headed", "label"):
            raise UserError("proof_epochs need trunk=headed, and targets=label.")
        if self.temperature <= 0:
            raise UserError(f"temperature must be above 0, but is {self.temperature!r}.")

    @property
    def level_L(self) -> tuple[float, ...]:
        """The noise levels, rising."""
        return noise_levels.parse(self.levels)


def make(
    spec: TrainSpec,
    out: Path,
    device: str,
    command: str,
    compiled: bool = True,
    report: Report = print,
) -> Checkpoint:
    """Train Dual RS (``dual``, the classifier from ``spec.start``) or an estimator for experts.

    Raises
    ------
    UserError
        A setting is not known or out of range, or a network it starts from is not there.
    """
    how = settings.fill(Settings, spec.settings)
    if not isinstance(spec.sigma, int | float) or spec.sigma <= 0:
        raise UserError("--sigma is the estimator's own noise; give a number, the largest level.")
    parts, nets = _start(spec, how, device)
    data = _first(datasets.load(spec.dataset, "train"), how.images)
    seconds = 0.0  # of all calls of this command, had it been killed between
    for number in range(how.rounds if spec.method == "dual" else 1):
        stem = f"{out.name}-round{number}" if number else out.name
        radius_NL, spent = label(nets, data, how, spec, stem, device, report)
        seconds += spent
        report(f"best level of {best_shares(radius_NL, how.level_L)}")
        trunk = _trunk(parts, nets, how, spec.network)
        nets["estimator"], spent = _estimator(
            trunk, radius_NL, data, how, spec, stem, device, compiled, report
        )
        seconds += spent
        if spec.method == "dual" and how.fine_epochs:
            net, spent = _classifier(nets, data, how, spec, stem, device, compiled, report)
            nets["classifier"], seconds = net, seconds + spent
    card = card_of(spec, out, device, command, seconds) | {
        "sigma": None,
        "settings": asdict(how),
        "run": {"levels": how.levels, "sigma_e": float(spec.sigma)}
        | ({"rule": "sweep"} if how.proof_epochs else {}),  # what it learned to pass
        "train_images": len(data),
        "parts": parts,
    }
    return save_parts(nets, out, card)


def _start(
    spec: TrainSpec, how: Settings, device: str
) -> tuple[dict[str, dict[str, Any]], dict[str, nn.Module]]:
    """Return the parts of the card, and the classifiers there are to begin with."""
    estimator = _part(spec, how) | {"classes": len(how.level_L)}
    if spec.method == "dual":
        if not spec.start:
            raise UserError("Dual RS starts from a trained classifier; name one with --start.")
        start = catalog.find(spec.start)
        classifier = {"network": spec.network} if how.fine_epochs else _other(start)
        net = load(start, device, ready=False).eval()
        return {"estimator": estimator, "classifier": classifier}, {"classifier": net}
    if not how.experts:
        raise UserError("Routing needs experts; name them with --set experts=cifar10-gaussian.")
    parts, nets = {"estimator": estimator}, dict[str, nn.Module]()
    for level, expert in zip(how.level_L, _experts(how, spec.dataset), strict=True):
        name = f"classifier-{level:g}"
        parts[name] = _other(expert)
        nets[name] = load(expert, device)
    return parts, nets


def _other(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the part of a card that is another checkpoint's network."""
    return {"checkpoint": checkpoint.name, "sha256": checkpoint.sha256}


def _part(spec: TrainSpec, how: Settings) -> dict[str, Any]:
    """Return the estimator's network, as a card describes one."""
    if how.trunk == "own":
        return {"network": "compact", "width": how.width}
    if how.trunk == "classifier":
        return {"network": spec.network}
    if spec.network not in HEADED:
        raise UserError(f"--set trunk=headed needs --network {' or '.join(HEADED)}.")
    return {"network": spec.network, "hidden": HIDDEN}


def _trunk(
    parts: Mapping[str, Mapping[str, Any]],
    nets: Mapping[str, nn.Module],
    how: Settings,
    network: str,
) -> nn.Module | None:
    """Return the classifier that the estimator begins with, that of most noise; None: its own."""
    if how.trunk == "own":
        return None
    part = parts.get(f"classifier-{how.level_L[-1]:g}", {})
    if "checkpoint" in part:  # an expert loaded to vote has no batch norms any more
        expert = catalog.find(part["checkpoint"])
        if expert.card.network != network:
            raise UserError(
                f"{expert.name} is a {expert.card.network}, so --set trunk=classifier needs "
                f"--network {expert.card.network}."
            )
        return load(expert, ready=False)
    return noise_levels.classifier_at(nets, how.level_L[-1])


def _experts(how: Settings, dataset: str) -> list[Checkpoint]:
    """Return the checkpoint of each level, trained here or imported, whatever their networks.

    Raises
    ------
    UserError
        There is none, or too few are named, or one is no single network of this data set.
    """
    named = [name.strip() for name in how.experts.split(",")]
    if len(named) == 1:
        found = [_of_stem(named[0], level) for level in how.level_L]
    elif len(named) != len(how.level_L):
        raise UserError(
            f"experts names {len(named)} networks, but there are {len(how.level_L)} levels: "
            f"{how.levels}."
        )
    else:
        found = [catalog.usable(name) for name in named]
    for expert in found:
        if expert.card.members or expert.card.parts:
            raise UserError(f"{expert.name} is not a single network, as an expert must be.")
        if expert.card.dataset != dataset:
            raise UserError(f"{expert.name} is for {expert.card.dataset}, not for {dataset}.")
    return found


def _of_stem(stem: str, level: float) -> Checkpoint:
    """Return the checkpoint of one level: STEM-1.0 or STEM-1, whichever there is."""
    names = {c.name for c in catalog.list_checkpoints()}
    wanted = (f"{stem}-{level}", f"{stem}-{level:g}")
    return catalog.usable(next((name for name in wanted if name in names), wanted[0]))


def _first(data: Dataset, images: int) -> Dataset:
    rows = slice(0, images or len(data))
    return replace(data, x_NCHW=data.x_NCHW[rows], y_N=data.y_N[rows])


def label(
    nets: Mapping[str, nn.Module],
    data: Dataset,
    how: Settings,
    spec: TrainSpec,
    stem: str,
    device: str,
    report: Report,
) -> tuple[Tensor, float]:
    """Return radius_NL of the training images and the seconds it took to count their votes.

    They are kept on disk level by level as they are found.
    """
    radii_L, seconds = [], 0.0
    for level in how.level_L:
        net = noise_levels.classifier_at(nets, level).eval()
        file = state_folder() / f"{stem}-labels-{level:g}.pt"
        asked = _asked(net, data, level, how, spec)
        kept = _kept(file)
        if kept.get("asked") != asked:
            begun = clock.now()
            radius_N = _radii(net, data, level, how, spec, device, report)
            kept = {"asked": asked, "radius_N": radius_N, "seconds": clock.since(begun)}
            file.parent.mkdir(parents=True, exist_ok=True)
            packed = io.BytesIO()
            torch.save(kept, packed)
            write_whole(file, packed.getvalue())
        radii_L.append(kept["radius_N"])
        seconds += kept.get("seconds", 0.0)
    return torch.stack(radii_L, 1), seconds


def _kept(file: Path) -> dict[str, Any]:
    """Return the labels kept in a file, none where it is not there or is damaged."""
    try:
        kept: dict[str, Any] = torch.load(file, weights_only=True)
        return kept if isinstance(kept, dict) and "radius_N" in kept else {}
    except Exception:  # torch raises pickle, zip, runtime and value errors alike here
        return {}


def _asked(net: nn.Module, data: Dataset, level: float, how: Settings, spec: TrainSpec) -> str:
    """Return a hash of all that decides the labels of one level."""
    weights = hashlib.sha256()
    for value in net.state_dict().values():
        weights.update(value.cpu().contiguous().numpy().tobytes())
    told = [weights.hexdigest(), data.name, len(data), level, how.votes, spec.seed, spec.dtype]
    told += [how.targets] if how.targets != "label" else []  # what early labels do not hold
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _radii(
    net: nn.Module,
    data: Dataset,
    level: float,
    how: Settings,
    spec: TrainSpec,
    device: str,
    report: Report,
) -> Tensor:
    """Vote on every image at one level, block by block, and return `label_radii`."""
    generator = torch.Generator(device).manual_seed(spec.seed)
    kind, dtype = torch.device(device).type, PRODUCTS[spec.dtype]
    counted_N, said = [], clock.now()
    begun = said
    for i in range(0, len(data), BLOCK):
        x_NCHW = data.x_NCHW[i : i + BLOCK].to(device).float() / 255
        with torch.autocast(kind, dtype, enabled=spec.dtype != "float32"):
            counts_NK = estimates.count_votes(net, x_NCHW, level, how.votes, generator)
        of_label_N = counts_NK.gather(1, data.y_N[i : i + BLOCK, None])[:, 0]
        counted_N.append(counts_NK.amax(1) if how.targets == "claimed" else of_label_N)
        if clock.is_due(said, 10):
            said, done = clock.now(), i + len(x_NCHW)
            rate = done / max(clock.since(begun), 1e-9)
            left = (len(data) - done) / rate / 60
            report(f"labels at {level:g}: {done:,}/{len(data):,}  {left:.1f} min left")
    return label_radii(torch.cat(counted_N), how.votes, level)


def best_shares(radius_NL: Tensor, level_L: tuple[float, ...]) -> str:
    """Say how many of the images with any radius do best at each level."""
    best_N = radius_NL.argmax(1)[radius_NL.amax(1) > 0]
    share_L = torch.bincount(best_N, minlength=len(level_L)).double() / max(len(best_N), 1)
    each = zip(level_L, share_L.tolist(), strict=True)
    return ", ".join(f"{s:g}: {100 * share:.0f} %" for s, share in each)


def _estimator(
    trunk: nn.Module | None,
    radius_NL: Tensor,
    data: Dataset,
    how: Settings,
    spec: TrainSpec,
    stem: str,
    device: str,
    compiled: bool,
    report: Report,
) -> tuple[nn.Module, float]:
    """Train the estimator on the labels, at its own noise, from a trunk if it has one.

    Return it and the seconds it took.
    """

    def learn(
        net: nn.Module, data: Dataset, loss: Loss, spec: TrainSpec, ending: str = ""
    ) -> float:
        state = state_folder() / f"{stem}-estimator{ending}.pt"
        return loop.train(net, data, loss, spec, state, device, compiled, report)

    found = make_targets(radius_NL, cast("Risk", how.risk), how.temperature)
    if how.weigh == "alike":
        found = replace(found, weight_N=torch.ones_like(found.weight_N))
    targets = Targets(*(t.to(device) for t in (found.soft_NL, found.weight_N, found.risk_NL)))
    of_loss = dual.Settings(how.draws, how.lam, how.eta)
    part = _part(spec, how)
    with torch.random.fork_rng(devices=[]):  # torch's initialisers take no generator
        torch.manual_seed(spec.seed)
        net = build_part(part | {"classes": len(how.level_L)}, spec.dataset)
        classes = build_part(part, spec.dataset)
    if trunk is not None:
        copy_all_but_the_end(trunk, classes)
    seconds = 0.0
    if how.class_epochs:
        every, first = datasets.load(spec.dataset, "train"), replace(spec, epochs=how.class_epochs)
        seconds += learn(classes, every, gaussian.loss, first, "-classes")
    if how.class_epochs or trunk is not None:
        copy_all_but_the_end(classes, net)
    rows, loss = _rows(data), partial(dual.loss, targets=targets, settings=of_loss)
    if how.trunk != "headed":
        return net.eval(), seconds + learn(net, rows, loss, spec)
    headed = _AsItVotes(net)
    headed.learn_head()
    seconds += learn(
        headed, rows, loss, replace(spec, epochs=how.head_epochs, lr=how.head_lr), "-head"
    )
    headed.requires_grad_(True)
    seconds += learn(headed, rows, loss, spec)
    if how.proof_epochs:
        proof = dual.Proof(how.proof_draws, worth=how.worth)
        proved = partial(dual.proof_loss, radius_NL=radius_NL.to(device), settings=proof)
        headed.learn_head()
        seconds += learn(
            headed, rows, proved, replace(spec, epochs=how.proof_epochs, lr=how.proof_lr), "-proof"
        )
    return net.eval(), seconds


class _AsItVotes(nn.Module):
    """A network whose norms keep their statistics while it learns."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def train(self, mode: bool = True) -> "_AsItVotes":
        """Leave it in the mode in which it votes."""
        return super().train(False)

    def learn_head(self) -> None:
        """Let its last layers learn alone."""
        self.requires_grad_(False)
        _, body = self.net.children()
        assert isinstance(body, Compact)
        body.fc.requires_grad_(True)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the logits, (N, K)."""
        logits_NK: Tensor = self.net(x_NCHW)
        return logits_NK


def _classifier(
    nets: Mapping[str, nn.Module],
    data: Dataset,
    how: Settings,
    spec: TrainSpec,
    stem: str,
    device: str,
    compiled: bool,
    report: Report,
) -> tuple[nn.Module, float]:
    """Fine-tune the classifier on the level that the estimator chooses for each image.

    Return it and the seconds it took.
    """
    generator = torch.Generator(device).manual_seed(spec.seed + 1)
    assert isinstance(spec.sigma, int | float)
    level_N = torch.cat(
        [
            choose_levels(
                nets["estimator"],
                x.to(device).float() / 255,
                spec.sigma,
                how.level_L,
                10,
                generator,
            )
            for x in data.x_NCHW.split(BLOCK)
        ]
    )
    loss = partial(dual.classifier_loss, label_N=data.y_N.to(device), level_N=level_N.to(device))
    fine = replace(spec, epochs=how.fine_epochs, lr=how.fine_lr)
    state = state_folder() / f"{stem}-classifier.pt"
    net = nets["classifier"].requires_grad_(True)
    seconds = loop.train(net, _rows(data), loss, fine, state, device, compiled, report)
    return net.eval(), seconds


def _rows(data: Dataset) -> Dataset:
    """Return the data set with row numbers for labels, as the losses of `dual` take them."""
    return replace(data, y_N=torch.arange(len(data)))


def label_radii(votes_N: Tensor, votes: int, level: float, alpha: float = 0.05) -> Tensor:
    """Return radius_N = level PhiInv(Clopper-Pearson of the votes for a class), 0 if p <= 1/2.

    It is a label to learn from and certifies nothing: the class is the true one or that of most
    votes, not one chosen on votes of their own. alpha is a choice made here; the paper says only
    how many votes it uses.
    """
    table = [radius_l2(level, clopper_pearson_lower(k, votes, alpha)) for k in range(votes + 1)]
    return torch.tensor(table)[votes_N]


def choose_levels(
    estimator: nn.Module,
    x_NCHW: Tensor,
    sigma_e: float,
    level_L: tuple[float, ...],
    votes: int,
    generator: torch.Generator,
) -> Tensor:
    """Return level_N, the level that most noisy copies of each image vote for."""
    counts_NL = count_votes(estimator, x_NCHW, sigma_e, votes, generator)
    return torch.tensor(level_L)[counts_NL.argmax(1)]


def soft_targets(radius_NL: Tensor, temperature: float = 1.0) -> Tensor:
    """Return soft_NL, the softmax over levels of radius / temperature (the paper: 1)."""
    return (radius_NL / temperature).softmax(1)


def share_weights(radius_NL: Tensor) -> Tensor:
    """Return weight_N = 1 / (L share of the image's best level), 0 where every radius is 0.

    Shares are among images with a radius, so the mean weight of those is 1 when every level is the
    best of some. The paper's weight is 1 / share; the factor L only rescales the loss.
    """
    kept_N = radius_NL.amax(1) > 0
    best_N = radius_NL.argmax(1)
    L = radius_NL.shape[1]
    count_L = torch.bincount(best_N[kept_N], minlength=L).clamp(min=1)
    return kept_N * (int(kept_N.sum()) / (L * count_L[best_N]))


def risk_weights(radius_NL: Tensor, risk: Risk) -> Tensor:
    """Return risk_NL >= 0, the weight of each image's consistency by the level it may reach.

    ``strong`` is the radius at the largest level over its mean, ``weak`` that at the smallest,
    ``none`` is 1, all three whatever is reached; ``follow`` the radius at the largest level that
    its noisy copies predict, so that it changes as training goes. The paper ties its weight to
    these radii; its exact form is not known here, so this is a choice.
    """
    if risk == "none":
        return torch.ones_like(radius_NL)
    weight_NL = radius_NL
    if risk != "follow":
        weight_NL = radius_NL[:, [-1 if risk == "strong" else 0]].expand_as(radius_NL)
    mean = float(weight_NL.mean())
    return weight_NL / mean if mean > 0 else torch.zeros_like(radius_NL)


def make_targets(radius_NL: Tensor, risk: Risk = "strong", temperature: float = 1.0) -> Targets:
    """Return the targets that the radii of training images make."""
    soft_NL = soft_targets(radius_NL, temperature)
    return Targets(soft_NL, share_weights(radius_NL), risk_weights(radius_NL, risk))
