"""Convolutions that add and clip within their own kernel, by cuDNN: fewer passes over memory."""

import operator
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
