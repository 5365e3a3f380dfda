"""The stage: picture, noisy copies, votes and radius, the same before, during and after a run.

Shape suffixes: N copies, C channels, H height, W width.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from rsviz.certification.engine_choice import engine_of
from rsviz.core import flags, live_bounds
from rsviz.core.errors import UserError
from rsviz.core.radius import down, in_grey_levels, rounded_up
from rsviz.core.reading import formula, reread, two_sided
from rsviz.core.spec import Bound, Certificate, RunSpec, Tries
from rsviz.figures import certificate
from rsviz.ui.common import picture_picker, stage, tried
from rsviz.ui.common.drawing import LINE
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.pictures import Picture
from rsviz.ui.common.sessions import Shown, shown_running


@dataclass(frozen=True, eq=False)
class View:
    """What a run is of, and how its votes are read and named.

    ``copies`` gives its first noisy copies, noisy_NCHW, and their votes, class_N. ``two_class``:
    votes are read in the two-class form, another protocol than the field's.
    """

    picture: Picture
    copies: Callable[[], tuple[Tensor, Tensor]]
    classes: tuple[str, ...]
    alpha: float
    bound: Bound
    sigma: float
    two_class: bool = False

    @property
    def label(self) -> int | None:
        """The true class, None where nobody knows it, `NONE_OF_THESE` where there is none."""
        return self.picture.source.label


def read(view: View, shown: Shown) -> Certificate:
    """Return the certificate that these votes give at the page's alpha and bound.

    A certificate that answers one question keeps its own, and is not read again. What was said of
    this picture before is told with it.
    """
    c = shown.certificate
    if c.until_radius is None:
        c = reread(c, view.alpha, view.bound)
        c = two_sided(c) if view.two_class else c
    return tried.mark(view.picture.source, c)


def show(
    job: Job | None,
    shown: Shown | None,
    spec: RunSpec,
    device: str,
    view: View,
    claim: Shown | None = None,
) -> None:
    """Show a run before, while and after its votes come in, and the button that counts the rest.

    Parameters
    ----------
    claim : what a link says of it, shown until its votes have been counted here.
    """
    c = None if shown is None else shown.certificate
    counted, planned = 0 if c is None else sum(c.counts0) + sum(c.counts), spec.n0 + spec.n
    whole = c is not None and c.ended in ("complete", "settled")
    if c is not None and whole:
        told = f"{counted:,} votes counted {_by_what(c)}"
    else:
        told = f"{counted:,} of {planned:,} votes counted; the rest will vote on {device}"
    running = job is not None and job.active
    stage.show(
        job,
        lambda: _show(
            view, claim or (shown_running(job) if running and job is not None else shown)
        ),
        1.0 if whole else counted / planned,
        told,
        "Again" if whole else "Certify",
        whole,
    )


def _show(view: View, shown: Shown | None) -> None:
    """Show the verdict; then the votes, the picture and its copies, the radius, the details.

    What a visitor waits for comes first; the rest waits for others who have no votes at all.
    """
    pictures, votes, distance = stage.columns()
    c = None if shown is None else read(view, shown)
    if c is None or shown is None:
        with pictures:
            picture_picker.show(view.picture, view.classes)
        with votes:
            stage.show_awaited(view.classes)
        with pictures:
            _copies(view, None)
        return
    with votes, stage.verdict():
        _verdict(c, view, shown)
    LINE.give_way()
    with votes:
        stage.show_votes(c, view.classes)
    with pictures:
        picture_picker.show(view.picture, view.classes)
        _copies(view, c.predicted)
    with distance:
        _numbers(c)
        figure, told = certificate.radius_of_run(c, shown.readings)
        stage.show_figure(figure, "radius_trace", told, c.ended == "running")
    with st.expander("How sure is this?", icon=":material/rule:"):
        if c.until_radius is None:
            st.markdown("\n".join(_bound_lines(c, view)))
        _protocol(c, view)
        _counted(c)
        _explain(c)
    _said(c, view)


def _copies(view: View, top: int | None) -> None:
    """Show the first noisy copies, and the vote of each; ``top`` is the class chosen."""
    noisy_NCHW, class_N = view.copies()
    stage.show_copies(noisy_NCHW, stage.votes_of(class_N, view.classes, top))
    st.caption(f"Noisy copies, sigma {view.sigma:g}, and the vote of each.")


def _verdict(c: Certificate, view: View, shown: Shown) -> None:
    """Say in one line what is known now, and mark what is stored, stopped, right or wrong."""
    name = "" if c.predicted is None else view.classes[c.predicted].capitalize()
    stage.show_badges(c, view.label, shown.stored, shown.claimed)
    if c.predicted is not None and c.until_radius is not None:
        answer = {"yes": "yes", "no certificate": "no certificate"}
        still = "not settled yet" if c.ended == "running" else "undecided"
        said = answer.get(c.detail["answer"], still)
        st.subheader(f"{name}, robust to {c.until_radius:g}? {said.capitalize()}")
        st.markdown(c.detail["why"])
        return
    st.subheader(stage.headline(c, name, down(c.radius, 3)))
    if c.predicted is None:
        st.caption(f"The first {c.n0} votes only choose the class; fresh ones then bound it.")
    elif not c.abstained:
        levels = down(in_grey_levels(c.radius, view.picture.x_CHW.numel()), 1)
        st.markdown(
            f"No change of the picture shorter than {down(c.radius, 3)} alters this answer. That "
            f"is as long as moving every value of the picture by {levels} of 255 grey levels."
        )
    if c.predicted is not None:
        stage.say_unknown(view.picture.source, view.classes)


def _numbers(c: Certificate) -> None:
    """Show the radius and the bound that it comes from."""
    nothing, unanswered = "–", c.until_radius is not None and c.abstained
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
            nothing if not sum(c.counts) or unanswered else down(c.p_a_lower, 4),
            width=150,
            help="p_A: the true share of noisy copies that get this class. The votes prove that "
            "it is at least this, except with probability alpha.",
        )


def _protocol(c: Certificate, view: View) -> None:
    """Name the protocol that votes are read by, if it is not the field's."""
    if "p_b_upper" in c.detail:
        st.caption(
            "Read in the two-class form: alpha/2 for p_A, alpha/2 for the most-voted other class, "
            "where the field bounds p_A alone. Compare it only with what is read alike."
        )
    elif c.until_radius is not None and view.two_class:
        st.caption("The two-class form is not read: votes that end by a question answer it alone.")


