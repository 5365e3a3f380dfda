"""Figures of noise levels chosen image by image: plain data in, a chart out (no torch here).

Shape suffixes: N images, L noise levels, P points of a curve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from rsviz.core.radius import down
from rsviz.figures.style import (
    ABSTAINS,
    BLUE,
    GREEN,
    GREY,
    HATCHING,
    ORANGE,
    RIGHT,
    SKY,
    WRONG,
    empty_figure,
    rgba,
    share_axis,
)

Floats = NDArray[np.float64]
PALETTE = {"chosen": BLUE, "possible nearby": SKY, "other": GREY}
# The best of the right ones stands out by its label and full colour.
FIXED = {"best afterwards": RIGHT, "right class": RIGHT, "wrong class": WRONG, "no class": ABSTAINS}


def level_votes(
    counts_L: Sequence[int],
    level_L: Sequence[float],
    chosen: int | None,
    possible: tuple[float, float] | None = None,
) -> go.Figure:
    """Draw the votes of an image's noisy copies for each level, the one chosen in blue.

    Parameters
    ----------
    possible : the lowest and highest level that may be chosen within the budget, if known.
    """
    total = max(sum(counts_L), 1)
    figure = empty_figure(250)
    for kind, colour in PALETTE.items():
        drawn = [
            (f"{level:g}", int(k))
            for i, (level, k) in enumerate(zip(level_L, counts_L, strict=True))
            if _kind(i, level, chosen, possible) == kind
        ]
        figure.add_bar(
            x=[level for level, _ in drawn],
            y=[k for _, k in drawn],
            name=kind,
            marker={"color": colour},
            text=[f"{k:,}" for _, k in drawn],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="level %{x}: %{y:,} votes<extra></extra>",
        )
    figure.update_layout(barmode="overlay", showlegend=possible is not None)
    figure.update_xaxes(title="noise level", **_levels(level_L))
    figure.update_yaxes(share_axis(total, 1.1))
    return figure


def _levels(level_L: Sequence[float]) -> dict[str, Any]:
    """Return an axis on which levels are names, in their order, upright."""
    names = [f"{level:g}" for level in level_L]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names,
        "tickangle": 0,
        "range": [-0.5, len(names) - 0.5],
    }


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


def fixed_bars(fixed: Sequence[Fixed], own: float | None) -> go.Figure:
    """Draw the radius of every fixed level as what-if bars, and the method's own as a line.

    Parameters
    ----------
    own : the method's own radius, None before there is one; 0 where it abstains.
    """
    figure = empty_figure(280)
    for kind, colour in FIXED.items():
        drawn = [f for f in fixed if f.kind == kind]
        figure.add_bar(
            x=[f"{f.level:g}" for f in drawn],
            y=[f.radius for f in drawn],
            name=kind,
            marker={
                "color": rgba(colour, 0.75 if kind == "right class" else 1),
                "pattern": {"shape": HATCHING[colour]},
            },
            text=[_label(f) for f in drawn],
            textposition="outside",
            cliponaxis=False,
            customdata=[down(f.radius, 3) for f in drawn],
            hovertemplate=f"level %{{x}}: radius %{{customdata}}, {kind}<extra></extra>",
        )
    top = max([own or 0.0, *(f.radius for f in fixed)], default=0.0)
    figure.update_layout(barmode="overlay", showlegend=False)
    figure.update_xaxes(
        title="noise level, held fixed (what-if)", **_levels([f.level for f in fixed])
    )
    figure.update_yaxes(title="L2 radius", range=[0, 1.15 * top or 1])
    if own is not None:
        figure.add_hline(
            y=own,
            line={"color": GREEN, "dash": "dash", "width": 2.5},
            name="chosen",
            annotation={"text": f"<b>chosen: {down(own, 3)}</b>", "yanchor": "bottom"},
            annotation_position="top left",
        )
    return figure


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
    figure = empty_figure(400)
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
    figure = empty_figure(240)
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
    """Describe `level_votes` for readers who cannot see it."""
    told = ", ".join(f"{s:g}: {k:,}" for s, k in zip(level_L, counts_L, strict=True) if k)
    return f"Votes by noise level: {told}." if told else "No votes have come in yet."


def fixed_in_words(fixed: Sequence[Fixed], own: float | None) -> str:
    """Describe `fixed_bars` for readers who cannot see it."""
    told = ", ".join(f"{f.level:g}: {_label(f)}" for f in fixed)
    return f"Radius at each fixed level: {told}." + (f" Chosen: {down(own, 3)}." if own else "")


def shares(level_N: Floats) -> Mapping[float, float]:
    """Return the share of images at each level chosen, nan left out."""
    known_N = level_N[~np.isnan(level_N)]
    return {float(s): float(np.mean(known_N == s)) for s in np.unique(known_N)}


def clean_against_attacked(lines: Mapping[str, Sequence[Attacked]]) -> go.Figure:
    """Draw each setting's share right on clean against attacked images, a line for each kind.

    Further up and to the right is better; the pale cross is the 95 % interval of each share.
    """
    figure = empty_figure(380)
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
        "color": rgba(GREY, 0.5),
    }
