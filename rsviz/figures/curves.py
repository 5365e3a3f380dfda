"""Figures that set curves beside each other: plain data in, a plotly figure out (no torch here).

Shape suffixes: N images, R radii, B bins.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import count, pairwise

import numpy as np
import plotly.graph_objects as go

from rsviz.core.spec import Norm
from rsviz.evaluation import comparison
from rsviz.evaluation.comparison import MARK, Entry
from rsviz.evaluation.curves import Curve
from rsviz.figures.style import (
    ABSTAINS,
    GREY,
    HATCHING,
    RIGHT,
    WRONG,
    Look,
    empty_figure,
    look,
    rgba,
    variant,
)

UNITS: dict[Norm | None, str] = {
    Norm.L2: "L2 radius (pixels in [0, 1])",
    Norm.LINF: "Linf radius (pixels in [0, 1])",
    None: "radius of a norm not stated",
}


def accuracy_curves(
    entries: Sequence[Entry],
    marks: Mapping[str, Sequence[str]],
    bands: bool = False,
    slots: Mapping[str, int] | None = None,
) -> go.Figure:
    """Draw certified accuracy against radius, each in its method's colour.

    Labels say how each differs from the first.

    Every point can be clicked, though only some have a marker; as the hover is shared, a click
    gives a radius and not which curve. Published curves have open markers. A click on a legend
    entry shows it alone, a double click hides it.

    Parameters
    ----------
    slots : as `numbered` gives them, which is taken if None.
    """
    figure = empty_figure(460)
    slots = numbered(entries) if slots is None else slots
    for entry in entries:
        drawn, group = variant(entry.curve.method, slots[entry.name]), entry.name
        if bands and not all(map(math.isnan, entry.curve.low_R)):
            figure.add_trace(_band(entry.curve, drawn.colour, group))
        figure.add_trace(_line(entry, drawn, marks.get(entry.name, ())))
        if entry.curve.ceiling:
            figure.add_trace(_ceiling(entry.curve, drawn.colour, group))
    norms = list(dict.fromkeys(e.curve.norm for e in entries)) or [Norm.L2]
    figure.update_xaxes(title=" and ".join(UNITS[n] for n in norms), rangemode="tozero")
    figure.update_xaxes(unifiedhovertitle={"text": "radius %{x:.4~g}"})
    figure.update_yaxes(title="certified accuracy", tickformat=".0%", range=[0, 1.0])
    figure.update_layout(
        hovermode="x unified",
        hoverdistance=-1,  # else a curve with few points is left out between them
        clickmode="event+select",
        legend={"itemclick": "toggleothers", "itemdoubleclick": "toggle"},
    )
    return figure


def numbered(entries: Sequence[Entry], held: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return each curve's number among those of its colour, by name.

    Parameters
    ----------
    held : numbers given before, which their curves keep.
    """
    found: dict[str, int] = {}
    colour = {entry.name: look(entry.curve.method).colour for entry in entries}
    held = {name: number for name, number in (held or {}).items() if name in colour}
    for name, own in colour.items():
        taken = {number for other, number in (held | found).items() if colour[other] == own}
        found[name] = held.get(name, next(i for i in count() if i not in taken))
    return found


def radius_histogram(
    radius_N: np.ndarray, correct_N: np.ndarray, stands_N: np.ndarray, curve: Curve
) -> go.Figure:
    """Draw how many images are certified to which radius, right and wrong ones apart.

    Images that abstained (``stands_N`` false) have no radius: they stand left of zero.
    ``customdata`` of a bar is (name, low, high), negative for those that abstained.
    """
    top = max(curve.ceiling or 0.0, float(radius_N.max(initial=0.0)), 1e-4)
    edge_B = np.linspace(0, top * (1 + 1e-9), 25)
    known_N = np.where(stands_N, radius_N, np.nan)
    figure = _bars(known_N, correct_N, stands_N, edge_B, curve.name)
    width = edge_B[1]
    figure.data[-1].update(
        x=[-width],
        y=[int((~stands_N).sum())],
        width=[0.92 * width],
        customdata=[(curve.name, -1.0, -1.0)],
        hovertemplate="%{y} images abstained<extra></extra>",
    )
    if curve.ceiling:
        figure.add_vline(x=curve.ceiling, line={"dash": "dash", "color": GREY})
    figure.update_xaxes(title=UNITS[curve.norm])
    return figure


def p_a_histogram(
    p_N: np.ndarray, correct_N: np.ndarray, stands_N: np.ndarray, title: str, name: str = ""
) -> go.Figure:
    """Draw how many images have which p_A; those where it is not known (nan) are left out."""
    low = 0.5 if np.all(p_N[~np.isnan(p_N)] >= 0.5) else 0.0
    figure = _bars(p_N, correct_N, stands_N, np.linspace(low, 1 + 1e-9, 26), name)
    figure.add_vline(x=0.5, line={"dash": "dash", "color": GREY})
    figure.update_xaxes(title=title, range=[low, 1.005])
    return figure


