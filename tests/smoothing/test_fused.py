"""Convolutions with their ReLU in one kernel; here cuDNN's two functions are written out."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from rsviz.evaluation.bench import untrained
from rsviz.networks.classifiers import fold
from rsviz.smoothing.fused import ClippedConvolution, Stem, fused, of_patches


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


def patches(x_NCHW, stem):
    """The patches of a first convolution, written out by torch."""
    N, _, H, W = x_NCHW.shape
    rows = functional.unfold(x_NCHW, stem.size, padding=stem.pad, stride=stem.stride)
    by_tap = rows.reshape(N, 3, stem.size**2, -1).transpose(1, 2).reshape(N, -1, rows.shape[2])
    full = functional.pad(by_tap, (0, 0, 0, stem.patch - by_tap.shape[1]))
    return full.reshape(N, stem.patch, stem.out(H), stem.out(W))


@pytest.mark.parametrize(
    ("network", "stem"), [("compact", Stem(4, 2, 1)), ("resnet20", Stem(3, 1, 1))]
)
def test_a_network_of_patches_answers_as_the_one_it_is_made_of(network, stem):
    net = fold(untrained(network)).requires_grad_(False)[1:]
    x_NCHW = torch.randn(4, 3, 32, 32)
    before = net(x_NCHW)
    one, how = of_patches(net)
    assert how == stem
    assert torch.allclose(one(patches(x_NCHW, stem)), before, atol=1e-5)
    assert torch.equal(net(x_NCHW), before)  # it is left as it was


class Twice(nn.Module):
    """Reads its pixels twice, so that patches alone would not do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.conv(x).mean((2, 3)) + x.mean()


@pytest.mark.parametrize(
    "net",
    [
        Twice(),
        Branching(),
        nn.Sequential(nn.Conv2d(3, 8, (3, 5))),
        nn.Sequential(nn.Conv2d(3, 8, 3, padding="same")),
        nn.Sequential(nn.Conv2d(3, 8, 3, dilation=2)),
        nn.Sequential(nn.Conv2d(3, 6, 3, groups=3)),
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")),
        nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)),
    ],
)
def test_networks_that_read_more_than_patches_are_left_alone(net):
    assert of_patches(net) is None
