import json

import numpy as np
import pytest

from rsviz.figures import levels as figures
from rsviz.figures.levels import Fixed

FIXED = [
    Fixed(0.25, 0.6, "right class"),
    Fixed(0.5, 1.1, "best afterwards"),
    Fixed(1.0, 2.0, "wrong class"),
    Fixed(2.0, 0.0, "no class"),
]


def rows(chart):
    """The data of the layers, by the names of their columns."""
    spec = json.loads(chart.to_json())
    return [layer["data"]["values"] for layer in spec["layer"] if "data" in layer] or [
        spec["data"]["values"]
    ]


def test_the_level_chosen_and_those_possible_are_told_apart():
    (values,) = rows(figures.level_votes([1, 6, 3, 0], [0.2, 0.3, 0.5, 1.0], 1, (0.3, 0.5)))[:1]
    assert [v["kind"] for v in values] == ["other", "chosen", "possible nearby", "other"]
    assert [v["share"] for v in values] == [0.1, 0.6, 0.3, 0.0]
    (values,) = rows(figures.level_votes([0, 0], [0.2, 0.3], None))[:1]
    assert {v["kind"] for v in values} == {"other"}


def test_fixed_bars_name_the_best_the_wrong_and_the_abstaining():
    text = figures.fixed_bars(FIXED, 0.9).to_json()
    for label in ("0.600", "1.100 best", "2.000 wrong", "abstains", "chosen: 0.900"):
        assert f'"{label}"' in text
    assert "chosen: " not in figures.fixed_bars(FIXED, None).to_json()
    assert "2: abstains" in figures.fixed_in_words(FIXED, 0.9)


def test_every_image_is_one_dot_that_says_which_it_is():
    level_N, best_N = np.array([0.25, 1.0, 0.5]), np.array([0.25, 0.5, 1.0])
    figure = figures.against_best(level_N, best_N, np.array([7, 20, 30]), np.array([1, 0, 2.0]))
    right, wrong = figure.data[1:]
    assert list(right.customdata) == [7, 30] and list(wrong.customdata) == [20]
    # The shift that keeps dots apart is small beside the step between levels.
    assert np.all(np.abs(np.log(np.array(right.y) / [0.25, 0.5])) < np.log(2) / 2)
    again = figures.against_best(level_N, best_N, np.array([7, 20, 30]), np.array([1, 0, 2.0]))
    assert list(again.data[1].x) == list(right.x)


def test_shares_leave_out_images_without_a_level():
    assert figures.shares(np.array([0.25, np.nan, 0.5, 0.5, 0.25, 0.5])) == {0.25: 0.4, 0.5: 0.6}


def test_following_a_knob_marks_where_it_is():
    figure = figures.follow([0, 1], [0.3, 0.6], 0.4, "size", [0.25, 1.0])
    assert list(figure.data[0].y) == [0.3, 0.6] and figure.layout.shapes[0].x0 == 0.4


def test_clean_against_attacked_draws_a_line_a_kind_with_its_intervals():
    at = figures.Attacked("λ 0.2", 0.6, 0.4, (0.5, 0.7), (0.35, 0.45))
    figure = figures.clean_against_attacked({"fixed level": [at], "chosen, attack on f": [at, at]})
    assert [len(trace.x) for trace in figure.data] == [1, 2]
    first = figure.data[0]
    assert (first.x[0], first.y[0]) == (60, 40)
    assert first.error_y.array[0] == pytest.approx(5)
    assert first.error_x.arrayminus[0] == pytest.approx(10)
