"""Networks rewritten for a GPU's tensor cores: fewer passes over memory, the same function.

Convolutions add and clip within their own kernel (cuDNN), and the first reads patches.
"""

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

_RELUS = (torch.relu, nn.functional.relu)
_ADDS = (operator.add, torch.add)


class ClippedConvolution(nn.Module):
    """relu(conv(x)), or relu(conv(x) + z), in one kernel of a GPU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Return what the convolution, the addition and the ReLU return."""
        c = self.conv
        assert not isinstance(c.padding, str)
        how = c.stride, c.padding, c.dilation
        if z is None:
            return torch.cudnn_convolution_relu(x, c.weight, c.bias, *how, c.groups)
        return torch.cudnn_convolution_add_relu(x, c.weight, z, 1.0, c.bias, *how, c.groups)


def fused(net: nn.Module) -> nn.Module:
    """Return a network in eval mode whose ReLUs right after convolutions are computed by these.

    It shares its weights with the one given, which comes back itself where it cannot be traced.
    """
    try:
        traced = fx.symbolic_trace(net)
    except Exception:  # what a forward method may do has no end
        return net
    modules, graph = dict(traced.named_modules()), traced.graph
    for node in list(graph.nodes):
        if isinstance(modules.get(node.target), nn.Identity | nn.Dropout):  # folded batch norms
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    for node in list(graph.nodes):
        if _is_relu(node, modules) and (found := _before(node.args[0], modules)):
            conv, added = found
            name = f"{conv.target}.clipped".replace(".", "_")
            traced.add_submodule(name, ClippedConvolution(modules[conv.target]))
            with graph.inserting_before(node):
                one = graph.call_module(name, (conv.args[0], *added))
            node.replace_all_uses_with(one)
            graph.erase_node(node)
    graph.eliminate_dead_code()
    traced.recompile()
    return traced


@dataclass(frozen=True)
class Stem:
    """A first convolution: its square kernel's size, its stride, and its padding with zeros."""

    size: int
    stride: int
    pad: int

    @property
    def patch(self) -> int:
        """Numbers of a patch of three colours, up to the next 8, as tensor cores want."""
        return -(-3 * self.size**2 // 8) * 8

    def out(self, side: int) -> int:
        """Return how many patches fit along a side."""
        return (side + 2 * self.pad - self.size) // self.stride + 1


def of_patches(net: nn.Module) -> tuple[nn.Module, Stem] | None:
    """Return a network that reads the patches of its first convolution, and how they are cut.

    None where not one plain convolution alone reads what the network is given. A patch's numbers
    are in the order (row, column, colour).
    """
    try:
        traced = fx.symbolic_trace(net)
    except Exception:  # what a forward method may do has no end
        return None
    modules = dict(traced.named_modules())
    given = [node for node in traced.graph.nodes if node.op == "placeholder"]
    readers = list(given[0].users) if len(given) == 1 else []
    conv = modules.get(str(readers[0].target)) if len(readers) == 1 else None
    if not isinstance(conv, nn.Conv2d) or isinstance(conv.padding, str):
        return None
    size, stride, pad = ({*pair} for pair in (conv.kernel_size, conv.stride, conv.padding))
    same = max(len(size), len(stride), len(pad)) == 1 and conv.padding_mode == "zeros"
    if not same or conv.in_channels != 3 or conv.groups != 1 or conv.dilation != (1, 1):
        return None
    stem = Stem(size.pop(), stride.pop(), pad.pop())
    old_OHWC = conv.weight.detach().permute(0, 2, 3, 1)
    new = nn.Conv2d(stem.patch, conv.out_channels, 1, bias=conv.bias is not None).to(old_OHWC)
    new.weight.data.zero_()[:, : 3 * stem.size**2, 0, 0] = old_OHWC.flatten(1)
    new.weight.data = new.weight.data.contiguous(memory_format=torch.channels_last)
    if conv.bias is not None:
        new.bias = conv.bias
    traced.add_submodule(str(readers[0].target), new)
    return traced, stem


def _is_relu(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    return node.target in _RELUS or isinstance(modules.get(str(node.target)), nn.ReLU)


def _before(node: fx.Node, modules: dict[str, nn.Module]) -> tuple[Any, tuple[Any, ...]] | None:
    """Return the convolution that alone feeds a ReLU, and what is added to it on the way."""
    if _is_conv(node, modules):
        return node, ()
    if node.target in _ADDS and len(node.users) == 1 and len(node.args) == 2:
        one, other = node.args
        if _is_conv(one, modules):
            return one, (other,)
        if _is_conv(other, modules):
            return other, (one,)
    return None


def _is_conv(node: Any, modules: dict[str, nn.Module]) -> bool:
    """Whether a node is a convolution, padded with zeros, that nothing else reads."""
    if not isinstance(node, fx.Node) or len(node.users) != 1:
        return False
    conv = modules.get(str(node.target))
    return (
        isinstance(conv, nn.Conv2d)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and conv.in_channels % 8 == 0  # as its kernels of tensor cores want
    )
