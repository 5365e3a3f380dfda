"""The requests that a method makes of the loop that counts votes.

Shape suffixes: N rows of a batch, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate, Votes
from rsviz.core.stopping import Until
from rsviz.smoothing import engines
from rsviz.smoothing.noise import arrays

if TYPE_CHECKING:
    from torch import Tensor, nn

NO_VOTE = -1
NOT_NUMBERS = (
    "The network's answers are not numbers (NaN or infinite) for some noisy copies of this image, "
    "so its votes cannot be counted; check its weights and its training."
)


def vote(logits_NK: Tensor) -> Tensor:
    """Return class_N = argmax_k logits_NK, and `NO_VOTE` where a row's answers are not numbers.

    The largest value of a row is not finite if any is NaN or +infinity. No transfer is waited for.
    """
    xp = arrays(logits_NK)
    return xp.where(xp.isfinite(xp.amax(logits_NK, 1)), logits_NK.argmax(1), NO_VOTE)


def check_votes(class_N: Tensor) -> Tensor:
    """Return class_N as it is; UserError if any row has no vote."""
    if bool((class_N == NO_VOTE).any()):
        raise UserError(NOT_NUMBERS)
    return class_N


class Voter(Protocol):
    """Whatever turns images and noise into one predicted class a row.

    It may have a number ``at_once`` above 1, of batches it can vote on at the same time.
    """

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return class_N, `NO_VOTE` where the network's answers are not numbers.

        Noise is standard normal, one tensor for each query of a vote.
        """
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
        return vote(engines.noisy(self.net, x_NCHW, sigma_N111, e_NCHW))


@dataclass(frozen=True)
class Ask:
    """A method's request for n votes of one voter, at one noise level.

    ``classes`` is the number K of classes; ``queries`` the noise tensors each vote needs. ``until``
    may end it before n. ``noise`` names the stage whose noise is drawn, its own where empty: stages
    that never meet in one bound may share theirs.
    """

    stage: str
    voter: Voter
    sigma: float
    n: int
    classes: int
    queries: int = 1
    until: Until | None = None
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
