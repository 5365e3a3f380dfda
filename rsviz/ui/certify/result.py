"""The result of a run, during and after it: verdict, numbers, votes, radius."""

from dataclasses import dataclass

import plotly.graph_objects as go
import streamlit as st

from rsviz.certification.engine_choice import engine_of
from rsviz.core import live_bounds
from rsviz.core.flags import FLAGS
from rsviz.core.radius import down, in_grey_levels, rounded_up
from rsviz.core.reading import formula, reread, two_sided
from rsviz.core.spec import Bound, Certificate, RunSpec
from rsviz.figures import certificate
from rsviz.ui.common import charts, job_panel
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.sessions import Shown, shown_of


@dataclass(frozen=True)
class View:
    """How votes are read and named; ``label`` is the true class, ``values`` is d = 3HW.

    ``two_class``: they are read in the two-class form, another protocol than the field's.
    """

    alpha: float
    bound: Bound
    classes: tuple[str, ...]
    label: int | None
    values: int
    two_class: bool = False


def read(view: View, shown: Shown) -> Certificate:
    """Return the certificate that these votes give at the page's alpha and bound.

    A certificate that answers one question keeps its own, and is not read again.
    """
    c = shown.certificate
    if c.until_radius is not None:
        return c
    c = reread(c, view.alpha, view.bound)
    return two_sided(c) if view.two_class else c


def show_waiting(spec: RunSpec, device: str) -> None:
    """Say that nothing is computed yet for these settings, and what to do."""
    st.info(
        f"Press **Certify**: {spec.n0 + spec.n:,} noisy copies will vote, on {device}.",
        icon=":material/play_arrow:",
    )


def show_running(job: Job, view: View) -> None:
    """Show a job until it ends: its place in the queue, progress, Stop, and every reading."""

    def show_reading() -> None:
        shown = shown_of(job)
        if shown is not None:
            show_result(view, shown)

    job_panel.show_job(job, show_reading, "stop")


def show_result(view: View, shown: Shown) -> None:
    """Show one reading: the verdict in words, the numbers, the votes and the radius."""
    c = read(view, shown)
    _verdict(c, view, shown.stored)
    _numbers(c, view)
    _protocol(c, view)
    _counted(c)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**The votes**")
        bars = certificate.vote_bars(c.counts, view.classes, c.predicted)
        told = certificate.votes_in_words(c.counts, view.classes)
        _show(bars, "votes", told, c)
    with right:
        st.markdown("**The distance they prove**")
        _show_trace(c, shown)
    _explain(c, view)


def _verdict(c: Certificate, view: View, stored: bool) -> None:
    """Say in one line what is known now, and mark what is stored, stopped, right or wrong."""
    name = "" if c.predicted is None else view.classes[c.predicted]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if stored:
            st.badge("stored result", icon=":material/inventory_2:", color="gray")
        else:
            live = {"running": "live", "stopped": "live, stopped"}.get(c.ended, f"live, {c.ended}")
            st.badge(live, icon=":material/sensors:", color="blue")
        if view.label is not None and c.predicted is not None and not c.abstained:
            right = c.predicted == view.label
            st.badge("correct" if right else "wrong class", color="blue" if right else "red")
    if c.predicted is None:
        st.subheader("Choosing the class")
        st.caption(f"The first {c.n0} votes only choose the class; fresh ones then bound it.")
    elif c.until_radius is not None:
        answer = {"yes": "yes", "no certificate": "no certificate"}
        still = "not settled yet" if c.ended == "running" else "undecided"
        said = answer.get(c.detail["answer"], still)
        st.subheader(f"{name.capitalize()}, robust to {c.until_radius:g}? {said.capitalize()}")
        st.markdown(c.detail["why"])
    elif c.abstained and c.ended == "running":
        st.subheader(f"{name.capitalize()} leads; nothing is proved yet")
    elif c.abstained:
        st.subheader("Abstains: no majority is proved")
    else:
        more = ", so far" if c.ended == "running" else ""
        st.subheader(f"{name.capitalize()}, certified within {down(c.radius, 3)}{more}")
        levels = down(in_grey_levels(c.radius, view.values), 1)
        st.markdown(
            f"No change of the picture shorter than {down(c.radius, 3)} alters this answer. That "
            f"is as long as moving every value of the picture by {levels} of 255 grey levels."
        )


def _numbers(c: Certificate, view: View) -> None:
    """Show the radius, the bound and the votes; then both bounds side by side."""
    n, nothing = sum(c.counts), "–"
    votes = c.counts[c.predicted] if c.predicted is not None and c.counts else 0
    with st.container(horizontal=True, gap="small"):
        st.metric(
            "Radius (L2)",
            nothing if c.abstained else down(c.radius, 3),
            border=True,
            width=165,
            help="No change of the picture shorter than this alters the smoothed classifier's "
            "answer. L2 length over all pixels and colours, black being 0 and white 1.",
        )
        st.metric(
            "p_A is at least",
            down(c.p_a_lower, 4) if n else nothing,
            border=True,
            width=165,
            help="p_A: the true share of noisy copies that get this class. The votes prove that "
            "it is at least this, except with probability alpha.",
        )
        share = f"{100 * votes / n:.1f} %" if n else nothing
        st.metric(f"Share of {n:,} votes", share, border=True, width=165)
    if c.until_radius is None:
        st.markdown("\n".join(_bound_lines(c, view)))


