import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from rsviz.core.live_bounds import Trace
from rsviz.figures import masks


def test_equal_looks_share_one_curve_and_unequal_ones_do_not():
    def names(f):
        figure = masks.budget_curves(math.sqrt(f) * 2, math.sqrt(1 - f) * 2, 2.0)
        return [line.name for line in figure.data]

    assert names(0.5)[1:] == [
        "either look alone (shift 1.41)",
        "both together = plain smoothing (shift 2.00)",
    ]
    assert names(0.3)[1:3] == [
        "first look alone (shift 1.10)",
        "second look alone (shift 1.67)",
    ]


def test_the_curve_of_both_looks_is_that_of_one_gaussian():
    line = masks.budget_curves(1.2, 1.6, 2.0).data[-1]
    x_P, y_P = np.array(line.x), np.array(line.y)
    assert y_P == pytest.approx(ndtr(ndtri(1 - x_P) - 2), abs=1e-9)


def test_only_the_methods_that_race_have_a_line_and_a_name():
    titles = {"adaptive": "A", "static": "S", "plain-linf": "P"}
    line = Trace((100, 200), (0.1, 0.2), (1.0, 1.0))
    drawn = masks.radii({"adaptive": line, "plain-linf": line}, titles, 200)
    assert [curve.name for curve in drawn.data] == ["A", "P"]
    assert list(drawn.data[0].x) == [100, 200]
    assert drawn.data[0].y[1] == pytest.approx(0.2 * 255)
    for what in ("color", "dash"):
        assert drawn.data[0].line[what] != drawn.data[1].line[what]
    assert drawn.data[0].marker.symbol != drawn.data[1].marker.symbol
