"""One picture, one row a chooser: the level it takes and what it proves, beside fixed levels."""

from collections.abc import Iterable

import streamlit as st

from rsviz.core.radius import down
from rsviz.core.spec import Certificate
from rsviz.figures.levels import Row
from rsviz.methods.registry import METHODS
from rsviz.ui.levels.readings import Readings


def rows_of(
    found: Readings, choosers: Iterable[str], label: int | None, running: bool
) -> list[Row]:
    """Return the rows: choosers first, then levels held fixed.

    The best fixed level is that of the largest radius for the right class; without a true label,
    for the class that the first chooser predicts.
    """
    predicted = (c.predicted for c in found.by_method.values() if not c.abstained)
    wanted = label if label is not None else next(predicted, None)
    rows = []
    for method in choosers:
        c = found.by_method.get(method)
        kind, level, radius = "not yet", None, None
        if c is not None:
            kind, level, radius = _kind(c, wanted, running), c.sigma, c.radius
            if method in found.lacking and c.abstained:
                kind = "needs votes"
        rows.append(Row(METHODS[method].label, level, radius, kind, True))
    kinds = {s: _kind(c, wanted, running) for s, c in found.fixed.items()}
    right = [s for s, kind in kinds.items() if kind == "right class"]
    if right and not running:
        kinds[max(right, key=lambda s: found.fixed[s].radius)] = "best afterwards"
    return rows + [
        Row(f"level {s:g} for all", s, c.radius, kinds[s], False) for s, c in found.fixed.items()
    ]


def _kind(c: Certificate, wanted: int | None, running: bool) -> str:
    if c.abstained or c.predicted is None:
        return "not yet" if running and c.ended == "running" else "no class"
    return "right class" if c.predicted == wanted else "wrong class"


def show_words(rows: list[Row], found: Readings) -> None:
    """Say what the race came to, and what may be made of it."""
    if said := in_words(rows):
        st.markdown(said)
    if found.by_method:
        where = "read from the votes of shipped logs" if found.stored else "counted just now"
        st.caption(
            f"{found.n:,} votes a stage, {where}; radii are rounded down. Fixed levels are of the "
            "networks that the cascade asks. Their best is known only afterwards: picking it is "
            "**not** a certificate."
        )


def in_words(rows: list[Row]) -> str:
    """Say who proves most, and how far that is from the best fixed level."""
    proved = [r for r in rows if r.chooses and r.kind == "right class" and r.radius]
    best = next((r for r in rows if r.kind == "best afterwards"), None)
    if not proved:
        return ""
    first = max(proved, key=lambda r: r.radius or 0.0)
    said = (
        f"**{first.name}** proves most here: {down(first.radius or 0, 3)} at level {first.level:g}."
    )
    if best is None:
        return said
    return f"{said} The best level for all would have proved {down(best.radius or 0, 3)}."
