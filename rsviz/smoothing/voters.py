"""What a method asks of the loop that counts votes, and of which image.

Shape suffixes: N rows of a batch, C channels, H height, W width, K classes.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from rsviz.core.spec import Certificate, Votes
from rsviz.smoothing import engines


class Voter(Protocol):
    """Whatever turns images and noise into one predicted class a row.

    It may have a number ``at_once`` above 1, of batches it can vote on at the same time.
    """

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return class_N; noise is standard normal, one tensor for each query of a vote."""
        ...


@dataclass(frozen=True)
class NoisyClassifier:
    """The voter of plain randomized smoothing: argmax_c f(x + sigma e)_c."""

    net: nn.Module

    @property
    def at_once(self) -> int:
        """How many batches this network can vote on at the same time."""
        return engines.at_once(self.net)

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return class_N, one vote a row."""
        (e_NCHW,) = noise_NCHW
        return engines.noisy(self.net, x_NCHW, sigma_N111, e_NCHW).argmax(1)


@dataclass(frozen=True)
class Ask:
    """A method's request for n votes of one voter, at one noise level.

    ``classes`` is the number K of classes; ``queries`` the noise tensors each vote needs.
    """

    stage: str
    voter: Voter
    sigma: float
    n: int
    classes: int
    queries: int = 1


MethodRun = Generator[Ask, Votes, Certificate]


@dataclass(frozen=True, eq=False)
class Request:
    """One image to be certified: its pixels, their hash (for the noise), its seed, its run."""

    key: int
    x_CHW: Tensor
    image: str
    seed: int
    start: Callable[[], MethodRun]
