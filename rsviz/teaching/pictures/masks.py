"""Chapter 5, masks and budgets: trade-off curves, a masked look, the square root of d.

Shape suffixes: P points, T thresholds, H height, W width.
"""

import numpy as np
import plotly.graph_objects as go
from scipy.special import ndtri

from rsviz.core.radius import down
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, empty_figure
from rsviz.teaching.experiments import query_budget
from rsviz.teaching.pictures.base import Picture, aligned, coloured, here

SIDE = 16  # of the toy image of `mask`, one channel
_SIDES = (8, 16, 32, 64, 128, 256)


def budget_picture(share: float, apart: float) -> Picture:
    """Show how well each of two looks, and both together, distinguish two images."""
    one, two = query_budget.split(apart, share)
    mu, mu_1, mu_2 = coloured(GREEN, r"\mu"), coloured(BLUE, r"\mu_1"), coloured(ORANGE, r"\mu_2")
    f = coloured(PURPLE, "f")
    at_1, at_2 = coloured(BLUE, f"{one:.3f}"), coloured(ORANGE, f"{two:.3f}")
    half = float(query_budget.missed(np.array([0.1]), apart)[0])
    return Picture(
        figure=_budget_figure(share, apart, revealed=True),
        teaser=_budget_figure(share, apart, revealed=False),
        formula=aligned(
            rf"\text{{missed}}(a) &= \Phi\bigl(\Phi^{{-1}}(1-a) - {mu}\bigr)",
            rf"{mu_1} &= {mu}\sqrt{{{f}}},\quad {mu_2} = {mu}\sqrt{{1-{f}}}",
            rf"{mu} &= \sqrt{{{mu_1}^2 + {mu_2}^2}}",
            rf"&= \sqrt{{{at_1}^2 + {at_2}^2}} = {coloured(GREEN, f'{apart:g}')}",
        ),
        alt=(
            f"Missed share against false alarms. Query 1 sees the images {one:.2f} standard "
            f"deviations apart, query 2 {two:.2f}, both together {apart:g}, whatever the share."
        ),
        answer=2,
        reveal=(
            f"It stays where it is: f and 1 - f add up to one, so the squares of {one:.2f} and "
            f"{two:.2f} always add up to that of {apart:g}. At one false alarm in ten, even the "
            f"best observer of both looks misses {100 * half:.0f} %."
        ),
    )


def _budget_figure(share: float, apart: float, revealed: bool) -> go.Figure:
    """Draw the curves of each look and, once the question is answered, of both and a trial."""
    figure = empty_figure(470)
    alarm_P = np.concatenate([np.geomspace(1e-5, 0.01, 25), np.linspace(0.012, 1 - 1e-5, 150)])
    one, two = query_budget.split(apart, share)
    lines = [
        (1 - alarm_P, GREY, "dot", 2, "pure guessing"),
        (query_budget.missed(alarm_P, one), BLUE, "dash", 3, f"query 1, f = {share:g}"),
        (
            query_budget.missed(alarm_P, two),
            ORANGE,
            "dashdot",
            3,
            f"query 2, 1 - f = {1 - share:g}",
        ),
    ]
    if revealed:
        lines.append((query_budget.missed(alarm_P, apart), GREEN, "solid", 4, "both together"))
    for missed_P, colour, dash, width, name in lines:
        line = {"color": colour, "width": width, "dash": dash}
        hover = f"{name}: %{{y:.2f}} missed at %{{x:.2f}} false alarms<extra></extra>"
        figure.add_scatter(
            x=alarm_P, y=missed_P, mode="lines", line=line, name=name, hovertemplate=hover
        )
    if revealed:
        alarm_T, missed_T = query_budget.simulate(
            apart, share, np.linspace(-1, apart + 1, 13), seed=1
        )
        marker = {"size": 9, "color": "white", "line": {"color": GREEN, "width": 2}}
        name = "both, tried 20,000 times"
        figure.add_scatter(x=alarm_T, y=missed_T, mode="markers", marker=marker, name=name)
    else:
        text = "Make your prediction,<br>and both together appear."
        figure.add_annotation(x=0.95, y=0.93, text=text, showarrow=False, xanchor="right")
    figure.update_xaxes(title="false alarms", range=[-0.02, 1.02])
    figure.update_yaxes(title="missed", range=[-0.02, 1.02])
    return figure


