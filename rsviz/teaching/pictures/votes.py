"""Chapter 1, noise turns a classifier into votes: the two-pixel world round one point.

Shape suffixes: P points, 2 pixels.
"""

import numpy as np
import plotly.graph_objects as go

from rsviz.core.radius import down
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, empty_figure, ink, rgba
from rsviz.teaching.experiments import two_pixels
from rsviz.teaching.pictures.base import Picture, aligned, circle, coloured, here

ALPHA = 0.001
SHOWN = 300  # noisy copies drawn; more would hide the picture
CLASS_COLOURS = (BLUE, ORANGE)


def votes(left: float, right: float, noise: float, votes: int) -> Picture:
    """Show one point of the two-pixel world, its votes, its disc, and the truth."""
    seen = two_pixels.look((left, right), noise, votes, ALPHA)
    winner = two_pixels.CLASSES[seen.predicted]
    return Picture(
        figure=plane(seen),
        formula=_formula(seen),
        alt=(
            "The square of all two-pixel images in two colours with a spiky border. At the point "
            f"({left:g}, {right:g}), {seen.count:,} of {seen.n:,} noisy copies vote '{winner}'; "
            f"the certified disc has radius {down(seen.radius, 3)}, the smoothed boundary is "
            f"{down(seen.distance, 3)} away."
        ),
        answer=_doubled(seen)[0],
        reveal=_doubled(seen)[1],
        click=("left", "right"),
    )


