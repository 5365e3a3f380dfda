"""Gaussian: train and vote on noisy images (Cohen, Rosenfeld & Kolter 2019, arXiv 1902.02918).

The base classifier f is trained with noise of standard deviation sigma added to its inputs. The
smoothed classifier is g(x) = argmax_c P(f(x + sigma e) = c), e ~ N(0, I). Whatever f is, if class c
has p_A > 1/2 at x then g(x + delta) = c for every ||delta||_2 < sigma PhiInv(p_A) (Theorem 1).

Shape suffixes: N images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rsviz.core import reading, stopping
from rsviz.core.late import torch
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.networks.inspection import class_count
from rsviz.smoothing.voters import Ask, MethodRun, NoisyClassifier

if TYPE_CHECKING:
    from torch import Tensor, nn

GUARANTEE = (
    "With probability at least 1 - alpha over the noise drawn here, the smoothed classifier "
    "(infinitely many votes at this sigma) predicts this class for every image closer than the "
    "radius in L2."
)


def certify(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify one image: n0 votes choose the class, n fresh votes bound its probability.

    R = sigma PhiInv(p_a_lower) if p_a_lower > 1/2, else abstain (CERTIFY of the paper).

    Parameters
    ----------
    x_CHW : the image, in [0, 1].
    nets : ``classifier``, a network in eval mode.
    """
    net = nets["classifier"]
    voter, classes = NoisyClassifier(net), class_count(net)
    select = yield Ask("select", voter, spec.noise, spec.n0, classes)
    until = stopping.until(spec, select.top)
    bound = yield Ask("bound", voter, spec.noise, spec.n, classes, until=until)
    return read({"select": select, "bound": bound}, spec)


def read(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Read a certificate from the votes there are, finished or not."""
    return reading.read(votes.get("select"), votes.get("bound"), spec, GUARANTEE)


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
) -> Tensor:
    """Return the cross-entropy on one noisy copy of each image: CE(f(x + sigma e), y).

    Parameters
    ----------
    x_NCHW : images in [0, 1]; y_N their labels.
    sigma_N111 : the noise level of each image, in pixel units.
    generator : of the noise. step is not used by this loss.
    """
    noise_NCHW = torch.randn(x_NCHW.shape, generator=generator, device=x_NCHW.device)
    return torch.nn.functional.cross_entropy(
        net(torch.addcmul(x_NCHW, sigma_N111, noise_NCHW)), y_N
    )
