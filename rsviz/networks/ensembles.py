"""Several networks as one: a weighted sum, or the surest member."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class WeightedSum(nn.Module):
    """An ensemble H = sum_l w_l softmax F_l with fixed weights; returns log H, so softmax gives H.

    Whatever the weights, H is one base classifier like any other: smoothing certifies it as such.
    """

    def __init__(self, members: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.weights = tuple(weights)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return log H, (N, K)."""
        return self.combine(member_log_p(self.members, x_NCHW))

    def combine(self, log_p_LNK: Tensor) -> Tensor:
        """Return log H, (N, K), from the members' log-probabilities."""
        return weighted_sum(log_p_LNK, self.weights)


class WidestMargin(nn.Module):
    """An ensemble that follows, for each input, the member surest of its class.

    Surest is the widest gap between the two most probable classes (max-margin ensemble, Yang et al.
    2022, arXiv 2107.10873). A function of the noisy input alone, so smoothing certifies it.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the log-probabilities of each row's surest member, (N, K)."""
        return self.combine(member_log_p(self.members, x_NCHW))

    def combine(self, log_p_LNK: Tensor) -> Tensor:
        """Return the rows of the surest member, (N, K), from all members' log-probabilities."""
        return widest_margin(log_p_LNK)


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
