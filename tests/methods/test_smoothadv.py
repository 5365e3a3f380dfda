import math
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from rsviz.methods import gaussian, smoothadv
from rsviz.methods.smoothadv import PRESETS, Settings
from rsviz.smoothing.estimates import draw_noise
from rsviz.smoothing.pgd import pgd


def with_settings(**changes):
    return partial(smoothadv.loss, settings=Settings(**{"warm_up": 0} | changes))


def test_the_loss_by_hand(given):
    # One image of class 0, probabilities 1/4 and 1/2 in its two draws: the mean of -log, per copy.
    logits = [[[0.0, math.log(3)]], [[0.0, 0.0]]]
    value = given(with_settings(draws=2, steps=0), logits, [0])
    assert value == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_without_steps_and_with_one_draw_it_is_gaussians_loss(tiny):
    net, x, y, sigma = tiny
    x = x.float().contiguous(memory_format=torch.channels_last)
    net.float()
    noise = draw_noise(x, 1, torch.Generator().manual_seed(2))
    ours = with_settings(draws=1, steps=0)(
        net, x, y, sigma.float(), torch.Generator().manual_seed(2), 0
    )
    assert ours.item() == pytest.approx(cross_entropy(net(x + sigma.float() * noise), y).item())
    # Gaussian draws the same distribution in another order: equal on average, not by seed.
    seeds = [torch.Generator().manual_seed(s) for s in range(200)]
    theirs = [gaussian.loss(net, x, y, sigma.float(), g, 0).item() for g in seeds]
    many = [with_settings(draws=1, steps=0)(net, x, y, sigma.float(), g, 0).item() for g in seeds]
    spread = torch.tensor(theirs).std().item() / math.sqrt(200)
    assert sum(theirs) / 200 == pytest.approx(sum(many) / 200, abs=6 * spread)


def test_the_update_sees_the_attacks_points_and_noises(tiny):
    net, x, y, sigma = tiny
    value = with_settings(draws=3, steps=4, eps=0.7)(
        net, x, y, sigma, torch.Generator().manual_seed(5), 0
    )
    noise = draw_noise(x, 3, torch.Generator().manual_seed(5))
    moved = pgd(net, x, y, sigma, noise, 0.7, 4)
    each = [cross_entropy(net(moved + sigma * e), y) for e in noise.view(3, *x.shape)]
    assert value.item() == pytest.approx(sum(each).item() / 3)
    plain = with_settings(draws=3, steps=0)(net, x, y, sigma, torch.Generator().manual_seed(5), 0)
    assert value > plain


def test_the_gradient_is_that_of_finite_differences(tiny, slope):
    # The points are held fixed by the update, so the difference is taken at none moved.
    exact, by_difference = slope(with_settings(draws=3, steps=0), *tiny)
    assert exact == pytest.approx(by_difference, rel=1e-6)


def test_the_attack_is_no_part_of_the_gradient(tiny):
    net, x, y, sigma = tiny
    with_settings(draws=2, steps=2)(
        net, x, y, sigma, torch.Generator().manual_seed(5), 0
    ).backward()
    noise = draw_noise(x, 2, torch.Generator().manual_seed(5))
    moved = pgd(net, x, y, sigma, noise, 2.0, 2)
    ours = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    (sum(cross_entropy(net(moved + sigma * e), y) for e in noise.view(2, *x.shape)) / 2).backward()
    for mine, p in zip(ours, net.parameters(), strict=True):
        assert torch.allclose(mine, p.grad, atol=1e-12)


def test_the_ball_grows_with_the_updates():
    assert smoothadv.ball(2.0, 100, 0) == pytest.approx(0.02)
    assert smoothadv.ball(2.0, 100, 49) == pytest.approx(1.0)
    assert smoothadv.ball(2.0, 100, 5000) == 2.0
    assert smoothadv.ball(2.0, 0, 0) == 2.0


def test_the_authors_best_settings():
    best = {s: (p.steps, p.draws, round(p.eps, 3)) for s, p in PRESETS.items()}
    assert best == {0.25: (10, 8, 0.996), 0.5: (2, 8, 2.0), 1.0: (10, 2, 2.0)}


def test_training_lowers_the_loss(falls):
    losses = falls(with_settings(draws=2, steps=2, eps=0.25), "smoothadv")
    assert losses[-1] < 0.9 * losses[0]
