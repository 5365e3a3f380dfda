import pytest
import torch

from rsviz.certification import certify, walks
from rsviz.core.spec import RunSpec


@pytest.fixture
def certified(half_space):
    net, x_CHW, _ = half_space
    nets, spec = {"classifier": net}, RunSpec("", "", 0.25, n=500)
    *_, last = certify.watch(x_CHW, nets, spec)
    return x_CHW, nets, spec, last.certificate


def test_the_attack_leads_straight_to_the_boundary_of_a_half_space(certified):
    x_CHW, nets, spec, c = certified
    found_CHW = walks.direction("attack", x_CHW, nets, spec, c)
    w_CHW = nets["classifier"].fc.weight[1].reshape(x_CHW.shape)
    toward = float((found_CHW * w_CHW).sum() / w_CHW.norm())
    assert float(found_CHW.norm()) == pytest.approx(1, abs=1e-5)
    assert toward < -0.8  # class 1 is on the side of w; clipping to [0, 1] turns it a little


def test_votes_drain_along_the_attack_and_stay_inside_the_radius(certified):
    x_CHW, nets, spec, c = certified
    found_CHW = walks.direction("attack", x_CHW, nets, spec, c)
    shares = []
    for far in (0.0, 0.9, walks.FARTHEST):
        predicted, counts_K = walks.votes_at(x_CHW + far * c.radius * found_CHW, nets, spec, 300)
        shares.append(counts_K[1] / sum(counts_K))
        assert far > 1 or predicted == 1 == c.predicted
    assert shares[0] > shares[1] > shares[2]


def test_a_random_direction_is_that_of_the_seed(certified):
    x_CHW, nets, spec, c = certified
    first, again = (walks.direction("random", x_CHW, nets, spec, c) for _ in range(2))
    assert torch.equal(first, again) and float(first.norm()) == pytest.approx(1, abs=1e-5)
