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
from rsviz.evaluation.logs import Log
from rsviz.figures import style
from rsviz.figures.style import (
    ABSTAINS,
    BLUE,
    CLEAR,
    DARK,
    GREEN,
    GREY,
    HATCHING,
    ORANGE,
    PALE,
    RED,
    RIGHT,
    SKY,
    WRONG,
    empty_figure,
    figure_of,
    ink,
    rgba,
    share_axis,
)

Floats = NDArray[np.float64]
PALETTE = {"chosen": BLUE, "possible nearby": SKY, "other": GREY}
KINDS = {  # how a way to a level ended, in the colours of what became of an image
    "right class": RIGHT,
    "best afterwards": RIGHT,
    "wrong class": WRONG,
    "no class": ABSTAINS,
    "needs votes": ABSTAINS,
    "not yet": ABSTAINS,
}


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
class Row:
    """One way to get a level for an image: who chooses it, the level taken, and what it proves.

    ``level`` and ``radius`` are None before there are any; ``kind`` is how it ended, one of
    `KINDS`; ``chooses`` tells a chooser from a level held fixed.
    """

    name: str
    level: float | None
    radius: float | None
    kind: str
    chooses: bool


def race(rows: Sequence[Row], live: bool = False) -> go.Figure:
    """Draw what every way to a level proves of one image: a bar a row, choosers above fixed levels.

    The best fixed level, known only afterwards, is a dashed line through the choosers' rows.
    """
    at = _places(rows)
    top = max((row.radius or 0.0 for row in rows), default=0.0)
    bars: list[dict[str, Any]] = []
    for kind, colour in KINDS.items():
        for chooses in (True, False):
            drawn = [r for r in rows if (r.kind, r.chooses) == (kind, chooses)]
            if not drawn:
                continue
            bars.append(
                {
                    "type": "bar",
                    "x": [r.radius or 0.0 for r in drawn],
                    "y": [at[r.name] for r in drawn],
                    "orientation": "h",
                    "width": 0.68,
                    "name": kind,
                    "marker": {
                        "color": rgba(colour, 1 if chooses else 0.25),
                        "line": {"color": colour, "width": 1.5},
                        "pattern": {"shape": HATCHING[colour]},
                    },
                    "text": [_said(r) for r in drawn],
                    "textposition": ["inside" if _fits(r, top) else "outside" for r in drawn],
                    "insidetextanchor": "end",
                    "insidetextfont": {"color": ink(colour)} if chooses else {},
                    "cliponaxis": False,
                    "customdata": [r.name for r in drawn],
                    "hovertemplate": "%{customdata}: %{text}<extra></extra>",
                }
            )
    choosers = sum(r.chooses for r in rows)
    best = [
        {
            "type": "line",
            "x0": r.radius,
            "x1": r.radius,
            "y0": -0.5,
            "y1": at[r.name],
            "line": {"color": GREEN, "dash": "dash", "width": 2},
            "layer": "below",
        }
        for r in rows
        if r.kind == "best afterwards" and choosers
    ]
    return figure_of(
        64 + 30 * (len(rows) + 1),
        bars,
        template="none",
        shapes=best,
        barmode="overlay",
        showlegend=False,
        uirevision="race",
        xaxis={
            "title": "L2 radius proved" + (", so far" if live else ""),
            "range": [0, 1.4 * top or 1],  # words beside a bar have room
        },
        yaxis={
            "tickvals": list(at.values()),
            "ticktext": [r.name for r in rows],
            "range": [max(at.values(), default=0) + 0.6, -0.6],
            "showgrid": False,
        },
    )


def _places(rows: Sequence[Row]) -> dict[str, float]:
    """Return where each row lies: fixed levels stand a little apart, below the choosers."""
    return {r.name: i + (0 if r.chooses else 0.5) for i, r in enumerate(rows)}


