"""ARS: look, mask, look again with less noise; certified in Linf (Lyu et al., arXiv 2406.10427).

Query 1 sees x + s_1 e_1. A mask network turns it into w in [0, 1] per pixel, and query 2 sees
w x + s_2 e_2, with less noise where the mask keeps little. Query j spends the share f_j of the
budget, s_j = sigma/sqrt(f_j) ||w_j||_2/sqrt(d) with w_1 = 1 and sum f_j = 1. Within ||delta||_inf
< r the answers shift by sqrt(sum mu_j^2) = r sqrt(d)/sigma standard deviations, whatever the masks:
the budget of plain smoothing, so R_inf = sigma/sqrt(d) PhiInv(p_A). This needs that w_j, s_j and
all that follows depend on earlier answers alone, that the noises are independent, and that every
vote draws all of them anew. The text read was the abstract, reviews and code, not the whole paper.

More than two queries (ours): the mask of query j is drawn by a network of its own from the best
estimate of x by the j - 1 answers before it. Whatever those were, query j tells x from x + delta no
better than two Gaussians at mu_j = ||w_j delta||_2/s_j <= r sqrt(d f_j)/sigma, a number that no
answer changes; such queries compose, adaptively, to sqrt(sum mu_j^2) <= r sqrt(d)/sigma (Dong, Roth
and Su 2019, arXiv 1905.02383). So the radius is the same for any number of queries and for masks
that see every answer. The first spends f, the others (1 - f)/(K - 1) each: two queries through one
mask are exactly one through it with the shares of both, so a third pays only where a mask drawn
from a better look is a better mask.

Shape suffixes: N votes, C channels, H height, W width, K queries; d = CHW entries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import TYPE_CHECKING, TypeVar

from rsviz.core import reading, stopping
from rsviz.core.errors import UserError
from rsviz.core.late import torch
from rsviz.core.settings import options_of
from rsviz.core.spec import Certificate, Norm, RunSpec, Votes
from rsviz.data.images import image_id
from rsviz.methods import consistency
from rsviz.methods.base import Aim, network
from rsviz.networks.inspection import class_count
from rsviz.smoothing.noise import CHUNK, chunk, chunk_name
from rsviz.smoothing.queries import HALVES, Answer, ask, combine, noise_level
from rsviz.smoothing.voters import Ask, MethodRun, NoisyClassifier, Voter, check_votes, vote

if TYPE_CHECKING:
    from torch import Tensor, nn

Share = TypeVar("Share", float, "Tensor")  # a number, or what training learns

GUARANTEE = (
    "With probability at least 1 - alpha over the noise drawn here, the smoothed classifier "
    "(infinitely many votes at this sigma, each with noise and mask of its own) predicts this "
    "class for every image whose every entry differs by less than the radius."
)


@dataclass(frozen=True)
class AdaptiveVoter:
    """The voter of ARS: argmax_c f(combined answers)_c; noise and masks are new for every row."""

    classifier: nn.Module
    masks: tuple[nn.Module, ...]
    shares_K: tuple[float, ...] = HALVES
    kappa_max: float = math.inf

    @property
    def queries(self) -> int:
        """How many looks, and noises, a vote takes."""
        return len(self.shares_K)

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return class_N, one vote a row."""
        answers = ask(x_NCHW, sigma_N111, noise_NCHW, self.masks, self.shares_K, self.kappa_max)
        return vote(self.classifier(combine(answers)[0]))


