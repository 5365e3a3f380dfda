"""What a method asks of the loop that counts votes, and of which image.

Shape suffixes: N rows of a batch, C channels, H height, W width, K classes.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from rsviz.core.spec import Certificate, Votes


class Voter(Protocol):
    """Whatever turns images and noise into one predicted class a row."""

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return class_N; noise is standard normal, one tensor for each query of a vote."""
        ...


@dataclass(frozen=True)
class NoisyClassifier:
    """The voter of plain randomized smoothing: argmax_c f(x + sigma e)_c."""

    net: nn.Module

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return class_N, one vote a row."""
        (e_NCHW,) = noise_NCHW
        return self.net(torch.addcmul(x_NCHW, sigma_N111, e_NCHW)).argmax(1)


@dataclass(frozen=True)
class Ask:
    """A method's request for n votes of one voter, at one noise level.

    ``classes`` is the number K of classes; ``queries`` the noise tensors each vote needs. ``noise``
    names the stage whose noise is drawn, its own where empty: stages that never meet in one bound
    may share theirs.
    """

    stage: str
    voter: Voter
    sigma: float
    n: int
    classes: int
    queries: int = 1
    noise: str = ""


MethodRun = Generator[Ask, Votes, Certificate]


@dataclass(frozen=True, eq=False)
class Request:
    """One image to be certified: its pixels, their hash (for the noise), its seed, its run."""

    key: int
    x_CHW: Tensor
    image: str
    seed: int
    start: Callable[[], MethodRun]
