from functools import partial

import pytest
import torch

from rsviz.methods import advconsistency, consistency, smoothadv
from rsviz.methods.advconsistency import PRESETS, Settings
from rsviz.smoothing.estimates import draw_noise, noisy_logits
from rsviz.smoothing.pgd import pgd


def with_settings(**changes):
    return partial(advconsistency.loss, settings=Settings(**{"warm_up": 0} | changes))


def seeded():
    return torch.Generator().manual_seed(5)


def test_it_is_consistencys_loss_at_the_adversarial_point(tiny):
    net, x, y, sigma = tiny
    y = net(x).argmax(1)
    value = with_settings(draws=3, steps=2, eps=0.2, lam=5.0, eta=0.25)(
        net, x, y, sigma, seeded(), 0
    )
    noise = draw_noise(x, 3, seeded())
    moved = pgd(net, x, y, sigma, noise, 0.2, 2)
    there = consistency.objective(noisy_logits(net, moved, sigma, noise), y, 5, 0.25)
    assert value.item() == pytest.approx(there.item())
    clean = consistency.objective(noisy_logits(net, x, sigma, noise), y, 5, 0.25)
    assert value.item() != pytest.approx(clean.item(), rel=1e-3)


def test_without_steps_it_is_consistency(tiny):
    net, x, y, sigma = tiny
    ours = with_settings(draws=3, steps=0, lam=5.0)(net, x, y, sigma, seeded(), 0)
    how = consistency.Settings(draws=3, lam=5.0)
    assert ours.item() == consistency.loss(net, x, y, sigma, seeded(), 0, settings=how).item()


def test_without_weights_it_is_smoothadv(tiny):
    net, x, y, sigma = tiny
    changes = {"draws": 2, "steps": 2, "eps": 0.5}
    ours = with_settings(lam=0.0, eta=0.0, **changes)(net, x, y, sigma, seeded(), 0)
    how = smoothadv.Settings(warm_up=0, **changes)
    theirs = smoothadv.loss(net, x, y, sigma, seeded(), 0, settings=how)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


def test_the_gradient_is_that_of_finite_differences(tiny, slope):
    net, x, y, sigma = tiny
    y = net(x).argmax(1)
    exact, by_difference = slope(with_settings(draws=3, steps=0, lam=2.0), net, x, y, sigma)
    assert exact == pytest.approx(by_difference, rel=1e-4)


def test_the_settings_of_the_published_runs():
    assert {s: (p.steps, p.draws, p.eps, p.lam, p.eta) for s, p in PRESETS.items()} == {
        0.25: (10, 4, 255 / 256, 2, 0.5),
        0.5: (10, 2, 2, 1, 0.5),
        1.0: (10, 2, 2, 1, 0.5),
    }
