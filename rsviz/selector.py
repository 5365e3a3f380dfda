"""The network that chooses a continuous noise level, and the loss that trains it.

Shape suffixes: N images, M noise draws, C channels, H height, W width, K classes, F features, L
levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss

from rsviz.attacks import draw_noise, log_mean_softmax, noisy_logits
from rsviz.errors import UserError
from rsviz.settings import check_counts, check_numbers


class Selector(nn.Module):
    """h(x, lambda) = low (high / low)^sigmoid(head(trunk(x), lambda)), a level in (low, high).

    ``trunk`` maps pixels to F features. lambda is an input of the head, so that it can be turned at
    test time; trained at one lambda it is merely a bias.
    """

    def __init__(self, trunk: nn.Module, features: int, low: float, high: float) -> None:
        super().__init__()
        if not 0 < low < high:
            raise UserError(f"The selector's range needs 0 < low < high, not {low:g} and {high:g}.")
        self.trunk, self.low, self.high = trunk, low, high
        self.head = nn.Sequential(nn.Linear(features + 1, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x_NCHW: Tensor, lam_N: Tensor) -> Tensor:
        """Return sigma_N."""
        features_NF = self.trunk(x_NCHW)
        raw_N = self.head(torch.cat([features_NF, lam_N.to(features_NF)[:, None]], 1))[:, 0]
        return self.low * (self.high / self.low) ** raw_N.sigmoid()


class LevelLogits(nn.Module):
    """A selector as a classifier of grid levels, for its gradient: logit_l = -(20 (h - s_l))^2.

    The largest is that of the level that h is rounded to.
    """

    def __init__(self, selector: Selector, level_L: Sequence[float], lam: float) -> None:
        super().__init__()
        self.selector, self.lam, self.level_L = selector, lam, tuple(level_L)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return logits_NL."""
        sigma_N = self.selector(x_NCHW, torch.full((len(x_NCHW),), self.lam).to(x_NCHW))
        return -(20 * (sigma_N[:, None] - torch.tensor(self.level_L).to(sigma_N))).square()


class Pair(nn.ModuleDict):
    """A classifier and the selector trained for it; the classifier stays as it is, in eval mode."""

    def __init__(self, classifier: nn.Module, selector: Selector) -> None:
        held = classifier.eval().requires_grad_(False)
        super().__init__({"classifier": held, "selector": selector})

    def train(self, mode: bool = True) -> "Pair":
        """Set the selector's mode only."""
        super().train(mode)
        self["classifier"].eval()
        return self


def kl_to_target(sigma_N: Tensor, target: float) -> Tensor:
    """Return KL_N(N(0, s^2) || N(0, t^2)) = ln(t/s) + s^2 / (2 t^2) - 1/2, per dimension."""
    ratio_N = sigma_N / target
    return ratio_N.square() / 2 - ratio_N.log() - 0.5


def kl_of_batch(sigma_N: Tensor, target: float, spread: float) -> Tensor:
    """Return KL(N(m, v^2) || N(t, w^2)), m and v the mean and deviation of the batch's levels.

    ln(w/v) + (v^2 + (m - t)^2) / (2 w^2) - 1/2: the other reading of the paper's regulariser.
    """
    variance = sigma_N.var(correction=0) + 1e-12  # a batch of equal levels has none
    off = (sigma_N.mean() - target).square()
    return 0.5 * (spread**2 / variance).log() + (variance + off) / (2 * spread**2) - 0.5


@dataclass(frozen=True)
class Settings:
    """Of the selector's loss.

    ``draws`` m of noise; ``target`` t of the KL term; ``spread`` 0 takes the KL of each image, a
    number w > 0 that of a Gaussian fitted to the batch; ``lam`` its weight, below 0 drawn from
    U(0, 1) at each step (universal). ``q`` is the noise on the selector's own input, as when its
    median is taken.
    """

    draws: int = 4
    target: float = 0.5
    spread: float = 0.0
    lam: float = -1.0
    q: float = 0.0

    def __post_init__(self) -> None:
        check_counts(draws=(self.draws, 1))
        check_numbers(target=self.target, spread=self.spread, lam=max(self.lam, 0.0), q=self.q)
        if self.target == 0:
            raise UserError("target must be a number above 0.")


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
    settings: Settings = Settings(),
) -> Tensor:
    """Return -log mean_m softmax f(x + s e_m)_y + lambda KL, s = h(x + q e', lambda), image mean.

    The noise is reparametrised as s e, so the gradient reaches h through s.

    Parameters
    ----------
    net : a `Pair`. x_NCHW are images in [0, 1], y_N their labels.
    sigma_N111, step : not used by this loss. generator is of lambda and the noise.
    """
    lam = settings.lam
    if lam < 0:
        lam = float(torch.rand((), generator=generator, device=generator.device))
    assert isinstance(net.selector, nn.Module) and isinstance(net.classifier, nn.Module)
    seen_NCHW = x_NCHW
    if settings.q > 0:
        seen_NCHW = x_NCHW + settings.q * draw_noise(x_NCHW, 1, generator)
    s_N = net.selector(seen_NCHW, torch.full((len(x_NCHW),), lam).to(x_NCHW))
    noise_RCHW = draw_noise(x_NCHW, settings.draws, generator)
    logits_MNK = noisy_logits(net.classifier, x_NCHW, s_N.view(-1, 1, 1, 1), noise_RCHW)
    classed = nll_loss(log_mean_softmax(logits_MNK), y_N)
    if settings.spread > 0:
        return classed + lam * kl_of_batch(s_N, settings.target, settings.spread)
    return classed + lam * kl_to_target(s_N, settings.target).mean()
