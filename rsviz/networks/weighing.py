"""The answers of several networks weighed into one: a weighted sum, or the surest member's.

Shape suffixes: L networks, N rows, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rsviz.core.late import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


def member_log_p(members: Iterable[nn.Module], x_NCHW: Tensor) -> Tensor:
    """Return log_p_LNK, the log-softmax of each of L networks."""
    return torch.stack([member(x_NCHW).log_softmax(1) for member in members])


def weighted_sum(log_p_LNK: Tensor, weights_L: Sequence[float]) -> Tensor:
    """Return log sum_l w_l p_l, (N, K)."""
    log_w_L = log_p_LNK.new_tensor(weights_L).log()
    return (log_p_LNK + log_w_L[:, None, None]).logsumexp(0)


def widest_margin(log_p_LNK: Tensor) -> Tensor:
    """Return the rows of the member with the widest margin between its two best classes, (N, K)."""
    top_LN2 = log_p_LNK.exp().topk(2, dim=2).values
    surest_N = (top_LN2[..., 0] - top_LN2[..., 1]).argmax(0)
    return log_p_LNK[surest_N, torch.arange(len(surest_N), device=log_p_LNK.device)]
