"""Dual RS: a smoothed network chooses the noise level of each image (arXiv 2512.01782, ICLR 2026).

An estimator whose classes are the noise levels is smoothed with its own sigma_e; a classifier is
smoothed with the level chosen, G(x) = g_{sigma(x)}(x). Any sigma_e is sound; below the largest
level it only caps the radius needlessly. Two rules (``rule``) say what is chosen and proved.

``min``, the paper's: the level with most votes. If sigma(.) is constant closer than R_s to x, and g
at that level keeps its class closer than R_c, then G keeps its class closer than min(R_s, R_c). If
the estimator abstains, so does the whole.

``sweep``, rsviz's own: levels are ordered, so the level is the quantile P of the votes, and the
proof that of `rsviz.methods.level_sweep`: the level may move within an interval, at every level of
which the class is certified. The estimator never abstains; the price is votes at several levels.

How ``min`` shares alpha (``split``). ``half``, the paper's: alpha/2 for each stage; then both radii
and the level are claimed together. ``none``: alpha for each; the minimum of two lower bounds is a
lower bound of the minimum and fails only if the bound of the smaller one does, so the radius alone
fails with probability at most alpha, while 'level and both radii' together would fail with up to
2 alpha.

Routing: nets ``classifier-0.25``, ``classifier-0.5``, ... instead of one ``classifier``.

The paper was read in others' accounts only. Choices made here: the risk weights and the normalised
share weights (`rsviz.training.dual`), the alpha of label radii, what a head may learn of its proof
(`proof_loss`), no diffusion denoiser in front.

Shape suffixes: N images, M noise draws, C channels, H height, W width, K classes, L noise levels.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from rsviz.core import reading
from rsviz.core.errors import UserError
from rsviz.core.flags import PARTIAL, TOO_FEW
from rsviz.core.late import torch
from rsviz.core.radius import down
from rsviz.core.settings import check_counts, check_numbers, options_of
from rsviz.core.spec import SIGMA_MAX, Certificate, RunSpec, Votes
from rsviz.methods import base, level_sweep
from rsviz.methods.noise_levels import classifier_at, parse
from rsviz.networks.inspection import class_count
from rsviz.smoothing.estimates import draw_noise, log_mean_softmax, noisy_logits
from rsviz.smoothing.voters import Ask, MethodRun, NoisyClassifier

if TYPE_CHECKING:
    from torch import Tensor, nn

GUARANTEE = (
    "With probability at least 1 - alpha over the noise drawn here, the adaptive classifier (the "
    "smoothed estimator chooses the level, the classifier smoothed at that level the class, both "
    "with infinitely many votes) predicts this class for every image closer than the radius in L2."
)
SWEEP_GUARANTEE = (
    "With probability at least 1 - alpha over the noise drawn here, the adaptive classifier (the "
    "level is the stated quantile of the smoothed estimator's votes, the class that of the "
    "classifier smoothed at that level, both with infinitely many votes) predicts this class for "
    "every image closer than the radius in L2."
)
STAGE = "estimate-bound"  # the votes that bound the level, by either rule
LEAVES = "the votes for the level leave others possible, at any distance, that do not certify it"


@dataclass(frozen=True)
class Options:
    """Settings of a run: the levels, the estimator's own noise (0: the largest level), the rule.

    ``rule`` is ``min``, with its ``split`` ``half`` or ``none``, or ``sweep``, with its
    ``quantile``; see the head of this file. ``ask`` is of the sweep: ``needed``, or ``every`` to
    give all levels all their votes, so that they can be read again at other quantiles.
    """

    levels: str = "0.25,0.5,1"
    sigma_e: float = 0.0
    split: str = "half"
    rule: str = "min"  # what logs and certificates that name none were made by
    quantile: float = 0.5
    ask: str = "needed"

    def __post_init__(self) -> None:
        parse(self.levels)
        if self.ask not in ("needed", "every"):
            raise UserError(f"ask must be needed or every, but is {self.ask!r}.")
        if self.rule not in ("min", "sweep"):
            raise UserError(f"rule must be min or sweep, but is {self.rule!r}.")
        if not 0 < self.quantile < 1:
            raise UserError(f"quantile must lie between 0 and 1, but is {self.quantile!r}.")
        if self.split not in ("half", "none"):
            raise UserError(f"split must be half or none, but is {self.split!r}.")
        if not 0 <= self.sigma_e < SIGMA_MAX:
            raise UserError(f"sigma_e must lie between 0 and {SIGMA_MAX:g}, not {self.sigma_e!r}.")

    @property
    def level_L(self) -> tuple[float, ...]:
        """The noise levels, rising."""
        return parse(self.levels)

    @property
    def noise(self) -> float:
        """The standard deviation sigma_e."""
        return self.sigma_e or self.level_L[-1]

    @property
    def share(self) -> float:
        """The share of alpha each stage is read at."""
        return 0.5 if self.split == "half" else 1.0

    @property
    def chooser(self) -> level_sweep.Choice:
        """Who votes for which levels, of the sweep."""
        return level_sweep.Choice(STAGE, self.level_L, self.noise, self.quantile)


@dataclass(frozen=True)
class Estimate:
    """The estimator's own reading: its counts, its bound on the level's probability, and R_s."""

    counts0: Sequence[int]
    counts: Sequence[int]
    ended: str
    p_lower: float
    radius: float


@dataclass(frozen=True)
class Detail:
    """What a certificate keeps beside its class: the level, what holds it, and R_c."""

    rule: str
    split: str
    levels: Sequence[float]
    level: float | None
    sigma_e: float
    estimate: Estimate
    radius_class: float
    why: str

    @property
    def votes_L(self) -> list[int]:
        """The votes for the levels: those that bound the level, where there are any."""
        return list(self.estimate.counts or self.estimate.counts0)

    @property
    def possible(self) -> tuple[()]:
        """Nothing: the level chosen is the one with most votes."""
        return ()

    @property
    def in_words(self) -> str:
        """Nothing that the votes do not show."""
        return ""

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """R_s and R_c."""
        return (
            ("Level is the same within", self.estimate.radius),
            ("Class at that level, within", self.radius_class),
        )


@dataclass(frozen=True)
class SweptEstimate:
    """The estimator's votes, and how far the level stays in the interval (None: at any distance).

    It draws once, so ``counts0`` is empty.
    """

    counts0: Sequence[int]
    counts: Sequence[int]
    ended: str
    radius: float | None


@dataclass(frozen=True)
class SweptDetail:
    """What a certificate by the sweep keeps; what ``level`` decides is empty before it is chosen.

    ``down`` and ``up`` are the distances at which the quantile may pass each level (None: at none),
    ``radii`` the R_s, ``counts`` the votes behind them, ``interval`` the ends of S,
    ``radius_class`` the least R_s within.
    """

    rule: str
    levels: Sequence[float]
    sigma_e: float
    quantile: float
    estimate: SweptEstimate
    why: str
    level: float | None = None
    radius_class: float = 0.0
    down: Sequence[float | None] = ()
    up: Sequence[float | None] = ()
    radii: Sequence[float] = ()
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    interval: Sequence[float] = ()

    @property
    def votes_L(self) -> list[int]:
        """The votes for the levels."""
        return list(self.estimate.counts)

    @property
    def possible(self) -> Sequence[float]:
        """The ends of S, which the level does not leave within the radius."""
        return self.interval

    @property
    def in_words(self) -> str:
        """The quantile that chooses."""
        if self.level is None:
            return ""
        n = sum(self.estimate.counts)
        return f"The quantile {self.quantile:g} of {n:,} votes is level **{self.level:g}**."

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """How far the level stays in the interval, if anything bounds that, and the least R_s."""
        of_class = ("Class at these levels, within", self.radius_class)
        if self.estimate.radius is None:
            return (of_class,)
        return (("Level stays there within", self.estimate.radius), of_class)


def certify(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify one image: votes for its level, then votes for its class.

    ``min``: n0 + n for the level, n0 + n at it; an estimator that abstains ends the run. ``sweep``:
    n for the level, n0 at it, then n at every level that may make the radius larger.

    Parameters
    ----------
    x_CHW : the image, in [0, 1].
    nets : ``estimator``, and ``classifier`` or one ``classifier-<level>`` for each level.
    spec : ``settings`` fill `Options`; ``spec.sigma`` is not used.

    Raises
    ------
    UserError
        A network is missing, or the estimator's classes are not as many as the levels.
    """
    how = options_of(Options, spec)
    estimator, L = base.network(nets, "estimator"), len(how.level_L)
    if class_count(estimator) != L:
        raise UserError(
            f"The estimator chooses among {class_count(estimator)} levels, but {L} are set."
        )
    for level in how.level_L:
        classifier_at(nets, level)  # refused now rather than when one is chosen
    voter = NoisyClassifier(estimator)
    if how.rule == "sweep":
        draw = Ask(how.chooser.stage, voter, how.noise, spec.n, L)
        return (yield from _certify_by_sweep(nets, draw, how, spec))
    votes = {}
    for stage, n in (("estimate-select", spec.n0), ("estimate-bound", spec.n)):
        votes[stage] = yield Ask(stage, voter, how.noise, n, L)
    if read_level(votes, spec).abstained:
        return read(votes, spec)
    level = how.level_L[votes["estimate-select"].top]
    net = classifier_at(nets, level)
    for stage, n in (("select", spec.n0), ("bound", spec.n)):
        votes[stage] = yield Ask(stage, NoisyClassifier(net), level, n, class_count(net))
    return read(votes, spec)


