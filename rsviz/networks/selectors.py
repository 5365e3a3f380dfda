"""The network that chooses a continuous noise level, and the loss that trains it.

Shape suffixes: N images, M noise draws, C channels, H height, W width, K classes, F features, L
levels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsviz.core.errors import UserError


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
