"""Chapter 4, noise levels: the envelope of three, and one chosen for each image.

Shape suffixes: R radii, N images, L levels, P points, 2 pixels.
"""

import numpy as np
import plotly.graph_objects as go

from rsviz.core.radius import down
from rsviz.evaluation import curves, examples
from rsviz.evaluation.logs import Log
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, empty_figure, rgba
from rsviz.teaching.experiments import two_pixel_levels, two_pixels
from rsviz.teaching.pictures.base import Picture, aligned, circle, coloured, here

CLASS_COLOURS = (BLUE, ORANGE)
_STYLES = ((BLUE, "solid"), (ORANGE, "dash"), (PURPLE, "dashdot"))
_WINDOW = (0.54, 0.96)  # the part of the square that is shown


def envelope(radius: float) -> Picture:
    """Show the measured curves of three noise levels, and which of them is best at a radius."""
    logs = [examples.log_of(name) for name in examples.SHAPES]
    share_L = [curves.accuracy_at(log, radius) for log in logs]
    best = int(np.argmax(share_L))
    hindsight = float(np.mean(_hindsight(logs) >= radius))
    best_of, sigma = coloured(GREEN, r"\text{envelope}"), coloured(PURPLE, r"\sigma")
    accuracy = rf"\mathrm{{share}}_{{{sigma}}}({coloured(RED, 'r')})"
    said = ", ".join(
        f"{100 * share:.1f} % at sigma {log.sigma:g}"
        for share, log in zip(share_L, logs, strict=True)
    )
    return Picture(
        figure=_envelope_figure(logs, radius, revealed=True),
        teaser=_envelope_figure(logs, radius, revealed=False),
        formula=aligned(
            rf"{accuracy} &= P(\text{{correct and }} R_{{{sigma}}} \ge {coloured(RED, 'r')})",
            rf"{best_of}({coloured(RED, 'r')}) &= \max_{{{sigma}}}\ {accuracy}",
        ),
        alt=(
            f"Certified accuracy against radius for three noise levels and their envelope. At "
            f"radius {radius:g}: {said}."
        ),
        answer=best,
        reveal=(
            f"At r = {radius:g}: {said}, of {len(logs[0])} pictures; each curve drops to nothing "
            f"at the ceiling of its {logs[0].n:,} votes. With the best level for each "
            f"picture, chosen in hindsight, it would be {100 * hindsight:.1f} %."
        ),
    )


def _hindsight(logs: list[Log]) -> np.ndarray:
    """Return each image's largest radius over the levels that are correct, -1 where none is."""
    return np.max([np.where(log.correct_N, log.radius_N, -1.0) for log in logs], axis=0)


def _envelope_figure(logs: list[Log], radius: float, revealed: bool) -> go.Figure:
    """Draw the measured curves, their envelope, and what hindsight would give."""
    figure = empty_figure(480)
    radius_R = np.linspace(0, 2.75, 276)
    share_LR = np.array([[curves.accuracy_at(log, r) for r in radius_R] for log in logs])
    lines = [
        (share_R, f"sigma = {log.sigma:g}", colour, dash, 3)
        for log, share_R, (colour, dash) in zip(logs, share_LR, _STYLES, strict=True)
    ]
    if revealed:
        hindsight_N = _hindsight(logs)
        hindsight_R = np.array([np.mean(hindsight_N >= r) for r in radius_R])
        lines.insert(0, (share_LR.max(axis=0), "envelope", rgba(GREEN, 0.4), "solid", 9))
        lines.append((hindsight_R, "best of each picture, in hindsight", GREY, "dot", 2))
    else:
        lines = lines[1:2]
        text = "Make your prediction,<br>and the other levels appear."
        figure.add_annotation(
            x=0.98, xref="paper", xanchor="right", y=0.9, yref="paper", text=text, showarrow=False
        )
    for share_R, name, colour, dash, width in lines:
        line = {"color": colour, "width": width, "dash": dash}
        hover = f"{name}: %{{y:.1f}} % at %{{x:.2f}}<extra></extra>"
        figure.add_scatter(
            x=radius_R, y=100 * share_R, mode="lines", line=line, name=name, hovertemplate=hover
        )
    line = {"color": RED, "width": 2, "dash": "dot"}
    figure.add_scatter(
        x=[radius, radius], y=[0, 100], mode="lines", line=line, name="r", hoverinfo="skip"
    )
    figure.update_xaxes(title="radius r (L2)", range=[-0.03, 2.78])
    figure.update_yaxes(title="certified accuracy (%)", range=[-1, 101])
    return figure


