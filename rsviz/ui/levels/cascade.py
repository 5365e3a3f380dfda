"""The cascade as what it is: levels from much to little noise, and what each of them settles."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from rsviz.core.radius import down
from rsviz.core.spec import Certificate
from rsviz.figures import levels
from rsviz.figures.levels import Step
from rsviz.methods import multiscale
from rsviz.methods.multiscale import Detail
from rsviz.ui.common import charts


def steps_of(c: Certificate) -> list[Step]:
    """Return what each level says of a picture, from the most noise down."""
    detail = multiscale.detail_of(c)
    if c.predicted is None:
        return []
    limits = {row["level"]: row for row in detail.limits}
    steps = []
    for level, tau in zip(detail.levels[::-1], detail.thresholds[::-1], strict=True):
        counts_K = _counts(detail, level)
        if not counts_K:
            continue
        _, k = multiscale.rival(counts_K, c.predicted)
        total, row = max(sum(counts_K), 1), limits.get(level)
        distance = None if row is None else row["distance"]
        proves = level == detail.decides
        first_K = detail.counts0[f"{level:g}"]
        steps.append(
            Step(
                level,
                tau,
                first_K[c.predicted] / sum(first_K),
                counts_K[c.predicted] / total,
                k / total,
                _state(detail, level),
                distance,
                proves,
            )
        )
    return steps


def _counts(detail: Detail, level: float) -> Sequence[int]:
    """Return the votes of a level: those that bound, where there are any."""
    name = f"{level:g}"
    return detail.counts.get(name) or detail.counts0.get(name, ())


def _state(detail: Detail, level: float) -> str:
    assert detail.answers is not None
    if level > detail.answers:
        return "pass on"
    return "settled" if level == detail.answers else "not reached"


def show(c: Certificate, classes: Sequence[str]) -> None:
    """Show every level's votes and threshold, and the distance at which each may change."""
    steps = steps_of(c)
    if not steps or c.predicted is None:
        st.caption("The first votes are counted at the level of most noise.")
        return
    name = classes[c.predicted]
    told = levels.cascade_in_words(steps, name)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**The votes of each level, from much to little noise**")
        charts.show_figure(levels.cascade_votes(steps, name), "cascade_votes", told)
    with right:
        st.markdown("**How far away could its word change?**")
        charts.show_figure(levels.cascade_distances(steps), "cascade_distances", told)
    st.markdown("\n".join(f"{i}. {line}" for i, line in enumerate(lines(c, classes), start=1)))


def lines(c: Certificate, classes: Sequence[str]) -> list[str]:
    """Say for each level in one line what it does here, and what would change that, where."""
    assert c.predicted is not None
    detail, name = multiscale.detail_of(c), classes[c.predicted]
    limits = {row["level"]: row for row in detail.limits}
    told = []
    for step in steps_of(c):
        does = {
            "pass on": f"no class exceeds {100 * step.threshold:g} % of the first {c.n0:,} votes: "
            "**pass on**.",
            "settled": f"{100 * step.first:.0f} % of the first {c.n0:,} votes: "
            f"**settled, {name}**.",
            "not reached": "not reached at the picture itself.",
        }[step.state]
        row = limits.get(step.level)
        told.append(f"**Level {step.level:g}**: {does} " + _change(step, row, name, classes))
    return told


def _change(step: Step, row: Any, name: str, classes: Sequence[str]) -> str:
    if row is None:
        return "Its bounds are not needed."
    if row["distance"] is None:
        return "Its bounding votes are not in yet."
    far = down(max(row["distance"], 0.0), 3)
    if "p_lower" in row:
        what = f"{name} may fall to the threshold from a distance of {far}"
    else:
        other = "another class" if row["other"] is None else classes[row["other"]]
        what = f"{other} may exceed the threshold from a distance of {far}"
    return f"Here {what}." + (" **The smallest: this is the radius.**" if step.proves else "")
