"""EsbRS: a weighted sum of networks, weights chosen for least variance (arXiv 2310.07780).

H = sum_l w_l softmax F_l is smoothed like one network. With margins z_i = H_y - H_i of mean e_i,
P(H(x + sigma e) = y) >= 1 - sum_i Var(z_i) / e_i^2 (Chebyshev and a union bound), so the weights
minimise w' Q w over the simplex, Q = sum_i a_i Cov(z_i), a_i = max(min_l mean z_li, floor)^-2. Q is
positive semidefinite: the programme is convex for any number of networks. The paper solves two, and
prints a wrong sign there (`printed_pair`); it also finds weights at each query point, which no
theorem covers (`certify_per_query`). Here they are fitted once, on images that are not evaluated.

w' Q w is a bound only where every mean margin is above the floor. Elsewhere it still counts, and
most of all where no weights help. `least_bound` minimises the bound itself: an image on which it is
void counts 1, whatever the weights.

Shape suffixes: J images, L networks, I other classes than y, K classes, N rows, M noise draws of an
image or weightings, Q perturbed copies of a network, S samples, C channels, H height, W width.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from rsviz.core import reading
from rsviz.core.errors import UserError
from rsviz.core.flags import HEURISTIC
from rsviz.core.late import torch
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.methods import gaussian
from rsviz.networks.inspection import class_count
from rsviz.networks.weighing import member_log_p, weighted_sum, widest_margin
from rsviz.smoothing import turns
from rsviz.smoothing.estimates import draw_noise
from rsviz.smoothing.voters import NO_VOTE, Ask, MethodRun, vote

if TYPE_CHECKING:
    from torch import Tensor, nn

FLOOR = 0.1  # of a mean margin: near 0, or negative, its weight would be unbounded or meaningless
GUARANTEE = (
    "With probability at least 1 - alpha over the noise drawn here, the smoothed ensemble "
    "(infinitely many votes at this sigma, weights fixed beforehand) predicts this class for every "
    "image closer than the radius in L2."
)
AVERAGE, LEAST_BOUND = "average", "least-bound"
STARTS = 32  # random ones of `least_bound`, whose programme is not convex
NO_GUARANTEE = (
    "Heuristic: these weights were found at this very image, so a perturbed image would be voted "
    "on by another ensemble, and no theorem bounds what that one predicts."
)
Weights = Sequence[float] | None  # None: the widest margin decides


@dataclass(frozen=True, eq=False)
class Moments:
    """Means and covariances, over noise, of each network's margins y - i: mean_JLI, cov_JILL."""

    mean_JLI: np.ndarray
    cov_JILL: np.ndarray


def perturbed(net: nn.Module, share: float, std: float, generator: torch.Generator) -> nn.Module:
    """Return a copy of a network with N(0, std^2) added to a random share of its weights."""
    net = copy.deepcopy(net)
    with torch.no_grad():
        for p in net.parameters():
            coin = torch.rand(p.shape, generator=generator, device=p.device) < share
            p.add_(std * coin * torch.randn(p.shape, generator=generator, device=p.device))
    return net


def measure(
    nets: Sequence[nn.Module],
    x_JCHW: Tensor,
    y_J: Tensor,
    sigma: float,
    generator: torch.Generator,
    draws: int = 10,
    copies: int = 10,
    share: float = 0.3,
    std: float = 0.01,
) -> Moments:
    """Measure the margins of each network's softmax at noisy images (the paper's estimate).

    Each network is seen as ``copies`` perturbed ones (a ``share`` of weights moved by ``std``) at
    ``draws`` noisy versions of each image; the networks share the noise, so that what they have in
    common shows as covariance.

    Parameters
    ----------
    nets : in eval mode, pixels to logits.
    x_JCHW : images in [0, 1]; y_J their labels.
    sigma : noise level, in pixel units.
    """
    seen_LQ = [[perturbed(net, share, std, generator) for _ in range(copies)] for net in nets]
    parts = []
    for x_NCHW, y_N in zip(x_JCHW.split(50), y_J.split(50), strict=True):
        turns.give_way()
        noise_RCHW = draw_noise(x_NCHW, draws, generator)
        noisy_NCHW = torch.addcmul(
            x_NCHW[None],
            torch.tensor(sigma, device=x_NCHW.device),
            noise_RCHW.unflatten(0, (draws, -1)),
        ).flatten(0, 1)
        with torch.no_grad():
            p_LQNK = torch.stack([member_log_p(seen_Q, noisy_NCHW).exp() for seen_Q in seen_LQ])
        if not p_LQNK.isfinite().all():
            raise UserError(
                "The answers of a network of this ensemble are not numbers (NaN or infinite), so "
                "it cannot be weighed; check its weights and its training."
            )
        parts.append(moments(_by_image(p_LQNK, draws), y_N.cpu().numpy()))
    return Moments(
        np.concatenate([m.mean_JLI for m in parts]), np.concatenate([m.cov_JILL for m in parts])
    )


