"""PGD on the smoothed classifier: gradient ascent on the mean over noise, inside a ball.

Shape suffixes: N images, M noise draws an image, R = M N rows (row m N + i is draw m of image i),
C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rsviz.core.late import torch
from rsviz.core.spec import Norm
from rsviz.smoothing import turns
from rsviz.smoothing.estimates import log_mean_softmax, noisy_logits

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Hold a network in eval mode with no gradients to its weights, and put it back as it was."""
    modes = [(module, module.training) for module in net.modules()]
    trained = [p for p in net.parameters() if p.requires_grad]
    try:
        net.eval()
        for p in trained:
            p.requires_grad_(False)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for p in trained:
            p.requires_grad_(True)


def pgd(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    noise_RCHW: Tensor,
    eps: float,
    steps: int,
    norm: Norm = Norm.L2,
) -> Tensor:
    """Return adversarial images that raise -log mean_m softmax f(x + delta + sigma e_m)_y.

    From delta = 0, ``steps`` times: a step of 2 eps / steps along the unit-norm gradient (its sign
    for Linf), clamp x + delta to [0, 1], and shrink delta back into the ball (Salman et al. 2019,
    arXiv 1906.04584, as their code does it). Every step sees the same noise; an image whose
    gradient is zero stays where it is.

    Parameters
    ----------
    net : pixels to logits; held in eval mode, its weights left alone.
    x_NCHW : images in [0, 1]; y_N the classes to lead away from.
    sigma_N111 : noise level of each image, in pixel units.
    noise_RCHW : of `draw_noise`; it may serve again to train on the result.
    eps : radius of the ball in ``norm``; steps 0 or eps 0 return the images unchanged.
    """
    with frozen(net):
        return ascend(
            lambda x: noisy_logits(net, x, sigma_N111, noise_RCHW), x_NCHW, y_N, eps, steps, norm
        )


def ascend(
    logits_of: Callable[[Tensor], Tensor],
    x_NCHW: Tensor,
    y_N: Tensor,
    eps: float,
    steps: int,
    norm: Norm = Norm.L2,
) -> Tensor:
    """Return adversarial images as `pgd` does, for any x_NCHW -> logits_MNK of M draws each."""
    x_NCHW = x_NCHW.detach()
    delta_NCHW = torch.zeros_like(x_NCHW)
    with torch.enable_grad():
        for _ in range(steps if eps > 0 else 0):
            turns.give_way()
            delta_NCHW.requires_grad_(True)
            loss = -log_mean_softmax(logits_of(x_NCHW + delta_NCHW)).gather(1, y_N[:, None]).sum()
            (grad_NCHW,) = torch.autograd.grad(loss, delta_NCHW)
            moved_NCHW = delta_NCHW.detach() + 2 * eps / steps * _direction(grad_NCHW, norm)
            delta_NCHW = _into_ball((x_NCHW + moved_NCHW).clamp(0, 1) - x_NCHW, eps, norm)
    return x_NCHW + delta_NCHW


def _length(delta_NCHW: Tensor) -> Tensor:
    """Return the L2 norm of each image, N111."""
    return torch.linalg.vector_norm(delta_NCHW, dim=(1, 2, 3), keepdim=True)


def _direction(grad_NCHW: Tensor, norm: Norm) -> Tensor:
    """Return the steepest direction of unit norm, zero where the gradient is zero."""
    if norm == Norm.LINF:
        return grad_NCHW.sign()
    return grad_NCHW / _length(grad_NCHW).clamp_min(1e-30)


def _into_ball(delta_NCHW: Tensor, eps: float, norm: Norm) -> Tensor:
    """Return delta, shrunk to norm eps where it is longer; x + delta stays in [0, 1] if it was."""
    if norm == Norm.LINF:
        return delta_NCHW.clamp(-eps, eps)
    return delta_NCHW * (eps / _length(delta_NCHW).clamp_min(eps))
