"""Consistency: ask noisy copies of an image to agree (Jeong & Shin 2020, arXiv 2006.04062).

Certification is Gaussian's.

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
    """``draws`` m of noise, weight ``lam`` of the disagreement and ``eta`` of the entropy."""

    draws: int = 2
    lam: float = 10.0
    eta: float = 0.5

    def __post_init__(self) -> None:
        check_counts(draws=(self.draws, 1))
        check_numbers(lam=self.lam, eta=self.eta)


PRESETS = {0.25: Settings(lam=20.0), 0.5: Settings(), 1.0: Settings()}


def objective(logits_MNK: Tensor, y_N: Tensor, lam: float, eta: float) -> Tensor:
    """Return mean_m CE(f_m, y) + lambda mean_m KL(zhat || softmax f_m) + eta H(zhat)."""
    classed = torch.nn.functional.cross_entropy(
        logits_MNK.flatten(0, 1), y_N.repeat(len(logits_MNK))
    )
    log_zhat_NK = log_mean_softmax(logits_MNK)
    zhat_NK = log_zhat_NK.exp()
    apart = (zhat_NK * (log_zhat_NK - logits_MNK.log_softmax(2))).sum(2).mean()
    entropy = -(zhat_NK * log_zhat_NK).sum(1).mean()
    return classed + lam * apart + eta * entropy


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    settings: Settings = PRESETS[0.5],
) -> Tensor:
    """Return `objective` on m noisy copies of each image.

    f_m are the logits of noisy copy m and zhat the mean of their softmax; with one draw and
    eta = 0 it is Gaussian's loss.

    Parameters
    ----------
    x_NCHW : images in [0, 1]; y_N their labels.
    sigma_N111 : the noise level of each image, in pixel units.
    generator : of the noise. step is not used by this loss.
    """
    noise_RCHW = draw_noise(x_NCHW, settings.draws, generator)
    logits_MNK = noisy_logits(net, x_NCHW, sigma_N111, noise_RCHW)
    return objective(logits_MNK, y_N, settings.lam, settings.eta)