def in_words(entries: Sequence[Entry]) -> str:
    """Describe `accuracy_curves` for readers who cannot see it."""
    told = [
        f"{e.name}: {e.curve.accuracy_R[0]:.0%} at radius {e.curve.radius_R[0]:g}"
        + ("" if math.isnan(e.curve.acr) else f", ACR {e.curve.acr:.3f}")
        for e in entries
    ]
    return "Certified accuracy falls as the radius grows. " + "; ".join(told) + "."


def _line(entry: Entry, drawn: Look, unlike: Sequence[str]) -> go.Scatter:
    c = entry.curve
    unknown = () if unlike else comparison.unknown(c)
    marks = (
        (f"≠ {', '.join(unlike)}", unlike),
        (f"not stated: {', '.join(unknown)}", unknown),
        (f"⚑ {entry.flag}", entry.flag),
    )
    shown = "; ".join(text for text, there in marks if there)
    label = escape(entry.name) + (f" <b>({escape(shown)})</b>" if shown else "")
    facts = [
        c.n and f"n {c.n:,}",
        c.alpha and f"α {c.alpha:g}",
        c.images and f"{c.images:,} images",
    ]
    told = ", ".join(str(f) for f in facts if f) or "settings not stated"
    # The shared hover shows a published curve at its nearest point, which is to be said.
    at = " at %{x:.4~g}" if entry.kind == "published" else ""
    symbol = drawn.symbol + ("-open" if entry.kind == "published" else "")
    return go.Scatter(
        x=c.radius_R,
        y=c.accuracy_R,
        mode="lines+markers",
        line={"color": drawn.colour, "dash": drawn.dash, "width": 2.5},
        marker={"symbol": symbol, "size": _sizes(entry), "opacity": 1},
        unselected={"marker": {"opacity": 1}},
        cliponaxis=False,
        name=label,
        legendgroup=entry.name,
        hovertemplate=f"%{{y:.1%}}{at} · {escape(entry.name)} ({told})<extra></extra>",
    )


def _sizes(entry: Entry) -> list[int]:
    """Return marker sizes: one every MARK of a log's curve, and at every published point."""
    radius_R = entry.curve.radius_R
    step = 1
    if entry.kind != "published" and len(radius_R) > 12:
        step = round(MARK / (radius_R[1] - radius_R[0])) if entry.curve.norm is Norm.L2 else 4
    return [9 if i % max(step, 1) == 0 else 0 for i in range(len(radius_R))]


def _band(curve: Curve, colour: str, group: str) -> go.Scatter:
    return go.Scatter(
        x=[*curve.radius_R, *reversed(curve.radius_R)],
        y=[*curve.high_R, *reversed(curve.low_R)],
        fill="toself",
        fillcolor=rgba(colour, 0.18),
        line={"width": 0},
        mode="lines",
        legendgroup=group,
        showlegend=False,
        hoverinfo="skip",
    )


def _ceiling(curve: Curve, colour: str, group: str) -> go.Scatter:
    return go.Scatter(
        x=[curve.ceiling, curve.ceiling],
        y=[0, 1],
        mode="lines",
        line={"color": colour, "dash": "dot", "width": 1},
        opacity=0.8,
        legendgroup=group,
        showlegend=False,
        hoverinfo="skip",
    )


def _bars(
    value_N: np.ndarray, correct_N: np.ndarray, stands_N: np.ndarray, edge_B: np.ndarray, name: str
) -> go.Figure:
    figure = empty_figure(280)
    looks = (
        ("right", correct_N & stands_N, RIGHT),
        ("wrong", ~correct_N & stands_N, WRONG),
        ("abstained", ~stands_N, ABSTAINS),
    )
    for label, inside_N, colour in looks:
        value = value_N[inside_N & ~np.isnan(value_N)]
        count_B, _ = np.histogram(value, edge_B)
        figure.add_bar(
            x=(edge_B[:-1] + edge_B[1:]) / 2,
            y=count_B,
            width=np.diff(edge_B) * 0.92,
            name=f"{label} ({int(inside_N.sum()):,})",
            marker={"color": colour, "pattern": {"shape": HATCHING[colour]}},
            customdata=[(name, float(a), float(b)) for a, b in pairwise(edge_B)],
            hovertemplate="%{y} images, %{customdata[1]:.3f}–%{customdata[2]:.3f}<extra></extra>",
            unselected={"marker": {"opacity": 1}},
        )
    figure.update_yaxes(title="images")
    figure.update_layout(barmode="stack", clickmode="event+select")
    return figure