@dataclass(frozen=True)
class StaticVoter:
    """One query through one mask: argmax_c f(w x + sigma ||w||_2/sqrt(d) e)_c.

    The mask is asked about zeros, so that it cannot look at the image.
    """

    classifier: nn.Module
    mask: nn.Module

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return class_N, one vote a row."""
        (e_NCHW,) = noise_NCHW
        return vote(self.classifier(static_query(x_NCHW, sigma_N111, e_NCHW, self.mask)))


def static_query(x_NCHW: Tensor, sigma_N111: Tensor, e_NCHW: Tensor, mask: nn.Module) -> Tensor:
    """Return w x + s e for a mask that does not depend on the image."""
    w_N1HW = mask(torch.zeros_like(x_NCHW))
    return w_N1HW * x_NCHW + noise_level(w_N1HW, sigma_N111, 1.0) * e_NCHW


@dataclass(frozen=True)
class Options:
    """Settings of a run: ``f``, the first query's share of the budget, and ``kappa_max``.

    ``kappa_max`` (none by default) is the bound that `queries.noise_level` enforces.
    """

    f: float = 0.5
    kappa_max: float = math.inf

    def __post_init__(self) -> None:
        if not 0 < self.f < 1:
            raise UserError(
                f"f, the first query's share of the budget, must lie in (0, 1), not {self.f!r}."
            )
        if not self.kappa_max >= 1:
            raise UserError(f"kappa_max must be at least 1, but is {self.kappa_max!r}.")


def mask_name(j: int) -> str:
    """Return the name of the part that draws the j-th mask, the first being 1."""
    return "mask" if j == 1 else f"mask-{j}"


def masks_of(nets: Mapping[str, nn.Module]) -> tuple[nn.Module, ...]:
    """Return the networks that draw masks, in the order they are asked; at least one."""
    more = takewhile(lambda name: name in nets, map(mask_name, count(2)))
    return (network(nets, "mask"), *(nets[name] for name in more))


def shares_of(f: Share, queries: int) -> tuple[Share, ...]:
    """Return the shares of the budget: f of the first query, the rest in equal parts."""
    return tuple((1 - f) / (queries - 1) if later else f for later in range(queries))


def voter_of(nets: Mapping[str, nn.Module], spec: RunSpec) -> AdaptiveVoter:
    """Return the voter of a run; ``spec.settings`` fill `Options`, a bad one is refused."""
    how, masks = options_of(Options, spec), masks_of(nets)
    shares_K = shares_of(how.f, len(masks) + 1)
    return AdaptiveVoter(nets["classifier"], masks, shares_K, how.kappa_max)


@dataclass(frozen=True, eq=False)
class Seen:
    """What the first votes of a run saw: all answers, what the classifier got, and its class."""

    answers: tuple[Answer, ...]
    estimate_NCHW: Tensor
    variance_N1HW: Tensor
    class_N: Tensor


def first_votes(
    x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec, first: int, device: str = "cpu"
) -> Seen:
    """Return what the first votes of the bound stage saw, at most `CHUNK`; a run counts the same.

    The variance is that of the estimate were each mask held fixed.
    """
    voter = voter_of(nets, spec)
    C, H, W = x_CHW.shape
    hashed = image_id(x_CHW)
    with torch.inference_mode():
        names = [chunk_name(spec.seed, hashed, "bound", q, 0) for q in range(voter.queries)]
        noise = [chunk((C, H, W), name, device) for name in names]
        x_NCHW = x_CHW.to(device).expand(CHUNK, C, H, W)
        sigma_N111 = torch.full((CHUNK, 1, 1, 1), spec.noise, device=device)
        answers = ask(x_NCHW, sigma_N111, noise, voter.masks, voter.shares_K, voter.kappa_max)
        estimate_NCHW, variance_N1HW = combine(answers)
        class_N = check_votes(vote(voter.classifier(estimate_NCHW)))
    shown = tuple(Answer(a.m_NCHW[:first], a.w_N1HW[:first], a.s_N111[:first]) for a in answers)
    return Seen(shown, estimate_NCHW[:first], variance_N1HW[:first], class_N[:first])


def certify(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify one image in Linf: n0 votes choose the class, n fresh votes bound its probability.

    R_inf = sigma/sqrt(d) PhiInv(p_a_lower) if p_a_lower > 1/2, else abstain.

    Parameters
    ----------
    x_CHW : the image, in [0, 1]; all of its d = CHW entries may be changed by an attacker.
    nets : ``classifier``, ``mask`` and, for a third query, ``mask-2`` and so on: networks in eval
        mode, fixed before the image is seen.
    spec : ``settings`` fill `Options`.
    """
    voter = voter_of(nets, spec)
    return _certify(voter, voter.queries, x_CHW, nets["classifier"], spec)


