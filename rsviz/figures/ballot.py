"""The picture of Home: noisy copies of an image, each framed by its vote, and the count.

Shape suffixes: N copies, H height, W width, C colours (RGB or RGBA), K classes.
"""

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, channels, empty_figure, ink

COLUMNS, ROWS = 6, 3  # cells; the original takes four of them
COPIES = COLUMNS * ROWS - 4
_SCALE, _FRAME, _GAP = 4, 8, 8  # screen pixels


def mosaic(x_HWC: NDArray, copy_NHWC: NDArray, agree_N: Sequence[bool]) -> NDArray[np.uint8]:
    """Return one RGBA picture: the original, large, and `COPIES` copies framed by their votes.

    Blue frames mark votes for the winner, orange ones with a cut corner the others; outside the
    frames the picture is transparent. Values are in [0, 1], and clipped to it for the eye only.
    """
    side = x_HWC.shape[0] * _SCALE + 2 * _FRAME
    step = side + _GAP
    sheet_HWC = np.zeros((ROWS * step - _GAP, COLUMNS * step - _GAP, 4), np.uint8)
    large = _enlarge(x_HWC, (2 * side + _GAP) // x_HWC.shape[0])
    sheet_HWC[: large.shape[0], : large.shape[1]] = large
    cells = [(r, c) for r in range(ROWS) for c in range(COLUMNS) if r > 1 or c > 1]
    for (row, column), copy_HWC, agrees in zip(cells, copy_NHWC, agree_N, strict=True):
        tile_HWC = np.empty((side, side, 4), np.uint8)
        tile_HWC[:] = *channels(BLUE if agrees else ORANGE), 255
        tile_HWC[_FRAME:-_FRAME, _FRAME:-_FRAME] = _enlarge(copy_HWC, _SCALE)
        if not agrees:
            cut = np.add.outer(np.arange(side), np.arange(side)) < 4 * _FRAME
            tile_HWC[cut] = 0
        top, left = row * step, column * step
        sheet_HWC[top : top + side, left : left + side] = tile_HWC
    return sheet_HWC


def tally(
    counts_K: Sequence[int], classes: Sequence[str], predicted: int, p_a_lower: float
) -> go.Figure:
    """Draw the votes of the leading classes, and what they prove of the winner's share."""
    total = sum(counts_K)
    order = sorted(range(len(counts_K)), key=lambda k: (k != predicted, -counts_K[k]))[:4]
    share_K = [100 * counts_K[k] / total for k in order]
    figure = empty_figure(230)
    figure.add_bar(
        x=share_K,
        y=[escape(classes[k]) for k in order],
        orientation="h",
        marker={"color": [BLUE if k == predicted else ORANGE for k in order]},
        text=[f"{counts_K[k]}" for k in order],
        textposition=["inside" if share > 20 else "outside" for share in share_K],
        insidetextanchor="start",
        insidetextfont={"color": [ink(BLUE if k == predicted else ORANGE) for k in order]},
        textangle=0,
        hovertemplate="%{y}: %{text} votes<extra></extra>",
        showlegend=False,
    )
    for x, colour, dash, name in (
        (50, GREY, "dot", "half of the votes"),
        (100 * p_a_lower, GREEN, "solid", "proved: no fewer than this"),
    ):
        line = {"color": colour, "width": 3, "dash": dash}
        ends = [-0.5, len(order) - 0.5]
        figure.add_scatter(
            x=[x, x], y=ends, mode="lines", line=line, name=name, hoverinfo="skip", yaxis="y2"
        )
    figure.update_xaxes(title="share of the votes (%)", range=[0, 101])
    overlay = {"overlaying": "y", "range": [-0.5, len(order) - 0.5], "visible": False}
    figure.update_layout(yaxis={"autorange": "reversed"}, yaxis2=overlay, margin={"t": 8})
    return figure


def _enlarge(x_HWC: NDArray, scale: int) -> NDArray[np.uint8]:
    """Return an RGB image as RGBA bytes, each pixel a square of ``scale``."""
    byte_HWC = np.round(255 * np.clip(x_HWC, 0, 1)).astype(np.uint8)
    opaque_HWC = np.concatenate([byte_HWC, np.full_like(byte_HWC[..., :1], 255)], axis=-1)
    return opaque_HWC.repeat(scale, axis=0).repeat(scale, axis=1)
