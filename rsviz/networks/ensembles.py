"""Several networks as one: a weighted sum, or the surest member."""

from collections.abc import Sequence

from torch import Tensor, nn

from rsviz.networks.weighing import member_log_p, weighted_sum, widest_margin


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
