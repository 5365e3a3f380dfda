"""Figures of claims: differences with their intervals, and ACR against minutes (no torch here)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from rsviz.claims import Finding, training_minutes
from rsviz.figures_compare import COLOURS, SYMBOLS, empty

VERDICTS = {"holds": ("#009E73", "circle"), "contradicted": ("#D55E00", "x")}
UNDECIDED = ("#E69F00", "diamond-open")


@dataclass(frozen=True)
class Point:
    """One measured network: its training minutes, all in all, and its ACR at one noise level."""

    name: str
    method: str
    dataset: str
    sigma: float
    minutes: float
    acr: float
    device: str


def forest(findings: Sequence[Finding]) -> go.Figure:
    """Draw each measured difference a - b with its interval, the claim's text above it."""
    figure = empty(70 + 62 * len(findings))
    for i, f in enumerate(findings):
        assert f.gap is not None and f.low is not None and f.high is not None
        colour, symbol = VERDICTS.get(f.verdict, UNDECIDED)
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
        zero = {"dash": "dot", "color": COLOURS[-1], "width": 2}
        figure.add_shape(type="line", x0=0, x1=0, y0=-i - 0.22, y1=-i + 0.16, line=zero)
        figure.add_annotation(
            x=0,
            xref="paper",
            y=-i + 0.42,
            text="<br>".join(wrap(escape(f.claim.text), 56)[:2]),
            showarrow=False,
            xanchor="left",
            yanchor="middle",
            align="left",
            font={"size": 12},
        )
    figure.update_yaxes(visible=False, range=[-len(findings) + 0.4, 0.9])
    figure.update_xaxes(title="difference: claimed better minus claimed worse")
    return figure


def minute_points(root: Path, checkpoints: Iterable[Any]) -> list[Point]:
    """Return a point for each measurement of each checkpoint whose minutes are known, in L2."""
    found = []
    for c in checkpoints:
        minutes = training_minutes(root, c.name) if c.verified else None
        for m in c.card.get("measured", []) if minutes is not None else []:
            if m["sigma"] is None or m["norm"] != "L2":
                continue
            found.append(
                Point(
                    c.name,
                    c.card["method"],
                    c.card["dataset"],
                    m["sigma"],
                    minutes or 0.0,
                    m["acr"],
                    c.card.get("device", "?"),
                )
            )
    return found


def minutes(points: Sequence[Point]) -> go.Figure:
    """Draw ACR against training minutes: a colour a method, a size a sigma; CIFAR-10 is filled."""
    figure = empty(400)
    groups = dict.fromkeys((p.method, p.dataset) for p in points)
    methods = list(dict.fromkeys(p.method for p in points))
    for method, dataset in groups:
        mine = [p for p in points if (p.method, p.dataset) == (method, dataset)]
        k = methods.index(method)
        figure.add_scatter(
            x=[p.minutes for p in mine],
            y=[p.acr for p in mine],
            mode="markers",
            name=f"{method}, {dataset}",
            marker={
                "size": [8 + 8 * min(p.sigma, 1) for p in mine],
                "color": COLOURS[k % len(COLOURS)],
                "symbol": SYMBOLS[k % len(SYMBOLS)] + ("" if dataset == "cifar10" else "-open"),
            },
            customdata=[(p.name, p.sigma, p.device) for p in mine],
            hovertemplate="%{customdata[0]} at σ %{customdata[1]:g}: ACR %{y:.3f}, "
            "%{x:.0f} min on %{customdata[2]}<extra></extra>",
        )
    figure.update_xaxes(title="training minutes", rangemode="tozero")
    figure.update_yaxes(title="ACR", rangemode="tozero")
    return figure
