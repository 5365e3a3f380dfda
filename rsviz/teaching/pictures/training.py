"""Chapter 6: decision regions of tiny networks, and the variance of a mix of two.

torch is imported only where a picture needs it.
Shape suffixes: W weights, N images, S samples.
"""

import numpy as np
import plotly.graph_objects as go

from rsviz.core.radius import down
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, empty_figure, rgba
from rsviz.teaching.pictures.base import Picture, aligned, coloured

_PUSH = coloured(RED, r"\delta")
_TERMS = {
    "SmoothAdv": rf"-\log z_y(x + {_PUSH})",
    "MACER": r"-\log z_y(x) + \lambda\," + coloured(GREEN, r"\tfrac\sigma2 [\gamma - \xi(x)]_+"),
    "AdvMacer": rf"-\log z_y(x + {_PUSH}) + \lambda\,"
    + coloured(GREEN, rf"\tfrac\sigma2 [\gamma - \xi(x + {_PUSH})]_+"),
}


def push(method: int, noise: float) -> Picture:
    """Show where a training moves the smoothed boundary, beside training with noise alone."""
    from rsviz.teaching.experiments import two_pixel_training  # it imports torch

    name = two_pixel_training.METHODS[method]
    plain, pushed = (
        two_pixel_training.trained("Gaussian", noise),
        two_pixel_training.trained(name, noise),
    )
    ratio = pushed.average / plain.average
    return Picture(
        figure=_push_figure(name, noise, revealed=True),
        teaser=_push_figure(name, noise, revealed=False),
        formula=aligned(
            r"\text{Gaussian:}\ & -\log f_y(x + \sigma e)",
            rf"\text{{{name}:}}\ & {_TERMS[name]}",
            rf"{coloured(GREEN, 'R')} &= \sigma\,\Phi^{{-1}}(p_A)",
        ),
        alt=(
            f"Two classes of two-pixel images and the smoothed boundary after training with noise "
            f"alone and by {name}; average radii {plain.average:.3f} and {pushed.average:.3f}."
        ),
        answer=2 if abs(ratio - 1) < 0.01 else 0 if ratio > 1 else 1,
        reveal=(
            f"From {plain.average:.4f} to **{pushed.average:.4f}**, with {100 * plain.correct:.0f} "
            f"and {100 * pushed.correct:.0f} % of the images right. One seed of a toy: it shows "
            "what is pushed, not which method is best."
        ),
    )


