"""Chapter 2, from votes to a bound: what a certificate costs, and why one may not peek.

Shape suffixes: P points of a curve, L looks.
"""

import numpy as np
import plotly.graph_objects as go
from scipy.special import ndtr, ndtri

from rsviz.core import bounds
from rsviz.core.radius import ceiling, down, radius_l2
from rsviz.figures.style import BLUE, GREEN, GREY, PURPLE, RED, empty_figure, rgba
from rsviz.teaching.experiments import peeking
from rsviz.teaching.pictures.base import Picture, aligned, coloured, here

SIGMA = 0.5
_END = 4.0  # right edge in PhiInv of the share: .99997; 'all votes' is drawn there
_TICKS = (0.5, 0.7, 0.9, 0.99, 0.999)
_STYLES = {"Clopper-Pearson": (RED, "solid"), "anytime-valid": (BLUE, "dash")}


def _read(k: int, n: int, alpha: float) -> tuple[float, float]:
    """Return (p_a_lower, radius) of k of n votes; the radius is 0 where they abstain."""
    p_a_lower = bounds.clopper_pearson_lower(k, n, alpha)
    return p_a_lower, radius_l2(SIGMA, p_a_lower)


def price(share: float, n: int, alpha: float) -> Picture:
    """Show what n and alpha cost: the certified radius against the share of the votes."""
    k = round(share / 100 * n)
    p_a_lower, radius = _read(k, n, alpha)
    top, more = (ceiling(SIGMA, m, alpha) for m in (n, 10 * n))
    lower, sigma = coloured(BLUE, r"\underline{p_A}"), coloured(PURPLE, r"\sigma")
    formula = rf"{coloured(GREEN, 'R')} &= {sigma}\;\Phi^{{-1}}({lower})"
    noise, number = coloured(PURPLE, f"{SIGMA:g}"), coloured(BLUE, down(p_a_lower, 4))
    result = rf"&= {noise}\;\Phi^{{-1}}({number}) = {coloured(GREEN, down(radius, 3))}"
    if radius == 0:
        result = rf"{lower} &= {number} \le 0.5:\ \text{{abstain}}"
    ceiling_words = coloured(RED, r"\sigma\,\Phi^{-1}(\alpha^{1/n})")
    return Picture(
        figure=_price_figure(k, n, alpha),
        formula=aligned(
            formula, result, rf"R &\le {ceiling_words} = {coloured(RED, down(top, 3))}"
        ),
        alt=(
            f"Certified radius against the share of votes for {n:,} votes and alpha {alpha:g}: it "
            f"stays below what the share itself would give and ends at the ceiling {down(top, 3)}."
        ),
        answer=2,
        reveal=(
            f"{n:,} votes end at {down(top, 3)}, {10 * n:,} at {down(more, 3)}: "
            f"{more / top:.2f} times as far for ten times the work. The bell curve falls off so "
            "fast that every further step outwards costs many times the votes of the one before."
        ),
    )


def _price_figure(k: int, n: int, alpha: float) -> go.Figure:
    """Draw radius against share of votes, the axis stretched so that PhiInv is a straight line."""
    z_P = np.linspace(0, _END, 201)
    share_P = np.append(ndtr(z_P[:-1]), 1.0)
    read_P = [_read(int(c), n, alpha) for c in np.round(share_P * n)]
    abstain = max((z for z, (p, _) in zip(z_P, read_P, strict=True) if p <= 0.5), default=0.0)
    radius, top = _read(k, n, alpha)[1], ceiling(SIGMA, n, alpha)
    figure = empty_figure(430)
    figure.add_vrect(x0=0, x1=abstain, fillcolor=rgba(GREY, 0.25), line_width=0)
    figure.add_annotation(
        x=abstain / 2, y=0.97, yref="paper", text="abstain", textangle=-90, showarrow=False
    )
    lines = (
        (z_P[:-8], SIGMA * z_P[:-8], GREY, "dash", "if the share were the truth"),
        (z_P, [r for _, r in read_P], GREEN, "solid", f"certified from {n:,} votes"),
        ([0, _END], [top, top], RED, "dot", "ceiling: all votes agree"),
    )
    for x, y, colour, dash, name in lines:
        line = {"color": colour, "width": 3 if dash == "solid" else 2, "dash": dash}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, name=name, hoverinfo="skip")
    figure.data[1].update(
        customdata=100 * share_P,
        text=[down(r, 3) for _, r in read_P],
        hoverinfo=None,
        hovertemplate="%{customdata:.4g} % of the votes: radius %{text}<extra></extra>",
    )
    hover = f"{k:,} of {n:,} votes: radius {down(radius, 3)}"
    figure.add_trace(here(min(float(ndtri(k / n)), _END), radius, "your votes", hover))
    figure.update_xaxes(
        title="share of the votes for the class",
        range=[-0.06, _END + 0.06],
        tickvals=[*(float(ndtri(p)) for p in _TICKS), _END],
        ticktext=[*(f"{100 * p:g} %" for p in _TICKS), "all"],
    )
    figure.update_yaxes(title=f"certified L2 radius, sigma = {SIGMA:g}", range=[-0.06, 2.05])
    return figure