def _fits(r: Row, top: float) -> bool:
    """Whether what is said of a row can be read within its bar."""
    return r.chooses and (r.radius or 0.0) > 0.5 * top


def _said(r: Row) -> str:
    """Say beside a bar which level was taken and what is proved."""
    level = "" if r.level is None or not r.chooses else f" at level {r.level:g}"
    if r.kind == "not yet" or r.radius is None:
        return "not asked yet"
    if r.kind == "no class":
        return f"abstains{level}"
    if r.kind == "needs votes":
        return "needs more votes"
    wrong = ", wrong class" if r.kind == "wrong class" else ""
    best = ", best" if r.kind == "best afterwards" else ""
    return f"{down(r.radius, 3)}{level}{wrong}{best}"


def race_in_words(rows: Sequence[Row]) -> str:
    """Describe `race` for who cannot see it."""
    return (
        "Radius proved of this picture. " + "; ".join(f"{r.name}: {_said(r)}" for r in rows) + "."
    )


@dataclass(frozen=True)
class Step:
    """What one level of a cascade says: shares of the votes for the class and for its rival.

    ``first`` is the class's share of the first votes, which say what the level does.

    ``state`` says what the level does at the picture; ``distance`` is how far that holds (None:
    not asked, or not known yet), ``proves`` whether it is the smallest, the radius.
    """

    level: float
    threshold: float
    first: float
    share: float
    rival_share: float
    state: str
    distance: float | None
    proves: bool


def cascade_votes(steps: Sequence[Step], cls: str) -> go.Figure:
    """Draw the votes of each level, the most noise on top, with its threshold."""
    figure = empty_figure(96 + 64 * len(steps))
    for name, shares, colour, offset in (
        (cls, [s.share for s in steps], BLUE, -0.19),
        ("the most voted other class", [s.rival_share for s in steps], ORANGE, 0.19),
    ):
        figure.add_bar(
            x=[100 * share for share in shares],
            y=[i + offset for i in range(len(steps))],
            orientation="h",
            width=0.34,
            name=name,
            marker={"color": colour, "pattern": {"shape": "" if colour == BLUE else "/"}},
            text=[f"{100 * share:.1f} %" for share in shares],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"{name}: %{{text}}<extra></extra>",
        )
    figure.add_scatter(
        x=[100 * s.first for s in steps],
        y=[i - 0.19 for i in range(len(steps))],
        mode="markers",
        marker={
            "symbol": "diamond",
            "size": 11,
            "color": "white",
            "line": {"width": 2, "color": "black"},
        },
        name=f"{cls}, first votes",
        hovertemplate="%{x:.0f} % of the first votes<extra></extra>",
    )
    line_x: list[float | None] = []
    line_y: list[float | None] = []
    for i, step in enumerate(steps):
        line_x += [100 * step.threshold, 100 * step.threshold, None]
        line_y += [i - 0.42, i + 0.42, None]
    figure.add_scatter(
        x=line_x,
        y=line_y,
        mode="lines",
        line={"color": RED, "width": 3, "dash": "dot"},
        name="threshold",
        hoverinfo="skip",
    )
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(
        title="share of the votes, %", range=[0, 118], tickvals=[0, 25, 50, 75, 100]
    )
    figure.update_yaxes(**_steps_axis(steps))
    return figure