def _certify_by_sweep(
    nets: Mapping[str, nn.Module], draw: Ask, how: Options, spec: RunSpec
) -> MethodRun:
    chooser = how.chooser
    votes = {chooser.stage: (yield draw)}

    def ask(stage: str, level: float, n: int) -> Ask:
        net = classifier_at(nets, level)
        noise = stage.partition("-")[0]  # that of plain smoothing at the level
        return Ask(stage, NoisyClassifier(net), level, n, class_count(net), noise=noise)

    if how.ask == "every":
        for name, n in (("select", spec.n0), ("bound", spec.n)):
            for s in how.level_L:
                votes[f"{name}-{s:g}"] = yield ask(f"{name}-{s:g}", s, n)
        return read(votes, spec)
    votes["select"] = yield ask("select", chooser.level_L[chooser.index(votes[STAGE])], spec.n0)
    while (level := level_sweep.next_level(chooser, votes, spec)) is not None:
        votes[f"bound-{level:g}"] = yield ask(f"bound-{level:g}", level, spec.n)
    return read(votes, spec)


def read_level(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Read the estimator's own certificate: ``predicted`` is the index of the chosen level."""
    how = options_of(Options, spec)
    spec = replace(spec, sigma=how.noise, alpha=how.share * spec.alpha)
    return reading.read(votes.get("estimate-select"), votes.get("estimate-bound"), spec, GUARANTEE)


def read(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Read a certificate from the votes there are, finished or not, by the rule of the run.

    ``detail["why"]`` says in words what decides, ``detail["estimate"]`` holds the estimator's
    counts and how far the level holds. ``min`` abstains where either stage does.
    """
    how = options_of(Options, spec)
    if how.rule == "sweep":
        return _read_sweep(votes, spec, how)
    estimate = read_level(votes, spec)
    level = None if estimate.predicted is None else how.level_L[estimate.predicted]
    at_level = replace(spec, sigma=level or how.noise, alpha=how.share * spec.alpha)
    c = reading.read(votes.get("select"), votes.get("bound"), at_level, GUARANTEE)
    ended = c.ended
    if estimate.ended != "complete" or (estimate.abstained and "select" not in votes):
        ended = estimate.ended
    abstained = estimate.abstained or c.abstained
    partial = (PARTIAL,) if ended != "complete" else ()
    too_few = (TOO_FEW,) if TOO_FEW in (*estimate.flags, *c.flags) else ()
    both = (("level", estimate), ("class", c))
    return replace(
        c,
        radius=0.0 if abstained else min(estimate.radius, c.radius),
        abstained=abstained,
        sigma=level,
        alpha=spec.alpha,
        alpha_split={f"{k}, {e}": a for k, of in both for e, a in of.alpha_split.items()},
        ended=ended,
        flags=spec.flags + partial + too_few,
        detail=asdict(_detail(how, estimate, c, level)),
    )


def _read_sweep(votes: Mapping[str, Votes], spec: RunSpec, how: Options) -> Certificate:
    """Read by the sweep over intervals of levels."""
    found = level_sweep.sweep(how.chooser, votes, spec, SWEEP_GUARANTEE)
    ended = level_sweep.ending(how.chooser, votes, spec)
    c = level_sweep.certificate(how.chooser, votes, spec, SWEEP_GUARANTEE, ended, found)
    return replace(c, detail=asdict(_swept_detail(how, votes, found)))


def _swept_detail(
    how: Options, votes: Mapping[str, Votes], found: level_sweep.Sweep | None
) -> SweptDetail:
    draws = votes.get(how.chooser.stage)
    estimate = SweptEstimate(
        counts0=[],
        counts=list(draws.counts_K) if draws else [],
        ended=draws.ended if draws else "running",
        radius=0.0,
    )
    if found is None:
        why = "The estimator has not chosen a noise level yet."
        return SweptDetail("sweep", list(how.level_L), how.noise, how.quantile, estimate, why)
    i, j = found.low, found.high
    held = min(found.down_L[i], found.up_L[j])
    return SweptDetail(
        sigma_e=how.noise,
        quantile=how.quantile,
        estimate=replace(estimate, radius=held if isfinite(held) else None),
        radius_class=min(found.radius_L[i : j + 1]),
        **level_sweep.told(how.chooser, found, votes, LEAVES),
    )


def _detail(how: Options, estimate: Certificate, c: Certificate, level: float | None) -> Detail:
    return Detail(
        rule="min",
        split=how.split,
        levels=list(how.level_L),
        level=level,
        sigma_e=how.noise,
        estimate=Estimate(
            list(estimate.counts0),
            list(estimate.counts),
            estimate.ended,
            estimate.p_a_lower,
            estimate.radius,
        ),
        radius_class=c.radius,
        why=_why(estimate, c, level),
    )


def _why(estimate: Certificate, c: Certificate, level: float | None) -> str:
    """Return one sentence on what decides this reading."""
    if level is None:
        return "The estimator has not chosen a noise level yet."
    if estimate.abstained:
        return _abstains("The estimator", f"level {level:g}", estimate)
    if c.predicted is None:
        return f"Level {level:g} holds out to {down(estimate.radius, 4)}; no class is chosen yet."
    if c.abstained:
        return _abstains("The classifier", f"its class at level {level:g}", c)
    smaller, at = ("level", estimate.radius) if estimate.radius < c.radius else ("class", c.radius)
    return (
        f"The {smaller} decides: it is the first that may change, at a distance of {down(at, 4)}."
    )


def _abstains(who: str, what: str, c: Certificate) -> str:
    votes = "Its votes are not all in, and so" if c.ended != "complete" else "So"
    return (
        f"{who} abstains: votes for {what} show a probability of at least {down(c.p_a_lower, 4)}, "
        f"which is not above 1/2. {votes} nothing is certified."
    )


def predicted(
    estimate_L: Sequence[int], class_K: Sequence[int] | None, alpha: float
) -> tuple[int | None, int | None]:
    """Return (level index, class) by PREDICT at alpha/2 each, None to abstain.

    Both stages must be right, so alpha is shared whatever the split of the certificate.
    """
    level = reading.predict(estimate_L, alpha / 2)
    if level is None or class_K is None:
        return level, None
    return level, reading.predict(class_K, alpha / 2)


def predict(
    x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec
) -> Generator[Ask, Votes, int | None]:
    """Predict the class of one image with n votes for its level and n for its class, or None.

    By the rule of the run; the adaptive classifier's class is another one with probability at most
    alpha.
    """
    how = options_of(Options, spec)
    estimator = NoisyClassifier(base.network(nets, "estimator"))
    draw = Ask("predict-level", estimator, how.noise, spec.n, len(how.level_L))
    if how.rule == "sweep":
        at_level = {}
        for s in how.level_L:
            net = classifier_at(nets, s)
            stage, voter = f"predict-{s:g}", NoisyClassifier(net)
            at_level[s] = Ask(stage, voter, s, spec.n, class_count(net))
        return (yield from level_sweep.predict(how.chooser, draw, at_level, spec.alpha))
    chosen = yield draw
    index, _ = predicted(chosen.counts_K, None, spec.alpha)
    if index is None:
        return None
    level = how.level_L[index]
    net = classifier_at(nets, level)
    votes = yield Ask("predict-class", NoisyClassifier(net), level, spec.n, class_count(net))
    return predicted(chosen.counts_K, votes.counts_K, spec.alpha)[1]


def detail_of(c: Certificate) -> Detail | SweptDetail:
    """Return the detail of a certificate of Dual RS, by its rule."""
    if c.detail.get("rule") == "sweep":
        return base.detail_as(SweptDetail, c)
    return base.detail_as(Detail, c)


def claims(c: Certificate) -> list[base.Claim]:
    """Return what the radius rests on: the bounds of the class, and those of the level."""
    found, detail = base.claim_of_class(c), detail_of(c)
    if isinstance(detail, SweptDetail):
        chooser = level_sweep.Choice(STAGE, tuple(detail.levels), detail.sigma_e, detail.quantile)
        return level_sweep.claims(c, chooser, detail)
    if detail.level is not None:
        chosen = list(detail.levels).index(detail.level)
        of = f"the probability of level {detail.level:g}"
        lower = detail.estimate.p_lower
        found.append(base.Claim("estimate-bound", (chosen,), lower, "p_lower", of))
    return found


def choice(nets: Mapping[str, nn.Module], spec: RunSpec) -> base.Choice:
    """Return who votes for the level: the estimator, in its own noise, and by which rule."""
    how = options_of(Options, spec)
    voter = NoisyClassifier(base.network(nets, "estimator"))
    quantile = how.quantile if how.rule == "sweep" else None
    return base.Choice(voter, how.noise, how.level_L, quantile)


def aim(nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate) -> base.Aim:
    """Return the aim at the classifier, at the level chosen for the image as it is."""
    level = detail_of(c).level
    assert level is not None and c.predicted is not None
    return base.aim_at(classifier_at(nets, level), level, c.predicted)


def aim_at_level(nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate) -> base.Aim:
    """Return the aim at the estimator."""
    how, level = options_of(Options, spec), detail_of(c).level
    assert level is not None
    return base.aim_at(base.network(nets, "estimator"), how.noise, how.level_L.index(level))


def stored(
    detail: Mapping[str, Any], counts0: Sequence[int], counts: Sequence[int]
) -> dict[str, Sequence[int]]:
    """Return the counts of every stage that a row of a log holds."""
    estimate = detail["estimate"]
    found = {"estimate-select": estimate["counts0"], STAGE: estimate["counts"]}
    if "counts" not in detail:
        return found | {"select": counts0, "bound": counts}
    every = any(stage.startswith("select-") for stage in detail["counts"])
    return found | ({} if every else {"select": counts0}) | detail["counts"]


def planned(spec: RunSpec) -> int:
    """Return how many votes a run counts at least, unless its estimator abstains."""
    chosen = 0 if options_of(Options, spec).rule == "sweep" else spec.n0
    return chosen + spec.n + spec.n0 + spec.n


def needed(votes: Mapping[str, Votes], spec: RunSpec) -> Mapping[str, Votes]:
    """Return those of some votes that a run would have asked for."""
    how = options_of(Options, spec)
    if how.rule == "min" or how.ask == "every":
        return votes
    return level_sweep.needed(how.chooser, votes, spec)


LEVELS = base.LevelChoice(
    detail_of,
    lambda spec: options_of(Options, spec).level_L,
    stored,
    choosing=("estimate-select", STAGE),
    rereads=("split", "quantile", "ask"),
    choice=choice,
    aim=aim_at_level,
    needed=needed,
)
CONTROLS = (
    base.Control(
        "rule",
        "What is chosen and proved",
        ("min", "sweep"),
        words={"min": "the paper's min", "sweep": "the sweep"},
        help="The paper's: the level with most votes, proved to stay the same. The sweep: a "
        "quantile of the votes, which may move among levels that all certify the class.",
    ),
    base.Control(
        "quantile",
        "Of the sweep: which quantile of the votes is the level",
        base.Range(0.1, 0.9, 0.05),
        help="1/2 is the median; more takes more noise.",
    ),
    base.Control(
        "split",
        "Of the paper's min: alpha for the two stages",
        ("half", "none"),
        words={"half": "half each", "none": "whole each"},
        help="Half each: both radii and the level are claimed together. Whole each: only the "
        "smaller radius is claimed, which fails no more often.",
    ),
)


@dataclass(frozen=True)
class Settings:
    """Of the estimator's loss: ``draws`` of noise, weights ``lam`` and ``eta`` of consistency."""

    draws: int = 2
    lam: float = 40.0
    eta: float = 0.5

    def __post_init__(self) -> None:
        check_counts(draws=(self.draws, 1))
        check_numbers(lam=self.lam, eta=self.eta)


@dataclass(frozen=True, eq=False)
class Targets:
    """What the estimator learns about each image: soft_NL, weight_N (0: left out), risk_NL.

    ``risk_NL`` is the weight of consistency, by the largest level that a noisy copy predicts.
    """

    soft_NL: Tensor
    weight_N: Tensor
    risk_NL: Tensor


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    row_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    targets: Targets,
    settings: Settings = Settings(),
) -> Tensor:
    """Return the estimator's loss, mean_N w (CE(soft target) + w_r L_con).

    L_con = lambda mean_m KL(fhat || f_m) + eta H(fhat) over the noise draws m, fhat their mean;
    w is the share weight, w_r the risk weight at the largest level that a noisy copy predicts.

    Parameters
    ----------
    row_N : row of each image in ``targets`` (a data set whose labels are row numbers).
    sigma_N111 : sigma_e for each image.
    generator : of the noise. step is not used by this loss.
    """
    noise_RCHW = draw_noise(x_NCHW, settings.draws, generator)
    logits_MNL = noisy_logits(net, x_NCHW, sigma_N111, noise_RCHW)
    log_p_MNL = logits_MNL.log_softmax(2)
    soft_NL, weight_N, risk_NL = (
        t.to(x_NCHW)[row_N] for t in (targets.soft_NL, targets.weight_N, targets.risk_NL)
    )
    largest_N = logits_MNL.argmax(2).amax(0)
    risk_N = risk_NL.gather(1, largest_N[:, None])[:, 0]
    classed_N = -(soft_NL * log_p_MNL).sum(2).mean(0)
    log_fhat_NL = log_mean_softmax(logits_MNL)
    fhat_NL = log_fhat_NL.exp()
    apart_N = (fhat_NL * (log_fhat_NL - log_p_MNL)).sum(2).mean(0)
    entropy_N = -(fhat_NL * log_fhat_NL).sum(1)
    consistency_N = settings.lam * apart_N + settings.eta * entropy_N
    return (weight_N * (classed_N + risk_N * consistency_N)).mean()


@dataclass(frozen=True)
class Proof:
    """Of the loss of what is proved: ``draws`` of noise, what accuracy is ``worth``.

    ``worth`` is that of certified accuracy at the radii `NEAR`, beside a mean radius of 1;
    ``sharpness`` multiplies the logits before they become soft votes.
    """

    draws: int = 8
    worth: float = 0.25
    sharpness: float = 3.0

    def __post_init__(self) -> None:
        check_counts(draws=(self.draws, 1))
        check_numbers(worth=self.worth, sharpness=self.sharpness)


NEAR, STEP = (0.0, 0.25), 0.1  # radii whose accuracy counts, and how soft a step at each is
NONE = -1.0  # the radius of a level with none: at 0 the interval of all levels would prove 0, and
# an image at a wrong level would have no slope towards a right one


def swept_radius(above_NL: Tensor, radius_NL: Tensor, q_N1: Tensor, quantile: float) -> Tensor:
    """Return radius_N that the sweep proves by such shares of votes, differentiable; see the head.

    `rsviz.core.smoothed_median.best_interval` over all intervals of levels, with reaches that are
    not cut at 0, q (PhiInv(P(level above s)) - PhiInv(1 - P)) down and the same less up: an
    interval without the level chosen then has at most 0, and a slope.

    Parameters
    ----------
    above_NL : P(level above s) of every level s but the largest, (N, L - 1).
    radius_NL : R_s of one class at every level.
    """
    inner_NL = above_NL.clamp(1e-3, 1 - 1e-3)  # PhiInv has no slope to follow at 0 and 1
    at_edge = torch.special.ndtri(torch.full_like(inner_NL[:1, :1], 1 - quantile))
    rho_NL = q_N1 * (torch.special.ndtri(inner_NL) - at_edge)
    ends_N1 = torch.full_like(radius_NL[:, :1], torch.inf)  # of the grid
    down_NL, up_NL = torch.cat((ends_N1, rho_NL), 1), torch.cat((-rho_NL, ends_N1), 1)
    found = []
    for i in range(radius_NL.shape[1]):
        for j in range(i, radius_NL.shape[1]):
            edges_N2 = torch.stack((down_NL[:, i], up_NL[:, j]), 1)
            found.append(torch.cat((edges_N2, radius_NL[:, i : j + 1]), 1).amin(1))
    return torch.stack(found).amax(0)


def proof_loss(
    net: nn.Module,
    x_NCHW: Tensor,
    row_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    radius_NL: Tensor,
    settings: Proof = Proof(),
) -> Tensor:
    """Return -mean_N(R+ + worth mean_r sigmoid((R - r)/STEP)), R what the sweep proves, r of NEAR.

    As MACER (arXiv 2001.02378) learns a classifier through its radius, the estimator learns through
    that of the whole: where its votes are split, what is lost is not a label but a radius. The
    share of votes above a level is the mean over draws of the sigmoid of ``sharpness`` times the
    largest logit above it less the largest not above, 1/2 where a vote turns, as a sum of softmax
    is not. An image with no radius at any level counts for nothing. A choice of rsviz's own.

    Parameters
    ----------
    row_N : row of each image in ``radius_NL``, the R_s of its label at every level.
    sigma_N111 : sigma_e for each image.
    generator : of the noise. step is not used by this loss.
    """
    noise_RCHW = draw_noise(x_NCHW, settings.draws, generator)
    logits_MNL = noisy_logits(net, x_NCHW, sigma_N111, noise_RCHW)
    above_MNL = logits_MNL.flip(2).cummax(2).values.flip(2)[..., 1:]
    upto_MNL = logits_MNL.cummax(2).values[..., :-1]
    above_NL = torch.sigmoid(settings.sharpness * (above_MNL - upto_MNL)).mean(0)
    of_rows_NL, q_N1 = radius_NL.to(x_NCHW)[row_N], sigma_N111.to(x_NCHW)[:, :, 0, 0]
    known_N = of_rows_NL.amax(1) > 0
    of_rows_NL = torch.where(of_rows_NL > 0, of_rows_NL, NONE)
    R_N = swept_radius(above_NL, of_rows_NL, q_N1, 0.5)  # which quantile is chosen afterwards
    near_N = torch.stack([torch.sigmoid((R_N - r) / STEP) for r in NEAR]).mean(0)
    return -(known_N * (R_N.clamp(min=0) + settings.worth * near_N)).mean()


def classifier_loss(
    net: nn.Module,
    x_NCHW: Tensor,
    row_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    label_N: Tensor,
    level_N: Tensor,
) -> Tensor:
    """Return CE(f(x + sigma(x) e), y) on one noisy copy of each image, for fine-tuning.

    Parameters
    ----------
    row_N : row of each image in ``label_N`` and ``level_N`` (its label, the level chosen for it).
    sigma_N111 : not used: every image has its own level.
    """
    noise_NCHW = draw_noise(x_NCHW, 1, generator)
    level_N111 = level_N.to(x_NCHW)[row_N].view(-1, 1, 1, 1)
    return torch.nn.functional.cross_entropy(
        net(x_NCHW + level_N111 * noise_NCHW), label_N.to(row_N)[row_N]
    )
