"""Convolutions with their ReLU in one kernel; here cuDNN's two functions are written out."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from rsviz.evaluation.bench import untrained
from rsviz.networks.classifiers import fold
from rsviz.smoothing.fused import ClippedConvolution, fused


@pytest.fixture(autouse=True)
def cudnn(monkeypatch):
    def clipped(x, w, b, stride, padding, dilation, groups):
        return functional.conv2d(x, w, b, stride, padding, dilation, groups).relu()

    def added(x, w, z, alpha, b, stride, padding, dilation, groups):
        return (functional.conv2d(x, w, b, stride, padding, dilation, groups) + alpha * z).relu()

    monkeypatch.setattr(torch, "cudnn_convolution_relu", clipped)
    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", added)


@pytest.mark.parametrize(("network", "clipped"), [("compact", 8), ("resnet20", 18)])
def test_a_fused_network_answers_as_the_one_it_is_made_of(network, clipped):
    net = fold(untrained(network)).requires_grad_(False)
    x_NCHW = torch.rand(4, 3, 32, 32)
    one = fused(net)
    # All but the first, whose three channels suit no kernel of tensor cores.
    assert sum(isinstance(m, ClippedConvolution) for m in one.modules()) == clipped
    assert torch.equal(one(x_NCHW), net(x_NCHW))


class Leaning(nn.Module):
    """Reads one convolution twice, so that its ReLU must not swallow it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3)

    def forward(self, x):
        y = self.conv(x)
        return y.relu() + torch.relu(y) + y


class Branching(nn.Module):
    """Cannot be traced: what it does depends on what it is given."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_what_others_read_stays_and_what_cannot_be_traced_comes_back():
    net, x_NCHW = Leaning(), torch.rand(2, 8, 5, 5)
    assert torch.equal(fused(net)(x_NCHW), net(x_NCHW))
    branching = Branching()
    assert fused(branching) is branching
