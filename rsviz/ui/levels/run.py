"""One chooser looked at closely: what chose the level, the certificate, and its guarantee.

Shape suffix: L noise levels.
"""

from collections.abc import Sequence

import streamlit as st

from rsviz.certification import every_level
from rsviz.core.radius import down
from rsviz.core.spec import Certificate, RunSpec
from rsviz.figures import levels
from rsviz.methods import multiscale
from rsviz.methods.base import LevelDetail
from rsviz.methods.registry import METHODS
from rsviz.ui.certify.result import show_flags
from rsviz.ui.common import charts, stage
from rsviz.ui.levels import cascade


def show(own: Certificate, spec: RunSpec, classes: Sequence[str]) -> None:
    """Show what a certificate rests on."""
    st.markdown(METHODS[own.method].about)
    if METHODS[own.method].options is multiscale.Options:
        cascade.show(own, classes)
    else:
        left, right = st.columns([2, 3], gap="medium")
        with left:
            st.markdown("**Votes for the level**")
            _show_votes(own)
        with right:
            _show_parts(own)
    _show_both_radii(own, spec)
    if not own.abstained and own.ended == "complete":
        shared = ", ".join(f"{event}: {a:.3g}" for event, a in own.alpha_split.items())
        st.caption(f"**The guarantee.** {own.guarantee} Here alpha = {own.alpha:g} ({shared}).")
    show_flags(own)


def _detail(own: Certificate) -> LevelDetail:
    """Return what a certificate says of its level, by its method."""
    levels = METHODS[own.method].levels
    assert levels is not None
    return levels.detail(own)


def _show_votes(own: Certificate) -> None:
    detail = _detail(own)
    counts_L, level_L = detail.votes_L, list(detail.levels)
    if not counts_L:
        st.caption("The first copies choose the level.")
        return
    chosen = level_L.index(detail.level) if detail.level in level_L else None
    possible = (detail.possible[0], detail.possible[1]) if detail.possible else None
    figure = levels.level_votes(counts_L, level_L, chosen, possible)
    charts.show_figure(figure, "level_votes", levels.votes_in_words(counts_L, level_L))


def show_verdict(own: Certificate, classes: Sequence[str], label: int | None, stored: bool) -> None:
    """Say in one line what is known now, and what decides."""
    stage.show_badges(own, label, stored)
    if own.predicted is None or own.abstained:
        waits = own.ended == "running"
        st.subheader("Nothing is proved yet" if waits else "Abstains: nothing is certified")
    else:
        name = classes[own.predicted].capitalize()
        st.subheader(f"{name}, certified within {down(own.radius, 3)}")
    if why := _detail(own).why:
        st.markdown(why)


def _show_parts(own: Certificate) -> None:
    """Show the radii that a certificate's is the least of, and what votes say of its level."""
    detail = _detail(own)
    if detail.in_words:
        st.markdown(detail.in_words)
    if not isinstance(detail, multiscale.Detail):  # whose picture holds them
        with st.container(horizontal=True, gap="small"):
            level = "–" if own.sigma is None else f"{own.sigma:g}"
            st.metric("Level", level, border=True, width=120)
            for title, radius in detail.parts:
                st.metric(title, down(radius, 3) if radius else "–", border=True, width=215)


def _show_both_radii(own: Certificate, spec: RunSpec) -> None:
    """Show the heuristic radius of the paper's style beside the sound one, labelled as such."""
    paper = every_level.paper_style(own, spec)
    if paper is None:
        return
    with st.container(horizontal=True, gap="small"):
        st.metric(
            "Sound radius",
            "–" if own.abstained else down(own.radius, 3),
            border=True,
            width=215,
        )
        st.metric(
            "Paper-style radius (heuristic)",
            "–" if paper.abstained else down(paper.radius, 3),
            border=True,
            width=215,
        )
    method = METHODS[spec.method]
    limit = "" if method.levels is None else method.levels.limit(spec)
    st.warning(f"{paper.guarantee} {limit}", icon=":material/gpp_maybe:")
