import math

import numpy as np
import pytest

from rsviz.teaching.experiments import own_world
from rsviz.teaching.experiments.own_world import SIDE, World

STARTS = own_world.starts()


def drawn(seed):
    """A world of random blotches, with a random point and noise."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 2, (8, 8))
    cells = "".join(map(str, np.kron(coarse, np.ones((4, 4), int)).ravel()))
    x, y = random.random(2)
    return World(cells, float(x), float(y), float(random.choice([0.02, 0.08, 0.2])))


@pytest.mark.parametrize("name", STARTS)
def test_a_world_to_begin_with_has_both_classes_and_is_one_a_browser_may_send(name):
    assert set(STARTS[name]) == {"0", "1"}
    sent = {"cells": STARTS[name], "x": 0.5, "y": 1, "sigma": 0.08}
    assert own_world.checked(sent) == World(STARTS[name], 0.5, 1.0, 0.08)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"cells": "01"},
        {"cells": "2" * SIDE * SIDE},
        {"cells": ["0"] * SIDE * SIDE},
        {"x": math.nan},
        {"x": -0.1},
        {"y": "0.5"},
        {"sigma": 0},
        {"sigma": 1e300},
    ],
)
def test_what_is_no_world_is_none(wrong):
    good = {"cells": STARTS["Halves"], "x": 0.5, "y": 0.5, "sigma": 0.08}
    assert own_world.checked(good | wrong if wrong else wrong) is None


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_those_of_many_copies(seed):
    world = drawn(seed)
    copies_N2 = np.random.default_rng(9).normal((world.x, world.y), world.sigma, (400_000, 2))
    counted = np.bincount(own_world.classify(world, copies_N2), minlength=2) / 400_000
    p_2 = own_world.probabilities(world)
    assert p_2.sum() == pytest.approx(1, abs=1e-12)
    assert np.abs(p_2 - counted).max() < 5 * 0.5 / math.sqrt(400_000)


def test_halves_have_the_radius_of_a_half_plane():
    seen = own_world.look(World(STARTS["Halves"], 0.2, 0.6, 0.08))
    assert seen.radius_exact == pytest.approx(0.3, abs=1e-9)
    assert 0 < seen.radius < 0.3
    assert seen.predicted == 1


@pytest.mark.parametrize("seed", range(12))
def test_no_boundary_of_the_smoothed_classifier_lies_inside_the_disc(seed):
    world = drawn(seed)
    seen = own_world.look(world)
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        for share in (0.5, 0.999):
            reach = share * min(seen.radius_exact, 5.0)
            x, y = world.x + reach * np.cos(angle), world.y + reach * np.sin(angle)
            there = own_world.probabilities(World(world.cells, x, y, world.sigma))
            assert not reach or there[seen.predicted] > 0.5


def test_a_world_of_one_class_has_no_end():
    seen = own_world.look(World("1" * SIDE * SIDE, 0.5, 0.5, 0.1))
    assert seen.radius_exact == math.inf
    assert seen.count == own_world.N