def plane(seen: two_pixels.Look) -> go.Figure:
    """Draw the two-pixel world round one point: regions, copies, boundary, discs, distance."""
    figure = empty_figure(600)
    figure.add_traces([*_regions(), *_copies(seen), *_truth(seen)])
    noise = circle(seen.point, seen.sigma, "noise: one sigma", PURPLE, width=3, dash="dot")
    figure.add_trace(noise)
    if seen.radius_exact > 0:
        name = "disc if p_A were known"
        disc = circle(seen.point, seen.radius_exact, name, GREEN, width=2, dash="dash")
        figure.add_trace(disc)
    if seen.radius > 0:
        disc = circle(seen.point, seen.radius, "disc certified by the votes", GREEN, width=3)
        figure.add_trace(disc.update(fill="toself", fillcolor=rgba(GREEN, 0.3)))
    figure.add_trace(here(*seen.point, name=""))
    figure.add_trace(_click_targets(0.05))
    axis = {"range": [-0.06, 1.06], "showgrid": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(title="brightness of the left pixel (0 black, 1 white)", **axis)
    figure.update_yaxes(title="brightness of the right pixel", scaleanchor="x", **axis)
    for x, y, text in (
        (0.16, 1.0, "says 'right is brighter'"),
        (0.84, 0.0, "says 'left is brighter'"),
    ):
        figure.add_annotation(x=x, y=y, text=text, showarrow=False)
    _add_ballot(figure, seen)
    return figure


def _add_ballot(figure: go.Figure, seen: two_pixels.Look) -> None:
    """Add a strip over the plane: the image as one sees it, and the count of all its votes."""
    for pixel, x in zip(seen.point, (0.0, 0.08), strict=True):
        level = round(255 * pixel)
        figure.add_shape(
            type="rect",
            xref="paper",
            yref="paper",
            x0=x,
            x1=x + 0.08,
            y0=0.91,
            y1=0.97,
            fillcolor=f"rgb({level},{level},{level})",
            line={"color": GREY, "width": 1},
        )
    strip = {"xref": "paper", "yref": "paper", "y": 0.975, "showarrow": False, "yanchor": "bottom"}
    figure.add_annotation(x=0, text="your image", xanchor="left", **strip)
    figure.add_annotation(x=0.24, text=f"votes of {seen.n:,} noisy copies", xanchor="left", **strip)
    counts = [seen.n - seen.count] * 2
    counts[seen.predicted] = seen.count
    for name, count, colour in zip(two_pixels.CLASSES, counts, CLASS_COLOURS, strict=True):
        figure.add_bar(
            x=[count],
            y=[""],
            xaxis="x2",
            yaxis="y2",
            orientation="h",
            marker={"color": colour},
            text=f"{name}: {count:,}" if count > 0.2 * seen.n else "",
            textangle=0,
            insidetextanchor="middle",
            textfont={"color": ink(colour)},
            hovertemplate=f"{name}: {count:,} votes<extra></extra>",
            showlegend=False,
        )
    hidden = {"visible": False, "fixedrange": True}
    figure.update_layout(
        barmode="stack",
        yaxis={"domain": [0, 0.84]},
        xaxis2={"domain": [0.24, 1], "anchor": "y2", "range": [0, seen.n], **hidden},
        yaxis2={"domain": [0.91, 0.97], "anchor": "x2", **hidden},
    )


def _formula(seen: two_pixels.Look) -> str:
    """Return R = sigma PhiInv(p_A) with this point's numbers, or why there is none."""
    colour = CLASS_COLOURS[seen.predicted]
    lower, sigma = coloured(colour, r"\underline{p_A}"), coloured(PURPLE, r"\sigma")
    first = rf"{coloured(GREEN, 'R')} &= {sigma}\;\Phi^{{-1}}({lower})"
    if seen.abstained:
        return aligned(first, rf"{lower} &= {down(seen.p_a_lower, 3)} \le 0.5:\ \text{{abstain}}")
    noise, share = coloured(PURPLE, f"{seen.sigma:g}"), coloured(colour, down(seen.p_a_lower, 4))
    return aligned(
        first,
        rf"&= {noise}\;\Phi^{{-1}}({share}) = {coloured(GREEN, down(seen.radius, 3))}",
        rf"&< {coloured(GREY, down(seen.distance, 3))}\ \text{{, the true distance}}",
    )


def _doubled(seen: two_pixels.Look) -> tuple[int, str]:
    """Return answer and reveal of 'what if sigma doubles', computed at this point."""
    other = two_pixels.look(seen.point, 2 * seen.sigma, seen.n, ALPHA)
    change = other.radius - seen.radius
    answer = 2 if abs(change) <= 0.01 * seen.radius else int(change < 0)
    before, after = (f"{100 * a.count / a.n:.4g} % of the copies" for a in (seen, other))
    reveal = (
        f"At sigma = {seen.sigma:g}, {before} agree and the radius is {down(seen.radius, 3)}; at "
        f"sigma = {other.sigma:g}, {after} agree and it is {down(other.radius, 3)}. More noise "
        "makes the same share of the votes worth more, but carries more copies across the "
        f"boundary: here {('the first wins', 'the second wins', 'the two cancel')[answer]}."
    )
    return answer, reveal


def _regions() -> list[go.Scatter]:
    """Return the two classes of the base classifier as filled areas that meet at its boundary."""
    along_P = np.arange(-0.6, 2.0, 0.002)  # five points on each flank of a spike
    edge_P2 = two_pixels.unrotate(along_P, two_pixels.boundary(along_P))
    areas = []
    for colour, far in zip(CLASS_COLOURS, (-3.0, 3.0), strict=True):
        corner_P2 = two_pixels.unrotate(np.array([2.0, -0.6]), np.array([far, far]))
        area_P2 = np.concatenate([edge_P2, corner_P2])
        areas.append(
            go.Scatter(
                x=area_P2[:, 0],
                y=area_P2[:, 1],
                fill="toself",
                fillcolor=rgba(colour, 0.22),
                mode="none",
                hoverinfo="skip",
                showlegend=False,
            )
        )
    return areas


def _copies(seen: two_pixels.Look) -> list[go.Scatter]:
    """Return the first noisy copies, one trace a class, each in the colour it votes for."""
    copy_P2 = np.array(seen.point) + seen.sigma * two_pixels.noise(seen.n, 0, "bound")[:SHOWN]
    class_P = two_pixels.classify(copy_P2)
    traces = []
    for index, symbol in enumerate(("circle", "x")):
        class_P2 = copy_P2[class_P == index]
        traces.append(
            go.Scatter(
                x=class_P2[:, 0],
                y=class_P2[:, 1],
                mode="markers",
                marker={"color": CLASS_COLOURS[index], "size": 4, "symbol": symbol},
                opacity=0.75,
                showlegend=False,
                hoverinfo="skip",
                unselected={"marker": {"opacity": 1}},
            )
        )
    return traces


def _truth(seen: two_pixels.Look) -> list[go.Scatter]:
    """Return the smoothed boundary, and the shortest way to it where the class holds."""
    curve_P2 = two_pixels.smoothed_boundary(seen.sigma)
    style = {"mode": "lines", "hoverinfo": "skip"}
    line = go.Scatter(
        x=curve_P2[:, 0],
        y=curve_P2[:, 1],
        line={"color": GREY, "width": 3},
        name="smoothed boundary",
        **style,
    )
    if seen.distance == 0:
        return [line]
    (x0, y0), (x1, y1) = seen.point, seen.foot_2
    way = {"color": GREY, "width": 2, "dash": "dot"}
    return [line, go.Scatter(x=[x0, x1], y=[y0, y1], line=way, name="true distance", **style)]


def _click_targets(step: float) -> go.Scatter:
    """Return invisible squares all over the unit square, since only markers can be clicked."""
    tick_P = np.arange(0, 1 + step / 2, step)
    x_P, y_P = (a.ravel() for a in np.meshgrid(tick_P, tick_P))
    invisible = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=x_P,
        y=y_P,
        mode="markers",
        marker={"symbol": "square", "size": 16, "opacity": 0},
        hovertemplate="left %{x:.2f}, right %{y:.2f}<extra></extra>",
        showlegend=False,
        selected=invisible,
        unselected=invisible,
    )
