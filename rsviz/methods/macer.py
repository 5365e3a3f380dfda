"""MACER: train for the certified radius itself (Zhai et al. 2020, arXiv 2001.02378).

zhat(x) is the mean softmax over m noisy copies. Beside -log zhat_y, a hinge on the estimated radius
(sigma / 2)(PhiInv(zhat_y) - PhiInv(max_{c != y} zhat_c)) pushes the points that are already right
further from the boundary; no attack is needed. Certification is Gaussian's.

Shape suffixes: N images, M noise draws an image, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsviz.core.late import torch
from rsviz.core.settings import check_counts, check_numbers
from rsviz.smoothing.estimates import draw_noise, log_mean_softmax, noisy_logits

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    """``draws`` m of noise (the paper's k), weight ``lam``, hinge ``gamma``, inverse temperature.

    ``beta`` sharpens the softmax of the radius term alone, as in the authors' code.
    """

    draws: int = 16
    lam: float = 12.0
    gamma: float = 8.0
    beta: float = 16.0

    def __post_init__(self) -> None:
        check_counts(draws=(self.draws, 1))
        check_numbers(lam=self.lam, gamma=self.gamma, beta=self.beta)


# lambda 4 at .5 as the runs of Jeong & Shin (arXiv 2006.04062) have it.
PRESETS = {0.25: Settings(), 0.5: Settings(lam=4.0), 1.0: Settings()}


def radius_hinge(logits_MNK: Tensor, y_N: Tensor, gamma: float, beta: float) -> Tensor:
    """Return hinge_N = max(gamma - xi, 0) where the smoothed net is right, 0 elsewhere.

    xi = PhiInv(zhat_y) - PhiInv(max_{c != y} zhat_c), zhat the mean of softmax(beta f). A point is
    left out where xi is infinite (votes of probability 0 or 1) or beyond gamma.
    """
    zhat_NK = (beta * logits_MNK).softmax(2).mean(0)
    own_N = zhat_NK.gather(1, y_N[:, None])[:, 0]
    other_N = zhat_NK.scatter(1, y_N[:, None], -1.0).amax(1)
    used_N = (own_N > other_N) & (own_N < 1) & (other_N > 0)
    # Filled in before PhiInv: an infinite slope times a zero gradient would be nan.
    own_N, other_N = torch.where(used_N, own_N, 0.5), torch.where(used_N, other_N, 0.5)
    xi_N = torch.special.ndtri(own_N) - torch.special.ndtri(other_N)
    return torch.where(used_N, (gamma - xi_N).clamp_min(0), 0.0)


def objective(
    logits_MNK: Tensor, y_N: Tensor, sigma_N111: Tensor, lam: float, gamma: float, beta: float
) -> Tensor:
    """Return the mean of -log zhat_y + lambda (sigma / 2) `radius_hinge` over the images."""
    wrong_N = -log_mean_softmax(logits_MNK).gather(1, y_N[:, None])[:, 0]
    hinge_N = radius_hinge(logits_MNK, y_N, gamma, beta)
    return (wrong_N + lam * sigma_N111.flatten() / 2 * hinge_N).mean()


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    settings: Settings = PRESETS[0.5],
) -> Tensor:
    """Return MACER's loss: -log zhat_y plus the radius hinge, at the clean image.

    With lambda = 0 it is the cross-entropy of the mean softmax.

    Parameters
    ----------
    x_NCHW : images in [0, 1]; y_N their labels.
    sigma_N111 : the noise level of each image, in pixel units.
    generator : of the noise. step is not used by this loss.
    """
    noise_RCHW = draw_noise(x_NCHW, settings.draws, generator)
    logits_MNK = noisy_logits(net, x_NCHW, sigma_N111, noise_RCHW)
    return objective(logits_MNK, y_N, sigma_N111, settings.lam, settings.gamma, settings.beta)
