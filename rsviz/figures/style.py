"""The one style of all figures: colours that mean something, an empty figure, text one can read.

Colours are Okabe and Ito's, told apart by colour-blind eyes; what differs in colour differs in
dash, marker, hatching or label too. Text has no colour of its own in a figure: it takes the
theme's. In a formula it takes a shade that `readable` finds.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_json

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
SKY, RED, PURPLE, GREY = "#56B4E9", "#D55E00", "#CC79A7", "#808080"
PALE = "#CFE8F7"  # the low end of a scale up to SKY
DARK = "#00344F"  # the other end of a scale from PALE
CLEAR = "rgba(0,0,0,0)"

# What became of an image, at least 3:1 against both backgrounds.
RIGHT, WRONG, ABSTAINS = BLUE, RED, GREY
HATCHING = {RIGHT: "", WRONG: "/", ABSTAINS: "."}

# The app's backgrounds, by theme; .streamlit/config.toml sets them.
BACKGROUNDS = {"light": "#FFFFFF", "dark": "#171614"}


@dataclass(frozen=True)
class Look:
    """How the lines and points of one method look, wherever it is drawn."""

    colour: str
    dash: str = "solid"
    symbol: str = "circle"


# Methods for one norm never share a colour; what is the same smoothing in L2 and Linf does.
METHODS = {
    "gaussian": Look(ORANGE, "dash", "square"),
    "smoothadv": Look(RED, "dot", "triangle-up"),
    "macer": Look(GREEN, "dashdot", "diamond"),
    "advmacer": Look(PURPLE, "longdash", "cross"),
    "consistency": Look(SKY, "longdashdot", "star"),
    "advconsistency": Look("#C2477F", "longdashdot", "star-diamond"),
    "sun": Look("#4B7F52", "longdash", "triangle-left"),
    "ensemble": Look("#8C6D1F", "dash", "hexagon"),
    "dual": Look(BLUE, "solid", "circle"),
    "routing": Look("#7A5FC0", "dash", "x"),
    "variational": Look("#00888C", "dot", "pentagon"),
    "multiscale": Look("#6B8E23", "longdash", "hourglass"),
    "adaptive": Look(BLUE, "solid", "circle"),
    "static": Look(GREEN, "dot", "diamond"),
    "plain-linf": Look(ORANGE, "dash", "square"),
}
OTHER = Look("#A05195", "dashdot", "bowtie")  # the one newest method, before it has a look
PUBLISHED = {  # as papers' tables name them
    "esbrs": METHODS["ensemble"],
    "ars": METHODS["adaptive"],
    "smoothmix": Look("#5B6E7F", "longdash", "triangle-down"),
    "catrs": Look("#A0522D", "dot", "star-square"),
}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon")
TOWARDS = (0.35, 0.5, 0.2, 0.42)  # black, or white for a dark colour


def look(method: str) -> Look:
    """Return how a method is drawn."""
    return METHODS.get(method, PUBLISHED.get(method, OTHER))


def variant(method: str, number: int) -> Look:
    """Return how the curve of this number, from 0, of a method is drawn: its colour, in a shade.

    What differs in shade differs in dash and marker too.
    """
    plain = look(method)
    if not number:
        return plain
    dashes = [d for d in DASHES if d != plain.dash]
    symbols = [s for s in SYMBOLS if s != plain.symbol]
    end = 255 if contrast(plain.colour, "#FFFFFF") > 4 else 0
    share = TOWARDS[(number - 1) % len(TOWARDS)]
    mixed = (round((1 - share) * c + share * end) for c in channels(plain.colour))
    return Look(
        "#" + "".join(f"{c:02X}" for c in mixed),
        dashes[(number - 1) % len(dashes)],
        symbols[(number - 1) % len(symbols)],
    )


@dataclass(frozen=True, eq=False)
class Plain:
    """A figure that plotly.js can draw as it stands: Plotly's checks cost more than drawing it."""

    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]

    def figure(self) -> go.Figure:
        """Return it as Plotly's own, checked."""
        return go.Figure(list(self.data), dict(self.layout))

    def to_json(self) -> str:
        """Return it as plotly.js reads it."""
        return str(to_json({"data": self.data, "layout": self.layout}, validate=False))


def figure_of(height: int, traces: Sequence[Any], **layout: Any) -> go.Figure:
    """Return `plain` as Plotly's figure: all at once, as each later update costs Plotly more."""
    return plain(height, traces, **layout).figure()


def plain(height: int, traces: Sequence[Any], **layout: Any) -> Plain:
    """Return a figure: transparent, legend below, no zoom, so that a phone can scroll.

    Parameters
    ----------
    traces : of Plotly, as objects or dictionaries.
    layout : further of it; ``template`` is "none" where the page brings its own.
    """
    fixed = {"fixedrange": True}
    axes = {axis: fixed | layout.pop(axis, {}) for axis in ("xaxis", "yaxis")}
    return Plain(
        list(traces),
        {
            "height": height,
            "margin": {"l": 8, "r": 8, "t": 20, "b": 8},
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "legend": {
                "orientation": "h",
                "yref": "container",
                "y": 0,
                "yanchor": "bottom",
                "x": 0,
            },
            "dragmode": False,
            **axes,
            **layout,
        },
    )


def empty_figure(height: int) -> go.Figure:
    """Return `figure_of` nothing yet."""
    return figure_of(height, ())


def share_axis(total: int, top: float) -> dict[str, object]:
    """Return an axis of votes that reads as shares of ``total`` votes, and ends at share ``top``.

    Parameters
    ----------
    top : above 1, for the label beside a full bar.
    """
    shares = (0, 0.25, 0.5, 0.75, 1)
    return {
        "title": {"text": "share of the votes"},
        "showgrid": True,
        "range": [0, top * total],
        "tickvals": [share * total for share in shares],
        "ticktext": [f"{share:.0%}" for share in shares],
    }


def channels(colour: str) -> tuple[int, int, int]:
    """Return the red, green and blue of #RRGGBB, 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def rgba(colour: str, opacity: float) -> str:
    """Return a colour, written as #RRGGBB, at some opacity."""
    red, green, blue = channels(colour)
    return f"rgba({red},{green},{blue},{opacity})"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2: relative luminance, 1.4.3)."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    shares = (c / 255 for c in channels(colour))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def ink(background: str) -> str:
    """Return black or white, whichever reads better on a colour."""
    return max("#000000", "#FFFFFF", key=lambda text: contrast(text, background))


def readable(colour: str, background: str) -> str:
    """Return the nearest shade of a colour that has a contrast of 4.5:1 to the background."""
    towards = channels(ink(background))
    mixes = (
        [round(c + share * (end - c)) for c, end in zip(channels(colour), towards, strict=True)]
        for share in (step / 50 for step in range(51))
    )
    shades = ("#{:02X}{:02X}{:02X}".format(*mix) for mix in mixes)
    return next(shade for shade in shades if contrast(shade, background) >= 4.5)


def readable_formula(latex: str, background: str) -> str:
    """Return a formula whose coloured terms can be read on the background."""
    return re.sub(
        r"(?<=\\textcolor\{)#[0-9A-Fa-f]{6}(?=\})", lambda m: readable(m[0], background), latex
    )
