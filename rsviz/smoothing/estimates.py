"""Estimates under noise that certify nothing: for training, attacks and targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from rsviz.core.late import torch
from rsviz.networks.inspection import class_count
from rsviz.smoothing import turns
from rsviz.smoothing.voters import check_votes, vote

if TYPE_CHECKING:
    from torch import Tensor, nn


def draw_noise(x_NCHW: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Return noise_RCHW ~ N(0, I): ``draws`` tensors for each image, channels last in memory."""
    N, C, H, W = x_NCHW.shape
    noise_RHWC = torch.randn(
        (draws * N, H, W, C), generator=generator, device=x_NCHW.device, dtype=x_NCHW.dtype
    )
    return noise_RHWC.permute(0, 3, 1, 2)


def noisy_logits(
    net: Callable[[Tensor], Tensor], x_NCHW: Tensor, sigma_N111: Tensor, noise_RCHW: Tensor
) -> Tensor:
    """Return logits_MNK of x + sigma e, for every draw e of every image in one forward pass."""
    noise_MNCHW = noise_RCHW.unflatten(0, (-1, len(x_NCHW)))
    noisy_MNCHW = torch.addcmul(x_NCHW[None], sigma_N111[None], noise_MNCHW)
    return net(noisy_MNCHW.flatten(0, 1)).unflatten(0, noise_MNCHW.shape[:2])


def log_mean_softmax(logits_MNK: Tensor) -> Tensor:
    """Return log zhat_NK, zhat the mean of the softmax over the M draws."""
    log_p_MNK = logits_MNK.log_softmax(2)
    return log_p_MNK.logsumexp(0) - math.log(len(logits_MNK))


def count_votes(
    net: nn.Module,
    x_NCHW: Tensor,
    sigma: float,
    votes: int,
    generator: torch.Generator,
    rows: int = 1000,
) -> Tensor:
    """Return counts_NK of ``votes`` noisy copies of each image, ``rows`` of them at a time.

    Parameters
    ----------
    net : in eval mode, pixels to logits.
    x_NCHW : images in [0, 1]; sigma the noise level, in pixel units.
    """
    counts_NK = torch.zeros(len(x_NCHW), class_count(net), dtype=torch.int64)
    with torch.inference_mode():
        for start in range(0, len(x_NCHW) * votes, rows):
            turns.give_way()
            stop = min(start + rows, len(x_NCHW) * votes)
            owner_R = torch.arange(start, stop) // votes
            x_RCHW = x_NCHW[owner_R]
            noise_RCHW = torch.randn(x_RCHW.shape, generator=generator, device=x_RCHW.device)
            class_R = check_votes(vote(net(x_RCHW + sigma * noise_RCHW))).cpu()
            counts_NK.index_put_((owner_R, class_R), torch.ones_like(class_R), accumulate=True)
    return counts_NK