def _push_figure(name: str, sigma: float, revealed: bool) -> go.Figure:
    """Draw the images and the smoothed boundaries; the pushed one only when revealed."""
    from rsviz.teaching.experiments import two_pixel_training  # it imports torch

    figure = empty_figure(520)
    tick_G = np.linspace(two_pixel_training.LOW, two_pixel_training.HIGH, two_pixel_training.NODES)
    wanted = [("Gaussian", GREY, "dot")] + [(name, GREEN, "solid")] * revealed
    for method, colour, dash in wanted:
        line = {"color": colour, "width": 3, "dash": dash}
        contours = {"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"}
        z_GG = two_pixel_training.trained(method, sigma).p_GG
        figure.add_contour(
            z=z_GG, x=tick_G, y=tick_G, contours=contours, line=line, hoverinfo="skip",
            showscale=False, showlegend=True, name=f"smoothed boundary, {method}",
        )  # fmt: skip
    x_N2, y_N = two_pixel_training.images(0)
    for label, colour, symbol in ((0, BLUE, "circle"), (1, ORANGE, "diamond")):
        own = y_N == label
        marker = {"color": colour, "size": 8, "symbol": symbol}
        figure.add_scatter(
            x=x_N2[own, 0],
            y=x_N2[own, 1],
            mode="markers",
            marker=marker,
            name=f"class {label + 1}",
            customdata=[
                down(r, 3)
                for r in two_pixel_training.trained(
                    name if revealed else "Gaussian", sigma
                ).radius_N[own]
            ],
            hovertemplate="radius %{customdata}<extra></extra>",
        )
    axis = {"range": [0, 1], "showgrid": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(title="brightness of the left pixel", **axis)
    figure.update_yaxes(title="brightness of the right pixel", scaleanchor="x", **axis)
    return figure


def pair(b: float, d: float, together: float) -> Picture:
    """Show the variance of a mix of two networks against its weight, and where it is least."""
    from rsviz.methods.ensemble import optimal_pair, printed_pair  # it imports torch

    c = together * float(np.sqrt(b * d))
    q_LL = np.array([[b, c], [c, d]])
    best, printed = float(optimal_pair(q_LL)[0]), float(printed_pair(q_LL)[0])
    at_b, at_d, at_c = coloured(BLUE, "b"), coloured(ORANGE, "d"), coloured(PURPLE, "c")
    low, wrong = coloured(GREEN, r"w^\ast"), coloured(RED, r"w_{printed}")
    least, at_printed = variance(best, b, d, c), variance(printed, b, d, c)
    return Picture(
        figure=_pair_figure(b, d, c, (best, printed), revealed=True),
        teaser=_pair_figure(b, d, c, (best, printed), revealed=False),
        formula=aligned(
            rf"\mathrm{{Var}}(w) &= w^2 {at_b} + 2w(1-w)\,{at_c} + (1-w)^2 {at_d}",
            rf"{low} &= \frac{{{at_d} - {at_c}}}{{{at_b} + {at_d} - 2{at_c}}} = "
            rf"{coloured(GREEN, f'{best:.3f}')}",
            rf"{wrong} &= \frac{{{at_d} + {at_c}}}{{{at_b} + {at_d} + 2{at_c}}} = "
            rf"{coloured(RED, f'{printed:.3f}')}",
        ),
        alt=(
            f"Variance of a mix against the weight of network 1: least, {least:.3f}, at "
            f"{best:.3f}; {at_printed:.3f} at the weight as printed, {printed:.3f}."
        ),
        answer=0 if least < min(b, d) - 1e-9 else 1,
        reveal=(
            f"The least variance is {least:.3f}, at w = {best:.3f}; the steadier network alone has "
            f"{min(b, d):g}, equal weights give {variance(0.5, b, d, c):.3f}, and the weight as "
            f"printed, {printed:.3f}, gives {at_printed:.3f}. "
            + (
                "The covariance is below both variances, so some mix must help."
                if least < min(b, d) - 1e-9
                else "The covariance is no smaller than the lesser variance: mixing in the other "
                "network adds more wavering than it cancels."
            )
        ),
    )


def variance(w: float, b: float, d: float, c: float) -> float:
    """Return the variance of w z_1 + (1 - w) z_2: w^2 b + 2 w (1 - w) c + (1 - w)^2 d."""
    return w * w * b + 2 * w * (1 - w) * c + (1 - w) ** 2 * d


def _pair_figure(
    b: float, d: float, c: float, weights: tuple[float, float], revealed: bool
) -> go.Figure:
    """Draw the parabola, a trial on drawn margins, and the weights compared."""
    figure = empty_figure(440)
    w_W = np.linspace(0, 1, 101)
    for w, colour, symbol, name in (
        (1.0, BLUE, "square", "network 1 alone"),
        (0.0, ORANGE, "diamond", "network 2 alone"),
    ):
        marker = {"color": colour, "size": 12, "symbol": symbol}
        y = variance(w, b, d, c)
        figure.add_scatter(x=[w], y=[y], mode="markers", marker=marker, name=name)
    if revealed:
        line = {"color": GREY, "width": 3}
        var_W = [variance(w, b, d, c) for w in w_W]
        figure.add_scatter(x=w_W, y=var_W, mode="lines", line=line, name="variance of the mix")
        z_S2 = np.random.default_rng(5).multivariate_normal([1, 1], [[b, c], [c, d]], 4000)
        tick_W = np.linspace(0, 1, 11)
        tried_W = [float((w * z_S2[:, 0] + (1 - w) * z_S2[:, 1]).var(ddof=1)) for w in tick_W]
        marker = {"color": rgba(GREY, 0.6), "size": 7}
        name = "of 4,000 margins drawn"
        figure.add_scatter(x=tick_W, y=tried_W, mode="markers", marker=marker, name=name)
        for w, colour, symbol, name in (
            (weights[0], GREEN, "star", "best weight"),
            (weights[1], RED, "x", "as printed: wrong sign"),
            (0.5, PURPLE, "circle-open", "equal weights"),
        ):
            marker = {"color": colour, "size": 13, "symbol": symbol}
            y = variance(w, b, d, c)
            figure.add_scatter(x=[w], y=[y], mode="markers", marker=marker, name=name)
    else:
        text = "Make your prediction,<br>and the mixes appear."
        figure.add_annotation(x=0.5, y=0.2, yref="paper", text=text, showarrow=False)
    figure.update_xaxes(title="weight w of network 1", range=[-0.04, 1.04])
    figure.update_yaxes(title="variance of the margin", range=[0, 1.15 * max(b, d)])
    return figure
