"""Variational RS: a selector network gives each image its noise level (arXiv 2407.11844).

The selector h(x, lambda) returns a level in [low, high]; large lambda pulls it to a target, small
lambda leaves it to accuracy. It is itself smoothed: the level is the median of h(x + q e), and then
f is smoothed at that level. As sigma varies from image to image, sigma PhiInv(p_a_lower) is not a
proof (`read_paper`). What is proved here (`read`) is about a quantised selector:

Each draw of h is clipped and rounded to a finite grid; sigma(x) is the exact median of the rounded
draws, the least s with P(h <= s) >= 1/2; g(x) is f smoothed at sigma(x). The proof is that of
`rsviz.methods.level_sweep`, over all intervals of levels around the one chosen.

The paper's method part was not read. Choices made here: sigmoid in log sigma as the selector's
output; KL per dimension between N(0, s^2) and N(0, t^2), or of a Gaussian fitted to the batch (an
option); loss CE + lambda KL; alpha/2 to the selector's two sides, alpha/2 to the classifier.

Shape suffixes: N images, M noise draws, C channels, H height, W width, K classes, L grid levels.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from scipy.special import ndtri

from rsviz.core import reading, settings
from rsviz.core.errors import UserError
from rsviz.core.flags import HEURISTIC
from rsviz.core.late import torch
from rsviz.core.radius import down
from rsviz.core.settings import check_counts, check_numbers
from rsviz.core.smoothed_median import median_index, median_range
from rsviz.core.spec import SIGMA_MAX, Certificate, Ending, RunSpec, Votes
from rsviz.methods import base, level_sweep
from rsviz.methods.noise_levels import parse
from rsviz.networks.inspection import class_count
from rsviz.smoothing.estimates import draw_noise, log_mean_softmax, noisy_logits
from rsviz.smoothing.voters import NO_VOTE, Ask, MethodRun, NoisyClassifier

if TYPE_CHECKING:
    from torch import Tensor, nn

GUARANTEE = (
    "With probability at least 1 - alpha over the noise drawn here, the adaptive classifier (the "
    "level is the exact median of the selector's rounded draws, the class that of the classifier "
    "smoothed at that level with infinitely many votes) predicts this class for every image closer "
    "than the radius in L2."
)
NO_GUARANTEE = (
    "Heuristic: the noise level may change inside this ball, and a classifier whose level varies "
    "is not the one that sigma PhiInv(p_a_lower) is proved for."
)
LEAVES = (
    "the selector's draws leave levels possible, at any distance, that no votes certify: more "
    "draws, or a larger budget"
)


@dataclass(frozen=True)
class Options:
    """Settings of a run.

    ``levels`` is the grid that draws are rounded to, its ends the clip range. ``q`` is the noise on
    the selector, ``draws`` its Nh copies, ``lam`` its input lambda. ``budget`` is the distance D
    within which every possible level is given votes; the radius may come out smaller or larger.
    """

    levels: str = "0.12,0.18,0.25,0.35,0.5,0.71,1"
    q: float = 0.25
    draws: int = 1000
    budget: float = 0.25
    lam: float = 0.2

    def __post_init__(self) -> None:
        parse(self.levels)
        check_counts(draws=(self.draws, 1))
        for name, value in (("q", self.q), ("budget", self.budget)):
            if not 0 < value < SIGMA_MAX:
                raise UserError(f"{name} must lie between 0 and {SIGMA_MAX:g}, but is {value!r}.")
        if not 0 <= self.lam <= 1:
            raise UserError(f"lam must lie between 0 and 1, but is {self.lam!r}.")

    @property
    def level_L(self) -> tuple[float, ...]:
        """The grid, rising."""
        return parse(self.levels)


@dataclass(frozen=True)
class Unchosen:
    """The detail of a certificate before its level is chosen."""

    rule: str
    levels: Sequence[float]
    why: str


@dataclass(frozen=True)
class Detail:
    """What a certificate keeps beside its class; one without ``level`` is `Unchosen`.

    ``selector`` are the votes for the levels, ``possible`` the least and greatest level within the
    budget, ``bounded`` whether the draws bound them below and above. ``down`` and ``up`` are the
    distances at which the median may pass each level (None: at none), ``radii`` the R_s,
    ``counts`` the votes behind them, ``interval`` the ends of S.
    """

    rule: str
    levels: Sequence[float]
    level: float | None = None
    q: float = 0.0
    lam: float = 0.0
    budget: float = 0.0
    selector: Sequence[int] = ()
    possible: Sequence[float] = ()
    bounded: Sequence[bool] = ()
    down: Sequence[float | None] = ()
    up: Sequence[float | None] = ()
    radii: Sequence[float] = ()
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    interval: Sequence[float] = ()
    why: str = ""

    @property
    def votes_L(self) -> list[int]:
        """The draws rounded to each level."""
        return list(self.selector)

    @property
    def in_words(self) -> str:
        """The median, and how far the draws bound it."""
        if self.level is None:
            return ""
        told = f"The median of {sum(self.selector):,} draws is **{self.level:g}**. "
        (low, high), (below, above) = self.possible, self.bounded
        if below and above:
            stays = f"at {self.level:g}" if low == high else f"from {low:g} to {high:g}"
            return f"{told}Within D = {self.budget:g} it stays {stays}."
        side = "any side" if not below and not above else "above" if below else "below"
        return (
            f"{told}So few draws give **no bound** on {side} at D = {self.budget:g}: every level "
            "there stays possible. More draws, or a smaller D, give one."
        )

    @property
    def parts(self) -> tuple[()]:
        """None: its radius is that of a set of levels."""
        return ()


@dataclass(frozen=True)
class PaperDetail:
    """The detail of the paper-style reading."""

    rule: str
    level: float
    why: str


def round_to_grid(sigma_N: Tensor, level_L: Sequence[float]) -> Tensor:
    """Return the index of the grid level nearest to each sigma; beyond the ends, that of the end.

    Halfway between two levels it is the lower one.
    """
    halfway = [(a + b) / 2 for a, b in pairwise(level_L)]
    return torch.bucketize(sigma_N, torch.tensor(halfway, device=sigma_N.device))


@dataclass(frozen=True)
class SelectorVoter:
    """Votes for grid levels: the index of h(x + q e, lambda), clipped and rounded."""

    selector: nn.Module
    level_L: tuple[float, ...]
    lam: float

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return the index of a level, one vote a row."""
        (e_NCHW,) = noise_NCHW
        noisy_NCHW = torch.addcmul(x_NCHW, sigma_N111, e_NCHW)
        lam_N = torch.full((len(x_NCHW),), self.lam, device=x_NCHW.device)
        sigma_N = self.selector(noisy_NCHW, lam_N)
        return torch.where(sigma_N.isfinite(), round_to_grid(sigma_N, self.level_L), NO_VOTE)


