from dataclasses import replace

import pytest

from rsviz.checkpoints import catalog
from rsviz.evaluation import experiment_rows
from rsviz.evaluation.experiment_rows import Result, Row
from rsviz.evaluation.experiments import ACR, EXPERIMENTS, PAPER_STYLE, find
from rsviz.figures import experiments as figures
from rsviz.figures.style import GREY

SWEEP = find("lambda")


def row(x, series, measure, value):
    return Row(x, series, measure, (), value, value - 0.1, value + 0.2, 40, 2_000)


def test_a_line_a_series_with_its_intervals_in_the_order_of_x():
    series = SWEEP.series[0]
    rows = (row(1.0, series, ACR, 0.5), row(0.0, series, ACR, 0.3), Row(0.5, series, ACR, ()))
    (trace,) = figures.measured(Result(SWEEP, rows, ()), ACR).data
    assert trace.x == (0.0, 1.0) and trace.y == (0.3, 0.5) and trace.name == series
    assert [round(v, 3) for v in trace.error_y.array] == [0.2, 0.2]
    assert [round(v, 3) for v in trace.error_y.arrayminus] == [0.1, 0.1]


def test_what_is_no_certificate_is_grey_and_names_are_not_joined():
    named = find("level-proof")
    rows = (row("net", "proved", ACR, 0.3), row("net", PAPER_STYLE, ACR, 0.5))
    proved, unproved = figures.measured(Result(named, rows, ()), ACR).data
    assert unproved.marker.color == GREY != proved.marker.color
    assert proved.mode == "markers"


def test_certified_curves_have_a_line_for_each_x():
    series = SWEEP.series[0]
    rows = tuple(
        row(x, series, f"accuracy at {r:g}", (1 - r / 2) * (1 - x / 4))
        for x in (0.0, 1.0)
        for r in (0.0, 0.5)
    )
    other = row(0.0, SWEEP.series[1], "accuracy at 0", 0.9)
    no_radius = row(0.0, series, ACR, 0.4)
    lines = figures.certified(Result(SWEEP, (*rows, other, no_radius), ()), series).data
    assert [line.name for line in lines] == ["λ 0", "λ 1"]
    assert lines[0].x == (0.0, 0.5) and lines[0].y == (1.0, 0.75)


def test_nothing_measured_is_an_empty_figure():
    found = Result(replace(SWEEP, points=()), (), ())
    assert not figures.measured(found, ACR).data and not figures.certified(found, "a").data


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.key)
def test_every_experiment_can_be_drawn_from_its_shipped_logs(experiment):
    found = experiment_rows.result(experiment, catalog.root())
    for measure in experiment.measures:
        assert figures.measured(found, measure).layout.height
    for series in experiment.series if experiment.curves else ():
        assert figures.certified(found, series).layout.height
