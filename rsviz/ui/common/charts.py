"""Figures on a page: each can be saved as a picture, and its numbers as CSV (no torch here)."""

from collections.abc import Callable
from typing import Any, Literal

import altair
import plotly.graph_objects as go
import streamlit as st

from rsviz.figures import export
from rsviz.figures.style import BLUE, GREY

# What the camera above a figure saves: a PNG three times as fine as the screen, or an SVG.
CAMERA: dict[str, dict[str, Any]] = {
    "png": {"format": "png", "scale": 3},
    "svg": {"format": "svg", "scale": 1},
}
MODEBAR = {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE}


def _file(key: str) -> str:
    return f"rsviz-{key.removesuffix('_chart')}"


def config(key: str, camera: Literal["png", "svg"] = "png") -> dict[str, Any]:
    """Return Plotly's settings: a camera that saves a figure under its own name."""
    return {
        "displaylogo": False,
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
    offered : whether the numbers are offered: not while they still change.
    camera : what the camera saves.
    options : of `st.plotly_chart`.
    """
    figure.update_layout(modebar=MODEBAR)
    event = st.plotly_chart(figure, key=key, config=config(key, camera), alt=alt, **options)
    if offered:
        _offer(lambda: export.figure_csv(figure), key)
    return event


def show_chart(
    chart: altair.Chart | altair.LayerChart, key: str, alt: str, offered: bool = True
) -> None:
    """Show an Altair chart, its numbers below; as `show_figure`."""
    st.altair_chart(chart, key=key, alt=alt)
    if offered:
        _offer(lambda: export.chart_csv(chart), key)


def _offer(numbers: Callable[[], str], key: str) -> None:
    st.download_button(
        "These numbers as CSV",
        numbers,
        f"{_file(key)}.csv",
        "text/csv",
        key=f"csv-{key}",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )
