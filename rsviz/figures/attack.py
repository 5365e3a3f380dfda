"""The figure of attacks on one image: how its votes give way as the change grows (no torch)."""

from collections.abc import Sequence

import plotly.graph_objects as go

from rsviz.core.radius import down
from rsviz.core.spec import Norm
from rsviz.figures.style import ABSTAINS, GREEN, GREY, RIGHT, WRONG, empty_figure

LOOKS = {
    "holds": (RIGHT, "circle", "answer kept"),
    "broken": (WRONG, "x", "answer changed"),
    "undecided": (ABSTAINS, "diamond", "PREDICT abstains"),
}


def votes_by_length(
    length_T: Sequence[float],
    share_T: Sequence[float],
    verdict_T: Sequence[str],
    radius: float,
    norm: Norm,
) -> go.Figure:
    """Draw the share of votes that the certified class keeps, and the certified radius.

    Parameters
    ----------
    length_T : how long each attack's change was; share_T, verdict_T what it left and PREDICT said.
    """
    figure = empty_figure(340)
    figure.add_scatter(
        x=list(length_T),
        y=list(share_T),
        mode="lines",
        line={"color": GREY, "width": 1.5, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )
    for verdict, (colour, symbol, name) in LOOKS.items():
        at = [i for i, v in enumerate(verdict_T) if v == verdict]
        figure.add_scatter(
            x=[length_T[i] for i in at],
            y=[share_T[i] for i in at],
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 11},
            name=name,
            hovertemplate=f"length %{{x:.4g}}: %{{y:.1%}} of the votes, {verdict}<extra></extra>",
        )
    figure.add_vrect(x0=0, x1=radius, fillcolor=GREEN, opacity=0.15, line_width=0)
    top = 1.06 * max([*length_T, radius]) or 1.0
    figure.add_vline(
        x=radius,
        line={"color": GREEN, "width": 2},
        name="certified radius",
        annotation={"text": "certified radius"},
        annotation_position="top left" if radius > 0.6 * top else "top right",
    )
    title = f"length of the change ({norm}, pixels in [0, 1])"
    figure.update_xaxes(title=title, range=[0, top])
    figure.update_yaxes(title="votes for the certified class", range=[-0.03, 1.1], tickformat=".0%")
    figure.update_layout(margin={"t": 24})
    return figure


def in_words(length_T: Sequence[float], verdict_T: Sequence[str], radius: float) -> str:
    """Describe `votes_by_length` for readers who cannot see it."""
    broken = [r for r, v in zip(length_T, verdict_T, strict=True) if v == "broken"]
    first = f"the shortest that changed the answer has length {min(broken):.3g}" if broken else ""
    return (
        f"{len(length_T)} attacks; {first or 'none changed the answer'}; "
        f"the certified radius is {down(radius, 3 if radius >= 0.1 else 5)}."
    )
