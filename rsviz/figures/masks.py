"""Pictures of masks and charts of what they change: plain data in, pictures and charts out.

Maps are painted pixel by pixel, since browsers blur small pictures; each comes with the scale it is
painted on. Shape suffixes: N draws, C channels, H height, W width, P points of a curve.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import sequential
from scipy.special import ndtr, ndtri

from rsviz.core.live_bounds import Trace
from rsviz.core.radius import down
from rsviz.evaluation.mask_gains import Gain
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, channels, empty_figure, look

Array = NDArray[np.float64]
_STOPS_S3 = np.array([channels(colour) for colour in sequential.Cividis])


def paint(values_HW: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Return the colours (H, W, 3) of values on a scale from dark blue (low) to yellow (high)."""
    t_HW = np.clip((np.asarray(values_HW, float) - low) / max(high - low, 1e-12), 0, 1)
    stops = np.linspace(0, 1, len(_STOPS_S3))
    channels = [np.interp(t_HW, stops, _STOPS_S3[:, c]) for c in range(3)]
    return np.round(np.stack(channels, -1)).astype(np.uint8)


def heat(values_HW: Array, low: float, high: float, scale: int = 1) -> Image.Image:
    """Return a map as a picture, each pixel a scale x scale square."""
    return _enlarged(paint(values_HW, low, high), scale)


def overlay(
    x_CHW: Array, values_HW: Array, low: float, high: float, opacity: float, scale: int = 1
) -> Image.Image:
    """Return the image with a map painted over it: (1 - opacity) image + opacity map."""
    x_HWC = 255 * np.clip(np.asarray(x_CHW, float), 0, 1).transpose(1, 2, 0)
    mixed_HWC = (1 - opacity) * x_HWC + opacity * paint(values_HW, low, high)
    return _enlarged(np.round(mixed_HWC).astype(np.uint8), scale)


def outline(object_HW: NDArray[np.bool_], picture: Image.Image) -> Image.Image:
    """Return the picture with the border of an object drawn on it, in white on black."""
    scale = picture.width // object_HW.shape[1]
    inside_HW = np.kron(object_HW, np.ones((scale, scale), bool))
    wide_HW, thin_HW = (_border(inside_HW, steps) for steps in (3, 1))
    x_HWC = np.asarray(picture).copy()
    x_HWC[wide_HW] = 0
    x_HWC[thin_HW] = 255
    return Image.fromarray(x_HWC)


