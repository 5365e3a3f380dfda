"""SmoothAdv: train on attacks against the smoothed net (Salman et al. 2019, arXiv 1906.04584).

Each batch is moved by PGD to where the mean softmax over m noises is worst inside an L2 ball, and
the network is trained on the noisy copies of those points, with the same noises. Certification is
Gaussian's.

Shape suffixes: N images, M noise draws an image, R = M N rows, C channels, H height, W width,
K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsviz.core.late import torch
from rsviz.core.settings import check_counts, check_numbers
from rsviz.smoothing.estimates import draw_noise, noisy_logits
from rsviz.smoothing.pgd import pgd

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    """T ``steps`` of PGD in an L2 ball of radius ``eps`` (pixel units), ``draws`` m of noise.

    The ball grows linearly to ``eps`` over the first ``warm_up`` updates (the authors' 10 epochs,
    at 50,000 images in batches of 256).
    """

    steps: int = 2
    draws: int = 8
    eps: float = 2.0
    warm_up: int = 1950

    def __post_init__(self) -> None:
        check_counts(steps=(self.steps, 0), draws=(self.draws, 1), warm_up=(self.warm_up, 0))
        check_numbers(eps=self.eps)


# The authors' best at each sigma; their flag is 256 eps.
PRESETS = {
    0.25: Settings(steps=10, draws=8, eps=255 / 256),
    0.5: Settings(steps=2, draws=8, eps=2.0),
    1.0: Settings(steps=10, draws=2, eps=2.0),
}


def ball(eps: float, warm_up: int, step: int) -> float:
    """Return the radius of the attack's ball at one update: eps min(1, (step + 1) / warm_up)."""
    return eps * min(1.0, (step + 1) / max(warm_up, 1))


def attacked_logits(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    draws: int,
    eps: float,
    steps: int,
) -> Tensor:
    """Return logits_MNK of m noisy copies of each adversarial image, of the attack's own noises."""
    noise_RCHW = draw_noise(x_NCHW, draws, generator)
    x_NCHW = pgd(net, x_NCHW, y_N, sigma_N111, noise_RCHW, eps, steps)
    return noisy_logits(net, x_NCHW, sigma_N111, noise_RCHW)


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    settings: Settings = PRESETS[0.5],
) -> Tensor:
    """Return the mean cross-entropy of the m noisy copies of each adversarial image.

    mean_m CE(f(x_adv + sigma e_m), y), x_adv of `pgd.pgd` with the same e_m. With T = 0 and m = 1
    it is Gaussian's loss.

    Parameters
    ----------
    x_NCHW : images in [0, 1]; y_N their labels.
    sigma_N111 : the noise level of each image, in pixel units.
    generator : of the noise; step counts updates, for the warm-up of the ball.
    """
    eps = ball(settings.eps, settings.warm_up, step)
    logits_MNK = attacked_logits(
        net, x_NCHW, y_N, sigma_N111, generator, settings.draws, eps, settings.steps
    )
    return torch.nn.functional.cross_entropy(logits_MNK.flatten(0, 1), y_N.repeat(settings.draws))
