"""SmoothAdv with Consistency: Consistency's loss at the adversarial point (arXiv 2006.04062).

Each image is moved by SmoothAdv's PGD, then its noisy copies, of the attack's m draws, are classed
and asked to agree (Jeong and Shin 2020, section 4, 'SmoothAdv + Consistency'). Certification is
Gaussian's.

Shape suffixes: N images, M noise draws an image, R = M N rows, C channels, H height, W width,
K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsviz.core.settings import check_counts, check_numbers
from rsviz.methods import consistency, smoothadv

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    """The attack's T ``steps``, m ``draws`` and L2 ``eps`` (pixel units), and the loss's weights.

    The ball grows linearly to ``eps`` over the first ``warm_up`` updates; ``lam`` weighs the
    disagreement of the copies, ``eta`` the entropy.
    """

    steps: int = 10
    draws: int = 2
    eps: float = 2.0
    lam: float = 1.0
    eta: float = 0.5
    warm_up: int = 1950

    def __post_init__(self) -> None:
        check_counts(steps=(self.steps, 0), draws=(self.draws, 1), warm_up=(self.warm_up, 0))
        check_numbers(eps=self.eps, lam=self.lam, eta=self.eta)


# Of the runs whose logs the authors publish.
PRESETS = {0.25: Settings(draws=4, eps=255 / 256, lam=2.0), 0.5: Settings(), 1.0: Settings()}


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    settings: Settings = PRESETS[0.5],
) -> Tensor:
    """Return Consistency's `objective` on the m noisy copies of each adversarial image.

    With T = 0 it is Consistency's loss; with lambda = eta = 0, SmoothAdv's.

    Parameters
    ----------
    x_NCHW : images in [0, 1]; y_N their labels.
    sigma_N111 : the noise level of each image, in pixel units.
    generator : of the noise; step counts updates, for the warm-up of the ball.
    """
    s = settings
    eps = smoothadv.ball(s.eps, s.warm_up, step)
    logits_MNK = smoothadv.attacked_logits(
        net, x_NCHW, y_N, sigma_N111, generator, s.draws, eps, s.steps
    )
    return consistency.objective(logits_MNK, y_N, s.lam, s.eta)