def _border(inside_HW: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return the pixels outside that lie within some steps of the inside."""
    grown_HW = inside_HW
    for _ in range(steps):
        padded_HW = np.pad(grown_HW, 1)
        sides = (padded_HW[:-2, 1:-1], padded_HW[2:, 1:-1], padded_HW[1:-1, :-2])
        grown_HW = np.logical_or.reduce([grown_HW, *sides, padded_HW[1:-1, 2:]])
    return grown_HW & ~inside_HW


def bar(width: int = 180, height: int = 10) -> Image.Image:
    """Return the colour bar of `heat`, low at the left."""
    return Image.fromarray(paint(np.tile(np.linspace(0, 1, width), (height, 1)), 0, 1))


def _enlarged(x_HWC: NDArray[np.uint8], scale: int) -> Image.Image:
    picture = Image.fromarray(x_HWC)
    size = (picture.width * scale, picture.height * scale)
    return picture.resize(size, Image.Resampling.NEAREST)


def noise_histogram(
    s_N: Sequence[float], first: float, sigma: float, last: str = "second"
) -> go.Figure:
    """Draw the last query's noise level over draws, with the first query's and plain RS's."""
    figure = empty_figure(280)
    figure.add_histogram(
        x=list(s_N),
        nbinsx=24,
        marker={"color": BLUE},
        name=f"{last} look, one value a vote",
        hovertemplate="noise %{x}: %{y} votes<extra></extra>",
    )
    for level, name, dash, colour in (
        (sigma, "plain smoothing", "dash", ORANGE),
        (first, "first look", "dot", GREY),
    ):
        figure.add_scatter(
            x=[level, level],
            y=[0, 1],
            yaxis="y2",
            mode="lines",
            line={"color": colour, "width": 3, "dash": dash},
            name=f"{name}: {level:.2f}",
            hoverinfo="name",
        )
    figure.update_layout(
        bargap=0.05,
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    figure.update_xaxes(title="noise level", range=[0, 1.08 * first])
    figure.update_yaxes(title="votes", selector={"anchor": "x"})
    return figure


def budget_curves(mu_1: float, mu_2: float, mu: float, looks: int = 2) -> go.Figure:
    """Draw the f-DP trade-off curves of the first query, of the others and of all together."""
    later, all_of_them = ("second look", "both") if looks == 2 else ("later looks", "all")
    figure = empty_figure(340)
    alarm_P = np.linspace(1e-6, 1 - 1e-6, 161)
    alone = [
        (mu_1, "first look alone", ORANGE, "dash", 2.5),
        (mu_2, f"{later} alone", GREEN, "dashdot", 2.5),
    ]
    if abs(mu_1 - mu_2) < 0.005:  # one line would hide the other
        either = "either look" if looks == 2 else f"first look, or {later},"
        alone = [(mu_1, f"{either} alone", GREEN, "dashdot", 2.5)]
    lines = (
        (0.0, "nothing to tell: a coin", GREY, "dot", 1.5),
        *alone,
        (mu, f"{all_of_them} together = plain smoothing", BLUE, "solid", 3.5),
    )
    for shift, name, colour, dash, width in lines:
        figure.add_scatter(
            x=alarm_P,
            y=ndtr(-ndtri(alarm_P) - shift),
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
            name=f"{name} (shift {shift:.2f})" if shift else name,
            hovertemplate="false alarms %{x:.2f}: misses at least %{y:.2f}<extra></extra>",
        )
    figure.update_xaxes(title="false alarms of the test", range=[0, 1])
    figure.update_yaxes(title="least share it misses", range=[0, 1])
    return figure


def over_sizes(
    sizes: Sequence[int], values: Sequence[float], trained: int, title: str, chance: float
) -> go.Figure:
    """Draw a number over canvas sizes k, the size trained at marked, and what chance gives."""
    figure = empty_figure(280)
    at = ["diamond" if k == trained else "circle" for k in sizes]
    figure.add_scatter(
        x=[str(k) for k in sizes],
        y=list(values),
        mode="lines+markers",
        line={"color": BLUE, "width": 3},
        marker={"symbol": at, "size": [15 if k == trained else 9 for k in sizes]},
        name=f"this network (trained at k = {trained}, diamond)",
        hovertemplate="k = %{x}: %{y:.2f}<extra></extra>",
    )
    figure.add_scatter(
        x=[str(k) for k in sizes],
        y=[chance] * len(sizes),
        mode="lines",
        line={"color": GREY, "dash": "dash"},
        name="a mask that does not look",
        hoverinfo="skip",
    )
    figure.update_xaxes(title="canvas size k, pixels a side", type="category")
    figure.update_yaxes(title=title, rangemode="tozero")
    return figure


def gains(lines: Mapping[str, Sequence[Gain]]) -> go.Figure:
    """Draw gains in points with their intervals, a colour a rival, canvas by canvas."""
    figure = empty_figure(360)
    for (title, points), colour, symbol in zip(
        lines.items(), (ORANGE, GREEN), ("circle", "diamond"), strict=False
    ):
        figure.add_scatter(
            x=[f"{p.where}<br>σ {p.sigma:g}" for p in points],
            y=[100 * p.gap for p in points],
            error_y={
                "type": "data",
                "array": [100 * (p.high - p.gap) for p in points],
                "arrayminus": [100 * (p.gap - p.low) for p in points],
                "thickness": 2.5,
            },
            mode="markers",
            marker={"size": 12, "color": colour, "symbol": symbol},
            name=title,
            hovertemplate="%{x}: %{y:+.0f} points<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": GREY, "dash": "dot"})
    figure.update_layout(scattermode="group", scattergap=0.6)
    figure.update_xaxes(type="category")
    figure.update_yaxes(title="gain, points of certified accuracy")
    return figure


def radii(traces: Mapping[str, Trace], titles: Mapping[str, str], planned: int) -> go.Figure:
    """Draw certified Linf radii against votes, one line a method, in units of 1/255."""
    figure = empty_figure(330)
    for name, title in titles.items():
        if name not in traces:
            continue
        drawn = look(name)
        figure.add_scatter(
            x=traces[name].votes_T,
            y=[255 * r for r in traces[name].low_T],
            mode="lines+markers",
            line={"color": drawn.colour, "dash": drawn.dash, "width": 3},
            marker={"symbol": drawn.symbol, "size": 7},
            name=title,
            text=[down(255 * r, 3) for r in traces[name].low_T],
            hovertemplate=f"{title}, %{{x:,}} votes: %{{text}}<extra></extra>",
        )
    figure.update_xaxes(title="votes", range=[0, 1.02 * planned])
    figure.update_yaxes(title="certified radius", rangemode="tozero")
    figure.update_layout(showlegend=True)
    return figure


def radii_in_words(traces: Mapping[str, Trace], titles: Mapping[str, str]) -> str:
    """Say for a screen reader where each line of `radii` ends."""
    told = [
        f"{titles[name]}: {down(255 * trace.low_T[-1], 2)}/255 after {trace.votes_T[-1]:,} votes"
        for name, trace in traces.items()
    ]
    return "Certified Linf radii. " + "; ".join(told) + "."
