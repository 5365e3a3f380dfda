"""What a network says of itself: its outputs, and its multiply-adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsviz.core.late import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


def multiply_adds(net: nn.Module, size: int) -> int:
    """Return the multiply-adds of convolutions and linear layers for one size x size image."""
    total = 0

    def count(module: nn.Module, _: object, out: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        total += weight.numel() * (out[0, 0].numel() if out.dim() == 4 else 1)

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, kinds)]
    device = next(net.parameters()).device
    with torch.no_grad():
        net(torch.zeros(1, 3, size, size, device=device))
    for hook in hooks:
        hook.remove()
    return total


def class_count(net: nn.Module) -> int:
    """Return K, the outputs of a classifier's last linear layer, or those of its file's graph."""
    if isinstance(outputs := getattr(net, "outputs", None), int):
        return outputs
    return [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1].out_features
