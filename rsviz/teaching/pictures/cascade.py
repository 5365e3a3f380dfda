"""Chapter 5, the cascade: a line of pictures, who answers where, and the nearest change.

Shape suffixes: P points, K classes, L levels from the most noise down.
"""

import numpy as np
import plotly.graph_objects as go

from rsviz.core.cascade import distances
from rsviz.core.radius import down
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, empty_figure, rgba
from rsviz.teaching.experiments import line_of_levels as line
from rsviz.teaching.pictures.base import Picture, aligned, coloured, here

CLASS_LOOKS = ((BLUE, ""), (ORANGE, "/"), (PURPLE, "x"))
_DASHES = ("solid", "dash", "dot")
_WINDOW = (-1.6, 1.6)


def settles(place: float, tau: float) -> Picture:
    """Show which level answers along the line, the nearest change, and the radius proved."""
    seen = line.look(place, tau)
    cls, other = line.CLASSES[seen.cls], line.CLASSES[seen.other]
    return Picture(
        figure=_figure(seen, tau, revealed=True),
        teaser=_figure(seen, tau, revealed=False),
        formula=_formula(seen, tau),
        alt=(
            f"A line of pictures and the probability of class {cls} at three levels. At "
            f"{place:g} level {line.LEVELS[seen.level]:g} settles {cls}; the answer first becomes "
            f"{other} at {seen.change:.3f}; proved is a radius of {down(seen.radius, 3)}."
        ),
        answer=seen.by,
        reveal=_reveal(seen),
    )


def _reveal(seen: line.Seen) -> str:
    cls, other = line.CLASSES[seen.cls], line.CLASSES[seen.other]
    said = (
        f"Level {line.LEVELS[seen.level]:g} settles {cls} here. The answer first becomes {other} "
        f"{down(seen.distance, 3)} away, where level {line.LEVELS[seen.by]:g} gives it."
    )
    if seen.radius <= 0:
        return f"{said} Nothing is proved from the probabilities at this one point."
    proved = f"{said} Proved from this point alone are {down(seen.radius, 3)}"
    if seen.decides == seen.by:
        return f"{proved}, the distance of that very level."
    return f"{proved}: the smallest distance is that of level {line.LEVELS[seen.decides]:g}."


def _formula(seen: line.Seen, tau: float) -> str:
    """Return the radius as the least of the distances, with their numbers."""
    lines, names = [], []
    cls = line.CLASSES[seen.cls]
    for j, distance in enumerate(distances(seen.limit_L, seen.m)):
        s, last = line.LEVELS[j], j == len(line.LEVELS) - 1
        threshold = "0.5" if last else f"{tau:g}"
        limit = seen.limit_L[j]
        colour = GREEN if j == seen.decides else GREY
        if j == seen.m:
            name = rf"a_{{{s:g}}}"
            p = down(limit.p_lower, 3)
            term = rf"{s:g}\,(\Phi^{{-1}}(p_{{{cls}}}={p})-\Phi^{{-1}}({threshold}))"
        else:
            assert limit.other is not None
            name = rf"b_{{{s:g}}}"
            rival, p = line.CLASSES[limit.other], f"{limit.p_upper:.3f}"
            term = rf"{s:g}\,(\Phi^{{-1}}({threshold})-\Phi^{{-1}}(p_{{{rival}}}={p}))"
        names.append(coloured(colour, name))
        lines.append(rf"{coloured(colour, name)} &= {term} = {distance:.3f}")
    least = rf"\min({', '.join(names)})" if len(names) > 1 else names[0]
    total = down(seen.radius, 3) if seen.radius > 0 else r"\text{none}"
    return aligned(*lines, rf"{coloured(GREEN, 'R')} &= {least} = {coloured(GREEN, total)}")


def _figure(seen: line.Seen, tau: float, revealed: bool) -> go.Figure:
    """Draw the class's probability at each level, and below who answers where."""
    figure = empty_figure(520)
    at_P = np.linspace(*_WINDOW, 641)
    for s, dash in zip(line.LEVELS, _DASHES, strict=True):
        p_P = line.probabilities(at_P, s)[:, seen.cls]
        figure.add_scatter(
            x=at_P,
            y=p_P,
            mode="lines",
            line={"color": CLASS_LOOKS[seen.cls][0], "width": 2.5, "dash": dash},
            name=f"p of {line.CLASSES[seen.cls]} at level {s:g}",
            hovertemplate=f"level {s:g}: %{{y:.3f}}<extra></extra>",
        )
    figure.add_hline(y=tau, line={"color": RED, "width": 1.5, "dash": "dot"})
    if revealed:
        for trace in _strips(tau):
            figure.add_trace(trace)
        if seen.radius > 0:
            figure.add_vrect(
                x0=seen.at - seen.radius,
                x1=seen.at + seen.radius,
                fillcolor=rgba(GREEN, 0.2),
                line={"color": GREEN, "width": 2},
            )
        figure.add_scatter(
            x=[seen.change],
            y=[_row(seen.by)],
            mode="markers",
            marker={
                "symbol": "x",
                "size": 13,
                "color": RED,
                "line": {"color": "white", "width": 1.5},
            },
            name="nearest change of the answer",
            hovertemplate="the answer changes at %{x:.3f}<extra></extra>",
        )
        figure.add_trace(here(seen.at, _row(seen.level), "the picture"))
    else:
        figure.add_trace(here(seen.at, -0.06, "the picture"))
        figure.add_annotation(
            x=0.5,
            xref="paper",
            y=-0.3,
            text="Make your prediction, and who answers where appears.",
            showarrow=False,
        )
    figure.update_xaxes(title="the pictures, a line", range=list(_WINDOW))
    ticks = [0, 0.25, 0.5, 0.75, 1]
    figure.update_yaxes(
        title="probability; below: who answers",
        range=[-0.62, 1.04],
        tickvals=[_row(j) for j in (2, 1, 0)] + ticks,
        ticktext=[f"level {line.LEVELS[j]:g}" for j in (2, 1, 0)] + [f"{t:g}" for t in ticks],
    )
    return figure


def _row(level: int) -> float:
    """Return where the strip of a level lies, below the curves, the most noise on top."""
    return -0.16 - 0.17 * level


def _strips(tau: float) -> list[go.Bar]:
    """Return for each class bars where it is answered, in the row of the level that answers."""
    at_P = np.linspace(*_WINDOW, 1281)
    level_P, class_P = line.answers(at_P, tau)
    cut_C = np.flatnonzero(np.diff(level_P) | np.diff(class_P)) + 1
    start_S, stop_S = np.r_[0, cut_C], np.r_[cut_C, len(at_P)]
    bars = []
    for k, (colour, hatching) in enumerate(CLASS_LOOKS):
        own = [(a, b) for a, b in zip(start_S, stop_S, strict=True) if class_P[a] == k]
        bars.append(
            go.Bar(
                base=[at_P[a] for a, _ in own],
                x=[at_P[min(b, len(at_P) - 1)] - at_P[a] for a, b in own],
                y=[_row(int(level_P[a])) for a, _ in own],
                orientation="h",
                width=0.13,
                marker={"color": colour, "pattern": {"shape": hatching}},
                name=f"answer {line.CLASSES[k]}",
                hoverinfo="skip",
            )
        )
    return bars
