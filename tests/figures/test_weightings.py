import itertools

import numpy as np
import pytest

from rsviz.certification import every_weighting
from rsviz.figures import weightings as figures
from rsviz.methods import ensemble

# Of three networks whose errors share a part; the optimum lies inside the triangle.
Q_LL = np.array([[1.0, 0.3, 0.2], [0.3, 1.4, 0.4], [0.2, 0.4, 2.0]])


def grid(parts):
    """Every point of a grid on the triangle of weights."""
    cuts = itertools.combinations_with_replacement(range(parts + 1), 2)
    return np.array([np.diff((0, *c, parts)) / parts for c in cuts])


def drawn():
    found = ensemble.weightings(Q_LL)
    field, *marks = figures.triangle(Q_LL, found).data
    return found, field, {m.name: np.array([m.a[0], m.b[0], m.c[0]]) for m in marks}


def test_the_triangle_holds_the_variance_of_every_weighting():
    _, field, _ = drawn()
    w_ML = np.stack([field.a, field.b, field.c], 1)
    assert w_ML.sum(1) == pytest.approx(1) and w_ML.min() == 0
    assert len(np.unique(w_ML, axis=0)) == len(w_ML) == 21 * 22 / 2
    assert np.array(field.marker.color) == pytest.approx(every_weighting.variance(Q_LL, w_ML))
    value = {tuple(w): v for w, v in zip(w_ML.tolist(), field.marker.color, strict=True)}
    assert [value[w] for w in ((1, 0, 0), (0, 1, 0), (0, 0, 1))] == [1.0, 1.4, 2.0]
    assert value[0.5, 0.5, 0] == pytest.approx((1.0 + 1.4 + 2 * 0.3) / 4)  # by hand


def test_the_optimum_is_marked_where_brute_force_finds_it():
    found, field, marks = drawn()
    w_ML = grid(200)
    value_M = np.einsum("mk,kl,ml->m", w_ML, Q_LL, w_ML)
    assert marks["optimal"] == pytest.approx(w_ML[value_M.argmin()], abs=2 / 200)
    assert marks["optimal"].min() > 0.1 and np.ptp(marks["optimal"]) > 0.1  # no corner, no middle
    assert marks["optimal"] @ Q_LL @ marks["optimal"] <= min(field.marker.color)
    assert marks["average"] == pytest.approx([1 / 3] * 3)
    assert set(marks) == {"optimal", "average"}  # max-margin has no weights
    assert found["max-margin"] is None


def test_the_corners_of_the_triangle_are_the_networks_in_order():
    _, field, _ = drawn()
    layout = figures.triangle(Q_LL, {}).layout.ternary
    assert [getattr(layout, f"{k}axis").title.text for k in "abc"] == ["A", "B", "C"]
    best = int(np.argmin(field.marker.color))
    assert field.a[best] > field.b[best] > field.c[best]  # the surer, the more weight


def test_two_networks_are_a_line_with_every_weighting_on_it():
    Q = Q_LL[:2, :2]
    found = ensemble.weightings(Q)
    line, *marks = figures.along(Q, found, ["one", "two"]).data
    x, y = np.array(line.x), np.array(line.y)
    assert y == pytest.approx(1.0 * x**2 + 1.4 * (1 - x) ** 2 + 2 * 0.3 * x * (1 - x))
    at = {m.name: (m.x[0], m.y[0]) for m in marks}
    assert at["optimal"][0] == pytest.approx(x[y.argmin()], abs=0.01)
    assert at["optimal"][0] == pytest.approx((1.4 - 0.3) / (1.0 + 1.4 - 0.6))
    assert at["average"] == pytest.approx((0.5, 0.75))
    assert at["the paper's printed formula"][1] > at["optimal"][1]


def test_the_matrix_is_written_out_in_the_order_of_the_networks():
    (cells,) = figures.matrix(Q_LL, ["one", "two", "three"], 2).data
    assert np.array_equal(cells.z, Q_LL) and list(cells.x) == list(cells.y) == ["A", "B", "C"]
