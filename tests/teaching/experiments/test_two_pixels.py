import math

import numpy as np
import pytest

from rsviz.core import bounds
from rsviz.teaching.experiments import two_pixels

POINTS = np.random.default_rng(5).random((40, 2))


@pytest.mark.parametrize("sigma", two_pixels.SIGMAS)
def test_the_certified_disc_lies_inside_the_true_distance(sigma):
    certified = 0
    for point in POINTS:
        seen = two_pixels.look((point[0], point[1]), sigma, 1000)
        # 1e-5: the boundary is a chain of chords.
        assert seen.radius_exact <= seen.distance + 1e-5
        certified += seen.radius_exact > 0.5 * sigma
    assert certified > 20  # or there was nothing to compare


def test_the_boundary_is_where_both_classes_are_equally_likely():
    p_P2 = two_pixels.probabilities(two_pixels.smoothed_boundary(0.06), 0.06)
    np.testing.assert_allclose(p_P2, 0.5, atol=1e-7)


def test_the_distance_is_that_of_the_nearest_point_of_the_other_class():
    seen = two_pixels.look((0.75, 0.45), 0.12, 100)
    angle = np.linspace(0, 2 * math.pi, 721)
    ring_P2 = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inside = two_pixels.probabilities(seen.point + 0.99 * seen.distance * ring_P2, 0.12)
    outside = two_pixels.probabilities(seen.point + 1.01 * seen.distance * ring_P2, 0.12)
    assert (inside[:, seen.predicted] > 0.5).all()
    assert (outside[:, seen.predicted] < 0.5).any()


def test_probabilities_agree_with_counting():
    p_left, p_right = two_pixels.probabilities(np.array([0.5, 0.45]), 0.08)[0]
    noise_N2 = np.random.default_rng(0).standard_normal((200_000, 2))
    share = two_pixels.classify(np.array([0.5, 0.45]) + 0.08 * noise_N2).mean()
    assert p_left + p_right == pytest.approx(1, abs=1e-12)
    assert share == pytest.approx(p_right, abs=5 * math.sqrt(0.25 / 200_000))


def test_a_straight_boundary_has_its_known_radius(monkeypatch):
    monkeypatch.setattr(two_pixels, "boundary", np.zeros_like)
    seen = two_pixels.look((0.8, 0.3), 0.08, 1000)
    two_pixels.smoothed_boundary.cache_clear()
    straight = two_pixels.look((0.8, 0.3), 0.08, 1000)
    two_pixels.smoothed_boundary.cache_clear()
    assert straight.radius_exact == pytest.approx(0.5 / math.sqrt(2), abs=1e-9)
    assert straight.distance == pytest.approx(0.5 / math.sqrt(2), abs=1e-9)
    assert seen.radius_exact == straight.radius_exact


def test_the_base_classifier_is_fooled_where_the_smoothed_one_is_not():
    along = np.array([0.93])  # a spike of 'right' reaches into 'left' below it
    tip_2 = two_pixels.unrotate(along, np.array([-0.2]))
    assert two_pixels.classify(tip_2)[0] == 0
    spike_2 = two_pixels.unrotate(np.array([0.75]), np.array([-0.2]))
    assert two_pixels.classify(spike_2)[0] == 1
    assert two_pixels.probabilities(spike_2, 0.08)[0, 0] > 0.5


def test_votes_are_repeatable_and_read_by_clopper_pearson():
    seen = two_pixels.look((0.6, 0.5), 0.08, 1000, alpha=0.01)
    assert seen == two_pixels.look((0.6, 0.5), 0.08, 1000, alpha=0.01)
    assert seen.p_a_lower == bounds.clopper_pearson_lower(seen.count, 1000, 0.01)
    assert seen.radius < seen.radius_exact


def test_the_class_and_the_bound_never_share_a_noise_draw():
    assert not np.isin(two_pixels.noise(100, 0, "select"), two_pixels.noise(1000, 0, "bound")).any()


def test_on_the_boundary_it_abstains():
    x, y = two_pixels.smoothed_boundary(0.08)[150]
    seen = two_pixels.look((x, y), 0.08, 1000)
    assert seen.abstained
    assert seen.radius == 0.0
