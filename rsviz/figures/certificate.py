"""Figures of one certificate, the votes and the radius: plain data in, a chart out (no torch here).

Shape suffixes: K classes, T moments of a run.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from rsviz.core import live_bounds, stopping
from rsviz.core.live_bounds import Trace
from rsviz.core.radius import down
from rsviz.core.spec import Certificate, Norm
from rsviz.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    SKY,
    Plain,
    plain,
    rgba,
    share_axis,
)

DIGITS = {Norm.L2: 3, Norm.LINF: 5}  # of a radius


def vote_bars(counts_K: Sequence[int], classes: Sequence[str], top: int | None) -> go.Figure:
    """Draw how many votes each class has, the chosen class in blue; classes keep their places."""
    return plain_bars(counts_K, classes, top).figure()


def plain_bars(counts_K: Sequence[int], classes: Sequence[str], top: int | None) -> Plain:
    """Return `vote_bars` for a figure that changes while votes come in."""
    classes = [escape(name) for name in classes]  # Plotly would take tags in them for its own
    counts = list(counts_K) or [0] * len(classes)
    total = max(sum(counts), 1)
    votes = list(zip(classes, counts, strict=True))
    bars = [
        {
            "type": "bar",
            "x": [k for _, k in drawn],
            "y": [label for label, _ in drawn],
            "orientation": "h",
            "name": name,
            "marker": {"color": colour},
            "text": [f"{k:,}" for _, k in drawn],
            "textposition": "outside",
            "cliponaxis": False,
            "customdata": [k / total for _, k in drawn],
            "hovertemplate": "%{y}: %{x:,} votes, %{customdata:.2%}<extra></extra>",
        }
        for name, colour, drawn in (
            ("chosen class", BLUE, [v for i, v in enumerate(votes) if i == top]),
            ("other classes", GREY, [v for i, v in enumerate(votes) if i != top]),
        )
    ]
    half = {
        "type": "line",
        "xref": "x",
        "yref": "y domain",
        "x0": total / 2,
        "x1": total / 2,
        "y0": 0,
        "y1": 1,
        "line": {"color": RED, "dash": "dash", "width": 1},
        "name": "half of the votes",
    }
    return plain(
        25 * len(classes) + 64,
        bars,
        template="none",
        shapes=[half],
        barmode="overlay",
        bargap=0.25,
        showlegend=False,
        xaxis=share_axis(total, 1.18),
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": classes,
            "autorange": "reversed",
        },
    )


def radius_of_run(c: Certificate, readings: Sequence[Certificate]) -> tuple[Plain, str]:
    """Return `radius_trace` of one run, and its words: every radius in it is its certificate's.

    A run that asks whether one radius is certified has the picture of that question instead.

    Parameters
    ----------
    c : the certificate as it is shown, whose alpha, bound and form all readings are read at.
    readings : the certificates of the run's moments, the last one of the votes of c.
    """
    if c.until_radius is not None:
        return question_trace(c, readings)
    moments = [*readings[:-1], c]
    line, most = live_bounds.trace(moments, c.alpha, c.bound), live_bounds.most(c)
    planned = c.ended == "complete" and c.predicted is not None and live_bounds.PLANNED[c.bound]
    ended = c.radius if planned else None
    return radius_trace(line, c.n, most, ended, c.norm), trace_in_words(line, most, ended, c.norm)


def radius_trace(
    line: Trace,
    planned: int,
    ceiling: float | None,
    at_planned_n: float | None,
    norm: Norm = Norm.L2,
) -> Plain:
    """Draw the certified radius while votes come in, its band, and what n votes can reach.

    Parameters
    ----------
    ceiling : the largest radius that n votes can certify, None where it is not known.
    at_planned_n : the certified radius at the planned n, None before that.
    norm : of all of them.
    """
    top = 1.12 * max(ceiling or 0.0, at_planned_n or 0.0, *line.low_T, 1e-4)
    digits, first = DIGITS[norm], min([*line.votes_T, max(planned // 100, 1)])
    traces: list[dict[str, Any]] = []
    if len(line.high_T) > 1:
        traces.append(
            {
                "x": [*line.votes_T, *reversed(line.votes_T)],
                "y": [*line.high_T, *reversed(line.low_T)],
                "mode": "lines",
                "fill": "toself",
                "fillcolor": rgba(SKY, 0.25),
                "line": {"width": 0},
                "hoverinfo": "skip",
                "name": "where it may still end",
            }
        )
    traces.append(
        {
            "x": line.votes_T,
            "y": line.low_T,
            "mode": "lines+markers" if len(line.votes_T) == 1 else "lines",
            "line": {"color": BLUE, "width": 3},
            "name": "certified so far",
            "text": [down(r, digits) for r in line.low_T],
            "hovertemplate": "%{x:,} votes: radius %{text}<extra></extra>",
        }
    )
    if at_planned_n is not None:
        said = f"%{{x:,}} votes: radius {down(at_planned_n, digits)}<extra></extra>"
        traces.append(
            {
                "x": [planned],
                "y": [at_planned_n],
                "mode": "markers",
                "marker": {"symbol": "diamond", "size": 12, "color": ORANGE},
                "name": "certified at the planned n (Clopper-Pearson)",
                "hovertemplate": said,
            }
        )
    if ceiling is not None:
        traces.append(
            {
                "x": [first, planned],
                "y": [ceiling, ceiling],
                "mode": "lines",
                "line": {"color": GREY, "width": 1.5, "dash": "dash"},
                "name": f"most that {planned:,} votes can certify",
                "hovertemplate": f"ceiling: {down(ceiling, digits)}<extra></extra>",
            }
        )
    return plain(
        330,
        [{"type": "scatter"} | trace for trace in traces],
        template="none",
        xaxis=_log_votes(first, planned),
        yaxis={"title": {"text": f"{norm} radius (pixels in [0, 1])"}, "range": [0, top]},
    )


def _log_votes(first: int, last: int) -> dict[str, Any]:
    """Return an axis of votes whose steps are equal factors: a bound closes in with their root."""
    low, high = math.log10(first), math.log10(max(last, first + 1))
    room = 0.03 * (high - low)
    return {
        "title": {"text": "votes"},
        "type": "log",
        "dtick": 1,
        "range": [low - room, high + room],
    }


def question_trace(c: Certificate, readings: Sequence[Certificate]) -> tuple[Plain, str]:
    """Draw the share of votes between the two boundaries that settle a radius, and its words.

    Both close in on the share p* = Phi(R / sigma) that the radius needs. Where the share meets the
    upper one, the answer is yes; at the lower one no number of votes would certify the radius.
    """
    plan = stopping.plan_of(c)
    moments = {sum(r.counts): r for r in (*readings, c) if r.predicted is not None and r.counts}
    moments.pop(0, None)
    votes_T = list(moments)
    share_T = [r.counts[r.predicted or 0] / n for n, r in moments.items()]
    first = int(plan.look_L[np.argmax((plan.yes_L <= plan.look_L) | (plan.no_L >= 0))])
    traces: list[dict[str, Any]] = []
    for name, count_L, dash in (
        ("yes from here up", plan.yes_L, "solid"),
        ("no certificate from here down", plan.no_L, "dot"),
    ):
        inside_L = (count_L >= 0) & (count_L <= plan.look_L)
        traces.append(
            {
                "x": plan.look_L[inside_L],
                "y": count_L[inside_L] / plan.look_L[inside_L],
                "mode": "lines",
                "line": {"color": ORANGE, "width": 2, "dash": dash},
                "name": name,
                "hovertemplate": "%{x:,} votes: %{y:.4f}<extra></extra>",
            }
        )
    traces += [
        {
            "x": [first, plan.n],
            "y": [plan.p, plan.p],
            "mode": "lines",
            "line": {"color": GREY, "width": 1.5, "dash": "dash"},
            "name": f"p_A that radius {c.until_radius:g} needs",
            "hovertemplate": f"{plan.p:.4f}<extra></extra>",
        },
        {
            "x": votes_T,
            "y": share_T,
            "mode": "lines+markers",
            "line": {"color": BLUE, "width": 3},
            "marker": {"size": 4},
            "name": "share of the votes",
            "hovertemplate": "%{x:,} votes: %{y:.4f}<extra></extra>",
        },
    ]
    low = max(min([0.9 * plan.p, *share_T]) - 0.05, 0)
    figure = plain(
        330,
        [{"type": "scatter"} | trace for trace in traces],
        xaxis=_log_votes(min([first, *votes_T]), plan.n),
        yaxis={"title": {"text": "share of the votes for the class"}, "range": [low, 1.02]},
    )
    if not votes_T:
        return figure, "No votes have come in yet."
    told = f"After {votes_T[-1]:,} votes the share is {share_T[-1]:.3f}; the radius needs more than"
    return figure, f"{told} {plan.p:.4f}. {c.detail['why']}"


def trace_in_words(
    line: Trace, ceiling: float | None, at_planned_n: float | None = None, norm: Norm = Norm.L2
) -> str:
    """Describe `radius_trace` for readers who cannot see it."""
    digits, told = DIGITS[norm], []
    if line.votes_T:
        said = f"After {line.votes_T[-1]:,} votes the certified radius is "
        said += down(line.low_T[-1], digits)
        if line.high_T:
            said += f" and may still end as high as {down(line.high_T[-1], digits)}"
        told.append(said)
    if at_planned_n is not None:
        told.append(f"at the planned n it is {down(at_planned_n, digits)}")
    if not told:
        return "No votes have come in yet."
    if ceiling is not None:
        most = down(ceiling, digits)
        told.append(f"the dashed line, {most}, is the most that the planned votes can certify")
    return f"{'; '.join(told)}."


def votes_in_words(counts_K: Sequence[int], classes: Sequence[str]) -> str:
    """Describe `vote_bars` for readers who cannot see it."""
    ranked = sorted(zip(counts_K, classes, strict=False), reverse=True)
    told = ", ".join(f"{name} {k:,}" for k, name in ranked[:3] if k)
    return f"Votes by class: {told}." if told else "No votes have come in yet."
