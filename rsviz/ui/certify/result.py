"""The stage: picture, noisy copies, votes and radius, the same before, during and after a run.

Shape suffixes: N copies, C channels, H height, W width.
"""

from dataclasses import dataclass

import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from rsviz.certification.engine_choice import engine_of
from rsviz.core import live_bounds
from rsviz.core.flags import FLAGS
from rsviz.core.radius import down, in_grey_levels, rounded_up
from rsviz.core.reading import formula, reread, two_sided
from rsviz.core.spec import Bound, Certificate, RunSpec
from rsviz.data import images
from rsviz.figures import certificate
from rsviz.ui.common import charts, job_panel, picture_picker, run_controls
from rsviz.ui.common.address import plain
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.picture_picker import Picture
from rsviz.ui.common.picture_strip import show_strip
from rsviz.ui.common.sessions import Shown, shown_of

COPIES = 8  # of a run, shown with the vote each cast
VERDICT = 225  # pixels, whatever is said there, so that nothing below it moves


@dataclass(frozen=True, eq=False)
class View:
    """What a run is of, and how its votes are read and named.

    ``noisy_NCHW`` and ``class_N`` are its first noisy copies and their votes. ``two_class``: votes
    are read in the two-class form, another protocol than the field's.
    """

    picture: Picture
    noisy_NCHW: Tensor
    class_N: Tensor
    classes: tuple[str, ...]
    alpha: float
    bound: Bound
    two_class: bool = False

    @property
    def label(self) -> int | None:
        """The true class, None where nobody knows it."""
        return self.picture.source.label


def read(view: View, shown: Shown) -> Certificate:
    """Return the certificate that these votes give at the page's alpha and bound.

    A certificate that answers one question keeps its own, and is not read again.
    """
    c = shown.certificate
    if c.until_radius is not None:
        return c
    c = reread(c, view.alpha, view.bound)
    return two_sided(c) if view.two_class else c


def show_running(job: Job, view: View) -> None:
    """Show a job until it ends: its place in the queue, progress, Stop, and every reading."""
    job_panel.show_job(job, lambda: _show(view, shown_of(job)), "stop")


def show_ended(
    job: Job | None, shown: Shown | None, spec: RunSpec, device: str, view: View
) -> None:
    """Show what a run came to, and the button that counts the rest of its votes."""
    with st.container():  # as around what runs, so that nothing moves when it starts and ends
        left, right = job_panel.row()
        counted = (
            0 if shown is None else sum(shown.certificate.counts0) + sum(shown.certificate.counts)
        )
        planned = spec.n0 + spec.n
        if job is not None and job.error:
            left.error(plain(job.error, 400))
        elif shown is not None and shown.certificate.ended in ("complete", "settled"):
            left.progress(1.0, f"{counted:,} votes counted on {shown.certificate.device}")
        else:
            told = f"{counted:,} of {planned:,} votes counted; the rest will vote on {device}"
            left.progress(counted / planned, told)
        everything = shown is not None and shown.certificate.ended != "stopped"
        with right:
            run_controls.press_certify("Again" if everything else "Certify", everything)
        _show(view, shown)


def _show(view: View, shown: Shown | None) -> None:
    """Show the picture and its copies, the verdict with the votes, the radius; then the details."""
    with st.container(key="stage"):
        pictures, votes, distance = st.columns([5, 7, 7], gap="medium")
        c = None if shown is None else read(view, shown)
        with pictures:
            _pictures(view, c)
        if c is None or shown is None:
            with votes.container(height=VERDICT, border=False):
                st.subheader("Choosing the class")
                st.caption("The first votes only choose it; fresh ones then bound its share.")
            with votes:
                none = certificate.vote_bars((), view.classes, None)
                charts.show_figure(none, "votes", "No votes have come in yet.", live=True)
            return
        with votes:
            with st.container(height=VERDICT, border=False):
                _verdict(c, view, shown.stored)
            bars = certificate.vote_bars(c.counts, view.classes, c.predicted)
            _figure(bars, "votes", certificate.votes_in_words(c.counts, view.classes), c)
        with distance:
            _numbers(c)
            figure, told = certificate.radius_of_run(c, shown.readings)
            _figure(figure, "radius_trace", told, c)
    with st.expander("How sure is this?", icon=":material/rule:"):
        if c.until_radius is None:
            st.markdown("\n".join(_bound_lines(c, view)))
        _protocol(c, view)
        _counted(c)
        _explain(c)
    _said(c, view)