def mask(side: int, share: float, noise: float) -> Picture:
    """Show both looks at a small image, their average, and the noise each leaves."""
    kept = side**2 / SIDE**2
    first, second, both = query_budget.masked_noise(noise, share, kept)
    sigma, w = coloured(PURPLE, r"\sigma"), coloured(GREEN, r"\sqrt{k/d}")
    s_1, s_2, s = coloured(BLUE, "s_1"), coloured(ORANGE, "s_2"), coloured(RED, "s")
    at_1, at_2 = coloured(BLUE, f"{first:.3f}"), coloured(ORANGE, f"{second:.3f}")
    same = side == SIDE
    inside = "with nothing masked" if same else f"on the {side} x {side} pixels kept"
    return Picture(
        figure=_mask_figure(side, share, noise, revealed=True),
        teaser=_mask_figure(side, share, noise, revealed=False),
        formula=aligned(
            rf"{s_1} &= \tfrac{{{sigma}}}{{\sqrt f}} = {at_1}",
            rf"{s_2} &= \tfrac{{{sigma}}}{{\sqrt{{1-f}}}}\,{w} = {at_2}",
            rf"{s} &= \bigl(1/{s_1}^2 + 1/{s_2}^2\bigr)^{{-1/2}}",
            r"R_\infty &= \tfrac{\sigma}{\sqrt d}\,\Phi^{-1}(p_A)\ \text{for every mask}",
        ),
        alt=(
            f"An image of {SIDE} x {SIDE} pixels seen by query 1 with noise {first:.2f}, by query "
            f"2 through a mask of {side} x {side} with noise {second:.2f}, and both averaged: "
            f"noise {both:.2f} inside the mask."
        ),
        answer=1 if same else 0,
        reveal=(
            f"The two looks leave noise {at_plain(both)} {inside}, against {at_plain(noise)} of "
            f"one look"
            + (
                ": with nothing masked, nothing is won."
                if same
                else f". Outside the mask it is {at_plain(first)}: the price is paid where the "
                "mask says that nothing matters."
            )
        ),
    )


def at_plain(value: float) -> str:
    """Return a noise level to three digits, in bold."""
    return f"**{value:.3f}**"


def toy_image() -> np.ndarray:
    """Return the image of `mask`: a bright cross in the middle of a grey gradient, (H, W)."""
    x_HW = np.tile(np.linspace(0.25, 0.55, SIDE), (SIDE, 1))
    x_HW[7:9, 5:11] = x_HW[5:11, 7:9] = 1.0
    return x_HW


def looks(side: int, share: float, sigma: float) -> list[np.ndarray]:
    """Return the image, answer 1, answer 2, and their average of least variance, each (H, W)."""
    x_HW = toy_image()
    first, second, _ = query_budget.masked_noise(sigma, share, side**2 / SIDE**2)
    e_2HW = np.random.default_rng(3).standard_normal((2, SIDE, SIDE))
    start = (SIDE - side) // 2
    w_HW = np.zeros((SIDE, SIDE))
    w_HW[start : start + side, start : start + side] = 1
    m_1, m_2 = x_HW + first * e_2HW[0], w_HW * x_HW + second * e_2HW[1]
    weight_HW = w_HW * second**-2
    return [x_HW, m_1, m_2, (m_1 * first**-2 + m_2 * weight_HW) / (first**-2 + weight_HW)]