def _by_image(p_LQNK: Tensor, draws: int) -> np.ndarray:
    """Return p_JSLK, S the pairs of draw and copy, from rows ordered by draw and then image."""
    p_LQMJK = p_LQNK.double().cpu().unflatten(2, (draws, -1))
    return p_LQMJK.permute(3, 1, 2, 0, 4).flatten(1, 2).numpy()


def moments(p_JSLK: np.ndarray, y_J: np.ndarray) -> Moments:
    """Return the moments of the margins p_y - p_i over S samples of L networks' probabilities."""
    J, S, L, K = p_JSLK.shape
    own_JSL1 = np.take_along_axis(p_JSLK, y_J[:, None, None, None], 3)
    others_JK = np.arange(K) != y_J[:, None]
    z_JSLK = (own_JSL1 - p_JSLK).transpose(0, 3, 1, 2)[others_JK]  # J(K-1),S,L
    z_JISL = z_JSLK.reshape(J, K - 1, S, L)
    mean_JI1L = z_JISL.mean(2, keepdims=True)
    apart_JISL = z_JISL - mean_JI1L
    cov_JILL = apart_JISL.swapaxes(2, 3) @ apart_JISL / (S - 1)
    return Moments(mean_JI1L[:, :, 0].swapaxes(1, 2), cov_JILL)


def quadratic(m: Moments, floor: float = FLOOR) -> np.ndarray:
    """Return Q_LL = mean over images of sum_i a_i Cov_i, a_i = max(min_l mean z_li, floor)^-2.

    At one image 1 - w' Q w bounds the probability of its class from below, if no floor was needed.
    """
    a_JI = np.maximum(m.mean_JLI.min(1), floor) ** -2
    return np.einsum("ji,jikl->kl", a_JI, m.cov_JILL) / len(a_JI)