def cascade_distances(steps: Sequence[Step]) -> go.Figure:
    """Draw how far what each level says holds; the smallest, in green, is the radius."""
    figure = empty_figure(96 + 64 * len(steps))
    known = [(i, s) for i, s in enumerate(steps) if s.distance is not None]
    top = max((s.distance or 0.0 for _, s in known), default=0.0)
    for proves, name, colour in ((True, "the smallest: the radius", GREEN), (False, "", GREY)):
        drawn = [(i, s) for i, s in known if s.proves == proves]
        if not drawn:
            continue
        figure.add_bar(
            x=[max(s.distance or 0.0, 0.0) for _, s in drawn],
            y=[i for i, _ in drawn],
            orientation="h",
            width=0.5,
            name=name or "holds farther",
            marker={"color": colour if proves else rgba(GREY, 0.5)},
            text=[
                (
                    f"<b>R = {down(max(s.distance or 0, 0), 3)}</b>"
                    if proves
                    else down(max(s.distance or 0, 0), 3)
                )
                for _, s in drawn
            ],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{text}<extra></extra>",
        )
    for i, step in enumerate(steps):
        if step.distance is None:
            figure.add_annotation(
                x=0, y=i, text="not needed", showarrow=False, xanchor="left", xshift=4
            )
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title="distance at which that may change (L2)", range=[0, 1.3 * top or 1])
    figure.update_yaxes(**_steps_axis(steps))
    return figure


def _steps_axis(steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "tickvals": list(range(len(steps))),
        "ticktext": [f"level {s.level:g}<br>{s.state}" for s in steps],
        "range": [len(steps) - 0.5, -0.5],
        "showgrid": False,
    }


def cascade_in_words(steps: Sequence[Step], cls: str) -> str:
    """Describe both pictures of a cascade for who cannot see them."""
    told = []
    for s in steps:
        far = "" if s.distance is None else f", holds within {down(max(s.distance, 0), 3)}"
        told.append(
            f"level {s.level:g}: {100 * s.share:.1f} % for {cls}, {100 * s.rival_share:.1f} % for "
            f"the next, threshold {100 * s.threshold:g} %: {s.state}{far}"
            + (", the radius" if s.proves else "")
        )
    return "From much to little noise. " + "; ".join(told) + "."


def envelope_curves(
    fixed: Mapping[float, Log], choosers: Mapping[str, tuple[str, Log]]
) -> go.Figure:
    """Draw certified accuracy against radius: fixed levels, their envelope, and choosers.

    Parameters
    ----------
    choosers : the method of each, which gives the look of its curve, and its log, by name.
    """
    top = max(
        float(log.radius_N.max()) for log in [*fixed.values(), *(g for _, g in choosers.values())]
    )
    radius_R = np.linspace(0, 1.02 * top, 280)
    figure = empty_figure(460)

    def add(name: str, share_R: Floats, **line: Any) -> None:
        figure.add_scatter(
            x=radius_R,
            y=share_R,
            mode="lines",
            name=name,
            line=line,
            hovertemplate="%{y:.1%}",
        )

    share_LR = np.array([_accuracy(log, radius_R) for log in fixed.values()])
    add("envelope of fixed levels", share_LR.max(0), color=rgba(GREEN, 0.45), width=9)
    for share_R, level, dash in zip(share_LR, fixed, ("dot", "dash", "dashdot"), strict=False):
        add(f"level {level:g} for all", share_R, color=GREY, width=1.5, dash=dash)
    for i, (name, (method, log)) in enumerate(choosers.items()):
        look = style.look(method)
        again = sum(m == method for m, _ in list(choosers.values())[:i])
        dash = ("solid", "dash", "dot")[min(again, 2)]
        add(name, _accuracy(log, radius_R), color=look.colour, width=3, dash=dash)
    figure.update_xaxes(title="L2 radius", unifiedhovertitle={"text": "radius %{x:.3~g}"})
    figure.update_yaxes(title="certified accuracy", tickformat=".0%", range=[0, 1.0])
    figure.update_layout(hovermode="x unified")
    return figure


@dataclass(frozen=True)
class Lost:
    """Mean radii: what a chooser proves, what the proof of its level costs, and what its choice."""

    acr: float
    proof: float
    choice: float