def _protocol(c: Certificate, view: View) -> None:
    """Name the protocol that votes are read by, if it is not the field's."""
    if "p_b_upper" in c.detail:
        st.badge("two-class form", icon=":material/call_split:", color="orange")
        st.caption(
            "Another protocol than the field's, which bounds p_A alone: alpha/2 for p_A, alpha/2 "
            "for the most-voted other class. Compare it only with what is read alike."
        )
    elif c.until_radius is not None and view.two_class:
        st.caption("The two-class form is not read: votes that end by a question answer it alone.")


def _counted(c: Certificate) -> None:
    """Say what counted the votes and how fast, and what a fixed number would have needed."""
    n, told = sum(c.counts), []
    if not n or c.ended == "running":
        return
    if c.path:
        rate = f", {(c.n0 + n) / c.seconds:,.0f} votes/s" if c.seconds else ""
        told.append(f"Counted by {engine_of(c.path)} on {c.device}{rate}.")
    needed = live_bounds.planned_votes(c)
    if c.until_radius is not None:
        told.append(f"{n:,} votes were needed; the fixed-n protocol counts all {c.n:,}.")
    if needed is not None:
        told.append(
            f"With n fixed in advance, {needed:,} votes of this share would have certified as much."
        )
    st.caption(" ".join(told))


def _bound_lines(c: Certificate, view: View) -> list[str]:
    """Write what each bound says, or why it may not be read."""
    lines = []
    if (reading := live_bounds.anytime(c, view.alpha, view.bound)) is not None:
        lines.append(f"- Anytime bound, holds whenever you look: {_in_words(reading)}")
    if live_bounds.PLANNED[view.bound]:
        reading = live_bounds.planned(c, view.alpha, view.bound)
        if told := _in_words(reading) if reading else live_bounds.refusal(c):
            lines.append(f"- Clopper-Pearson, what papers report: {told}")
    return lines


def _in_words(reading: live_bounds.Reading) -> str:
    radius = f"radius **{down(reading.radius, 3)}**" if reading.radius else "no radius"
    p_b = reading.p_b_upper
    other = "" if p_b is None else f", p_B ≤ {rounded_up(p_b, 4):.4f}"
    return f"p_A ≥ {down(reading.p_a_lower, 4)}{other}, {radius} (at alpha {reading.alpha:.3g})"


def _show_trace(c: Certificate, shown: Shown) -> None:
    figure, told = certificate.radius_of_run(c, shown.readings)
    _show(figure, "radius_trace", told, c)


def _show(figure: go.Figure, key: str, alt: str, c: Certificate) -> None:
    """Show a figure that moves while votes come in; its numbers stand with the certificate."""
    charts.show_figure(figure, key, alt, live=c.ended == "running", offered=False)


def _explain(c: Certificate, view: View) -> None:
    """Show the radius formula with this run's numbers, the guarantee, and abstention explained."""
    if c.predicted is not None and sum(c.counts) > 0 and max(c.counts) > c.counts[c.predicted]:
        leading = view.classes[c.counts.index(max(c.counts))]
        st.caption(
            f"The first {c.n0} votes, which only choose the class, chose "
            f"{view.classes[c.predicted]}; of the fresh votes {leading} has more. That happens "
            "where no class dominates, and it certifies neither."
        )
    if c.until_radius is None or not c.abstained:
        st.latex(_in_lines(formula(c)))
    if c.until_radius is None and c.abstained and c.ended != "running":
        st.info(
            "**Abstaining is an answer of its own**, neither radius 0 nor a mistake. The votes do "
            "not prove that the chosen class gets more than half of all noisy copies, so nothing "
            "is claimed. Less noise, more votes or a clearer picture can change that.",
            icon=":material/do_not_disturb_on:",
        )
    if not c.abstained:
        st.markdown(f"**The guarantee.** {c.guarantee} Here alpha = {c.alpha:g}.")
    show_flags(c)


def show_flags(c: Certificate) -> None:
    """Say of each flag of a run that ended what it means and what to do."""
    for name in c.flags if c.ended != "running" else ():
        flag = FLAGS[name]
        st.caption(f":material/flag: **{name.capitalize()}.** {flag.meaning} {flag.what_to_do}")


def _in_lines(formula: str) -> str:
    """Break a formula at its second equals sign: a phone is too narrow for one line."""
    left, *right = formula.split(" = ", 2)
    if not right:
        return formula
    return r"\begin{aligned}" + left + " &= " + r" \\ &= ".join(right) + r"\end{aligned}"
