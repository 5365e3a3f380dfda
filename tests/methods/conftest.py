"""A tiny network whose losses can be worked out by hand, and small batches."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from rsviz.data import catalog, datasets
from rsviz.networks import classifiers
from rsviz.networks.classifiers import Compact
from rsviz.training import loop


class Tiny(nn.Module):
    """A smooth classifier without batch norm: linear, tanh, linear."""

    def __init__(self, classes=4):
        super().__init__()
        self.a = nn.Linear(3 * 4 * 4, 6)
        self.b = nn.Linear(6, classes)

    def forward(self, x_NCHW):
        return self.b(torch.tanh(self.a(x_NCHW.flatten(1))))


class Given(nn.Module):
    """Returns the logits given, whatever the images."""

    def __init__(self, logits_RK):
        super().__init__()
        self.logits_RK = nn.Parameter(torch.tensor(logits_RK))

    def forward(self, x_NCHW):
        assert len(x_NCHW) == len(self.logits_RK)
        return self.logits_RK


@pytest.fixture
def tiny():
    """A float64 net and a batch (x, y, sigma) whose images stay clear of 0 and 1."""
    torch.manual_seed(0)
    net = Tiny().double()
    x = 0.3 + 0.4 * torch.rand(5, 3, 4, 4, dtype=torch.float64)
    sigma = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5]).double().view(5, 1, 1, 1)
    return net, x, torch.tensor([0, 1, 2, 3, 0]), sigma


@pytest.fixture
def given():
    """Call a loss on logits written by hand: given(loss, logits, labels, sigma) -> number."""

    def call(loss, logits_MNK, labels, sigma=1.0):
        flat = [row for draw in logits_MNK for row in draw]
        n = len(labels)
        images, levels = torch.rand(n, 3, 2, 2), torch.full((n, 1, 1, 1), sigma)
        generator = torch.Generator().manual_seed(0)
        return loss(Given(flat), images, torch.tensor(labels), levels, generator, 0).item()

    return call


@pytest.fixture
def slope():
    """Return slope(loss, net, x, y, sigma): (gradient, finite difference) along one direction."""

    def both(loss, net, x, y, sigma, h=1e-6):
        def value():
            return loss(net, x, y, sigma, torch.Generator().manual_seed(7), 10**6)

        value().backward()
        generator = torch.Generator().manual_seed(3)
        along = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in net.parameters()]
        pairs = list(zip(net.parameters(), along, strict=True))
        exact = sum(float((p.grad * v).sum()) for p, v in pairs)
        ends = []
        for sign in (1, -2):
            with torch.no_grad():
                for p, v in pairs:
                    p.add_(sign * h * v)
            ends.append(value().item())
        return exact, (ends[0] - ends[1]) / (2 * h)

    return both


@pytest.fixture
def falls(tmp_path):
    """Train a narrow net on a few Shapes and return the loss of each epoch."""
    whole = datasets.load("shapes", "test")
    data = replace(whole, x_NCHW=whole.x_NCHW[:256], y_N=whole.y_N[:256])

    def losses(loss, method, epochs=6):
        torch.manual_seed(0)
        net = nn.Sequential(classifiers.Normalize(*catalog.STATISTICS["shapes"]), Compact(10, 8))
        said = []
        spec = loop.TrainSpec(method, "shapes", "compact", 0.1, epochs, lr=0.2, batch=32)
        loop.train(net, data, loss, spec, tmp_path / "s.pt", "cpu", False, said.append)
        return [float(line.split("loss ")[1].split()[0]) for line in said]

    return losses
