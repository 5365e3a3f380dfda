"""What the pictures of Learn share: markers, circles, and terms coloured as in their figure."""

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go


@dataclass(frozen=True)
class Picture:
    """A figure, its formula with this moment's numbers, and the answer to the scene's question.

    ``answer`` is the index of the option that is right for these values, ``reveal`` says why.
    ``click`` names the two controls that a click into the figure sets, or is None. ``teaser`` is
    shown in place of a figure that would give the answer away, until the question is answered.
    """

    figure: go.Figure
    formula: str
    alt: str
    answer: int
    reveal: str
    click: tuple[str, str] | None = None
    teaser: go.Figure | None = None


def coloured(colour: str, latex: object) -> str:
    """Return a term of a formula in the colour it has in the figure."""
    return rf"\textcolor{{{colour}}}{{{latex}}}"


def aligned(*lines: str) -> str:
    """Return formula lines under each other, aligned at their ampersands."""
    return r"\begin{aligned}" + r"\\".join(lines) + r"\end{aligned}"


def here(x: float, y: float, name: str, hover: str = "") -> go.Scatter:
    """Return the marker of where the reader stands, legible on every background."""
    return go.Scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={"color": "white", "size": 11, "line": {"color": "black", "width": 3}},
        name=name,
        hovertemplate=f"{hover}<extra></extra>" if hover else None,
        hoverinfo=None if hover else "skip",
        showlegend=bool(name),
        unselected={"marker": {"opacity": 1}},
    )


def circle(
    centre: tuple[float, float], radius: float, name: str, colour: str, **line: object
) -> go.Scatter:
    """Return a circle as a line."""
    angle_P = np.linspace(0, 2 * math.pi, 121)
    return go.Scatter(
        x=centre[0] + radius * np.cos(angle_P),
        y=centre[1] + radius * np.sin(angle_P),
        mode="lines",
        line={"color": colour, **line},
        name=name,
        hoverinfo="skip",
    )
