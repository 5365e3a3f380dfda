import copy

import pytest
import torch

from rsviz.core.errors import UserError
from rsviz.networks import classifiers, inspection


def trained_looking(network):
    """A network whose batch norms have seen data, so that folding them changes something."""
    torch.manual_seed(0)
    net = classifiers.build(network, "cifar10").train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(16, 3, 32, 32))
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("network", ["compact", "compact-48", "resnet20"])
def test_folding_changes_no_output(network):
    net = trained_looking(network)
    x = torch.rand(8, 3, 32, 32)
    folded = classifiers.fold(copy.deepcopy(net))
    assert torch.allclose(net(x), folded(x), atol=1e-4)
    left = [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert left == []


def test_normalisation_is_layer_zero_and_in_no_state_dict():
    net = classifiers.build("compact", "cifar10")
    x = torch.full((1, 3, 2, 2), 0.5)
    expected = (0.5 - 0.4914) / 0.2023
    assert net[0](x)[0, 0, 0, 0].item() == pytest.approx(expected, rel=1e-5)
    assert not [key for key in net.state_dict() if key.startswith("0.")]


def test_sizes_are_those_the_design_names():
    compact = classifiers.build("compact", "cifar10")
    assert sum(p.numel() for p in compact.parameters()) == pytest.approx(0.48e6, rel=0.02)
    assert inspection.multiply_adds(compact.eval(), 32) == pytest.approx(17e6, rel=0.03)
    wider = classifiers.build("compact-48", "cifar10")
    assert sum(p.numel() for p in wider.parameters()) == pytest.approx(1.08e6, rel=0.01)
    assert inspection.multiply_adds(wider.eval(), 32) == pytest.approx(37.7e6, rel=0.01)
    resnet = classifiers.build("resnet110", "cifar10")
    assert sum(p.numel() for p in resnet.parameters()) == pytest.approx(1.73e6, rel=0.01)
    assert inspection.multiply_adds(resnet.eval(), 32) == pytest.approx(255e6, rel=0.02)


def test_unknown_names_are_refused_in_words():
    with pytest.raises(UserError, match="compact"):
        classifiers.build("alexnet", "cifar10")
    with pytest.raises(UserError, match="cifar10"):
        classifiers.build("compact", "mnist")


def test_class_count():
    assert inspection.class_count(classifiers.build("compact", "shapes")) == 10


def test_a_widened_network_computes_what_the_narrow_one_did_and_can_learn_more():
    narrow, x = trained_looking("compact"), torch.rand(8, 3, 32, 32)
    wide = classifiers.build("compact-48", "cifar10").eval()
    assert not torch.allclose(narrow(x), wide(x), atol=0.1)
    classifiers.widen(narrow, wide)
    assert torch.allclose(narrow(x), wide(x), atol=1e-4)
    wide(x).square().sum().backward()
    added = wide[1].fc.weight.grad[:, 128:]
    assert added.shape == (10, 64)
    assert (added != 0).float().mean() > 0.5  # nothing is cut off from the gradient for good


@pytest.mark.parametrize(("start", "wanted"), [("resnet20", "compact"), ("compact-48", "compact")])
def test_only_a_narrower_network_of_its_kind_is_widened(start, wanted):
    wide = classifiers.build(wanted, "cifar10")
    before = copy.deepcopy(wide.state_dict())
    with pytest.raises(UserError, match="narrower"):
        classifiers.widen(classifiers.build(start, "cifar10"), wide)
    assert all(torch.equal(a, before[key]) for key, a in wide.state_dict().items())
