import math
from functools import partial
from statistics import NormalDist

import pytest
import torch

from rsviz.methods import macer
from rsviz.methods.macer import PRESETS, Settings
from rsviz.smoothing.estimates import draw_noise

PHI_INV = NormalDist().inv_cdf


def with_settings(**changes):
    return partial(macer.loss, settings=Settings(**changes))


def log(*p):
    return [math.log(v) for v in p]


def test_the_loss_by_hand(given):
    # Draws of (.8, .2) and (.6, .4): zhat = (.7, .3), xi = PhiInv(.7) - PhiInv(.3).
    logits = [[log(0.8, 0.2)], [log(0.6, 0.4)]]
    loss = with_settings(draws=2, lam=3.0, gamma=2.0, beta=1.0)
    xi = PHI_INV(0.7) - PHI_INV(0.3)
    wanted = -math.log(0.7) + 3 * 0.5 / 2 * (2 - xi)
    assert given(loss, logits, [0], sigma=0.5) == pytest.approx(wanted, rel=1e-5)


def test_beta_sharpens_the_radius_term_alone(given):
    logits = [[log(0.8, 0.2)], [log(0.6, 0.4)]]  # softmax(2 f): .64/.68 and .36/.52
    zhat = (0.64 / 0.68 + 0.36 / 0.52) / 2
    xi = PHI_INV(zhat) - PHI_INV(1 - zhat)
    wanted = -math.log(0.7) + 3 * 0.5 / 2 * (4 - xi)
    loss = with_settings(draws=2, lam=3.0, gamma=4.0, beta=2.0)
    assert given(loss, logits, [0], sigma=0.5) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("probabilities", "why"),
    [
        ((0.3, 0.7), "wrong"),
        ((0.999, 0.001), "xi beyond gamma"),
    ],
)
def test_points_that_are_wrong_or_far_get_no_hinge(given, probabilities, why):
    loss = with_settings(draws=1, lam=3.0, gamma=2.0, beta=1.0)
    value = given(loss, [[log(*probabilities)]], [0])
    assert value == pytest.approx(-math.log(probabilities[0]), rel=1e-4), why


def test_votes_of_probability_one_leave_the_gradient_finite():
    logits = torch.tensor([[[60.0, 0.0, -60.0], [0.3, 0.0, 0.0]]], requires_grad=True)
    hinge = macer.radius_hinge(logits, torch.tensor([0, 0]), 8.0, 16.0)
    assert hinge[0] == 0
    assert hinge[1] > 0
    hinge.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 1].abs().max() > 0


def test_a_step_down_the_hinge_widens_the_radius():
    logits = torch.tensor([[[0.1, 0.0, -0.1]], [[0.05, 0.0, 0.0]]], requires_grad=True)
    y = torch.tensor([0])
    before = macer.radius_hinge(logits, y, 8.0, 4.0)
    before.sum().backward()
    after = macer.radius_hinge(logits - 1e-3 * logits.grad, y, 8.0, 4.0)
    assert after.item() < before.item()


def test_lambda_zero_is_the_cross_entropy_of_the_mean_softmax(tiny):
    net, x, y, sigma = tiny
    value = with_settings(draws=4, lam=0.0)(net, x, y, sigma, torch.Generator().manual_seed(5), 0)
    noise = draw_noise(x, 4, torch.Generator().manual_seed(5))
    p = sum(net(x + sigma * e).softmax(1) for e in noise.view(4, *x.shape)) / 4
    assert value.item() == pytest.approx(torch.nn.functional.nll_loss(p.log(), y).item())


def test_each_image_is_weighed_by_its_own_sigma(given):
    logits = [[log(0.7, 0.3), log(0.7, 0.3)]]
    loss = with_settings(draws=1, lam=1.0, gamma=2.0, beta=1.0)
    low, high = (given(loss, logits, [0, 0], sigma) + math.log(0.7) for sigma in (0.25, 1.0))
    assert high == pytest.approx(4 * low, rel=1e-4)


def test_the_gradient_is_that_of_finite_differences(tiny, slope):
    loss = with_settings(draws=3, lam=4.0, gamma=8.0, beta=4.0)
    net, x, y, sigma = tiny
    y = net(x).argmax(1)  # so that the hinge takes part
    exact, by_difference = slope(loss, net, x, y, sigma)
    assert exact == pytest.approx(by_difference, rel=1e-5)
    net.zero_grad()
    plain, _ = slope(with_settings(draws=3, lam=0.0), net, x, y, sigma)
    assert abs(plain - exact) > 1e-3


def test_the_papers_settings():
    assert Settings() == Settings(draws=16, lam=12.0, gamma=8.0, beta=16.0)
    assert {s: p.lam for s, p in PRESETS.items()} == {0.25: 12, 0.5: 4, 1.0: 12}


def test_training_lowers_the_loss(falls):
    losses = falls(with_settings(draws=4, lam=1.0), "macer")
    assert losses[-1] < 0.9 * losses[0]
