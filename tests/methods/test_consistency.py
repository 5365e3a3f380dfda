import math
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from rsviz.methods import consistency
from rsviz.methods.consistency import PRESETS, Settings
from rsviz.smoothing.estimates import draw_noise


def with_settings(**changes):
    return partial(consistency.loss, settings=Settings(**changes))


def log(*p):
    return [math.log(v) for v in p]


def test_the_loss_by_hand(given):
    # Draws of (.8, .2) and (.6, .4): zhat = (.7, .3).
    logits = [[log(0.8, 0.2)], [log(0.6, 0.4)]]
    classed = -(math.log(0.8) + math.log(0.6)) / 2
    kl = 0.7 * math.log(0.7 / 0.8) + 0.3 * math.log(0.3 / 0.2)
    kl += 0.7 * math.log(0.7 / 0.6) + 0.3 * math.log(0.3 / 0.4)
    entropy = -(0.7 * math.log(0.7) + 0.3 * math.log(0.3))
    wanted = classed + 7 * kl / 2 + 0.25 * entropy
    value = given(with_settings(draws=2, lam=7.0, eta=0.25), logits, [0])
    assert value == pytest.approx(wanted, rel=1e-5)


def test_copies_that_agree_cost_no_disagreement(given):
    logits = [[log(0.7, 0.3)], [log(0.7, 0.3)]]
    one, two = (given(with_settings(lam=lam, eta=0.0), logits, [0]) for lam in (0.0, 50.0))
    assert one == pytest.approx(-math.log(0.7), rel=1e-5)
    assert two == pytest.approx(one, abs=1e-4)


def test_one_draw_without_entropy_is_plain_cross_entropy(tiny):
    net, x, y, sigma = tiny
    generator = torch.Generator().manual_seed(5)
    value = with_settings(draws=1, eta=0.0)(net, x, y, sigma, generator, 0)
    noise = draw_noise(x, 1, torch.Generator().manual_seed(5))
    assert value.item() == pytest.approx(cross_entropy(net(x + sigma * noise), y).item())


def test_the_gradient_is_that_of_finite_differences(tiny, slope):
    exact, by_difference = slope(with_settings(draws=3), *tiny)
    assert exact == pytest.approx(by_difference, rel=1e-6)


def test_the_papers_settings():
    assert {s: (p.draws, p.lam, p.eta) for s, p in PRESETS.items()} == {
        0.25: (2, 20, 0.5),
        0.5: (2, 10, 0.5),
        1.0: (2, 10, 0.5),
    }


def test_training_lowers_the_loss(falls):
    losses = falls(with_settings(lam=1.0), "consistency")
    assert losses[-1] < 0.9 * losses[0]
