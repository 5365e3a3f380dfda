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


def bars(figure):
    """Each bar of a figure: its height, label and the name of its group."""
    return {
        x: (y, text, group.name)
        for group in figure.data
        for x, y, text in zip(group.x, group.y, group.text, strict=True)
    }


def test_the_level_chosen_and_those_possible_are_told_apart():
    figure = figures.level_votes([1, 6, 3, 0], [0.2, 0.3, 0.5, 1.0], 1, (0.3, 0.5))
    assert bars(figure) == {
        "0.2": (1, "1", "other"),
        "0.3": (6, "6", "chosen"),
        "0.5": (3, "3", "possible nearby"),
        "1": (0, "0", "other"),
    }
    assert len({group.marker.color for group in figure.data}) == 3
    assert list(figure.layout.xaxis.categoryarray) == ["0.2", "0.3", "0.5", "1"]
    assert figure.layout.showlegend
    axis = figure.layout.yaxis
    assert dict(zip(axis.ticktext, axis.tickvals, strict=True))["100%"] == 10
    figure = figures.level_votes([0, 0], [0.2, 0.3], None)
    assert {kind for _, _, kind in bars(figure).values()} == {"other"}
    assert not figure.layout.showlegend


def test_fixed_bars_name_the_best_the_wrong_and_the_abstaining():
    figure = figures.fixed_bars(FIXED, 0.9)
    assert bars(figure) == {
        "0.25": (0.6, "0.600", "right class"),
        "0.5": (1.1, "1.100 best", "best afterwards"),
        "1": (2.0, "2.000 wrong", "wrong class"),
        "2": (0.0, "abstains", "no class"),
    }
    looks = [(g.marker.color, g.marker.pattern.shape) for g in figure.data]
    assert len(set(looks)) == 4
    assert list(figure.layout.xaxis.categoryarray) == ["0.25", "0.5", "1", "2"]
    (own,) = figure.layout.shapes
    assert (own.name, own.y0, own.y1) == ("chosen", 0.9, 0.9)
    assert "chosen: 0.900" in figure.layout.annotations[0].text
    none = figures.fixed_bars(FIXED, None)
    assert not none.layout.shapes and not none.layout.annotations
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
