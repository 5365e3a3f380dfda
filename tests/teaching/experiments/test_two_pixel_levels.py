import math

import numpy as np
import pytest

from rsviz.teaching import lessons
from rsviz.teaching.experiments import two_pixel_levels, two_pixels

PLACES = lessons.chapter("levels").scenes[1].controls[0].options[::6]
START = (0.725, 0.8)


def answers(point_P2):
    return two_pixel_levels.probabilities(point_P2).argmax(axis=1)


def ring(centre, radius, count=90):
    angle_P = np.linspace(0, 2 * math.pi, count + 1)[:-1]
    return np.array(centre) + radius * np.stack([np.cos(angle_P), np.sin(angle_P)], axis=-1)


def test_the_selector_agrees_with_numerical_integration():
    t_P = np.linspace(-3, 5, 400_001)
    named_P = (t_P > 0.30) & (t_P < 1.06)
    for along in (0.2, 0.7, 1.05, 1.3):
        weight_P = np.exp(-(((t_P - along) / two_pixel_levels.SELECTOR_SIGMA) ** 2) / 2)
        share = (weight_P * named_P).sum() / weight_P.sum()
        assert two_pixel_levels.small_probability(along) == pytest.approx(share, abs=1e-4)
    for edge in two_pixel_levels.edges():
        assert two_pixel_levels.small_probability(edge) == pytest.approx(0.5, abs=1e-9)


def test_the_counter_example_changes_its_answer_inside_the_ball_claimed():
    claim = two_pixel_levels.look(START)
    assert claim.breach is not None
    assert math.dist(claim.breach, START) < claim.claimed
    along = two_pixels.rotate(np.array(claim.breach))[0]
    other = float(two_pixel_levels.level(along))
    assert other != claim.sigma
    # Asked of the toy itself, each point at its own level.
    assert two_pixels.probabilities(np.array(START), claim.sigma)[0, claim.predicted] > 0.5
    assert two_pixels.probabilities(np.array(claim.breach), other)[0, claim.predicted] < 0.3
    # At one level for both there is no contradiction: the claim would be a proof.
    assert two_pixels.probabilities(np.array(claim.breach), claim.sigma)[0, claim.predicted] > 0.5


@pytest.mark.parametrize("left", PLACES)
@pytest.mark.parametrize("right", PLACES)
def test_the_smaller_radius_holds_wherever_the_claim_does_not(left, right):
    claim = two_pixel_levels.look((left, right))
    assert claim.proved <= claim.claimed
    for share in (0.5, 0.999):
        assert (answers(ring(claim.point, share * claim.proved)) == claim.predicted).all()
    assert claim.proved <= claim.distance + 2e-3  # a polyline, its nodes 0.016 apart at most


def test_claims_are_broken_at_many_points_and_only_beyond_the_true_distance():
    claims = [
        two_pixel_levels.look((x, y)) for x in (0.6, 0.7, 0.725, 0.8) for y in (0.7, 0.75, 0.8)
    ]
    broken = [c for c in claims if c.breach is not None]
    assert 2 <= len(broken) < len(claims)
    for claim in broken:
        assert claim.claimed > claim.distance > claim.proved - 2e-3
    for claim in claims:
        assert (claim.breach is not None) or claim.claimed < 1.2 * claim.distance + 2e-3


def test_the_boundary_drawn_is_where_the_answer_changes():
    along, across = two_pixels.rotate(two_pixel_levels.boundary())
    for t in (0.2, 0.5, 0.9, 1.2):
        at = np.interp(t, along, across)
        beside_P2 = two_pixels.unrotate(np.full(2, t), np.array([at - 2e-3, at + 2e-3]))
        assert list(answers(beside_P2)) == [0, 1]
    for edge in two_pixel_levels.edges():  # and the jump between two levels
        middle = across[np.isclose(along, edge, atol=1e-9)].mean()
        beside_P2 = two_pixels.unrotate(np.array([edge - 1e-3, edge + 1e-3]), np.full(2, middle))
        assert len(set(answers(beside_P2))) == 2