def stages(votes: Mapping[str, Votes], spec: RunSpec) -> list[tuple[str, float, int]]:
    """Return (stage, level, n) of all that follows the selector's votes, in order.

    n0 votes choose the class at the chosen level; then n bound it at every level that the order
    statistics leave within the budget. The plan depends on the selector's votes only.
    """
    how = settings.options_of(Options, spec)
    counts_L, level_L = votes["selector"].counts_K, how.level_L
    i, j, _, _ = median_range(counts_L, how.q, how.budget, spec.alpha / 4)
    chosen = median_index(counts_L)
    i, j = min(i, chosen), max(j, chosen)
    bounded = [(f"bound-{s:g}", s, spec.n) for s in level_L[i : j + 1]]
    return [("select", level_L[chosen], spec.n0), *bounded]


def certify(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify one image: Nh draws of the selector, then votes at every level they leave.

    Parameters
    ----------
    x_CHW : the image, in [0, 1].
    nets : ``selector`` (a `selectors.Selector`) and ``classifier``.
    spec : ``settings`` fill `Options`; ``spec.sigma`` is not used.
    """
    how = settings.options_of(Options, spec)
    net, selector = base.network(nets, "classifier"), base.network(nets, "selector")
    voter = SelectorVoter(selector, how.level_L, how.lam)
    votes = {}
    votes["selector"] = yield Ask("selector", voter, how.q, how.draws, len(how.level_L))
    for stage, level, n in stages(votes, spec):
        votes[stage] = yield Ask(stage, NoisyClassifier(net), level, n, class_count(net))
    return read(votes, spec)


def chooser_of(spec: RunSpec) -> level_sweep.Choice:
    """Return who votes for which levels: the selector, whose median counts."""
    how = settings.options_of(Options, spec)
    return level_sweep.Choice("selector", how.level_L, how.q)


def read(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Read the sound certificate from the votes there are, finished or not.

    alpha/4 bounds each side of the median, alpha/2 the class at every level. ``detail`` holds the
    selector's counts, the levels possible within the budget and whether the draws bound them at
    all, the distances at which the median may pass each level, and each R_s.
    """
    how, chooser = settings.options_of(Options, spec), chooser_of(spec)
    found = level_sweep.sweep(chooser, votes, spec, GUARANTEE)
    if found is None:
        c = level_sweep.certificate(chooser, votes, spec, GUARANTEE, "running", None)
        why = "The selector has not chosen a noise level yet."
        return replace(c, detail=asdict(Unchosen("sweep", list(how.level_L), why)))
    plan = [stage for stage, _, _ in stages(votes, spec)]
    endings: list[Ending] = [votes[s].ended if s in votes else "running" for s in plan]
    ended: Ending = next((e for e in endings if e != "complete"), "complete")
    c = level_sweep.certificate(chooser, votes, spec, GUARANTEE, ended, found)
    selector = votes["selector"]
    i, j, below, above = median_range(selector.counts_K, how.q, how.budget, spec.alpha / 4)
    detail = Detail(
        q=how.q,
        lam=how.lam,
        budget=how.budget,
        selector=list(selector.counts_K),
        possible=[how.level_L[i], how.level_L[j]],
        bounded=[below, above],  # False: too few draws for a bound at this budget
        **level_sweep.told(chooser, found, votes, LEAVES),
    )
    return replace(c, detail=asdict(detail))


def read_paper(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Read the paper-style radius, sigma PhiInv(p_a_lower) at the chosen level: a heuristic.

    It spends all of alpha on the class and takes the level as if it were the same nearby.
    """
    sound = read(votes, spec)
    if sound.sigma is None:
        return replace(sound, guarantee=NO_GUARANTEE, flags=(*sound.flags, HEURISTIC))
    bound = votes.get(f"bound-{sound.sigma:g}")
    at_level = replace(spec, sigma=sound.sigma)
    detail = asdict(PaperDetail("paper", sound.sigma, NO_GUARANTEE))
    return reading.read(
        votes.get("select"), bound, at_level, NO_GUARANTEE, flags=(HEURISTIC,), detail=detail
    )


def paper_style(c: Certificate, spec: RunSpec) -> Certificate | None:
    """Return the heuristic reading of a finished certificate, None where there is none."""
    detail = detail_of(c)
    stage = f"bound-{c.sigma:g}" if c.sigma else ""
    if stage not in detail.counts or c.ended != "complete":
        return None
    counts = {"selector": detail.selector, "select": c.counts0, stage: detail.counts[stage]}
    votes = {s: Votes(s, tuple(k), sum(k), "complete") for s, k in counts.items()}
    return read_paper(votes, spec)


def predict(
    x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec
) -> Generator[Ask, Votes, int | None]:
    """Predict the class of one image with the quantised selector, or None: `level_sweep.predict`.

    The adaptive classifier's class is another with probability at most alpha.
    """
    how = settings.options_of(Options, spec)
    net, selector = base.network(nets, "classifier"), base.network(nets, "selector")
    voter = SelectorVoter(selector, how.level_L, how.lam)
    draw = Ask("predict-level", voter, how.q, how.draws, len(how.level_L))
    classifier = NoisyClassifier(net)
    at_level = {
        s: Ask(f"predict-{s:g}", classifier, s, spec.n, class_count(net)) for s in how.level_L
    }
    return level_sweep.predict(chooser_of(spec), draw, at_level, spec.alpha)


def detail_of(c: Certificate) -> Detail:
    """Return the detail of a certificate of Variational RS."""
    return base.detail_as(Detail, c)


def claims(c: Certificate) -> list[base.Claim]:
    """Return what the radius rests on: the class, the median's two sides, and the other levels."""
    detail = detail_of(c)
    chooser = level_sweep.Choice("selector", tuple(detail.levels), detail.q)
    return level_sweep.claims(c, chooser, detail)


def choice(nets: Mapping[str, nn.Module], spec: RunSpec) -> base.Choice:
    """Return who votes for the level: the selector's rounded draws."""
    how = settings.options_of(Options, spec)
    voter = SelectorVoter(base.network(nets, "selector"), how.level_L, how.lam)
    return base.Choice(voter, how.q, how.level_L, quantile=0.5)


def aim_at_level(nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate) -> base.Aim:
    """Return the aim at the selector, as a classifier of levels."""
    how, selector, level = settings.options_of(Options, spec), nets["selector"], detail_of(c).level
    assert level is not None

    def chooser(noisy_NCHW: Tensor) -> Tensor:
        lam_N = torch.full((len(noisy_NCHW),), how.lam).to(noisy_NCHW)
        return level_logits(selector(noisy_NCHW, lam_N), how.level_L)

    aim = base.aim_at(chooser, how.q, how.level_L.index(level))
    return replace(aim, nets=(selector,))


def level_logits(sigma_N: Tensor, level_L: Sequence[float]) -> Tensor:
    """Return logits_NL of levels h, for their gradient: logit_l = -(20 (h - s_l))^2.

    The largest is that of the level that h is rounded to.
    """
    return -(20 * (sigma_N[:, None] - torch.tensor(level_L).to(sigma_N))).square()


def stored(
    detail: Mapping[str, Any], counts0: Sequence[int], counts: Sequence[int]
) -> dict[str, Sequence[int]]:
    """Return the counts of every stage that a row of a log holds."""
    return {"selector": detail["selector"], "select": counts0} | detail.get("counts", {})


def limit(spec: RunSpec) -> str:
    """Say how far the draws can hold a level at most: q PhiInv(a^(1/Nh)), a of one side."""
    how = settings.options_of(Options, spec)
    farthest = how.q * float(ndtri((spec.alpha / 4) ** (1 / how.draws)))
    return (
        "The sound radius allows for every level that may be chosen nearby; with "
        f"{how.draws:,} draws it cannot pass {down(farthest, 3)} unless all levels are certified."
    )


def needed(votes: Mapping[str, Votes], spec: RunSpec) -> dict[str, Votes]:
    """Return those of some votes that a run would have asked for."""
    if "selector" not in votes or votes["selector"].ended != "complete":
        return {stage: v for stage, v in votes.items() if stage == "selector"}
    plan = {"selector", *(stage for stage, _, _ in stages(votes, spec))}
    return {stage: v for stage, v in votes.items() if stage in plan}


LEVELS = base.LevelChoice(
    detail_of,
    lambda spec: settings.options_of(Options, spec).level_L,
    stored,
    choosing=("selector",),
    rereads=("budget",),
    choice=choice,
    aim=aim_at_level,
    needed=needed,
    limit=limit,
)
CONTROLS = (
    base.Control("lam", "lambda: 0 for accuracy, 1 for robustness", base.Range(0.0, 1.0, 0.1)),
    base.Control(
        "budget",
        "D: within this distance, every level possible is certified",
        base.Range(0.05, 1.0, 0.05),
        key="within",
    ),
    base.Control("draws", "Nh: draws of the selector", (30, 100, 300, 1000, 3000)),
)


def kl_to_target(sigma_N: Tensor, target: float) -> Tensor:
    """Return KL_N(N(0, s^2) || N(0, t^2)) = ln(t/s) + s^2 / (2 t^2) - 1/2, per dimension."""
    ratio_N = sigma_N / target
    return ratio_N.square() / 2 - ratio_N.log() - 0.5


def kl_of_batch(sigma_N: Tensor, target: float, spread: float) -> Tensor:
    """Return KL(N(m, v^2) || N(t, w^2)), m and v the mean and deviation of the batch's levels.

    ln(w/v) + (v^2 + (m - t)^2) / (2 w^2) - 1/2: the other reading of the paper's regulariser.
    """
    variance = sigma_N.var(correction=0) + 1e-12  # a batch of equal levels has none
    off = (sigma_N.mean() - target).square()
    return 0.5 * (spread**2 / variance).log() + (variance + off) / (2 * spread**2) - 0.5


@dataclass(frozen=True)
class Settings:
    """Of the selector's loss.

    ``draws`` m of noise; ``target`` t of the KL term; ``spread`` 0 takes the KL of each image, a
    number w > 0 that of a Gaussian fitted to the batch; ``lam`` its weight, below 0 drawn from
    U(0, 1) at each step (universal). ``q`` is the noise on the selector's own input, as when its
    median is taken.
    """

    draws: int = 4
    target: float = 0.5
    spread: float = 0.0
    lam: float = -1.0
    q: float = 0.0

    def __post_init__(self) -> None:
        check_counts(draws=(self.draws, 1))
        check_numbers(target=self.target, spread=self.spread, lam=max(self.lam, 0.0), q=self.q)
        if self.target == 0:
            raise UserError("target must be a number above 0.")


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    settings: Settings = Settings(),
) -> Tensor:
    """Return -log mean_m softmax f(x + s e_m)_y + lambda KL, s = h(x + q e', lambda), image mean.

    The noise is reparametrised as s e, so the gradient reaches h through s.

    Parameters
    ----------
    net : a `selectors.Pair`. x_NCHW are images in [0, 1], y_N their labels.
    sigma_N111, step : not used by this loss. generator is of lambda and the noise.
    """
    lam = settings.lam
    if lam < 0:
        lam = float(torch.rand((), generator=generator, device=generator.device))
    assert isinstance(net.selector, torch.nn.Module) and isinstance(net.classifier, torch.nn.Module)
    seen_NCHW = x_NCHW
    if settings.q > 0:
        seen_NCHW = x_NCHW + settings.q * draw_noise(x_NCHW, 1, generator)
    s_N = net.selector(seen_NCHW, torch.full((len(x_NCHW),), lam).to(x_NCHW))
    noise_RCHW = draw_noise(x_NCHW, settings.draws, generator)
    logits_MNK = noisy_logits(net.classifier, x_NCHW, s_N.view(-1, 1, 1, 1), noise_RCHW)
    classed = torch.nn.functional.nll_loss(log_mean_softmax(logits_MNK), y_N)
    if settings.spread > 0:
        return classed + lam * kl_of_batch(s_N, settings.target, settings.spread)
    return classed + lam * kl_to_target(s_N, settings.target).mean()
