"""Figures of one certificate, the votes and the radius: plain data in, a chart out (no torch here).

Shape suffixes: K classes, T moments of a run.
"""

from collections.abc import Sequence

import plotly.graph_objects as go

from rsviz.core import live_bounds
from rsviz.core.live_bounds import Trace
from rsviz.core.radius import down
from rsviz.core.spec import Certificate, Norm
from rsviz.figures.style import BLUE, GREY, ORANGE, RED, SKY, empty_figure, rgba, share_axis

DIGITS = {Norm.L2: 3, Norm.LINF: 5}  # of a radius


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


def radius_of_run(c: Certificate, readings: Sequence[Certificate]) -> tuple[go.Figure, str]:
    """Return `radius_trace` of one run, and its words: every radius in it is its certificate's.

    Parameters
    ----------
    c : the certificate as it is shown, whose alpha and bound all readings are read at.
    readings : the certificates of the run's moments, the last one c's own.
    """
    line, most = live_bounds.trace(readings, c.alpha, c.bound), live_bounds.most(c)
    planned = c.ended == "complete" and c.predicted is not None and live_bounds.PLANNED[c.bound]
    ended = c.radius if planned else None
    return radius_trace(line, c.n, most, ended, c.norm), trace_in_words(line, most, ended, c.norm)


def radius_trace(
    line: Trace,
    planned: int,
    ceiling: float | None,
    at_planned_n: float | None,
    norm: Norm = Norm.L2,
) -> go.Figure:
    """Draw the certified radius while votes come in, its band, and what n votes can reach.

    Parameters
    ----------
    ceiling : the largest radius that n votes can certify, None where it is not known.
    at_planned_n : the certified radius at the planned n, None before that.
    norm : of all of them.
    """
    top = 1.12 * max(ceiling or 0.0, at_planned_n or 0.0, *line.low_T, 1e-4)
    digits = DIGITS[norm]
    figure = empty_figure(330)
    if len(line.high_T) > 1:
        figure.add_scatter(
            x=[*line.votes_T, *reversed(line.votes_T)],
            y=[*line.high_T, *reversed(line.low_T)],
            fill="toself",
            fillcolor=rgba(SKY, 0.25),
            line={"width": 0},
            hoverinfo="skip",
            name="where it may still end",
        )
    figure.add_scatter(
        x=line.votes_T,
        y=line.low_T,
        mode="lines+markers" if len(line.votes_T) == 1 else "lines",
        line={"color": BLUE, "width": 3},
        name="certified so far",
        text=[down(r, digits) for r in line.low_T],
        hovertemplate="%{x:,} votes: radius %{text}<extra></extra>",
    )
    if at_planned_n is not None:
        figure.add_scatter(
            x=[planned],
            y=[at_planned_n],
            mode="markers",
            marker={"symbol": "diamond", "size": 12, "color": ORANGE},
            name="certified at the planned n (Clopper-Pearson)",
            hovertemplate=f"%{{x:,}} votes: radius {down(at_planned_n, digits)}<extra></extra>",
        )
    if ceiling is not None:
        figure.add_scatter(
            x=[0, planned],
            y=[ceiling, ceiling],
            mode="lines",
            line={"color": GREY, "width": 1.5, "dash": "dash"},
            name=f"most that {planned:,} votes can certify",
            hovertemplate=f"ceiling: {down(ceiling, digits)}<extra></extra>",
        )
    figure.update_xaxes(title="votes", range=[0, planned * 1.03])
    figure.update_yaxes(title=f"{norm} radius (pixels in [0, 1])", range=[0, top])
    return figure


def trace_in_words(
    line: Trace, ceiling: float | None, at_planned_n: float | None = None, norm: Norm = Norm.L2
) -> str:
    """Describe `radius_trace` for who cannot see it."""
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
    """Describe `vote_bars` for who cannot see it."""
    ranked = sorted(zip(counts_K, classes, strict=False), reverse=True)
    told = ", ".join(f"{name} {k:,}" for k, name in ranked[:3] if k)
    return f"Votes by class: {told}." if told else "No votes have come in yet."
