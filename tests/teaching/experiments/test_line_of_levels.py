import numpy as np
import pytest

from rsviz.teaching.chapters.cascade import PLACES, SETTLES
from rsviz.teaching.experiments import line_of_levels as line
from rsviz.teaching.pictures.cascade import settles

TAUS = SETTLES.controls[1].options


def test_probabilities_are_those_of_counted_copies():
    copy_M = np.random.default_rng(0).normal(0.3, 0.5, 200_000)
    class_M = line.CLASS_E[np.searchsorted(line.EDGES, copy_M)]
    share_K = np.bincount(class_M, minlength=3) / len(copy_M)
    assert line.probabilities(np.array([0.3]), 0.5)[0] == pytest.approx(share_K, abs=5e-3)


@pytest.mark.parametrize("tau", TAUS)
def test_the_radius_never_passes_the_nearest_change_of_the_answer(tau):
    seen_P = [line.look(place, tau) for place in PLACES]
    assert all(s.radius <= s.distance + 1e-6 for s in seen_P)
    assert max(s.radius / s.distance for s in seen_P) > 0.98
    assert sum(s.radius > 0 for s in seen_P) > 30


def test_the_nearest_change_is_where_another_class_is_answered():
    for place in PLACES[::6]:
        seen = line.look(place, 0.5)
        level, cls = (int(v[0]) for v in line.answers(np.array([seen.change]), 0.5))
        assert (level, cls) == (seen.by, seen.other) and cls != seen.cls
        inner_P = seen.at + np.linspace(-0.999, 0.999, 999) * seen.distance
        assert (line.answers(inner_P, 0.5)[1] == seen.cls).all()


def test_every_level_changes_the_answer_somewhere():
    assert {line.look(place, 0.5).by for place in PLACES} == {0, 1, 2}


def test_the_picture_answers_with_the_level_that_makes_the_change():
    for place, tau in ((0.75, 0.5), (-0.5, 0.5), (1.3, 0.5), (0.2, 0.8)):
        seen, picture = line.look(place, tau), settles(place, tau)
        assert picture.answer == seen.by
        band = picture.figure.layout.shapes[-1]
        assert band.x1 - band.x0 == pytest.approx(2 * seen.radius)
        assert f"level {line.LEVELS[seen.by]:g} gives it" in picture.reveal
        (cross,) = (t for t in picture.figure.data if t.name == "nearest change of the answer")
        assert cross.x == (seen.change,)
        assert all(t.name != cross.name for t in picture.teaser.data)
