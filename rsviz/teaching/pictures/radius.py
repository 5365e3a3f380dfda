"""Chapter 3, why the radius is sigma PhiInv(p_A): two Gaussians sliding, the worst cut drawn.

Shape suffix: P points of a curve.
"""

import math

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from rsviz.core.radius import down
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, empty_figure, rgba
from rsviz.teaching.experiments import worst_case
from rsviz.teaching.pictures.base import Picture, aligned, coloured, here

_LONGEST = 2.5  # longest shift of the slider


def slide(p: float, noise: float, shift: float) -> Picture:
    """Show the copies of an image and of the image moved, and what the worst cut keeps of them."""
    radius = worst_case.edge(p, noise)
    kept, strip = (float(f(p, shift, noise)) for f in (worst_case.half_space, worst_case.strip))
    survives = shift < radius
    p_a, sigma = coloured(BLUE, "p_A"), coloured(PURPLE, r"\sigma")
    delta, at_worst = coloured(RED, r"\lVert\delta\rVert"), coloured(ORANGE, "p_{worst}")
    worst = rf"{at_worst} &= \Phi\Bigl(\Phi^{{-1}}({p_a}) - \tfrac{{{delta}}}{{{sigma}}}\Bigr)"
    half = rf"{at_worst} > \tfrac12 &\iff {delta} < {sigma}\,\Phi^{{-1}}({p_a})"
    # The result is left out: the figure gives it, once the question is answered.
    at_p, at_sigma, at_shift = (
        coloured(colour, f"{value:g}")
        for colour, value in ((BLUE, p), (PURPLE, noise), (RED, shift))
    )
    here_now = rf"&= \Phi\Bigl(\Phi^{{-1}}({at_p}) - \tfrac{{{at_shift}}}{{{at_sigma}}}\Bigr)"
    length = rf"{coloured(GREEN, 'R')} &= {sigma}\,\Phi^{{-1}}({p_a})"
    end = "Beyond R" if shift > radius else "At R"
    return Picture(
        figure=_figure(p, noise, shift, revealed=True),
        teaser=_figure(p, noise, shift, revealed=False),
        formula=aligned(worst, here_now, half, length),
        alt=(
            f"Two bell curves of width sigma {noise:g}, {shift:g} apart. The cut that holds {p:g} "
            f"of the first holds {kept:.3f} of the second; it would hold one half at a shift of "
            f"{down(radius, 3)}, the radius."
        ),
        answer=0 if survives else 1,
        reveal=(
            f"The worst network keeps {100 * kept:.1f} % of the moved copies, and {shift:.2f} is "
            f"shorter than R = {down(radius, 3)}, so every other network keeps at least as much."
            if survives
            else f"The straight cut keeps only {100 * kept:.1f} %. {end} = {down(radius, 3)} the "
            "share alone proves nothing; yet it does not follow that your network fails: a strip "
            f"that holds the same share keeps {100 * strip:.1f} %."
        ),
    )


def _figure(p: float, sigma: float, shift: float, revealed: bool) -> go.Figure:
    """Draw the two bell curves with the cut above, what is left against the shift below."""
    figure = empty_figure(580)
    _add_bells(figure, p, sigma, shift, revealed)
    if revealed:
        _add_curves(figure, p, sigma, shift)
    else:
        text = "Make your prediction,<br>and what is left appears here."
        figure.add_annotation(x=0.5, xref="paper", y=0.2, yref="paper", text=text, showarrow=False)
    figure.update_layout(
        xaxis={"title": "length of the shift", "range": [0, _LONGEST]},
        yaxis={"title": "probability of the class", "range": [0, 1.02], "domain": [0, 0.42]},
        xaxis2={
            "anchor": "y2",
            "range": [-3.2 * sigma, _LONGEST + 2 * sigma],
            "fixedrange": True,
            "title": "along the shift",
        },
        yaxis2={
            "domain": [0.6, 1],
            "range": [0, 1.12 / (sigma * math.sqrt(2 * math.pi))],
            "fixedrange": True,
            "showticklabels": False,
            "title": "noisy copies",
        },
    )
    return figure


def _density(z_P: NDArray[np.float64], mean: float, sigma: float) -> NDArray[np.float64]:
    """Return the density of N(mean, sigma^2)."""
    return np.exp(-(((z_P - mean) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))


def _add_bells(figure: go.Figure, p: float, sigma: float, shift: float, revealed: bool) -> None:
    """Add the copies of the image and of the moved one along the shift, the cut filled in."""
    cut = worst_case.edge(p, sigma)
    axes = {"xaxis": "x2", "yaxis": "y2", "mode": "lines", "hoverinfo": "skip"}
    names = ("copies of the image", "copies of the image moved")
    for mean, colour, dash, name in zip(
        (0, shift), (BLUE, ORANGE), ("solid", "dash"), names, strict=True
    ):
        z_P = np.linspace(mean - 4 * sigma, mean + 4 * sigma, 161)
        line = {"color": colour, "width": 3, "dash": dash}
        figure.add_scatter(x=z_P, y=_density(z_P, mean, sigma), line=line, name=name, **axes)
        if mean == 0 or revealed:
            inside_P = np.linspace(min(mean - 4 * sigma, cut), cut, 121)
            style = {"fill": "tozeroy", "fillcolor": rgba(colour, 0.3), "line": {"width": 0}}
            density_P = _density(inside_P, mean, sigma)
            figure.add_scatter(x=inside_P, y=density_P, showlegend=False, **style, **axes)
    line = {"color": GREY, "width": 3}
    top = 1.05 / (sigma * math.sqrt(2 * math.pi))
    figure.add_scatter(x=[cut, cut], y=[0, top], line=line, name="the worst cut", **axes)
    figure.add_annotation(
        x=cut,
        y=top,
        xref="x2",
        yref="y2",
        text="the class \u25c2",
        xanchor="right",
        showarrow=False,
    )


def _add_curves(figure: go.Figure, p: float, sigma: float, shift: float) -> None:
    """Add what the cut and a strip keep against the shift, one half, and where it is reached."""
    shift_P = np.linspace(0, _LONGEST, 126)
    radius = worst_case.edge(p, sigma)
    for keep, colour, dash, name in (
        (worst_case.half_space, ORANGE, "solid", "the worst cut keeps"),
        (worst_case.strip, PURPLE, "dashdot", "a strip keeps"),
    ):
        line = {"color": colour, "width": 3, "dash": dash}
        hover = f"shift %{{x:.2f}}: {name} %{{y:.3f}}<extra></extra>"
        kept_P = keep(p, shift_P, sigma)
        figure.add_scatter(
            x=shift_P, y=kept_P, mode="lines", line=line, name=name, hovertemplate=hover
        )
    for x_P, y_P, colour, name in (
        ([0, _LONGEST], [0.5, 0.5], GREY, "one half"),
        ([radius, radius], [0, 1], GREEN, f"R = {down(radius, 3)}"),
    ):
        line = {"color": colour, "width": 2, "dash": "dot"}
        figure.add_scatter(x=x_P, y=y_P, mode="lines", line=line, name=name, hoverinfo="skip")
    kept = float(worst_case.half_space(p, shift, sigma))
    figure.add_trace(here(shift, kept, "", f"shift {shift:g}: {kept:.3f}"))
