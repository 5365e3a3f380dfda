"""Figures of claims: differences with their intervals, and ACR against minutes (no torch here)."""

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap

import plotly.graph_objects as go

from rsviz.evaluation.training_cost import Point
from rsviz.evaluation.verdicts import Finding
from rsviz.figures.style import GREEN, GREY, ORANGE, RED, empty_figure, look

VERDICTS = {"holds": (GREEN, "circle"), "contradicted": (RED, "x")}
UNDECIDED = (ORANGE, "diamond-open")


def forest(findings: Sequence[Finding]) -> go.Figure:
    """Draw each measured difference a - b with its interval, the claim's text above it."""
    figure = empty_figure(70 + 62 * len(findings))
    for i, f in enumerate(findings):
        assert f.gap is not None and f.low is not None and f.high is not None
        colour, symbol = VERDICTS.get(f.verdict, UNDECIDED)
        symbol += "" if f.label == f.verdict else "-open"  # decided for this claim alone
        figure.add_scatter(
            x=[f.gap],
            y=[-i],
            mode="markers",
            marker={"size": 11, "color": colour, "symbol": symbol},
            error_x={
                "type": "data",
                "array": [f.high - f.gap],
                "arrayminus": [f.gap - f.low],
                "color": colour,
                "thickness": 2.5,
            },
            hovertemplate=f"%{{x:+.3f}} ({f.low:+.3f} to {f.high:+.3f})<extra></extra>",
            showlegend=False,
        )
        zero = {"dash": "dot", "color": GREY, "width": 2}
        figure.add_shape(type="line", x0=0, x1=0, y0=-i - 0.22, y1=-i + 0.16, line=zero)
        figure.add_annotation(
            x=0,
            xref="paper",
            y=-i + 0.42,
            text="<br>".join(map(escape, wrap(f.claim.text, 56, max_lines=2, placeholder=" …"))),
            showarrow=False,
            xanchor="left",
            yanchor="middle",
            align="left",
            font={"size": 12},
        )
    figure.update_yaxes(visible=False, range=[-len(findings) + 0.4, 0.9])
    figure.update_xaxes(title="difference: claimed better minus claimed worse")
    return figure


def work(points: Sequence[Point], titles: Mapping[str, str]) -> go.Figure:
    """Draw ACR with its interval against the work of training, each method as it always looks.

    Parameters
    ----------
    titles : of the methods, by name.
    """
    figure = empty_figure(400)
    for method in dict.fromkeys(p.method for p in points):
        mine = [p for p in points if p.method == method]
        chooses = all(p.sigma is None for p in mine)
        drawn = look(method)
        figure.add_scatter(
            x=[p.multiply_adds for p in mine],
            y=[p.acr for p in mine],
            mode="markers",
            name=titles.get(method, method) + (", chooses σ" if chooses else ""),
            marker={"size": 11, "color": drawn.colour, "symbol": drawn.symbol},
            error_y={
                "type": "data",
                "array": [0 if p.high is None else p.high - p.acr for p in mine],
                "arrayminus": [0 if p.low is None else p.acr - p.low for p in mine],
                "color": drawn.colour,
                "thickness": 1.5,
                "width": 3,
            },
            customdata=[(p.name, _interval(p), _minutes(p)) for p in mine],
            hovertemplate="%{customdata[0]}: ACR %{y:.3f}%{customdata[1]}, "
            "%{x:.2e} multiply-adds%{customdata[2]}<extra></extra>",
        )
    figure.update_xaxes(title="multiply-adds of training, all in all", rangemode="tozero")
    figure.update_yaxes(title="ACR (mean certified L2 radius)")
    return figure


def _minutes(p: Point) -> str:
    return "" if p.minutes is None else f", {p.minutes:.0f} min on {p.device}, busy or not"


def _interval(p: Point) -> str:
    return "" if p.low is None or p.high is None else f" ({p.low:.3f} to {p.high:.3f})"
