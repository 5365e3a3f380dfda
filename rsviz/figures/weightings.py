"""Figures of ensembles: a matrix of margins, and variance against the weights (no torch here).

Shape suffixes: L networks, M weightings.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from rsviz.figures.style import BLUE, CLEAR, GREEN, GREY, ORANGE, PALE, RED, SKY, empty_figure, ink

# Of a triangle: numbers stand clear of the points on its sides.
AXIS = {
    "layer": "below traces",
    "ticks": "outside",
    "ticklen": 8,
    "tickcolor": CLEAR,
    "nticks": 6,
}
Weightings = Mapping[str, Sequence[float] | None]


def matrix(value_LL: np.ndarray, names: Sequence[str], digits: int) -> go.Figure:
    """Draw a symmetric matrix as a heat map, each number written in its cell."""
    figure = empty_figure(110 + 70 * len(names))
    marks = [chr(ord("A") + i) for i in range(len(names))]
    figure.add_heatmap(
        z=value_LL,
        x=marks,
        y=marks,
        text=value_LL,
        texttemplate=f"%{{text:.{digits}g}}",
        textfont={"size": 15, "color": ink(SKY)},
        colorscale=[[0, PALE], [1, SKY]],
        showscale=False,
        hovertemplate=f"%{{y}}, %{{x}}: %{{z:.{digits}g}}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed")
    return figure


def along(Q_LL: np.ndarray, weightings: Weightings, names: Sequence[str]) -> go.Figure:
    """Draw w' Q w of two networks against the first one's weight, weightings marked."""
    figure = empty_figure(340)
    w_M = np.linspace(0, 1, 101)
    figure.add_scatter(
        x=w_M,
        y=[_at(Q_LL, [w, 1 - w]) for w in w_M],
        mode="lines",
        line={"color": GREY, "width": 2.5},
        showlegend=False,
        hovertemplate="weight %{x:.2f}: %{y:.4g}<extra></extra>",
    )
    for i, (name, w_L) in enumerate(_fixed(weightings)):
        figure.add_scatter(
            x=[w_L[0]], y=[_at(Q_LL, w_L)], mode="markers", name=_named(name), marker=_marker(i)
        )
    figure.update_xaxes(title=f"weight of A ({names[0]})", range=[-0.02, 1.02])
    figure.update_yaxes(title="variance w'Qw")
    return figure


def triangle(Q_LL: np.ndarray, weightings: Weightings) -> go.Figure:
    """Draw the variance of three networks over all weights, in a triangle, weightings marked."""
    figure = empty_figure(440)
    steps = 20
    w_ML = np.array([(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)])
    w_ML = w_ML / steps
    figure.add_scatterternary(
        a=w_ML[:, 0],
        b=w_ML[:, 1],
        c=w_ML[:, 2],
        mode="markers",
        marker={
            "size": 16,
            "symbol": "hexagon",
            "color": [_at(Q_LL, w_L) for w_L in w_ML],
            "colorscale": "Cividis",
            "colorbar": {"title": "variance", "thickness": 10, "len": 0.7},
        },
        cliponaxis=False,
        showlegend=False,
        hovertemplate="A %{a:.2f}, B %{b:.2f}, C %{c:.2f}: %{marker.color:.4g}<extra></extra>",
    )
    for i, (name, w_L) in enumerate(_fixed(weightings)):
        marker = _marker(i) | {"line": {"color": "white", "width": 2}}
        a, b, c = ([w] for w in w_L)
        figure.add_scatterternary(
            a=a,
            b=b,
            c=c,
            mode="markers",
            name=_named(name),
            marker=marker,
            cliponaxis=False,  # the optimum often lies on an edge
        )
    figure.update_layout(
        ternary={
            "bgcolor": CLEAR,
            "sum": 1,
            **{f"{k}axis": AXIS | {"title": k.upper()} for k in "abc"},
        },
        margin={"l": 30, "r": 30, "t": 40, "b": 40},
    )
    return figure


def _at(Q_LL: np.ndarray, w_L: Sequence[float] | np.ndarray) -> float:
    return float(np.asarray(w_L) @ Q_LL @ np.asarray(w_L))


def _fixed(weightings: Weightings) -> list[tuple[str, Sequence[float]]]:
    """Return the weightings that have weights: max-margin has none."""
    return [(name, w_L) for name, w_L in weightings.items() if w_L is not None]


def _named(name: str) -> str:
    return "the paper's printed formula" if name == "printed" else name


def _marker(i: int) -> dict[str, object]:
    colour, symbol = ((GREEN, "circle"), (BLUE, "square"), (RED, "x"), (ORANGE, "diamond"))[i % 4]
    return {"size": 14, "color": colour, "symbol": symbol}