def _pictures(view: View, c: Certificate | None) -> None:
    """Show what the network sees, and the first noisy copies with the vote each cast."""
    picture_picker.show(view.picture, view.classes)
    top = None if c is None else c.predicted
    names = [view.classes[k] + (" ✓" if k == top else "") for k in view.class_N.tolist()]
    drawn = [images.to_pil(x_CHW, 3) for x_CHW in view.noisy_NCHW]
    half = COPIES // 2
    for row in (slice(0, half), slice(half, COPIES)):
        show_strip(list(zip(drawn[row], names[row], strict=True)))


def _verdict(c: Certificate, view: View, stored: bool) -> None:
    """Say in one line what is known now, and mark what is stored, stopped, right or wrong."""
    name = "" if c.predicted is None else view.classes[c.predicted]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if stored:
            st.badge("stored result", icon=":material/inventory_2:", color="gray")
        else:
            counted = sum(c.counts0) + sum(c.counts)
            live = {"running": "live, so far", "stopped": f"live, stopped after {counted:,} votes"}
            told = live.get(c.ended, f"live, {c.ended}")
            st.badge(told, icon=":material/sensors:", color="blue")
        if view.label is not None and c.predicted is not None and not c.abstained:
            right = c.predicted == view.label
            said = "correct" if right else "certified, and wrong"
            st.badge(said, color="blue" if right else "red")
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
        st.subheader(f"{name.capitalize()}, certified within {down(c.radius, 3)}")
        levels = down(in_grey_levels(c.radius, view.picture.x_CHW.numel()), 1)
        st.markdown(
            f"No change of the picture shorter than {down(c.radius, 3)} alters this answer. That "
            f"is as long as moving every value of the picture by {levels} of 255 grey levels."
        )


def _numbers(c: Certificate) -> None:
    """Show the radius and the bound that it comes from."""
    nothing = "–"
    with st.container(horizontal=True, gap="small"):
        st.metric(
            "Radius (L2)",
            nothing if c.abstained else down(c.radius, 3),
            width=130,
            help="No change of the picture shorter than this alters the smoothed classifier's "
            "answer. L2 length over all pixels and colours, black being 0 and white 1.",
        )
        st.metric(
            "p_A is at least",
            down(c.p_a_lower, 4) if sum(c.counts) else nothing,
            width=150,
            help="p_A: the true share of noisy copies that get this class. The votes prove that "
            "it is at least this, except with probability alpha.",
        )


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
    """Write the share of the votes, and what each bound says or why it may not be read."""
    lines = []
    if c.predicted is not None and (n := sum(c.counts)):
        lines.append(f"- Share of {n:,} votes: {100 * c.counts[c.predicted] / n:.1f} %")
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


def _figure(figure: go.Figure, key: str, alt: str, c: Certificate) -> None:
    """Show a figure that moves while votes come in; its numbers stand with the certificate."""
    charts.show_figure(figure, key, alt, live=c.ended == "running", offered=False)


def _said(c: Certificate, view: View) -> None:
    """Say what must not be missed: a class chosen against the fresh votes, abstention, flags."""
    if c.predicted is not None and sum(c.counts) > 0 and max(c.counts) > c.counts[c.predicted]:
        leading = view.classes[c.counts.index(max(c.counts))]
        st.caption(
            f"The first {c.n0} votes, which only choose the class, chose "
            f"{view.classes[c.predicted]}; of the fresh votes {leading} has more. That happens "
            "where no class dominates, and it certifies neither."
        )
    if c.until_radius is None and c.abstained and c.ended != "running":
        st.info(
            "**Abstaining is an answer of its own**, neither radius 0 nor a mistake. The votes do "
            "not prove that the chosen class gets more than half of all noisy copies, so nothing "
            "is claimed. Less noise, more votes or a clearer picture can change that.",
            icon=":material/do_not_disturb_on:",
        )
    show_flags(c)


def _explain(c: Certificate) -> None:
    """Show the radius formula with this run's numbers, and the guarantee."""
    if c.until_radius is None or not c.abstained:
        st.latex(_in_lines(formula(c)))
    if not c.abstained:
        st.markdown(f"**The guarantee.** {c.guarantee} Here alpha = {c.alpha:g}.")


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