def optimal_weights(Q_LL: np.ndarray) -> np.ndarray:
    """Return argmin_w w' Q w subject to sum w = 1, w >= 0, for any number of networks."""
    L = len(Q_LL)
    Q_LL = (Q_LL + Q_LL.T) / 2 / max(float(np.abs(Q_LL).max()), 1e-300)
    found = minimize(
        lambda w_L: w_L @ Q_LL @ w_L,
        np.full(L, 1 / L),
        jac=lambda w_L: 2 * Q_LL @ w_L,
        bounds=[(0, 1)] * L,
        constraints={"type": "eq", "fun": lambda w_L: w_L.sum() - 1, "jac": lambda w_L: np.ones(L)},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    w_L = np.clip(found.x, 0, None)
    return w_L / w_L.sum()


def error_bound(m: Moments, w_ML: np.ndarray) -> np.ndarray:
    """Return bound_MJ >= P(the ensemble of weights w_M errs at image J), at most 1.

    The margin over class i has mean e_i = w' m_i and variance v_i = w' C_i w. By Cantelli
    P(z_i <= 0) <= v_i / (v_i + e_i^2) if e_i > 0, never above Chebyshev's v_i / e_i^2; the bound is
    their sum over the other classes, and void, 1, where some e_i <= 0 or the sum exceeds 1. It does
    not change with the scale of w.
    """
    e_MJI = np.einsum("ml,jli->mji", w_ML, m.mean_JLI)
    v_MJI = np.einsum("mk,jikl,ml->mji", w_ML, m.cov_JILL, w_ML)
    share_MJI = np.ones_like(e_MJI)
    np.divide(v_MJI, v_MJI + e_MJI**2, out=share_MJI, where=e_MJI > 0)
    return np.minimum(share_MJI.sum(2), 1)


def least_bound(m: Moments, seed: int = 0) -> np.ndarray:
    """Return the weights on the simplex whose `error_bound`, averaged over images, is least found.

    The programme is not convex: it is solved from every corner, the middle and `STARTS` random
    points, and the best of all of these and their ends is taken, so that neither a single network
    nor the average has a lower bound.
    """
    L = m.mean_JLI.shape[1]
    random_ML = np.random.default_rng(seed).dirichlet(np.ones(L), STARTS)
    starts_ML = np.concatenate([np.full((1, L), 1 / L), np.eye(L), random_ML])
    ends_ML = np.array([_descend(m, w_L) for w_L in starts_ML])
    all_ML = np.concatenate([starts_ML, ends_ML])
    best_L: np.ndarray = all_ML[error_bound(m, all_ML).mean(1).argmin()]
    return best_L


def _descend(m: Moments, w_L: np.ndarray) -> np.ndarray:
    """Return where a local minimisation of the mean `error_bound` from w_L ends, on the simplex."""
    found = minimize(
        lambda w_L: _mean_bound(m, w_L),
        w_L,
        jac=True,
        bounds=[(0, 1)] * len(w_L),
        constraints={"type": "eq", "fun": lambda w_L: w_L.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-9},
    )
    w_L = np.clip(found.x, 0, None)
    return w_L / w_L.sum()


def _mean_bound(m: Moments, w_L: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean of `error_bound` over images and its gradient by w, 0 where it is void."""
    e_JI = np.einsum("l,jli->ji", w_L, m.mean_JLI)
    half_JIL = m.cov_JILL @ w_L
    v_JI = half_JIL @ w_L
    whole_JI = np.where(e_JI > 0, v_JI + e_JI**2, 1)
    bound_J = np.where(e_JI > 0, v_JI / whole_JI, 1).sum(1)
    # d v/(v + e^2) = (e^2 dv - 2 v e de) / (v + e^2)^2, dv = 2 C w, de = m
    e_JI1, v_JI1, whole_JI1 = e_JI[..., None], v_JI[..., None], whole_JI[..., None]
    means_JIL = m.mean_JLI.swapaxes(1, 2)
    slope_JIL = 2 * e_JI1 * (e_JI1 * half_JIL - v_JI1 * means_JIL) / whole_JI1**2
    slope_JL = np.where((bound_J < 1)[:, None], slope_JIL.sum(1), 0)
    return float(np.minimum(bound_J, 1).mean()), slope_JL.mean(0)


@dataclass(frozen=True)
class Shared:
    """How the margins of networks vary over noise, at one rank of the other class.

    ``variance`` is the mean over networks, ``within`` the mean covariance of two networks trained
    by one method and ``between`` that of two methods (nan where there is no such pair). Where
    ``within`` < ``between``, networks of unlike methods share more of their errors than those of
    one, and mixing methods gains nothing in variance.
    """

    rank: int
    variance: float
    within: float
    between: float


def shared_variances(m: Moments, methods: Sequence[str]) -> list[Shared]:
    """Return a `Shared` of each rank i: 1 is each image's other class of least mean margin.

    Parameters
    ----------
    methods : that of each network.
    """
    order_JI = m.mean_JLI.mean(1).argsort(1)
    cov_ILL = np.take_along_axis(m.cov_JILL, order_JI[:, :, None, None], 1).mean(0)
    alike_LL = np.array([[a == b for b in methods] for a in methods])
    apart_LL = ~np.eye(len(methods), dtype=bool)

    def mean(cov_LL: np.ndarray, pairs_LL: np.ndarray) -> float:
        return float(cov_LL[pairs_LL].mean()) if pairs_LL.any() else float("nan")

    return [
        Shared(
            i,
            float(np.diag(cov_LL).mean()),
            mean(cov_LL, alike_LL & apart_LL),
            mean(cov_LL, ~alike_LL),
        )
        for i, cov_LL in enumerate(cov_ILL, 1)
    ]


def average_weights(count: int) -> np.ndarray:
    """Return equal weights."""
    return np.full(count, 1 / count)


def optimal_pair(Q_LL: np.ndarray) -> np.ndarray:
    """Return the weights of two networks in closed form: w1 = (d - c) / (b + d - 2c), in [0, 1].

    b and d are Q's diagonal, the weighted variances, and c its off-diagonal, the covariance.
    """
    (b, c), (_, d) = Q_LL
    return _pair(d - c, b + d - 2 * c)


def printed_pair(Q_LL: np.ndarray) -> np.ndarray:
    """Return the weights as the paper prints them (eq. 10): w1 = (d + c) / (b + d + 2c).

    The sign of the covariance is wrong, which shows unless it is 0 or the variances are equal; kept
    to compare.
    """
    (b, c), (_, d) = Q_LL
    return _pair(d + c, b + d + 2 * c)


def _pair(top: float, bottom: float) -> np.ndarray:
    w = float(np.clip(top / bottom, 0, 1)) if bottom > 0 else 0.5
    return np.array([w, 1 - w])


def weightings(Q_LL: np.ndarray) -> dict[str, list[float] | None]:
    """Return every fixed weighting by name; ``printed`` only for two networks."""
    L = len(Q_LL)
    found: dict[str, list[float] | None] = {
        "optimal": optimal_weights(Q_LL).tolist(),
        AVERAGE: average_weights(L).tolist(),
        "max-margin": None,
    }
    return found | ({"printed": printed_pair(Q_LL).tolist()} if L == 2 else {})


def every_weighting(m: Moments, floor: float = FLOOR) -> dict[str, list[float] | None]:
    """Return the fixed weightings of `weightings`, and that of `least_bound`, by name."""
    return weightings(quadratic(m, floor)) | {LEAST_BOUND: least_bound(m).tolist()}


@dataclass(frozen=True)
class Detail:
    """What a certificate keeps beside its class: the weights, None where the margins decide."""

    weights: Sequence[float] | None


@dataclass(frozen=True)
class NamedDetail:
    """As `Detail`, where several weightings were read from the same votes."""

    weighting: str
    weights: Sequence[float] | None


@dataclass(frozen=True)
class Voter:
    """Votes under several weightings in one pass over the members, as one joint class.

    The joint class of votes c_0, c_1, ... is c_0 + K c_1 + K^2 c_2 + ..., so that `split` finds
    each weighting's own counts.
    """

    members: tuple[nn.Module, ...]
    weightings: tuple[tuple[float, ...] | None, ...]

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return the joint class_N, one vote a row."""
        (e_NCHW,) = noise_NCHW
        log_p_LNK = member_log_p(self.members, torch.addcmul(x_NCHW, sigma_N111, e_NCHW))
        joint_N = torch.zeros_like(log_p_LNK[0, :, 0], dtype=torch.long)
        answered_N = torch.ones_like(joint_N, dtype=torch.bool)
        for weights in reversed(self.weightings):
            mixed_NK = (
                widest_margin(log_p_LNK) if weights is None else weighted_sum(log_p_LNK, weights)
            )
            class_N = vote(mixed_NK)
            answered_N &= class_N != NO_VOTE
            joint_N = joint_N * log_p_LNK.shape[2] + class_N
        return torch.where(answered_N, joint_N, NO_VOTE)


def split(votes: Votes, count: int, classes: int) -> list[Votes]:
    """Return the votes of each of ``count`` weightings from those of `Voter`."""
    joint = np.array(votes.counts_K).reshape((classes,) * count)  # the last weighting comes first
    axes = range(count)
    each = [joint.sum(tuple(a for a in axes if a != count - 1 - s)) for s in axes]
    return [replace(votes, counts_K=tuple(counts_K.tolist())) for counts_K in each]


def certify_each(
    members: Sequence[nn.Module], weightings: Mapping[str, Weights], spec: RunSpec
) -> MethodRun:
    """Vote under every weighting in one pass; return the first one's certificate.

    `read_each` reads the votes of all of them, at any time; each holds at alpha on its own. A run
    of one weighting alone would count the same votes.
    """
    fixed = tuple(None if w is None else tuple(w) for w in weightings.values())
    voter, classes = Voter(tuple(members), fixed), class_count(members[0])
    joint = classes ** len(fixed)
    if joint > 10**6:
        raise UserError("There are too many classes to score so many weightings in one pass.")
    select = yield Ask("select", voter, spec.noise, spec.n0, joint)
    bound = yield Ask("bound", voter, spec.noise, spec.n, joint)
    votes = {"select": select, "bound": bound}
    return next(iter(read_each(votes, weightings, classes, spec).values()))


def read_each(
    votes: Mapping[str, Votes], weightings: Mapping[str, Weights], classes: int, spec: RunSpec
) -> dict[str, Certificate]:
    """Return the certificate of each weighting from the joint votes of `certify_each`."""
    stages = {stage: split(v, len(weightings), classes) for stage, v in votes.items()}
    found = {}
    for s, (name, weights) in enumerate(weightings.items()):
        own = {stage: each[s] for stage, each in stages.items()}
        detail = NamedDetail(name, None if weights is None else list(weights))
        found[name] = replace(read(own, spec), detail=asdict(detail))
    return found


def certify(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify one image by an ensemble with fixed weights: Cohen's CERTIFY on the votes of H.

    Parameters
    ----------
    x_CHW : the image, in [0, 1].
    nets : ``classifier``, a `WeightedSum` or `WidestMargin` in eval mode.
    """
    certificate = yield from gaussian.certify(x_CHW, nets, spec)
    weights = getattr(nets["classifier"], "weights", None)
    detail = asdict(Detail(None if weights is None else list(weights)))
    return replace(certificate, guarantee=GUARANTEE, detail=dict(certificate.detail) | detail)


def read(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Read a certificate from the votes there are, finished or not."""
    return reading.read(votes.get("select"), votes.get("bound"), spec, GUARANTEE)


def query_weights(
    nets: Sequence[nn.Module],
    x_CHW: Tensor,
    sigma: float,
    generator: torch.Generator,
    floor: float = FLOOR,
) -> np.ndarray:
    """Return the weights that are best at this image, for the class most probable under noise.

    Outside the theorem: weights that move with the image make another classifier at x + delta.
    """
    x_JCHW = x_CHW[None]
    noisy_NCHW = x_JCHW + sigma * draw_noise(x_JCHW, 10, generator)
    with torch.no_grad():
        y_J = member_log_p(nets, noisy_NCHW).exp().mean((0, 1)).argmax()[None]
    return optimal_weights(quadratic(measure(nets, x_JCHW, y_J, sigma, generator), floor))


def certify_per_query(x_CHW: Tensor, members: Sequence[nn.Module], spec: RunSpec) -> MethodRun:
    """Run the paper's Algorithm 2, weights found at x and then Cohen's CERTIFY: heuristic.

    The weights come from noise of their own, seeded by the run's seed.
    """
    device = next(members[0].parameters()).device
    generator = torch.Generator(device).manual_seed(spec.seed)
    w_L = query_weights(members, x_CHW.to(device), spec.noise, generator)
    voter, classes = Voter(tuple(members), (tuple(w_L.tolist()),)), class_count(members[0])
    select = yield Ask("select", voter, spec.noise, spec.n0, classes)
    bound = yield Ask("bound", voter, spec.noise, spec.n, classes)
    detail = asdict(Detail(w_L.tolist()))
    return reading.read(select, bound, spec, NO_GUARANTEE, flags=(HEURISTIC,), detail=detail)