def _mask_figure(side: int, share: float, sigma: float, revealed: bool) -> go.Figure:
    """Draw the looks as small images above, the noise against the size of the mask below."""
    figure = empty_figure(520)
    names = ("image", "query 1", "query 2", "both")
    for i, (look_HW, name) in enumerate(zip(looks(side, share, sigma), names, strict=True)):
        if name == "both" and not revealed:
            continue
        x = np.arange(SIDE) + i * (SIDE + 2)
        style = {"colorscale": "Greys_r", "zmin": 0, "zmax": 1, "showscale": False}
        axes = {"xaxis": "x2", "yaxis": "y2", "hoverinfo": "skip"}
        figure.add_heatmap(z=look_HW, x=x, y=np.arange(SIDE), **style, **axes)
        at = {"x": float(x.mean()), "y": SIDE + 1, "xref": "x2", "yref": "y2"}
        figure.add_annotation(text=name, showarrow=False, **at)
    side_P = np.arange(1, SIDE + 1)
    noise_P3 = np.array([query_budget.masked_noise(sigma, share, k**2 / SIDE**2) for k in side_P])
    lines = [(noise_P3[:, 0], BLUE, "dash", "query 1"), (noise_P3[:, 1], ORANGE, "dashdot", "2")]
    lines += [(noise_P3[:, 2], RED, "solid", "both")] * revealed
    lines.append((np.full(SIDE, sigma), GREY, "dot", "one look, whole budget"))
    for noise_P, colour, dash, name in lines:
        line = {"color": colour, "width": 3, "dash": dash}
        label = "query 2" if name == "2" else name
        hover = f"{label}: %{{y:.3f}} at side %{{x}}<extra></extra>"
        figure.add_scatter(
            x=side_P, y=noise_P, mode="lines", line=line, name=label, hovertemplate=hover
        )
    if revealed:
        figure.add_trace(here(side, float(noise_P3[side - 1, 2]), ""))
    far = 4 * SIDE + 6
    picture = {"visible": False, "fixedrange": True}
    figure.update_layout(
        xaxis={"title": "side of the square kept, in pixels", "range": [0.8, SIDE + 0.3]},
        yaxis={"title": "noise on a pixel kept", "rangemode": "tozero", "domain": [0, 0.52]},
        xaxis2={"anchor": "y2", "range": [-1, far], **picture},
        yaxis2={"domain": [0.62, 1], "range": [SIDE + 2.5, -1], "scaleanchor": "x2", **picture},
    )
    return figure


def root(side: int, noise: float, p: float) -> Picture:
    """Show the Linf radius of one L2 radius against the size of the image."""
    length, d = noise * float(ndtri(p)), 3 * side**2
    radius = length / np.sqrt(d)
    l2, size, linf = coloured(BLUE, "R_2"), coloured(ORANGE, r"\sqrt d"), coloured(RED, r"R_\infty")
    return Picture(
        figure=_root_figure(side, noise, p),
        formula=aligned(
            rf"{l2} &= \sigma\,\Phi^{{-1}}(\underline{{p_A}}) = {coloured(BLUE, down(length, 3))}",
            rf"{size} &= \sqrt{{3 \cdot {side}^2}} = {coloured(ORANGE, f'{d**0.5:.1f}')}",
            rf"{linf} &= \tfrac{{{l2}}}{{{size}}} = {coloured(RED, down(radius, 5))}",
            rf"&= {coloured(RED, down(255 * radius, 2))}\ \text{{of 255 levels}}",
        ),
        alt=(
            f"Linf radius in grey levels against the side of the image, both on logarithmic "
            f"scales: a straight line falling by half at each doubling; {down(255 * radius, 2)} of "
            f"255 at side {side}."
        ),
        answer=1,
        reveal=(
            f"Four times the values, and the square root of four is two: at side {side} "
            f"{down(255 * radius, 2)} of 255 levels are left, at side {2 * side} "
            f"{down(255 * radius / 2, 2)}. The L2 radius is {down(length, 3)} at both."
        ),
    )


def _root_figure(side: int, noise: float, p: float) -> go.Figure:
    """Draw the Linf radius, in grey levels, of every size of image."""
    figure = empty_figure(420)
    level_P = [255 * noise * float(ndtri(p)) / (k * 3**0.5) for k in _SIDES]
    line = {"color": RED, "width": 3}
    hover = "side %{x}: %{text} of 255 levels<extra></extra>"
    name = "L2 radius, read in Linf"
    figure.add_scatter(
        x=_SIDES,
        y=level_P,
        text=[down(level, 2) for level in level_P],
        mode="lines+markers",
        line=line,
        name=name,
        hovertemplate=hover,
    )
    ends = {"x": [_SIDES[0], _SIDES[-1]], "y": [1, 1], "mode": "lines", "hoverinfo": "skip"}
    line = {"color": GREY, "width": 2, "dash": "dot"}
    figure.add_scatter(line=line, name="one grey level", **ends)
    figure.add_trace(here(side, level_P[_SIDES.index(side)], "your image"))
    figure.update_xaxes(title="side of the image, in pixels", type="log", tickvals=_SIDES)
    figure.update_yaxes(title="Linf radius, of 255 grey levels", type="log")
    return figure
