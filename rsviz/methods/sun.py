"""Sun et al.: give up hard images, draw easy ones more, attack the noise (arXiv 2410.06895).

The second phase of a training whose first is Gaussian, here the network it starts from. Images it
classes right under noise too seldom are dropped for good. Of the others each epoch draws with
replacement, in proportion to a lower bound of their radius. And each noisy copy is moved, on the
sphere of its own noise, to where the network errs. The loss is plain cross-entropy, the
certificate Gaussian's. The paper means it as a warning: all three raise the average certified
radius, and cost accuracy at radius 0.

Shape suffixes: N images, M noise draws an image, R = M N rows (row m N + i is draw m of image i),
C channels, H height, W width, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import ndtri

from rsviz.core.bounds import clopper_pearson_lower
from rsviz.core.errors import UserError
from rsviz.core.late import torch
from rsviz.core.settings import check_counts, check_numbers
from rsviz.smoothing.estimates import draw_noise, noisy_logits
from rsviz.smoothing.pgd import frozen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rsviz.data.datasets import Dataset

ALPHA = 0.1  # of the lower bound that weighs an image
LEAST = 0.75  # the share of its copies that counts as right in any image kept
ROWS = 8_192  # noisy images in one pass when images are weighed


@dataclass(frozen=True)
class Settings:
    """T ``steps`` of length ``step`` (pixel units) on each of m ``draws`` of noise.

    Images of which fewer than a share ``keep`` of ``drop_draws`` noisy copies are classed right
    are dropped at the start. Every ``every`` epochs the others are weighed by ``weigh_draws``
    copies, of which at least three quarters count as right.
    """

    steps: int = 6
    step: float = 0.25
    draws: int = 4
    keep: float = 0.4
    drop_draws: int = 100
    weigh_draws: int = 16
    every: int = 10

    def __post_init__(self) -> None:
        check_counts(steps=(self.steps, 0), draws=(self.draws, 1), every=(self.every, 1))
        # Of fewer than 16 draws, three quarters may be no evidence that a class is the likeliest.
        check_counts(drop_draws=(self.drop_draws, 1), weigh_draws=(self.weigh_draws, 16))
        check_numbers(step=self.step, keep=self.keep)


# The authors' scripts; with steps 0 the noise is not attacked.
PRESETS = {
    0.25: Settings(steps=3, keep=0.5),
    0.5: Settings(),
    1.0: Settings(steps=4, step=0.5),
}


def count_right(
    net: nn.Module, data: Dataset, sigma_N111: Tensor, draws: int, generator: torch.Generator
) -> Tensor:
    """Return right_N: how many of ``draws`` noisy copies of each image net classes as labelled."""
    right_N = torch.zeros(len(data), device=data.y_N.device)
    at_once = max(ROWS // draws, 1)
    with frozen(net), torch.inference_mode():
        for i in range(0, len(data), at_once):
            part = slice(i, i + at_once)
            x_NCHW = data.x_NCHW[part].float() / 255
            noise_RCHW = draw_noise(x_NCHW, draws, generator)
            logits_MNK = noisy_logits(net, x_NCHW, sigma_N111[part], noise_RCHW)
            right_N[part] = (logits_MNK.argmax(2) == data.y_N[part]).sum(0).float()
    return right_N


def weight(right: int, draws: int) -> float:
    """Return PhiInv(p), p the Clopper-Pearson lower bound (alpha .1) of ``right`` of ``draws``.

    It is the radius over sigma that these votes would certify. Fewer than three quarters count as
    three quarters: of 16 draws, 12 to 16 weigh .15, .33, .53, .76 and 1.11.
    """
    counted = max(right, math.ceil(LEAST * draws))
    return float(ndtri(clopper_pearson_lower(counted, draws, ALPHA)))


def weigh(
    net: nn.Module,
    data: Dataset,
    sigma_N111: Tensor,
    epoch: int,
    weight_N: Tensor | None,
    generator: torch.Generator,
    settings: Settings = PRESETS[0.5],
) -> Tensor:
    """Return weight_N, by which an epoch draws its images: 0 for those dropped.

    Parameters
    ----------
    net : pixels to logits, held in eval mode; data are the training images, beside it.
    sigma_N111 : the noise level of each image, in pixel units.
    epoch : from 0; weight_N are the weights of the one before, None in the first.
    generator : of the noise, on the device of the images.

    Raises
    ------
    UserError
        Every image would be dropped.
    """
    s = settings
    if weight_N is None:
        kept_N = count_right(net, data, sigma_N111, s.drop_draws, generator) >= (
            s.keep * s.drop_draws
        )
        if not bool(kept_N.any()):
            raise UserError(
                "Every training image would be dropped: the network that this training starts from "
                f"classes none right in {s.keep:g} of its noisy copies; give one by --start that "
                "was trained at this noise."
            )
    elif epoch % s.every:
        return weight_N
    else:
        kept_N = weight_N > 0
    weights = [weight(k, s.weigh_draws) for k in range(s.weigh_draws + 1)]
    right_N = count_right(net, data, sigma_N111, s.weigh_draws, generator).long()
    return torch.tensor(weights, device=kept_N.device)[right_N] * kept_N


def attack(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    noise_RCHW: Tensor,
    step: float,
    steps: int,
) -> Tensor:
    """Return noise_RCHW, each moved by itself along its sphere until net errs on its copy.

    ``steps`` times: e <- e + (step / sigma) g / |g|, g the gradient of the copy's cross-entropy,
    then e is rescaled to its first length. A copy that is classed wrong stays as it is.

    Parameters
    ----------
    net : pixels to logits; held in eval mode, its weights left alone.
    x_NCHW : images in [0, 1]; y_N their labels.
    sigma_N111 : noise level of each image, in pixel units, as ``step`` is.
    noise_RCHW : of `draw_noise`, of unit variance, as what is returned.
    """
    draws = len(noise_RCHW) // len(x_NCHW)
    y_R = y_N.repeat(draws)
    step_R111 = step / sigma_N111.repeat(draws, 1, 1, 1).clamp_min(1e-6)
    length_R111 = _length(noise_RCHW)
    with frozen(net), torch.enable_grad():
        for _ in range(steps):
            noise_RCHW = noise_RCHW.detach().requires_grad_(True)
            logits_RK = noisy_logits(net, x_NCHW, sigma_N111, noise_RCHW).flatten(0, 1)
            loss = torch.nn.functional.cross_entropy(logits_RK, y_R, reduction="sum")
            (grad_RCHW,) = torch.autograd.grad(loss, noise_RCHW)
            with torch.no_grad():
                right_R111 = (logits_RK.argmax(1) == y_R).view(-1, 1, 1, 1)
                moved_RCHW = noise_RCHW + step_R111 * grad_RCHW / _length(grad_RCHW)
                moved_RCHW = moved_RCHW * (length_R111 / _length(moved_RCHW))
                noise_RCHW = torch.where(right_R111, moved_RCHW, noise_RCHW)
    return noise_RCHW.detach()


def _length(noise_RCHW: Tensor) -> Tensor:
    """Return the L2 norm of each row, R111, above 0."""
    norm_R111 = torch.linalg.vector_norm(noise_RCHW, dim=(1, 2, 3), keepdim=True)
    return norm_R111.clamp_min(1e-30)


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    settings: Settings = PRESETS[0.5],
) -> Tensor:
    """Return the mean cross-entropy of m noisy copies of each image, their noise attacked.

    With steps = 0 and one draw it is Gaussian's loss.

    Parameters
    ----------
    x_NCHW : images in [0, 1]; y_N their labels.
    sigma_N111 : the noise level of each image, in pixel units.
    generator : of the noise. step is not used by this loss.
    """
    s = settings
    noise_RCHW = draw_noise(x_NCHW, s.draws, generator)
    noise_RCHW = attack(net, x_NCHW, y_N, sigma_N111, noise_RCHW, s.step, s.steps)
    logits_MNK = noisy_logits(net, x_NCHW, sigma_N111, noise_RCHW)
    return torch.nn.functional.cross_entropy(logits_MNK.flatten(0, 1), y_N.repeat(s.draws))
