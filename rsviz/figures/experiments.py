"""Figures of experiments: a measure with its intervals, a line a series (no torch here)."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from rsviz.evaluation.experiment_rows import Result, Row, is_share, radius_of
from rsviz.evaluation.experiments import PAPER_STYLE
from rsviz.figures.style import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    SYMBOLS,
    Look,
    empty_figure,
)

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY)


def _look(series: str, place: int) -> Look:
    """Return how a series is drawn; what is no certificate is grey and dotted."""
    if series == PAPER_STYLE:
        return Look(GREY, "dot", "x")
    return Look(
        COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)], SYMBOLS[place % len(SYMBOLS)]
    )


def measured(found: Result, measure: str) -> go.Figure:
    """Draw a measure of every point that is measured, with 95 % intervals."""
    e, rows = found.experiment, found.of(measure)
    names = bool(rows) and isinstance(rows[0].x, str)
    figure = empty_figure(420)
    for place, series in enumerate(e.series):
        own = [row for row in rows if row.series == series]
        own = own if names else sorted(own, key=lambda row: float(row.x))
        if own:
            figure.add_scatter(**_trace(own, _look(series, place), names))
    if found.limit and measure == e.measures[0]:
        figure.add_hline(
            found.limit[0],
            line={"color": GREY, "dash": "dot"},
            annotation_text=f"limit of {e.series[0]}: {found.limit[0]:.3f}",
            annotation_position="bottom right",
        )
    figure.update_xaxes(title=e.x, type="category" if names else "log" if e.log_x else "linear")
    if e.log_x and not names:
        ticks = sorted({float(row.x) for row in rows})
        figure.update_xaxes(tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    share = {"tickformat": ".0%"} if is_share(measure) else {}
    figure.update_yaxes(title=f"{measure}, 95 %", rangemode="tozero", **share)
    return figure


def _trace(own: Sequence[Row], drawn: Look, names: bool) -> dict[str, Any]:
    """Return the trace of one series; names have no order, so that no line joins them."""
    told = ".1%" if is_share(own[0].measure) else ".3f"
    return {
        "x": [row.x for row in own],
        "y": [row.value for row in own],
        "name": own[0].series,
        "mode": "markers" if names else "lines+markers",
        "line": {"color": drawn.colour, "dash": drawn.dash, "width": 2},
        "marker": {"size": 9, "color": drawn.colour, "symbol": drawn.symbol},
        "error_y": {
            "type": "data",
            "array": [(row.high or 0) - (row.value or 0) for row in own],
            "arrayminus": [(row.value or 0) - (row.low or 0) for row in own],
            "color": drawn.colour,
            "thickness": 1.5,
            "width": 3,
        },
        "customdata": [(row.low, row.high, row.images, row.n) for row in own],
        "hovertemplate": f"%{{y:{told}}} (%{{customdata[0]:{told}}} to %{{customdata[1]:{told}}}), "
        "%{customdata[2]} images, n %{customdata[3]:,}",
    }


def certified(found: Result, series: str) -> go.Figure:
    """Draw certified accuracy against radius, a line for each x of one series."""
    figure = empty_figure(420)
    rows = [r for r in found.rows if r.series == series and r.value is not None]
    rows = [row for row in rows if radius_of(row.measure) is not None]
    for place, x in enumerate(sorted({float(row.x) for row in rows})):
        own = [row for row in rows if float(row.x) == x]
        drawn = _look("", place)
        figure.add_scatter(
            x=[radius_of(row.measure) for row in own],
            y=[row.value for row in own],
            name=f"{found.experiment.x} {x:g}",
            mode="lines+markers",
            line={"color": drawn.colour, "dash": drawn.dash, "width": 2},
            marker={"size": 8, "color": drawn.colour, "symbol": drawn.symbol},
            hovertemplate="%{y:.1%}",
        )
    figure.update_xaxes(title="L2 radius (pixels in [0, 1])", rangemode="tozero")
    figure.update_yaxes(title="certified accuracy", tickformat=".0%", range=[0, 1.0])
    return figure
