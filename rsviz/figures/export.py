"""A run, written so that somebody else can repeat it (no torch here)."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # slow to import, and only a figure's owner has it
    import plotly.graph_objects as go


def figure_csv(figure: "go.Figure") -> str:
    """Return the points of every curve, bar and map of a figure as CSV: curve, x, y and maybe z.

    A straight line that has a name has one number, where it crosses its axis. Pictures in a figure
    have no numbers and are left out. A name that a spreadsheet would take for a formula gets a
    quote in front.
    """
    rows = [(trace.name or "", *point) for trace in figure.data for point in _points(trace)]
    rows += [
        (line.name, line.x0 if line.x0 == line.x1 else "", line.y0 if line.y0 == line.y1 else "")
        for line in figure.layout.shapes
        if line.type == "line" and line.name
    ]
    width = max((len(row) for row in rows), default=3)
    padded = ((*row, *("",) * (width - len(row))) for row in rows)
    return _csv(("curve", "x", "y", "z")[:width], padded)


def _points(trace: Any) -> Iterable[tuple[object, ...]]:
    """Return a trace's points: (x, y), of a map (x, y, z), of a triangle its three shares.

    A histogram that counts in the browser has x alone.
    """
    if trace.type in ("heatmap", "contour"):
        x = range(len(trace.z[0])) if trace.x is None else trace.x
        y = range(len(trace.z)) if trace.y is None else trace.y
        each = zip(y, trace.z, strict=True)
        return [(a, b, z) for b, z_X in each for a, z in zip(x, z_X, strict=True)]
    if trace.type == "scatterternary":
        return zip(trace.a, trace.b, trace.c, strict=True)
    x, y = getattr(trace, "x", None), getattr(trace, "y", None)
    if x is None:
        return []
    return [(a, "") for a in x] if y is None else zip(x, y, strict=False)


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(head)
    for row in rows:
        write([_inert(value) for value in row])
    return out.getvalue()


def _inert(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