def certify_static(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify with one query through one fixed mask, ``nets["mask"]``."""
    voter = StaticVoter(nets["classifier"], nets["mask"])
    return _certify(voter, 1, x_CHW, nets["classifier"], spec)


def certify_plain(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify with plain randomized smoothing, read in Linf."""
    return _certify(NoisyClassifier(nets["classifier"]), 1, x_CHW, nets["classifier"], spec)


def _certify(
    voter: Voter, queries: int, x_CHW: Tensor, classifier: nn.Module, spec: RunSpec
) -> MethodRun:
    classes = class_count(classifier)
    select = yield Ask("select", voter, spec.noise, spec.n0, classes, queries)
    until = stopping.until(spec, select.top, x_CHW.numel())
    bound = yield Ask("bound", voter, spec.noise, spec.n, classes, queries, until=until)
    return read({"select": select, "bound": bound}, spec, x_CHW.numel())


def read(votes: Mapping[str, Votes], spec: RunSpec, d: int) -> Certificate:
    """Read an Linf certificate from the votes there are, finished or not; d = CHW entries."""
    return reading.read(
        votes.get("select"), votes.get("bound"), spec, GUARANTEE, norm=Norm.LINF, d=d
    )


def aim(nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate) -> Aim:
    """Return the aim at ARS through all its queries and masks; a row's noise is its own."""
    assert c.predicted is not None
    voter = voter_of(nets, spec)

    def logits_of(x_NCHW: Tensor, noise_RCHW: Tensor) -> Tensor:
        # Of later queries: other entries, and those of other rows.
        more = (noise_RCHW.roll(j, 0).flip(3) for j in range(1, voter.queries))
        x_RCHW = x_NCHW.repeat(len(noise_RCHW) // len(x_NCHW), 1, 1, 1)
        sigma_R111 = torch.full((len(x_RCHW), 1, 1, 1), spec.noise, device=x_NCHW.device)
        noise = (noise_RCHW, *more)
        answers = ask(x_RCHW, sigma_R111, noise, voter.masks, voter.shares_K, voter.kappa_max)
        return voter.classifier(combine(answers)[0]).unflatten(0, (-1, len(x_NCHW)))

    return Aim(logits_of, (voter.classifier, *voter.masks), c.predicted)


def aim_static(nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate) -> Aim:
    """Return the aim at the classifier through its one fixed mask."""
    assert c.predicted is not None
    net, mask = nets["classifier"], network(nets, "mask")

    def logits_of(x_NCHW: Tensor, noise_RCHW: Tensor) -> Tensor:
        x_RCHW = x_NCHW.repeat(len(noise_RCHW) // len(x_NCHW), 1, 1, 1)
        sigma_R111 = torch.full((len(x_RCHW), 1, 1, 1), spec.noise, device=x_NCHW.device)
        seen_RCHW = static_query(x_RCHW, sigma_R111, noise_RCHW, mask)
        return net(seen_RCHW).unflatten(0, (-1, len(x_NCHW)))

    return Aim(logits_of, (net, mask), c.predicted)


def loss(
    nets: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    f: float = 0.5,
    lam: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of one vote's logits, through all queries, masks and classifier.

    Parameters
    ----------
    nets : a ModuleDict with ``classifier`` and ``mask``, and ``mask-2``, ... where there are more
        than two queries; ``split``, if there, gives f instead.
    sigma_N111 : the budget's noise level for each image, in pixel units.
    generator : of the noise. step is not used by this loss.
    lam : above 0, the weight of the disagreement of two votes; see `consistency.objective`.
    """
    assert isinstance(nets, torch.nn.ModuleDict)
    masks = masks_of(dict(nets.items()))

    def logits() -> Tensor:
        shares_K = shares_of(nets["split"]() if "split" in nets else f, len(masks) + 1)
        noise = [_normal(x_NCHW, generator) for _ in shares_K]
        answers = ask(x_NCHW, sigma_N111, noise, masks, shares_K)
        out: Tensor = nets["classifier"](combine(answers)[0])
        return out

    return _objective(logits, y_N, lam)


def loss_static(
    nets: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    lam: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of the static mask's one query; as `loss` otherwise."""
    assert isinstance(nets, torch.nn.ModuleDict)

    def logits() -> Tensor:
        seen_NCHW = static_query(x_NCHW, sigma_N111, _normal(x_NCHW, generator), nets["mask"])
        out: Tensor = nets["classifier"](seen_NCHW)
        return out

    return _objective(logits, y_N, lam)


def loss_plain(
    nets: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    lam: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of plain smoothing's one query; as `loss` otherwise."""
    assert isinstance(nets, torch.nn.ModuleDict)

    def logits() -> Tensor:
        noisy_NCHW = torch.addcmul(x_NCHW, sigma_N111, _normal(x_NCHW, generator))
        out: Tensor = nets["classifier"](noisy_NCHW)
        return out

    return _objective(logits, y_N, lam)


def _objective(logits: Callable[[], Tensor], y_N: Tensor, lam: float) -> Tensor:
    """Return the cross-entropy of one vote, or with lam above 0 Consistency's loss of two."""
    if not lam:
        return torch.nn.functional.cross_entropy(logits(), y_N)
    both_MNK = torch.stack([logits() for _ in range(2)])
    return consistency.objective(both_MNK, y_N, lam, consistency.Settings.eta)


def _normal(x_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x_NCHW.shape, generator=generator, device=x_NCHW.device, dtype=x_NCHW.dtype)
