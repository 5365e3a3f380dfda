"""The stage of a page: a run's picture, votes and radius in one window, from first vote to last.

The same is drawn before, during and after a run, so nothing moves: a row of progress and button,
which becomes Stop in its place, and three columns below it (`ui/frame.py` holds their style).

Shape suffixes: N copies, C channels, H height, W width.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from rsviz.core.spec import Certificate, RunSpec
from rsviz.data import images
from rsviz.figures import certificate
from rsviz.figures.style import Plain
from rsviz.ui.common import charts, job_panel, run_controls
from rsviz.ui.common.address import plain
from rsviz.ui.common.drawing import LINE
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.picture_strip import show_strip
from rsviz.ui.common.pictures import NONE_OF_THESE, Source

COPIES = 8  # of a run, shown with the vote each cast
VERDICT = 232  # pixels, whatever is said there, so that nothing below it moves


def first_look(spec: RunSpec) -> RunSpec:
    """Return the run that a page starts unasked: this one, with few votes."""
    return replace(spec, n=min(spec.n, run_controls.FIRST_LOOK))


def show(
    job: Job | None, draw: Callable[[], None], share: float, told: str, label: str, whole: bool
) -> None:
    """Show a run: its progress and Stop while it is active, else how far it came and its button.

    Parameters
    ----------
    draw : draws the stage from what the run has found; called at every look.
    share, told : how far it came, from 0 to 1 and in words.
    label : of the button, which starts a run; ``whole``: all that was asked for is done.
    """
    if job is not None and job.active:
        job_panel.show_job(job, draw, "stop")
        return
    with st.container():  # as around what runs, so that nothing moves when it starts and ends
        left, right = job_panel.row()
        if job is not None and job.error:
            left.error(plain(job.error, 400))
        else:
            left.progress(share, told)
        with right:
            run_controls.press_run(label, whole)
        draw()
    LINE.give_way()


def columns() -> list[DeltaGenerator]:
    """Return the places of the pictures, of the verdict with the votes, and of the radius."""
    with st.container(key="stage"):
        return st.columns([5, 7, 7], gap="medium")


def verdict() -> DeltaGenerator:
    """Return the place of the verdict, as high whatever is said there."""
    return st.container(height=VERDICT, border=False, gap="xxsmall")


def headline(c: Certificate, name: str, radius: str) -> str:
    """Return in one line what is known now of the class of this name; radius in words."""
    if c.predicted is None:
        return "Choosing the class"
    if c.abstained:
        leads = f"{name} leads; nothing is proved yet"
        return leads if c.ended == "running" else "Abstains: no majority is proved"
    return f"{name}, certified within {radius}"


def show_badges(
    c: Certificate, label: int | None, stored: bool = False, claimed: bool = False
) -> None:
    """Mark what is claimed by a link, stored, stopped, right or wrong, or read otherwise."""
    if claimed:
        said = [":orange-badge[:material/link: claimed by the link]"]
    elif stored:
        said = [":gray-badge[:material/inventory_2: stored result]"]
    else:
        counted = sum(c.counts0) + sum(c.counts)
        live = {"running": "live, so far", "stopped": f"live, stopped after {counted:,} votes"}
        said = [f":blue-badge[:material/sensors: {live.get(c.ended, f'live, {c.ended}')}]"]
    if label is not None and c.predicted is not None and not c.abstained:
        right = c.predicted == label
        said.append(":blue-badge[correct]" if right else ":red-badge[certified, and wrong]")
    if "p_b_upper" in c.detail:
        form = "two-class form, another protocol than the field's"
        said.append(f":orange-badge[:material/call_split: {form}]")
    st.markdown(" ".join(said))  # one element, as each is a message


def say_unknown(source: Source, classes: Sequence[str]) -> None:
    """Say of a visitor's own picture what becomes of one that shows none of the classes."""
    known = len(classes)
    if source.dataset:
        return
    if source.label == NONE_OF_THESE:
        st.markdown(
            f"**None of these {known}, you say:** the network must name one all the same. How far "
            "it stays with that is proved; that it is right is not, and cannot be."
        )
    elif source.label is None:
        st.caption(f"If it shows none of these {known}, the network names one all the same.")


def show_copies(noisy_NCHW: Tensor, vote_N: Sequence[str]) -> None:
    """Show noisy copies, each with the vote that it cast, in two rows."""
    drawn = [images.to_pil(x_CHW) for x_CHW in noisy_NCHW]
    half = COPIES // 2
    for row in (slice(0, half), slice(half, COPIES)):
        if drawn[row]:
            show_strip(list(zip(drawn[row], vote_N[row], strict=True)))


def votes_of(class_N: Tensor, classes: Sequence[str], top: int | None) -> list[str]:
    """Return what copies voted, the leading class marked."""
    return [classes[k] + (" ✓" if k == top else "") for k in class_N.tolist()]


def show_awaited(classes: Sequence[str]) -> None:
    """Show the place of the votes before the first of them."""
    with verdict():
        st.subheader("Choosing the class")
        st.caption("The first votes only choose it; fresh ones then bound its share.")
    none = certificate.plain_bars((), classes, None)
    charts.show_changing(none, "votes", "No votes have come in yet.", offered=False)


def show_votes(c: Certificate, classes: Sequence[str], offered: bool = False) -> None:
    """Show how many votes each class has."""
    bars = certificate.plain_bars(c.counts, classes, c.predicted)
    running = c.ended == "running"
    show_figure(bars, "votes", certificate.votes_in_words(c.counts, classes), running, offered)


def show_figure(
    figure: go.Figure | Plain, key: str, alt: str, running: bool, offered: bool = False
) -> None:
    """Show a figure that moves while votes come in.

    Parameters
    ----------
    offered : whether its numbers are offered below it once the run ended, and not with the
        certificate.
    """
    charts.show_changing(figure, key, alt, offered and not running)
