"""Fine-tuning a network through the rounding of its int8 file, where rounding alone costs too much.

The network learns to answer, rounded, as it does in float32: the loss is the Kullback-Leibler
divergence between the two softmaxes on what its own runs ask it. Rounded are the weights, to whole
multiples of a 64th of a channel's largest, and what each layer reads, to 255 steps between the
least and largest value seen; a gradient passes through both as if nothing were rounded (Bengio et
al., arXiv:1308.3432, section 4; Jacob et al., arXiv:1712.05877, section 3). The file rounds sums of
branches, too, which is left out here: the file is what is measured.

Shape suffixes: N rows, K classes.
"""

import copy
import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax
from torch.nn.utils import parametrize

from rsviz.core.progress import ProgressLine, Report

WEIGHT_STEPS, INPUT_STEPS = 64, 255
LR = 2e-5


class RoundedWeights(nn.Module):
    """Weights as the file holds them: w -> s round(w / s), s = max |w| / 64 of each channel."""

    def forward(self, w: Tensor) -> Tensor:
        """Return the rounded weights; their gradient is that of the weights."""
        s = w.detach().abs().amax(dim=tuple(range(1, w.ndim)), keepdim=True) / WEIGHT_STEPS
        return _rounded(w, s)


def tuned(
    net: nn.Module,
    batches: Sequence[tuple[Tensor, ...]],
    generator: torch.Generator,
    report: Report = print,
    lr: float = LR,
) -> nn.Module:
    """Return a copy of a network that has seen each batch once, in random order, rounded.

    Parameters
    ----------
    net : in eval mode and folded, with answers of shape (N, K).
    batches : what its runs ask it.
    lr : of Adam, falling to 0 along a half cosine.
    """
    student = copy.deepcopy(net)
    hooks = _rounding(student, batches)
    optimizer = torch.optim.Adam(student.parameters(), lr)
    order = torch.randperm(len(batches), generator=generator).tolist()
    progress = ProgressLine(len(order), 0, report)
    for step, at in enumerate(order):
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 + math.cos(math.pi * step / len(order))) / 2
        with torch.no_grad():
            wanted_NK = log_softmax(net(*batches[at]), dim=1)
        found_NK = log_softmax(student(*batches[at]), dim=1)
        loss = kl_div(found_NK, wanted_NK, reduction="batchmean", log_target=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress.step()
    progress.close()
    for hook in hooks:
        hook.remove()
    for layer in _layers(student):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    return student.requires_grad_(False)


def _rounding(
    net: nn.Module, batches: Sequence[tuple[Tensor, ...]]
) -> list[torch.utils.hooks.RemovableHandle]:
    """Round the weights of a network, and by hooks what its layers read; return the hooks."""
    ranges: dict[nn.Module, tuple[float, float]] = {}
    hooks = [m.register_forward_pre_hook(partial(_widen, ranges)) for m in _layers(net)]
    with torch.no_grad():
        for batch in batches:
            net(*batch)
    for hook in hooks:
        hook.remove()
    net.requires_grad_(True)
    for layer in _layers(net):
        parametrize.register_parametrization(layer, "weight", RoundedWeights())
    return [
        m.register_forward_pre_hook(partial(_round, torch.tensor((high - low) / INPUT_STEPS)))
        for m, (low, high) in ranges.items()
    ]


def _layers(net: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def _widen(
    ranges: dict[nn.Module, tuple[float, float]], layer: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    low, high = ranges.get(layer, (0.0, 0.0))
    ranges[layer] = min(low, float(inputs[0].min())), max(high, float(inputs[0].max()))


def _round(step: Tensor, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x, *rest = inputs
    return (_rounded(x, step), *rest)


def _rounded(x: Tensor, step: Tensor) -> Tensor:
    """Return x in whole steps; its gradient is that of x."""
    rounded = torch.round(x.detach() / step.clamp_min(1e-12)) * step
    return x + (rounded - x.detach())
