"""Attack a certified image: how far must it move before the smoothed classifier gives way.

The attack is projected gradient ascent through the noise (`attacks.pgd`); what it found is judged
by PREDICT on fresh votes. Inside the radius every attack must fail. An attack that fails elsewhere
proves nothing: a better one may succeed.

Shape suffixes: N images, M noise draws, R = M N rows, C channels, H height, W width, K classes.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from scipy.stats import binom
from torch import Tensor, nn

from rsviz.certification import certify
from rsviz.certification.certify import Progress
from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.core.radius import radius_linf
from rsviz.core.spec import Bound, Certificate, Norm, RunSpec
from rsviz.data.images import image_id
from rsviz.methods.base import Aim
from rsviz.methods.registry import METHODS
from rsviz.smoothing.driver import drive
from rsviz.smoothing.estimates import draw_noise
from rsviz.smoothing.noise import chunk_seed
from rsviz.smoothing.pgd import ascend, frozen
from rsviz.smoothing.voters import Request

Verdict = Literal["holds", "broken", "undecided"]
Target = Literal["classifier", "selector"]
MULTIPLE_MAX = 20.0


@dataclass(frozen=True)
class AttackSpec:
    """How an image is attacked and judged.

    Attributes
    ----------
    budgets : lengths of the change, as multiples of the certified radius.
    norm : in which the change is measured; an L2 certificate has the Linf radius R / sqrt(d).
    steps, draws : of the gradient ascent, and noisy copies the gradient is averaged over.
    n, alpha : votes of PREDICT, and its chance to name a wrong class.
    seed : of the attack and of the judge; neither sees the certificate's noise.
    target : the ``classifier``, or what chooses the noise level, the ``selector``.
    """

    budgets: tuple[float, ...] = (0.99, 1.5, 2.0, 3.0, 4.0)
    norm: Norm = Norm.L2
    steps: int = 20
    draws: int = 16
    n: int = 1000
    alpha: float = 0.001
    seed: int = 0
    target: Target = "classifier"

    def __post_init__(self) -> None:
        if not self.budgets or not all(0 < b <= MULTIPLE_MAX for b in self.budgets):
            raise UserError(f"Budgets must be multiples of the radius, up to {MULTIPLE_MAX:g}.")
        for name in ("steps", "draws"):
            if not 1 <= getattr(self, name) <= 1000:
                raise UserError(f"{name} must be a whole number from 1 to 1,000.")
        RunSpec("", "", None, n=self.n, alpha=self.alpha, seed=self.seed)  # it checks all three


def length(delta_CHW: Tensor, norm: Norm) -> float:
    """Return the length of a change in a norm, in float64."""
    delta = delta_CHW.double()
    return float(delta.abs().max() if norm is Norm.LINF else delta.norm())


@dataclass(frozen=True, eq=False)
class Attempt:
    """One attack: its budget, how far it went, what it made, and what PREDICT says of that."""

    budget: float
    eps: float
    length: float
    x_CHW: Tensor
    counts_K: tuple[int, ...]
    predicted: int | None
    verdict: Verdict


def certified_radius(c: Certificate, norm: Norm, d: int) -> float:
    """Return the certified radius in a norm: an L2 ball holds an Linf ball of R / sqrt(d).

    Raises
    ------
    UserError
        Nothing is certified, or L2 is asked of an Linf certificate.
    """
    if c.abstained or c.radius <= 0:
        raise UserError("Nothing is certified for this image, so there is no radius to attack at.")
    if c.norm is norm:
        return c.radius
    if norm is Norm.LINF:
        return radius_linf(c.radius, d)
    return c.radius  # an Linf ball holds the L2 ball of the same radius


def attack(
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    spec: RunSpec,
    c: Certificate,
    how: AttackSpec,
    device: str = "cpu",
    cancel: threading.Event | None = None,
    claim: Certificate | None = None,
) -> Iterator[Attempt]:
    """Attack one certified image at every budget, the smallest first; stops when cancelled.

    Parameters
    ----------
    spec : the run that gave the certificate ``c``; networks are attacked as they voted.
    claim : another reading of the same votes, whose radius and class are attacked instead.

    Raises
    ------
    UserError
        Nothing is certified, or the method has no such target.
    """
    claim = claim or c
    radius = certified_radius(claim, how.norm, x_CHW.numel())
    aim, x_NCHW = _aim(nets, spec, c, how.target), x_CHW[None].to(device)
    seed = chunk_seed(how.seed, image_id(x_CHW), "attack", 0, 0)
    noise_RCHW = draw_noise(x_NCHW, how.draws, torch.Generator(device).manual_seed(seed))

    def logits_of(moved_NCHW: Tensor) -> Tensor:
        return aim.logits_of(moved_NCHW, noise_RCHW)

    for budget in sorted(how.budgets):
        if cancel is not None and cancel.is_set():
            return
        eps, y_N = budget * radius, torch.tensor([aim.answer], device=device)
        with frozen(nn.ModuleList(aim.nets)):
            found = ascend(logits_of, x_NCHW, y_N, eps, how.steps, how.norm)
        moved_CHW = found[0].cpu()
        predicted, counts_K = judge(moved_CHW, nets, spec, how, device)
        verdict: Verdict = "undecided" if predicted is None else "broken"
        verdict = "holds" if predicted == claim.predicted else verdict
        far = length(moved_CHW - x_CHW, how.norm)
        yield Attempt(budget, eps, far, moved_CHW, counts_K, predicted, verdict)


def judge(
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    spec: RunSpec,
    how: AttackSpec,
    device: str = "cpu",
) -> tuple[int | None, tuple[int, ...]]:
    """Return PREDICT's class (None: it abstains) and the counts of its last stage, fresh votes.

    There are none where no noise level is certain enough to ask for a class at it.

    The smoothed classifier's class at this image differs with probability at most alpha.
    """
    at = replace(spec, n=how.n, alpha=how.alpha, seed=how.seed)
    request = Request(
        0,
        x_CHW,
        image_id(x_CHW),
        how.seed,
        lambda: METHODS[spec.method].predict_run(x_CHW, nets, at),  # type: ignore[arg-type,return-value]
    )
    *_, task = drive([request], device)
    answer: int | None = task.certificate  # type: ignore[assignment]
    of_class = [v.counts_K for stage, v in task.votes.items() if stage != "predict-level"]
    return answer, of_class[-1] if of_class else ()


def _aim(nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate, target: Target) -> Aim:
    """Return what is attacked: where the class is voted for, or where its noise level is."""
    method = METHODS[spec.method]
    if target == "classifier":
        return method.aim(nets, spec, c)
    if method.levels is None or method.levels.aim is None:
        raise UserError(f"{method.title} has no selector that can be attacked.")
    return method.levels.aim(nets, spec, c)


@dataclass(frozen=True)
class Tally:
    """How attacks at one budget ended, over several images."""

    budget: float
    holds: int = 0
    broken: int = 0
    undecided: int = 0

    @property
    def attacked(self) -> int:
        """Images attacked at this budget."""
        return self.holds + self.broken + self.undecided


def tally(verdicts: Iterable[tuple[float, Verdict]]) -> tuple[Tally, ...]:
    """Count verdicts by budget."""
    found: dict[float, Tally] = {}
    for budget, verdict in verdicts:
        before = found.get(budget, Tally(budget))
        found[budget] = replace(before, **{verdict: getattr(before, verdict) + 1})
    return tuple(found[budget] for budget in sorted(found))


@dataclass(frozen=True)
class Attacked:
    """One image of a subset: its name, its certificate, and how each attack on it ended."""

    image: str
    certificate: Certificate
    verdicts: tuple[tuple[float, Verdict], ...]


def attack_subset(
    names: Iterable[str],
    find: Callable[[str], Tensor],
    nets: Mapping[str, nn.Module],
    make_spec: Callable[[str, Tensor], RunSpec],
    how: AttackSpec,
    device: str = "cpu",
    heuristic: bool = False,
) -> Iterator[Attacked]:
    """Certify every image of a subset and attack those that are certified, in order.

    Parameters
    ----------
    find : gives the image of a name; ``make_spec`` the run that certifies it.
    heuristic : whether to attack the radius that the paper of the method gives, no certificate.
    """
    for name in names:
        x_CHW = find(name)
        spec = make_spec(name, x_CHW)
        *_, last = certify.watch(x_CHW, nets, spec, device)
        c = last.certificate
        claim = paper_style(c, spec) if heuristic else c
        found = [] if claim.radius <= 0 else attack(x_CHW, nets, spec, c, how, device, claim=claim)
        yield Attacked(name, claim, tuple((a.budget, a.verdict) for a in found))


def paper_style(c: Certificate, spec: RunSpec) -> Certificate:
    """Return the radius that the paper of a method gives from the same votes: no certificate.

    Raises
    ------
    UserError
        The method has no such reading.
    """
    method = METHODS[spec.method]
    found = None if method.heuristic is None else method.heuristic(c, spec)
    if found is None:
        raise UserError(f"{method.title} has no radius in its paper's style beside the sound one.")
    return found


def refuted(broken: int, attacked: int, alpha: float, level: float = 0.001) -> bool:
    """Whether so many broken inside the radius refute the claim that each does with at most alpha.

    P(Bin(attacked, alpha) >= broken) < level; alpha is that of the certificate and of PREDICT,
    together.
    """
    return broken > 0 and float(binom.sf(broken - 1, attacked, alpha)) < level


@dataclass(frozen=True)
class AttackRun:
    """What decides an attack: the image, the run that certifies it, the attack, the device."""

    image: str
    spec: RunSpec
    how: AttackSpec
    device: str


@dataclass(frozen=True, eq=False)
class AttackProgress(Progress):
    """An attack under way: the certificate, what PREDICT says of the clean image, the attempts.

    ``radius`` is the certified one in the ``norm`` of the attack, in which lengths are measured.
    """

    unit: ClassVar[str] = "attacks"

    norm: Norm = Norm.L2
    radius: float = 0.0
    clean_K: tuple[int, ...] = ()
    clean: int | None = None
    attempts: tuple[Attempt, ...] = ()


def watch_attack(
    key: AttackRun, x_CHW: Tensor, nets: Mapping[str, nn.Module], cancel: threading.Event
) -> Iterator[AttackProgress]:
    """Certify, judge the clean image, then attack at every budget; yield a reading after each."""
    begun = clock.now()
    spec, how, total = replace(key.spec, bound=Bound.SPLIT), key.how, len(key.how.budgets)
    c: Certificate | None = None
    for progress in certify.watch(x_CHW, nets, spec, key.device, cancel):
        c = progress.certificate
        yield AttackProgress(c, 0, total, progress.seconds)
    if c is None or c.abstained or cancel.is_set():
        return
    radius = certified_radius(c, how.norm, x_CHW.numel())
    clean, clean_K = judge(x_CHW, nets, spec, how, key.device)

    def reading(*attempts: Attempt) -> AttackProgress:
        seconds, done = clock.since(begun), len(attempts)
        return AttackProgress(c, done, total, seconds, how.norm, radius, clean_K, clean, attempts)

    yield reading()
    attempts: tuple[Attempt, ...] = ()
    for attempt in attack(x_CHW, nets, spec, c, how, key.device, cancel):
        attempts += (attempt,)
        yield reading(*attempts)
