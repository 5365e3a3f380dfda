"""The network that chooses a continuous noise level, and the pair that trains it.

Shape suffixes: N images, M noise draws, C channels, H height, W width, K classes, F features, L
levels.
"""

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
