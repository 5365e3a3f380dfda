"""AdvMacer: MACER's loss at the adversarial point (arXiv 2310.07780, ICDM 2023).

Each image is moved by SmoothAdv's PGD, then both terms of MACER, -log zhat_y and the radius hinge,
are taken there. The paper gives no step size and draws fresh noise in its loss line; here the steps
are SmoothAdv's (2 eps / T along the unit-norm gradient) and the attack's m draws serve again.
Certification is Gaussian's.

Shape suffixes: N images, M noise draws an image, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsviz.core.late import torch
from rsviz.core.settings import check_counts, check_numbers
from rsviz.methods import macer, smoothadv

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    """The attack's T ``steps``, m ``draws`` and L2 ``eps`` (pixel units), and MACER's weights.

    The ball grows linearly to ``eps`` over the first ``warm_up`` updates; ``beta`` sharpens the
    softmax of the radius term alone.
    """

    steps: int = 2
    draws: int = 8
    eps: float = 2.0
    lam: float = 12.0
    gamma: float = 8.0
    beta: float = 16.0
    warm_up: int = 1950

    def __post_init__(self) -> None:
        check_counts(steps=(self.steps, 0), draws=(self.draws, 1), warm_up=(self.warm_up, 0))
        check_numbers(eps=self.eps, lam=self.lam, gamma=self.gamma, beta=self.beta)


PRESETS = {0.25: Settings(eps=1.0), 0.5: Settings(), 1.0: Settings(draws=4)}


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    settings: Settings = PRESETS[0.5],
) -> Tensor:
    """Return -log zhat_y(x_adv) + lambda (sigma / 2) max(gamma - xi(x_adv), 0) 1[right].

    With T = 0 it is MACER's loss; with lambda = 0 too, the cross-entropy of the mean softmax.

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
    return macer.objective(logits_MNK, y_N, sigma_N111, s.lam, s.gamma, s.beta)
