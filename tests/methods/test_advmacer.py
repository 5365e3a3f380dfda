from functools import partial

import pytest
import torch

from rsviz.methods import advmacer, macer
from rsviz.methods.advmacer import PRESETS, Settings
from rsviz.smoothing.estimates import draw_noise, noisy_logits
from rsviz.smoothing.pgd import pgd


def with_settings(**changes):
    return partial(advmacer.loss, settings=Settings(**{"warm_up": 0} | changes))


def seeded():
    return torch.Generator().manual_seed(5)


def test_it_is_macers_loss_at_the_adversarial_point(tiny):
    net, x, y, sigma = tiny
    y = net(x).argmax(1)
    value = with_settings(draws=3, steps=2, eps=0.2, lam=5.0, gamma=6.0, beta=2.0)(
        net, x, y, sigma, seeded(), 0
    )
    noise = draw_noise(x, 3, seeded())
    moved = pgd(net, x, y, sigma, noise, 0.2, 2)
    logits = noisy_logits(net, moved, sigma, noise)
    assert value.item() == pytest.approx(macer.objective(logits, y, sigma, 5, 6, 2).item())
    clean = macer.objective(noisy_logits(net, x, sigma, noise), y, sigma, 5, 6, 2)
    assert value.item() != pytest.approx(clean.item(), rel=1e-3)


def test_without_steps_it_is_macer(tiny):
    net, x, y, sigma = tiny
    ours = with_settings(draws=3, steps=0, lam=5.0)(net, x, y, sigma, seeded(), 0)
    how = macer.Settings(draws=3, lam=5.0)
    theirs = macer.loss(net, x, y, sigma, seeded(), 0, settings=how)
    assert ours.item() == theirs.item()


def test_without_steps_and_lambda_it_is_the_cross_entropy_of_the_mean_softmax(tiny):
    net, x, y, sigma = tiny
    value = with_settings(draws=4, steps=0, lam=0.0)(net, x, y, sigma, seeded(), 0)
    noise = draw_noise(x, 4, seeded())
    p = sum(net(x + sigma * e).softmax(1) for e in noise.view(4, *x.shape)) / 4
    assert value.item() == pytest.approx(torch.nn.functional.nll_loss(p.log(), y).item())


def test_the_ball_grows_with_the_updates(tiny):
    net, x, y, sigma = tiny
    loss = with_settings(draws=2, steps=2, eps=2.0, lam=0.0, warm_up=100)
    values = [loss(net, x, y, sigma, seeded(), step).item() for step in (0, 30, 99, 500)]
    assert values[0] < values[1] < values[2] == values[3]


def test_the_gradient_is_that_of_finite_differences(tiny, slope):
    net, x, y, sigma = tiny
    y = net(x).argmax(1)
    exact, by_difference = slope(
        with_settings(draws=3, steps=0, lam=12.0, beta=4.0), net, x, y, sigma
    )
    assert exact == pytest.approx(by_difference, rel=1e-5)


def test_the_papers_settings():
    assert {s: (p.steps, p.draws, p.eps) for s, p in PRESETS.items()} == {
        0.25: (2, 8, 1.0),
        0.5: (2, 8, 2.0),
        1.0: (2, 4, 2.0),
    }
    assert {(p.lam, p.gamma, p.beta) for p in PRESETS.values()} == {(12, 8, 16)}


def test_training_lowers_the_loss(falls):
    losses = falls(with_settings(draws=2, steps=2, eps=0.25, lam=1.0), "advmacer")
    assert losses[-1] < 0.9 * losses[0]