def peek(p: float, risk: float, again: int) -> Picture:
    """Show in how many runs each bound was ever wrong, read after every 100 votes."""
    seen = peeking.simulate(p, risk, again)
    allowed = risk * seen.runs
    ever = {name: int(ever_L[-1]) for name, ever_L in seen.ever_L.items()}
    cp, anytime = ever["Clopper-Pearson"], ever["anytime-valid"]
    once, always = coloured(RED, r"\underline{p_A}(n)"), coloured(BLUE, r"\underline{p_A}(m)")
    promise = coloured(GREY, r"\alpha")
    return Picture(
        figure=_peek_figure(seen, p, risk, revealed=True),
        teaser=_peek_figure(seen, p, risk, revealed=False),
        formula=aligned(
            rf"P\bigl({once} > p_A\bigr) &\le {promise}\ \text{{ at one }} n",
            rf"P\bigl({always} > p_A\bigr) &\le {promise}\ \text{{ at any }} m",
        ),
        alt=(
            f"Share of {seen.runs} runs in which a bound was ever too high, against votes seen: "
            f"Clopper-Pearson ends at {cp} runs, the anytime-valid bound at {anytime}; alpha "
            f"allows {allowed:g}."
        ),
        answer=0 if cp <= allowed else 1 if cp <= 2 * allowed else 2,
        reveal=(
            f"Alpha allows {allowed:g} of {seen.runs} runs. Clopper-Pearson, read after every 100 "
            f"votes, was too high at least once in **{cp}**; read only once, at the end, in "
            f"{seen.at_end['Clopper-Pearson']}. The anytime-valid bound, looked at just as often, "
            f"was in **{anytime}**."
        ),
    )


def _peek_figure(seen: peeking.Peeking, p: float, alpha: float, revealed: bool) -> go.Figure:
    """Draw one run's bounds against the truth above, the share of runs ever wrong below."""
    figure = empty_figure(540)
    worst, low = 2 * alpha, min(example_L[4] for example_L in seen.example_L.values())
    for name, (colour, dash) in _STYLES.items():
        line = {"color": colour, "width": 2, "dash": dash}
        shared = {"x": seen.looks_L, "mode": "lines", "line": line, "name": name}
        figure.add_scatter(
            y=seen.example_L[name], yaxis="y2", hovertemplate="%{y:.4f}", legendgroup=name, **shared
        )
        if revealed:
            share_L = seen.ever_L[name] / seen.runs
            worst = max(worst, share_L[-1])
            shared |= {"showlegend": False, "hovertemplate": "wrong in %{y:.3g} %"}
            figure.add_scatter(y=100 * share_L, legendgroup=name, **shared)
    if not revealed:
        text = "Make your prediction,<br>and the 200 runs appear here."
        figure.add_annotation(x=0.5, xref="paper", y=0.25, yref="paper", text=text, showarrow=False)
    _add_level(figure, p, "y2", f"true p_A = {p:g}")
    _add_level(figure, 100 * alpha, "y", f"alpha = {100 * alpha:g} %")
    figure.update_layout(
        hovermode="x unified",
        yaxis={
            "domain": [0, 0.46],
            "range": [0, 115 * worst],
            "title": f"runs ever wrong, of {seen.runs} (%)",
        },
        yaxis2={
            "domain": [0.56, 1],
            "range": [low, min(1.0, p + (p - low) / 3)],
            "anchor": "x",
            "title": "bounds, worst run",
            "fixedrange": True,
        },
    )
    figure.update_xaxes(title="votes seen", tickformat=",d", range=[0, seen.looks_L[-1]])
    return figure


def _add_level(figure: go.Figure, y: float, axis: str, text: str) -> None:
    """Add a dotted line across the figure with its name at the right end."""
    line = {"color": GREY, "width": 2, "dash": "dot"}
    figure.add_shape(type="line", xref="paper", x0=0, x1=1, yref=axis, y0=y, y1=y, line=line)
    place = {"xref": "paper", "x": 1, "yref": axis, "y": y, "yanchor": "bottom"}
    figure.add_annotation(text=text, showarrow=False, **place)
