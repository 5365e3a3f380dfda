"""Figures on a page, each with a menu to take it away (no torch here)."""

from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st
from streamlit.elements.lib.streamlit_plotly_theme import GRAY_90

from rsviz.figures import export
from rsviz.figures.style import BACKGROUNDS, BLUE, CLEAR, GREY, Plain, readable_formula
from rsviz.ui.common import figure_menu
from rsviz.ui.common.live_figure import show_live_figure

# What the camera above a figure saves: a PNG three times as fine as the screen, or an SVG.
CAMERA: dict[str, dict[str, Any]] = {
    "png": {"format": "png", "scale": 3},
    "svg": {"format": "svg", "scale": 1},
}
MODEBAR = {"bgcolor": CLEAR, "color": GREY, "activecolor": BLUE}
# Streamlit puts the theme's darkest grey in its place, in the browser, so it follows a change of
# theme at once. The grey that it gives axes by itself has a contrast of 3.7 on white.
TEXT = {"color": GRAY_90}


def _file(key: str) -> str:
    return f"rsviz-{key.removesuffix('_chart')}"


def config(key: str, camera: Literal["png", "svg"] = "png") -> dict[str, Any]:
    """Return Plotly's settings: a camera that saves a figure under its own name."""
    return {
        "displaylogo": False,
        "showSendToCloud": False,  # a button that uploads the figure
        "toImageButtonOptions": CAMERA[camera] | {"filename": _file(key)},
    }


def show_figure(
    figure: go.Figure,
    key: str,
    alt: str,
    offered: bool = True,
    camera: Literal["png", "svg"] = "png",
    **options: Any,
) -> Any:
    """Show a figure with a camera, its numbers below; return what was selected in it.

    Parameters
    ----------
    offered : whether the numbers are offered here, and not elsewhere on the page.
    camera : what the camera saves.
    options : of `st.plotly_chart`.
    """
    figure.update_layout(modebar=MODEBAR, font=TEXT)
    figure.update_xaxes(tickfont=TEXT, title={"font": TEXT})
    figure.update_yaxes(tickfont=TEXT, title={"font": TEXT})
    event = st.plotly_chart(figure, key=key, config=config(key, camera), alt=alt, **options)
    if offered:
        figure_menu.show(key, _file(key), lambda: export.figure_csv(figure))
    return event


def show_changing(figure: go.Figure | Plain, key: str, alt: str, offered: bool) -> None:
    """Show a figure of a run, which stays in its place from before the first vote to the last.

    Parameters
    ----------
    offered : whether its numbers are offered below it.
    """
    settings = config(key) | {"modeBarButtons": [["toImage"]]}
    show_live_figure(figure, key, alt, settings, {"modebar": MODEBAR})

    def numbers() -> str:
        return export.figure_csv(figure.figure() if isinstance(figure, Plain) else figure)

    if offered:
        figure_menu.show(key, _file(key), numbers)


def show_formula(latex: str) -> None:
    """Show a formula, its coloured terms in shades that can be read in the theme."""
    st.latex(readable_formula(latex, BACKGROUNDS[st.context.theme.type or "light"]))
