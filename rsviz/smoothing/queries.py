"""Several noisy queries about one image within one budget: noise, combination, composition.

Query j of an image x returns m_j = w_j x + s_j e_j, e_j ~ N(0, I) independent, w_j in [0, 1] and
s_j functions of earlier answers alone. With s_j = sigma/sqrt(f_j) ||w_j||_2/sqrt(d), sum f_j = 1,
all answers together tell apart two images at Linf distance r no better than one look with noise
sigma can at worst, whatever the masks (Lyu et al. 2024, arXiv 2406.10427; composition of f-DP).

Shape suffixes: N votes, C channels, H height, W width, K queries; d = CHW entries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsviz.core.errors import UserError
from rsviz.core.late import torch
from rsviz.core.radius import radius_l2 as radius_l2_plain

if TYPE_CHECKING:
    from torch import Tensor, nn

LEAST_NOISE = 1e-6
HALVES = (0.5, 0.5)


@dataclass(frozen=True, eq=False)
class Answer:
    """What one query returned: m = w x + s e, its mask w, and its noise level s."""

    m_NCHW: Tensor
    w_N1HW: Tensor
    s_N111: Tensor


def noise_level(
    w_N1HW: Tensor,
    sigma_N111: Tensor,
    share: float | Tensor,
    kappa_max: float = math.inf,
) -> Tensor:
    """Return s_N111, the noise with which a query of mask w spends its share of the budget.

    s = sigma/sqrt(f) max(||w||_2/sqrt(d), ||w||_inf/kappa_max), at least `LEAST_NOISE`; more noise
    than the budget asks for never costs soundness. d = CHW entries, over which the one channel of
    w is repeated, so that ||w||_2/sqrt(d) is the root mean square over pixels.

    Parameters
    ----------
    share : f, in (0, 1]; a tensor where training learns it.
    kappa_max : the largest ||w||_inf sqrt(d)/||w||_2 allowed, for `radius_l2`; at least 1.
    """
    norm_N111 = torch.linalg.vector_norm(w_N1HW, dim=(1, 2, 3), keepdim=True)
    level_N111 = norm_N111 / math.sqrt(w_N1HW[0].numel())
    if kappa_max < math.inf:
        level_N111 = torch.maximum(level_N111, w_N1HW.amax((1, 2, 3), keepdim=True) / kappa_max)
    root = share.sqrt() if isinstance(share, torch.Tensor) else math.sqrt(share)
    return (sigma_N111 / root * level_N111).clamp_min(LEAST_NOISE)


def combine(answers: Sequence[Answer]) -> tuple[Tensor, Tensor]:
    """Return the estimate of x with least variance, (N,C,H,W), and its variance, (N,1,H,W).

    sum_j a_j m_j, a_j = (w_j/s_j^2) / sum_i (w_i^2/s_i^2), of variance 1 / sum_i (w_i^2/s_i^2) per
    pixel. Both, and that it is unbiased, hold for masks held fixed: a mask computed from m_1 leans
    on its noise. The certificate needs neither.
    """
    parts = [(a.m_NCHW, a.w_N1HW / a.s_N111**2, a.w_N1HW**2 / a.s_N111**2) for a in answers]
    precision_N1HW = torch.stack([p for _, _, p in parts]).sum(0)
    total_NCHW = torch.stack([m * weight for m, weight, _ in parts]).sum(0)
    return total_NCHW / precision_N1HW, 1 / precision_N1HW


def ask(
    x_NCHW: Tensor,
    sigma_N111: Tensor,
    noise_KNCHW: Sequence[Tensor],
    masks: Sequence[nn.Module],
    shares_K: Sequence[float | Tensor] = HALVES,
    kappa_max: float = math.inf,
) -> list[Answer]:
    """Ask K queries about each image; mask j looks at the combined answers before it.

    Parameters
    ----------
    noise_KNCHW : one independent standard normal tensor for each query.
    masks : K - 1 networks m_NCHW -> w_N1HW.
    shares_K : of the budget, adding up to 1.

    Raises
    ------
    UserError
        The shares do not add up to 1, or there are too few masks or noises.
    """
    check_shares(shares_K)
    if not len(noise_KNCHW) == len(masks) + 1 == len(shares_K):
        raise UserError(f"{len(shares_K)} queries need as many noises, and one mask fewer.")
    answers: list[Answer] = []
    for j, (noise_NCHW, share) in enumerate(zip(noise_KNCHW, shares_K, strict=True)):
        if j == 0:
            w_N1HW = torch.ones_like(x_NCHW[:, :1])
        else:
            seen_NCHW = answers[0].m_NCHW if j == 1 else combine(answers)[0]
            w_N1HW = masks[j - 1](seen_NCHW)
        s_N111 = noise_level(w_N1HW, sigma_N111, share, kappa_max)
        answers.append(Answer(w_N1HW * x_NCHW + s_N111 * noise_NCHW, w_N1HW, s_N111))
    return answers


def check_shares(shares_K: Sequence[float | Tensor]) -> None:
    """Refuse, in words, shares that are not positive or do not add up to 1."""
    # A learned share is float32, and so adds up less exactly.
    close = 1e-6 if any(isinstance(f, torch.Tensor) for f in shares_K) else 1e-9
    values = [f.item() if isinstance(f, torch.Tensor) else f for f in shares_K]
    if not all(f > 0 for f in values) or not math.isclose(math.fsum(values), 1, rel_tol=close):
        raise UserError(f"The queries' shares of the budget must add up to 1, not {values}.")


def shifts(radius: float, answers: Sequence[Answer]) -> Tensor:
    """Return mu_KN = r ||w_j||_2/s_j, how far an Linf change of size r can move each answer.

    In units of the query's own noise; ||w_j||_2 over all d entries; float64.
    """
    mu_KN = [
        radius
        * math.sqrt(a.m_NCHW.shape[1])
        * torch.linalg.vector_norm(a.w_N1HW.double(), dim=(1, 2, 3))
        / a.s_N111.double().flatten()
        for a in answers
    ]
    return torch.stack(mu_KN)


def compose(mu_KN: Tensor) -> Tensor:
    """Return mu_N = sqrt(sum_j mu_j^2), how well Gaussian queries together distinguish two images.

    It is r sqrt(d)/sigma for every mask whose noise is `noise_level` (without its two floors).
    """
    return mu_KN.square().sum(0).sqrt()


def kept(w_N1HW: Tensor, object_HW: Tensor) -> Tensor:
    """Return, for each mask, its mean weight on the object over its mean weight elsewhere, (N,)."""
    w_NHW = w_N1HW[:, 0]
    return w_NHW[:, object_HW].mean(1) / w_NHW[:, ~object_HW].mean(1)


def radius_l2(sigma: float, p_a_lower: float, f: float, kappa_max: float) -> float:
    """Return what holds in L2: sigma PhiInv(p_a_lower) / sqrt(f + (1 - f) kappa_max^2).

    A change of L2 length r concentrated where the mask is largest shifts query 2 by
    r kappa sqrt(1-f)/sigma, kappa = ||w||_inf sqrt(d)/||w||_2 >= 1, so sigma PhiInv(p_a_lower)
    itself is wrong here. f = 0 is a static mask alone.

    Parameters
    ----------
    kappa_max : a bound for **every** mask the network can emit, not for those drawn: sqrt(HW) is
        always one (`kappa_limit`), a smaller one must be enforced by `noise_level`.

    Raises
    ------
    UserError
        f is not in [0, 1), or kappa_max is below 1.
    """
    if not 0 <= f < 1 or kappa_max < 1:
        raise UserError(f"f must lie in [0, 1) and kappa at least at 1, not {f!r}, {kappa_max!r}.")
    return radius_l2_plain(sigma, p_a_lower) / math.sqrt(f + (1 - f) * kappa_max**2)


def kappa_limit(height: int, width: int) -> float:
    """Return sqrt(HW), which no mask shared by all channels exceeds (reached by a single pixel)."""
    return math.sqrt(height * width)


def kappa(w_N1HW: Tensor) -> Tensor:
    """Return kappa_N = ||w||_inf sqrt(d)/||w||_2 of each mask; 1 where it is constant."""
    norm_N = torch.linalg.vector_norm(w_N1HW, dim=(1, 2, 3))
    return w_N1HW.amax((1, 2, 3)) * math.sqrt(w_N1HW[0].numel()) / norm_N