def _counted(c: Certificate) -> None:
    """Say what counted the votes and how fast, and what a fixed number would have needed."""
    n, told = sum(c.counts), []
    if not n or c.ended == "running":
        return
    if c.path:
        told.append(f"Counted {_by_what(c)}.")
    needed = live_bounds.planned_votes(c)
    if c.until_radius is not None:
        told.append(f"{n:,} votes were needed; the fixed-n protocol counts all {c.n:,}.")
    if needed is not None:
        told.append(
            f"With n fixed in advance, {needed:,} votes of this share would have certified as much."
        )
    st.caption(" ".join(told))


def _by_what(c: Certificate) -> str:
    """Say which engine counted the votes, where, and how fast where that is known."""
    engine = f"by {engine_of(c.path)} " if c.path else ""
    votes = sum(c.counts0) + sum(c.counts)
    rate = f", {votes / c.seconds:,.0f} votes/s" if c.seconds else ""
    return f"{engine}on {c.device}{rate}"


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
        flag = flags.of(name, c)
        st.caption(f":material/flag: **{name.capitalize()}.** {flag.meaning} {flag.what_to_do}")
    if c.tries is not None and c.ended != "running":
        st.caption(_all_tries(c, c.tries))


def _all_tries(c: Certificate, tries: Tries) -> str:
    """Say what a claim is worth that is chosen among all statements of this picture."""
    said = (
        f":material/history: **{tries.runs} statements of this picture** were made in this session "
        f"({', '.join(tries.changed)} differ). One that is chosen among them is wrong with "
        f"probability at most {tries.alpha:.2g}, not {c.alpha:g}."
    )
    if c.until_radius is not None or c.abstained:
        return said
    try:
        strict = reread(c, c.alpha / tries.runs)
    except UserError:  # its radius rests on several counts
        return said
    strict = two_sided(strict) if "p_b_upper" in c.detail else strict
    in_l2, levels = down(strict.radius, 3), f"{down(255 * strict.radius, 2)}/255"
    still = "abstains" if strict.abstained else f"certifies {in_l2 if c.norm == 'L2' else levels}"
    return f"{said} Read at alpha / {tries.runs}, these votes allow that choice: it {still}."


def _in_lines(formula: str) -> str:
    """Break a formula at its second equals sign: a phone is too narrow for one line."""
    left, *right = formula.split(" = ", 2)
    if not right:
        return formula
    return r"\begin{aligned}" + left + " &= " + r" \\ &= ".join(right) + r"\end{aligned}"
