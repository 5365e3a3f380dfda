"""Figures of noise levels chosen image by image: plain data in, a chart out (no torch here).

Colours are Okabe and Ito's; what differs in colour differs in a label, dash or marker too.
Shape suffixes: N images, L noise levels, P points of a curve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from rsviz.core.radius import down
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY

Floats = NDArray[np.float64]
PALETTE = {"chosen": BLUE, "possible nearby": SKY, "other": GREY}
FIXED = {"best afterwards": ORANGE, "right class": GREY, "wrong class": PURPLE, "no class": GREY}


def level_votes(
    counts_L: Sequence[int],
    level_L: Sequence[float],
    chosen: int | None,
    possible: tuple[float, float] | None = None,
) -> alt.LayerChart:
    """Draw the votes of an image's noisy copies for each level, the one chosen in blue.

    Parameters
    ----------
    possible : the lowest and highest level that may be chosen within the budget, if known.
    """
    total = max(sum(counts_L), 1)
    rows = [
        {
            "level": f"{level:g}",
            "votes": int(k),
            "share": k / total,
            "kind": _kind(i, level, chosen, possible),
        }
        for i, (level, k) in enumerate(zip(level_L, counts_L, strict=True))
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "level:N",
            title="noise level",
            sort=[f"{s:g}" for s in level_L],
            axis=alt.Axis(labelAngle=0),
        ),
        y=alt.Y("share:Q", title="share of votes", scale=alt.Scale(domain=[0, 1.1])),
        tooltip=[alt.Tooltip("level:N"), alt.Tooltip("votes:Q", format=",")],
    )
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(PALETTE), range=list(PALETTE.values())),
        legend=alt.Legend(orient="top") if possible else None,
    )
    labels = base.mark_text(dy=-8, color=GREY).encode(text=alt.Text("votes:Q", format=","))
    return (base.mark_bar().encode(color=colour) + labels).properties(height=250)


def _kind(i: int, level: float, chosen: int | None, possible: tuple[float, float] | None) -> str:
    if i == chosen:
        return "chosen"
    near = possible is not None and possible[0] <= level <= possible[1]
    return "possible nearby" if near else "other"


@dataclass(frozen=True)
class Attacked:
    """Shares of images right, clean and attacked, with 95 % intervals, of one setting."""

    label: str
    clean: float
    attacked: float
    clean_interval: tuple[float, float]
    attacked_interval: tuple[float, float]


@dataclass(frozen=True)
class Fixed:
    """What one fixed level gave: its radius, and how it ended, one of `FIXED`."""

    level: float
    radius: float
    kind: str


def fixed_bars(fixed: Sequence[Fixed], own: float | None) -> alt.LayerChart:
    """Draw the radius of every fixed level as what-if bars, and the method's own as a line.

    Parameters
    ----------
    own : the method's own radius, None before there is one; 0 where it abstains.
    """
    rows = [
        {"level": f"{f.level:g}", "radius": f.radius, "kind": f.kind, "label": _label(f)}
        | {"shown": down(f.radius, 3)}
        for f in fixed
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "level:N",
            title="noise level, held fixed (what-if)",
            sort=[f"{f.level:g}" for f in fixed],
            axis=alt.Axis(labelAngle=0),
        ),
        y=alt.Y("radius:Q", title="L2 radius"),
        tooltip=["level:N", alt.Tooltip("shown:N", title="radius"), "kind:N"],
    )
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(FIXED), range=list(FIXED.values())),
        legend=None,
    )
    charts = base.mark_bar(opacity=0.85).encode(color=colour)
    layers = charts + base.mark_text(dy=-8, color=GREY).encode(text="label:N")
    if own is not None:
        line = alt.Chart(alt.Data(values=[{"own": own, "label": f"chosen: {down(own, 3)}"}]))
        rule = line.mark_rule(color=BLUE, strokeDash=[6, 3], size=2.5).encode(y="own:Q")
        text = line.mark_text(color=BLUE, align="left", dx=4, dy=-7, x=0, fontWeight="bold")
        layers = layers + rule + text.encode(y="own:Q", text="label:N")
    return layers.properties(height=280)


def _label(f: Fixed) -> str:
    if f.kind == "no class":
        return "abstains"
    if f.kind == "wrong class":
        return f"{down(f.radius, 3)} wrong"
    return down(f.radius, 3) + (" best" if f.kind == "best afterwards" else "")


def against_best(
    level_N: Floats, best_N: Floats, index_N: NDArray[np.int64], gain_N: Floats
) -> go.Figure:
    """Draw chosen against best fixed level, one dot an image; ``customdata`` is its index.

    Dots are moved a little at random, the same at every run, since levels are few.
    """
    rng = np.random.default_rng(0)
    jitter_2N = np.exp(rng.uniform(-0.13, 0.13, (2, len(level_N))))
    ticks = sorted({*best_N.tolist(), *level_N[~np.isnan(level_N)].tolist()})
    figure = _empty(400)
    ends = [0.8 * min(ticks), 1.25 * max(ticks)] if ticks else [0.1, 1.0]
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"dash": "dash", "color": GREY, "width": 1.5},
        name="chosen = best",
        hoverinfo="skip",
    )
    for name, inside_N, colour, symbol in (
        ("certified, right class", gain_N > 0, BLUE, "circle"),
        ("not certified, or wrong", ~(gain_N > 0), ORANGE, "x"),
    ):
        figure.add_scatter(
            x=(best_N * jitter_2N[0])[inside_N],
            y=(level_N * jitter_2N[1])[inside_N],
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 7, "opacity": 0.6},
            customdata=index_N[inside_N].tolist(),
            name=name,
            text=[f"{b:g} best, {s:g} chosen" for b, s in zip(best_N, level_N, strict=True)],
            hovertemplate="image %{customdata}<extra></extra>",
        )
    at: dict[str, Any] = {"type": "log", "tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]}
    figure.update_xaxes(title="best fixed level, found afterwards", **at)
    figure.update_yaxes(title="level chosen", **at)
    figure.update_layout(clickmode="event+select", hovermode="closest")
    return figure


def follow(
    knob_P: Sequence[float], level_P: Sequence[float], now: float, name: str, ticks: Sequence[float]
) -> go.Figure:
    """Draw the mean level voted for while one knob of a drawn picture turns; ``now`` is marked."""
    figure = _empty(240)
    figure.add_scatter(
        x=list(knob_P),
        y=list(level_P),
        mode="lines+markers",
        line={"color": BLUE, "width": 3},
        name="mean level voted for",
        hovertemplate=f"{name} %{{x:.2f}}: level %{{y:.3f}}<extra></extra>",
    )
    figure.add_vline(x=now, line={"color": GREEN, "dash": "dash", "width": 2})
    figure.update_xaxes(title=f"{name} (the green line: now)", range=[-0.03, 1.03])
    figure.update_yaxes(title="noise level", range=[0.9 * min(ticks), 1.02 * max(ticks)])
    figure.update_layout(showlegend=False)
    return figure


def votes_in_words(counts_L: Sequence[int], level_L: Sequence[float]) -> str:
    """Describe `level_votes` for who cannot see it."""
    told = ", ".join(f"{s:g}: {k:,}" for s, k in zip(level_L, counts_L, strict=True) if k)
    return f"Votes by noise level: {told}." if told else "No votes have come in yet."


def fixed_in_words(fixed: Sequence[Fixed], own: float | None) -> str:
    """Describe `fixed_bars` for who cannot see it."""
    told = ", ".join(f"{f.level:g}: {_label(f)}" for f in fixed)
    return f"Radius at each fixed level: {told}." + (f" Chosen: {down(own, 3)}." if own else "")


def shares(level_N: Floats) -> Mapping[float, float]:
    """Return the share of images at each level chosen, nan left out."""
    known_N = level_N[~np.isnan(level_N)]
    return {float(s): float(np.mean(known_N == s)) for s in np.unique(known_N)}


def _empty(height: int) -> go.Figure:
    """Return an empty figure: transparent, legend below, no zoom, so that a phone can scroll."""
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 16, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        dragmode=False,
    )
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure


def clean_against_attacked(lines: Mapping[str, Sequence[Attacked]]) -> go.Figure:
    """Draw each setting's share right on clean against attacked images, a line for each kind.

    Further up and to the right is better; the pale cross is the 95 % interval of each share.
    """
    figure = _empty(380)
    for (name, points), colour, symbol in zip(
        lines.items(), (GREY, BLUE, ORANGE), ("circle", "square", "diamond"), strict=False
    ):
        figure.add_scatter(
            x=[100 * p.clean for p in points],
            y=[100 * p.attacked for p in points],
            error_x=_error([p.clean_interval for p in points], [p.clean for p in points]),
            error_y=_error([p.attacked_interval for p in points], [p.attacked for p in points]),
            name=name,
            mode="lines+markers+text",
            text=[p.label for p in points],
            textposition="bottom left" if name == "fixed level" else "top right",
            line={"color": colour, "dash": "dot" if name == "fixed level" else "solid"},
            marker={"symbol": symbol, "size": 9},
            hovertemplate="%{text}: clean %{x:.1f} %, attacked %{y:.1f} %<extra></extra>",
        )
    figure.update_xaxes(title="clean images right, %")
    figure.update_yaxes(title="attacked images right, %")
    return figure


def _error(interval: Sequence[tuple[float, float]], value: Sequence[float]) -> dict[str, Any]:
    pairs = list(zip(interval, value, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (high - v) for (_, high), v in pairs],
        "arrayminus": [100 * (v - low) for (low, _), v in pairs],
        "thickness": 1,
        "width": 0,
        "color": "rgba(128, 128, 128, 0.5)",
    }
