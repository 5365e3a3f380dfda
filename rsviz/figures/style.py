"""One look: colours, the empty figure, transparency."""

import plotly.graph_objects as go

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
PURPLE, RED, GREY = "#CC79A7", "#D55E00", "#808080"
SKY, RED, GREY = "#56B4E9", "#D55E00", "#8C8C8C"


def empty_figure(height: int) -> go.Figure:
    """Return an empty figure: transparent, legend below, no zoom, so that a phone can scroll."""
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        dragmode=False,
    )
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure


def rgba(colour: str, opacity: float) -> str:
    """Return a colour, written as #RRGGBB, at some opacity."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