def losses(lost: Mapping[str, Lost]) -> go.Figure:
    """Draw where the oracle's radius goes: what each chooser proves, and how the rest is lost.

    A part below zero, as where a chooser's own classifier is better than the fixed ones, is left
    out of its bar.
    """
    figure = empty_figure(110 + 34 * len(lost))
    for name, colour, hatching, amounts in (
        ("proved (ACR)", BLUE, "", [g.acr for g in lost.values()]),
        ("lost in proving that the level holds", ORANGE, "/", [g.proof for g in lost.values()]),
        ("lost in choosing the level", GREY, ".", [g.choice for g in lost.values()]),
    ):
        figure.add_bar(
            x=[max(amount, 0.0) for amount in amounts],
            y=list(lost),
            orientation="h",
            name=name,
            marker={"color": colour, "pattern": {"shape": hatching}},
            customdata=amounts,
            hovertemplate=f"%{{y}}, {name}: %{{customdata:.3f}}<extra></extra>",
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title="mean radius (bar: the oracle's)")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def losses_in_words(lost: Mapping[str, Lost]) -> str:
    """Describe `losses` for who cannot see it."""
    told = (
        f"{name}: {g.acr:.3f} proved, {g.proof:.3f} lost in proving, {g.choice:.3f} in choosing"
        for name, g in lost.items()
    )
    return "Mean radius. " + "; ".join(told) + "."


@dataclass(frozen=True)
class Sent:
    """Shares of the images at each level and at none, and arithmetic over plain smoothing's."""

    at: Mapping[float, float]
    nowhere: float
    cost: float | None


def sent(choosers: Mapping[str, Sent]) -> go.Figure:
    """Draw which share of the images each chooser sends to each level, and what that costs.

    The darker a part, the more noise.
    """
    levels = sorted({level for c in choosers.values() for level in c.at})
    names = [_with_cost(name, c) for name, c in choosers.items()]
    figure = empty_figure(140 + 44 * len(choosers))
    for i, level in enumerate(levels):
        share_C = [c.at.get(level, 0.0) for c in choosers.values()]
        colour = _mix(PALE, DARK, i / max(len(levels) - 1, 1))
        figure.add_bar(
            x=share_C,
            y=names,
            orientation="h",
            name=f"level {level:g}",
            marker={"color": colour, "line": {"color": GREY, "width": 0.5}},
            text=[f"{level:g}" if share > 0.06 else "" for share in share_C],
            textfont={"color": ink(colour)},
            insidetextanchor="middle",
            textposition="inside",
            hovertemplate=f"%{{y}}: level {level:g} for %{{x:.1%}}<extra></extra>",
        )
    figure.add_bar(
        x=[c.nowhere for c in choosers.values()],
        y=names,
        orientation="h",
        name="none",
        marker={"color": CLEAR, "line": {"color": GREY, "width": 1}},
        hovertemplate="%{y}: no level for %{x:.1%}<extra></extra>",
    )
    figure.update_layout(barmode="stack", legend={"traceorder": "normal"})
    figure.update_xaxes(title="share of the images", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _with_cost(name: str, c: Sent) -> str:
    return name if c.cost is None else f"{name}<br>{c.cost:.2f} × the arithmetic"


def sent_in_words(choosers: Mapping[str, Sent]) -> str:
    """Describe `sent` for who cannot see it."""
    told = []
    for name, c in choosers.items():
        parts = [f"level {level:g} for {100 * share:.0f} %" for level, share in c.at.items()]
        parts += [f"none for {100 * c.nowhere:.0f} %"] if c.nowhere else []
        cost = "" if c.cost is None else f", at {c.cost:.2f} times plain smoothing's arithmetic"
        told.append(f"{name}: {', '.join(parts)}{cost}")
    return "; ".join(told) + "."


def _mix(low: str, high: str, share: float) -> str:
    ends = zip(style.channels(low), style.channels(high), strict=True)
    return "#{:02X}{:02X}{:02X}".format(*(round(a + share * (b - a)) for a, b in ends))


def _accuracy(log: Log, radius_R: Floats) -> Floats:
    return np.mean(log.correct_N & (log.radius_N >= radius_R[:, None]), axis=1)


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
