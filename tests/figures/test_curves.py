from dataclasses import replace

import numpy as np
import pytest

from rsviz.core.spec import Norm
from rsviz.evaluation import comparison, per_image
from rsviz.figures import curves, style
from tests.evaluation.test_comparison import entry, paper


def drawn(bands=False, *entries):
    entries = entries or (entry(), paper())
    return entries, curves.accuracy_curves(entries, comparison.marks(entries), bands)


def test_each_curve_is_a_line_with_its_marks_its_ceiling_and_units():
    (ours, theirs), figure = drawn()
    lines = [t for t in figure.data if t.mode == "lines+markers"]
    assert [t.y for t in lines] == [ours.curve.accuracy_R, theirs.curve.accuracy_R]
    assert "≠ images, n, alpha" in lines[1].name and "≠" not in lines[0].name
    assert lines[0].line.dash != lines[1].line.dash and lines[0].line.color != lines[1].line.color
    assert "100,000" in lines[1].hovertemplate and "α 0.01" in lines[1].hovertemplate
    ceilings = [t.x[0] for t in figure.data if t.mode == "lines" and t.x[0] == t.x[-1]]
    assert ceilings == [ours.curve.ceiling, theirs.curve.ceiling]
    assert (
        "L2 radius" in figure.layout.xaxis.title.text and "[0, 1]" in figure.layout.xaxis.title.text
    )
    assert figure.layout.hovermode == "x unified"


def test_a_curve_has_the_colour_of_its_method_and_keeps_its_look_when_others_go():
    of = {"a": "gaussian", "b": "macer", "c": "gaussian", "d": "esbrs"}
    made = [replace(entry(), curve=replace(entry().curve, name=k, method=m)) for k, m in of.items()]
    figure = curves.accuracy_curves(made, comparison.marks(made))
    lines = {t.legendgroup: t.line for t in figure.data if t.mode == "lines+markers"}
    assert {name: line.color for name, line in lines.items() if name != "c"} == {
        "a": style.look("gaussian").colour,
        "b": style.look("macer").colour,
        "d": style.look("ensemble").colour,
    }
    assert curves.numbered(made) == {"a": 0, "b": 0, "c": 1, "d": 0}
    assert curves.numbered(made[2:], curves.numbered(made)) == {"c": 1, "d": 0}
    assert curves.numbered(made, {"c": 0}) == {"a": 1, "b": 0, "c": 0, "d": 0}


def test_markers_stand_at_every_quarter_so_that_dashes_stay_visible():
    (ours, theirs), figure = drawn()
    a, b = (t for t in figure.data if t.mode == "lines+markers")
    marked = [r for r, size in zip(a.x, a.marker.size, strict=True) if size]
    assert marked == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert len(a.x) == len(ours.curve.radius_R) == 51  # the others can be clicked unseen
    assert all(b.marker.size) and b.x == theirs.curve.radius_R
    assert b.marker.symbol.endswith("-open") and not a.marker.symbol.endswith("-open")
    linf = comparison.as_linf(ours)
    _, figure = drawn(False, linf)
    assert 10 < sum(map(bool, figure.data[0].marker.size)) < len(linf.curve.radius_R) / 3
    assert "Linf" in figure.layout.xaxis.title.text


def test_bands_hold_the_curve_and_are_left_out_where_unknown():
    (ours, _), figure = drawn(True)
    bands = [t for t in figure.data if t.fill == "toself"]
    assert len(bands) == 2
    size = len(ours.curve.radius_R)
    high, low = np.array(bands[0].y[:size]), np.array(bands[0].y[size:][::-1])
    assert np.all(low <= ours.curve.accuracy_R) and np.all(ours.curve.accuracy_R <= high)
    claim = paper("ARS, Lyu et al. 2024, claim, σ 0.5")
    assert not [t for t in drawn(True, claim)[1].data if t.fill == "toself"]
    assert not [t for t in drawn(False)[1].data if t.fill == "toself"]


def test_one_legend_click_isolates_a_curve_with_all_that_belongs_to_it():
    (ours, _), figure = drawn(True)
    assert figure.layout.legend.itemclick == "toggleothers"
    assert sum(t.legendgroup == ours.name for t in figure.data) == 3
    assert sum(t.legendgroup == ours.name and t.showlegend is None for t in figure.data) == 1


def test_a_name_cannot_bring_markup_into_the_plot():
    evil = entry("<b>x</b><script>")
    _, figure = drawn(False, evil, paper())
    line = figure.data[0]
    assert "<" not in line.name and "<b>" not in line.hovertemplate.replace("<extra></extra>", "")


def test_the_histogram_counts_every_image_once_and_abstentions_apart():
    log = entry(low=480).log
    assert log is not None
    stands_N = log.predicted_N >= 0
    curve = comparison.from_log(log, "your log").curve
    figure = curves.radius_histogram(log.radius_N, log.correct_N, stands_N, curve)
    right, wrong, abstained = figure.data
    assert sum(right.y) == log.correct_N.sum() > 0 == sum(wrong.y)
    assert sum(abstained.y) == (~stands_N).sum() > 0 and abstained.x[0] < 0
    name, low, high = right.customdata[3]
    assert right.y[3] == len(per_image.between(log, low, high)) and name == log.name
    assert sum(map(len, (right.y, wrong.y))) == 48


def test_p_a_is_drawn_from_a_half_where_only_bounds_are_known():
    p_N, correct_N = np.array([0.6, 0.99, np.nan, 0.7]), np.array([True, True, False, False])
    figure = curves.p_a_histogram(p_N, correct_N, ~np.isnan(p_N), "lower bound")
    assert [sum(t.y) for t in figure.data] == [2, 1, 0]
    assert figure.layout.xaxis.range[0] == 0.5 and figure.layout.xaxis.title.text == "lower bound"
    shares = curves.p_a_histogram(np.array([0.2]), np.array([False]), np.array([False]), "")
    assert shares.layout.xaxis.range[0] == 0 and sum(shares.data[2].y) == 1


def test_in_words_says_acr_where_it_is_known():
    told = curves.in_words([entry(), paper("Dual RS, 2025")])
    assert "ACR" in told.split(";")[0] and "ACR" not in told.split(";")[1]
    assert "71% at radius 0" in told


def test_both_norms_are_named_where_both_are_drawn():
    other = replace(entry("b"), curve=replace(entry("b").curve, norm=Norm.LINF))
    title = drawn(False, entry(), other)[1].layout.xaxis.title.text
    assert "L2" in title and "Linf" in title


@pytest.mark.parametrize("size", [1, 9])
def test_any_number_of_curves_is_told_apart(size):
    _, figure = drawn(False, *(entry(f"net {i}") for i in range(size)))
    lines = [t for t in figure.data if t.mode == "lines+markers"]
    assert len({(t.line.color, t.line.dash) for t in lines}) == size
