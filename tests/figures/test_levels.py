import numpy as np
import pytest

from rsviz.evaluation.logs import Log
from rsviz.figures import levels as figures
from rsviz.figures.levels import Lost, Row, Sent, Step

ROWS = [
    Row("Dual RS", 0.5, 0.6499, "right class", True),
    Row("Routing", 1.0, 0.0, "no class", True),
    Row("Variational RS", 0.35, None, "not yet", True),
    Row("Multiscale", 1.0, 0.9, "wrong class", True),
    Row("level 0.5 for all", 0.5, 1.1, "best afterwards", False),
    Row("level 1 for all", 1.0, 2.0, "wrong class", False),
]
STEPS = [
    Step(1.0, 0.6, 0.55, 0.5, 0.3, "pass on", 0.8, False),
    Step(0.5, 0.5, 0.93, 0.9, 0.06, "settled", 0.6419, True),
    Step(0.25, 0.5, 1.0, 0.99, 0.01, "not reached", None, False),
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


def test_the_race_has_a_row_for_every_way_to_a_level():
    figure = figures.race(ROWS)
    names = dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True))
    said = {
        names[y]: (x, text)
        for group in figure.data
        for x, y, text in zip(group.x, group.y, group.text, strict=True)
    }
    assert said == {
        "Dual RS": (0.6499, "0.649 at level 0.5"),  # never more than is proved
        "Routing": (0.0, "abstains at level 1"),
        "Variational RS": (0.0, "not asked yet"),
        "Multiscale": (0.9, "0.900 at level 1, wrong class"),
        "level 0.5 for all": (1.1, "1.100, best"),
        "level 1 for all": (2.0, "2.000, wrong class"),
    }
    assert list(names) == sorted(names)
    (best,) = figure.layout.shapes
    assert best.x0 == best.x1 == 1.1
    assert not figures.race(ROWS[:4]).layout.shapes
    for row in ROWS:
        assert row.name in figures.race_in_words(ROWS)


def test_the_cascade_shows_votes_thresholds_and_the_smallest_distance():
    votes = figures.cascade_votes(STEPS, "cat")
    assert list(votes.data[0].x) == [50, 90, 99] and votes.data[0].name == "cat"
    assert list(votes.data[1].text) == ["30.0 %", "6.0 %", "1.0 %"]
    assert list(votes.data[2].x) == pytest.approx([55, 93, 100])
    assert list(votes.data[3].x[::3]) == [60, 50, 50]
    assert "level 0.5<br>settled" in votes.layout.yaxis.ticktext
    far = figures.cascade_distances(STEPS)
    smallest, other = far.data
    assert (list(smallest.y), list(smallest.text)) == ([1], ["<b>R = 0.641</b>"])
    assert list(other.text) == ["0.800"]
    assert [a.text for a in far.layout.annotations] == ["not needed"]
    told = figures.cascade_in_words(STEPS, "cat")
    assert "level 0.5: 90.0 % for cat" in told and told.count("the radius") == 1


def test_the_envelope_is_the_best_fixed_level_at_each_radius():
    fixed = {0.25: log([0.3, 0.4, 0.2]), 1.0: log([0.0, 1.0, 0.9], [False, True, True])}
    figure = figures.envelope_curves(fixed, {"Multiscale": ("multiscale", log([0.2, 0.9, 0.8]))})
    by_name = {t.name: np.array(t.y) for t in figure.data}
    lines = [by_name[f"level {s} for all"] for s in ("0.25", "1")]
    assert (by_name["envelope of fixed levels"] == np.max(lines, 0)).all()
    assert by_name["Multiscale"][0] == 1.0 and by_name["level 1 for all"][0] == 2 / 3


def test_a_bar_of_what_is_proved_and_lost_is_as_long_as_the_oracle():
    lost = Lost(1.0, 0.2, 0.3)
    tuned = Lost(1.3, -0.1, 0.3)  # by a classifier of its own, better than the fixed ones
    figure = figures.losses({"Dual RS": lost, "Multiscale": tuned})
    assert [sum(t.x[0] for t in figure.data), *figure.data[1].x] == pytest.approx([1.5, 0.2, 0.0])
    assert "0.300 in choosing" in figures.losses_in_words({"Dual RS": lost})


def test_a_bar_of_where_images_are_sent_is_whole_and_says_its_cost():
    oracle, cascade = Sent({0.25: 0.5, 1.0: 0.2}, 0.3, None), Sent({0.5: 1.0}, 0.0, 1.25)
    figure = figures.sent({"oracle": oracle, "Multiscale": cascade})
    assert [sum(shares) for shares in zip(*(t.x for t in figure.data), strict=True)] == [1, 1]
    assert [t.name for t in figure.data] == ["level 0.25", "level 0.5", "level 1", "none"]
    assert figure.data[0].y == ("oracle", "Multiscale<br>1.25 × the arithmetic")
    assert len({t.marker.color for t in figure.data}) == 4
    said = figures.sent_in_words({"oracle": oracle, "Multiscale": cascade})
    assert "oracle: level 0.25 for 50 %, level 1 for 20 %, none for 30 %;" in said


def log(radius_N, correct_N=(True, True, True)):
    three = np.arange(3)
    return Log("log", three, three, three, np.array(radius_N), np.array(correct_N))


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