def chosen(left: float, right: float) -> Picture:
    """Show a point whose sigma was chosen for it: the ball claimed, the ball proved, the truth."""
    claim = two_pixel_levels.look((left, right))
    red, purple, green = (
        coloured(colour, down(value, 3))
        for colour, value in (
            (RED, claim.claimed),
            (PURPLE, claim.constancy),
            (GREEN, claim.proved),
        )
    )
    level, constant = coloured(RED, "R_c"), coloured(PURPLE, "R_s")
    return Picture(
        figure=_plane(claim, revealed=True),
        teaser=_plane(claim, revealed=False),
        formula=aligned(
            rf"{level} &= \sigma(x)\,\Phi^{{-1}}(p_A) = {red}",
            rf"{constant} &= \sigma_e\,\Phi^{{-1}}(p_{{level}}) = {purple}",
            rf"{coloured(GREEN, 'R')} &= \min({constant}, {level}) = {green}",
        ),
        alt=(
            f"Part of the two-pixel square. The point ({left:g}, {right:g}) gets sigma "
            f"{claim.sigma:g}; a ball of radius {down(claim.claimed, 3)} is claimed, one of "
            f"{down(claim.proved, 3)} proved."
        ),
        answer=0 if claim.breach is None else 1,
        reveal=_reveal(claim),
        click=("left", "right"),
    )


def _reveal(claim: two_pixel_levels.Claim) -> str:
    """Say what is true in the ball claimed, and what the rule proves."""
    if claim.breach is None:
        return (
            f"The answer first changes {down(claim.distance, 3)} away, so the claim of "
            f"{down(claim.claimed, 3)} happens to be true; but $p_A$ at this one sigma does not "
            f"prove it. The smaller radius, {down(claim.proved, 3)}, is proved."
        )
    other = float(two_pixel_levels.level(two_pixels.rotate(np.array(claim.breach))[0]))
    return (
        f"At the cross, inside the ball claimed, the selector names sigma {other:g} and the answer "
        f"is '{two_pixels.CLASSES[1 - claim.predicted]}', with probability {claim.breach_p:.2f}. "
        f"The answer first changes {down(claim.distance, 3)} away; {down(claim.claimed, 3)} was "
        f"claimed, {down(claim.proved, 3)} is proved."
    )


def _plane(claim: two_pixel_levels.Claim, revealed: bool) -> go.Figure:
    """Draw the point and its balls over the answers: all of them, or those at its sigma alone."""
    figure = empty_figure(560)
    curve_P2 = (
        two_pixel_levels.boundary() if revealed else two_pixels.smoothed_boundary(claim.sigma)
    )
    name = "the answer changes" if revealed else f"it would, were sigma {claim.sigma:g} everywhere"
    figure.add_traces(_answers(curve_P2, name))
    if revealed:
        edge_P2 = two_pixels.unrotate(
            np.full(2, two_pixel_levels.edges()[1]), np.array([-1.0, 1.0])
        )
        style = {"color": PURPLE, "width": 2, "dash": "dot"}
        name = "sigma changes"
        figure.add_scatter(
            x=edge_P2[:, 0], y=edge_P2[:, 1], mode="lines", line=style, name=name, hoverinfo="skip"
        )
        ball = circle(claim.point, claim.proved, "proved: the smaller", GREEN, width=3)
        figure.add_trace(ball.update(fill="toself", fillcolor=rgba(GREEN, 0.3)))
    figure.add_trace(circle(claim.point, claim.claimed, "claimed", RED, width=3, dash="dash"))
    figure.add_trace(here(*claim.point, ""))
    if revealed and claim.breach is not None:
        marker = {"symbol": "x", "size": 12, "color": RED, "line": {"color": "white", "width": 1}}
        figure.add_scatter(
            x=[claim.breach[0]],
            y=[claim.breach[1]],
            mode="markers",
            marker=marker,
            name="another answer",
            hoverinfo="skip",
            unselected={"marker": {"opacity": 1}},
        )
    figure.add_trace(_targets())
    axis = {"range": list(_WINDOW), "showgrid": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(title="brightness of the left pixel", **axis)
    figure.update_yaxes(title="brightness of the right pixel", scaleanchor="x", **axis)
    for x, y, text in ((0.62, 0.94, "'right is brighter'"), (0.88, 0.56, "'left is brighter'")):
        figure.add_annotation(x=x, y=y, text=text, showarrow=False)
    return figure


def _answers(curve_P2: np.ndarray, name: str) -> list[go.Scatter]:
    """Return the two sides of a boundary as filled areas, and the boundary itself."""
    traces = []
    for colour, far in zip(CLASS_COLOURS, (-3.0, 3.0), strict=True):
        corner_P2 = two_pixels.unrotate(np.array([1.62, -0.2]), np.array([far, far]))
        area_P2 = np.concatenate([curve_P2, corner_P2])
        traces.append(
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
    line = {"color": GREY, "width": 3}
    x_P, y_P = curve_P2.T
    traces.append(go.Scatter(x=x_P, y=y_P, mode="lines", line=line, name=name, hoverinfo="skip"))
    return traces


def _targets() -> go.Scatter:
    """Return invisible squares over the part that is shown, since only markers can be clicked."""
    tick_P = np.linspace(0.6, 0.9, 25)
    x_P, y_P = (a.ravel() for a in np.meshgrid(tick_P, tick_P))
    invisible = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=x_P,
        y=y_P,
        mode="markers",
        marker={"symbol": "square", "size": 14, "opacity": 0},
        hovertemplate="left %{x:.3f}, right %{y:.3f}<extra></extra>",
        showlegend=False,
        selected=invisible,
        unselected=invisible,
    )
