"""What tests share: tiny networks, and whether CIFAR-10 and Chromium are here."""

import os

import pytest
import torch
from torch import nn

from rsviz.data import datasets, shapes

REQUIRED = set(filter(None, os.environ.get("RSVIZ_REQUIRE", "").split(",")))


@pytest.fixture(autouse=True)
def _needs(request):
    """Skip what needs CIFAR-10 where it is absent; fail instead where RSVIZ_REQUIRE names it."""
    if request.node.get_closest_marker("cifar") and not datasets.available("cifar10"):
        if "cifar" in REQUIRED:
            pytest.fail("CIFAR-10 is required here but RSVIZ_DATA does not hold it")
        pytest.skip("CIFAR-10 is not on this machine (RSVIZ_DATA)")
    if request.node.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session", autouse=True)
def _few_training_shapes():
    """Draw the first 2,000 training shapes: all 20,000 take a process 14 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(shapes.SIZES, "train", 2_000)
        yield


def pytest_collection_modifyitems(config, items):
    """Where files share the cores, begin with those that take long: none of them ends alone."""
    if hasattr(config, "workerinput"):
        long = {
            item.path
            for item in items
            if item.get_closest_marker("slow") or item.get_closest_marker("browser")
        }
        items.sort(key=lambda item: item.path not in long)


class HalfSpace(nn.Module):
    """Class 1 where w.x > b, else class 0: its smoothed radius at x is |w.x - b| / ||w||."""

    def __init__(self, w_CHW: torch.Tensor, b: float):
        super().__init__()
        self.fc = nn.Linear(w_CHW.numel(), 2, bias=True)
        with torch.no_grad():
            self.fc.weight[0] = 0
            self.fc.weight[1] = w_CHW.flatten()
            self.fc.bias[0] = 0
            self.fc.bias[1] = -b

    def forward(self, x_NCHW):
        return self.fc(x_NCHW.flatten(1))


@pytest.fixture
def half_space():
    """A half-space classifier, an image, and the exact L2 distance from it to the boundary."""
    generator = torch.Generator().manual_seed(1)
    w_CHW = torch.randn(3, 8, 8, generator=generator)
    x_CHW = torch.rand(3, 8, 8, generator=generator)
    distance = 0.3
    b = float((w_CHW * x_CHW).sum() - distance * w_CHW.norm())
    return HalfSpace(w_CHW, b).eval().requires_grad_(False), x_CHW, distance
