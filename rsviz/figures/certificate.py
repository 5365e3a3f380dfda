"""Figures of one certificate, the votes and the radius: plain data in, a chart out (no torch here).

Shape suffixes: K classes, T moments of a run.
"""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from rsviz.core.live_bounds import Trace
from rsviz.figures.style import BLUE, GREY, ORANGE, RED, SKY, empty_figure, rgba, share_axis


def vote_bars(counts_K: Sequence[int], classes: Sequence[str], top: int | None) -> go.Figure:
    """Draw how many votes each class has, the chosen class in blue; classes keep their places."""
    counts = list(counts_K) or [0] * len(classes)
    total = max(sum(counts), 1)
    votes = list(zip(classes, counts, strict=True))
    figure = empty_figure(26 * len(classes) + 70)
    for name, colour, drawn in (
        ("chosen class", BLUE, [v for i, v in enumerate(votes) if i == top]),
        ("other classes", GREY, [v for i, v in enumerate(votes) if i != top]),
    ):
        figure.add_bar(
            x=[k for _, k in drawn],
            y=[label for label, _ in drawn],
            orientation="h",
            name=name,
            marker={"color": colour},
            text=[f"{k:,}" for _, k in drawn],
            textposition="outside",
            cliponaxis=False,
            customdata=[k / total for _, k in drawn],
            hovertemplate="%{y}: %{x:,} votes, %{customdata:.2%}<extra></extra>",
        )
    figure.add_vline(
        x=total / 2, line={"color": RED, "dash": "dash", "width": 1}, name="half of the votes"
    )
    figure.update_layout(barmode="overlay", bargap=0.25, showlegend=False)
    figure.update_xaxes(share_axis(total, 1.18))
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=list(classes), autorange="reversed"
    )
    return figure


def radius_trace(
    trace: Trace, planned: int, ceiling: float, at_planned_n: float | None
) -> go.Figure:
    """Draw the certified radius while votes come in, its band, and what n votes can reach.

    Parameters
    ----------
    ceiling : the largest radius that n votes can certify.
    at_planned_n : the radius of Clopper-Pearson at the planned n, None before that.
    """
    top = 1.12 * max(ceiling, at_planned_n or 0.0, 1e-3)
    figure = empty_figure(330)
    if len(trace.votes_T) > 1:
        figure.add_scatter(
            x=[*trace.votes_T, *reversed(trace.votes_T)],
            y=[min(r, top) for r in trace.high_T] + list(reversed(trace.low_T)),
            fill="toself",
            fillcolor=rgba(SKY, 0.25),
            line={"width": 0},
            hoverinfo="skip",
            name="where it may still end",
        )
    figure.add_scatter(
        x=trace.votes_T,
        y=trace.low_T,
        mode="lines+markers" if len(trace.votes_T) == 1 else "lines",
        line={"color": BLUE, "width": 3},
        name="certified now (anytime)",
        hovertemplate="%{x:,} votes: radius %{y:.3f}<extra></extra>",
    )
    if at_planned_n is not None:
        figure.add_scatter(
            x=[planned],
            y=[at_planned_n],
            mode="markers",
            marker={"symbol": "diamond", "size": 12, "color": ORANGE},
            name="Clopper-Pearson at the planned n",
            hovertemplate="%{x:,} votes: radius %{y:.3f}<extra></extra>",
        )
    figure.add_scatter(
        x=[0, planned],
        y=[ceiling, ceiling],
        mode="lines",
        line={"color": GREY, "width": 1.5, "dash": "dash"},
        name=f"most that {planned:,} votes can certify",
        hovertemplate="ceiling: %{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title="votes", range=[0, planned * 1.03])
    figure.update_yaxes(title="L2 radius (pixels in [0, 1])", range=[0, top])
    return figure


def trace_in_words(trace: Trace, ceiling: float) -> str:
    """Describe `radius_trace` for who cannot see it."""
    if not trace.votes_T:
        return "No votes have come in yet."
    high = trace.high_T[-1]
    end = "is not yet bounded above" if math.isinf(high) else f"may still end as high as {high:.3f}"
    return (
        f"After {trace.votes_T[-1]:,} votes the certified radius is {trace.low_T[-1]:.3f} and "
        f"{end}; the dashed line, {ceiling:.3f}, is the most that the planned votes can certify."
    )


def votes_in_words(counts_K: Sequence[int], classes: Sequence[str]) -> str:
    """Describe `vote_bars` for who cannot see it."""
    ranked = sorted(zip(counts_K, classes, strict=False), reverse=True)
    told = ", ".join(f"{name} {k:,}" for k, name in ranked[:3] if k)
    return f"Votes by class: {told}." if told else "No votes have come in yet."
