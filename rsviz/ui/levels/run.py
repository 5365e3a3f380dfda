"""A run of the Noise levels page: the votes, the certificate, and every fixed level beside it.

Shape suffix: L noise levels.
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from rsviz.certification import every_level
from rsviz.certification.certify import Together
from rsviz.core.radius import down
from rsviz.core.spec import Certificate, RunSpec
from rsviz.figures import levels
from rsviz.methods.base import LevelDetail
from rsviz.methods.registry import METHODS
from rsviz.ui.certify.result import show_flags
from rsviz.ui.common import charts, job_panel
from rsviz.ui.common.address import plain
from rsviz.ui.common.jobs import Job


def show_run(job: Job, spec: RunSpec, classes: Sequence[str], label: int | None) -> None:
    """Show a run: every reading while votes come in, then how it ended."""

    def show_latest() -> None:
        if isinstance(job.latest, Together):
            show_reading(job.latest.by_name, spec, classes, label)

    if job.active:
        job_panel.show_job(job, show_latest, "stop_levels")
        return
    if job.error:
        st.error(plain(job.error, 400))
    show_latest()


def show_reading(
    by_name: Mapping[str, Certificate], spec: RunSpec, classes: Sequence[str], label: int | None
) -> None:
    """Show the level's votes, the certificate that follows, and every fixed level beside it."""
    own = by_name[every_level.OWN]
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Votes for the level**")
        _show_votes(own)
    with right:
        st.markdown("**What every fixed level would have certified** (what-if)")
        _show_fixed(by_name, own, label)
    _show_certificate(own, classes, label)
    _show_both_radii(own, spec)


def _detail(own: Certificate) -> LevelDetail:
    """Return what a certificate tells of its level, by its method."""
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
    charts.show_figure(
        levels.level_votes(counts_L, level_L, chosen, possible),
        "level_votes",
        levels.votes_in_words(counts_L, level_L),
        live=own.ended == "running",
    )
    if detail.in_words:
        st.caption(detail.in_words)


def _show_fixed(by_name: Mapping[str, Certificate], own: Certificate, label: int | None) -> None:
    """Show the bars; only runs that are through are compared, and the best is named."""
    fixed = {name: c for name, c in by_name.items() if name != every_level.OWN}
    if not fixed:
        st.caption("They are counted after the picture's own run.")
        return
    ended = own.ended != "running"
    bars = fixed_levels(fixed, own.predicted if label is None else label)
    radius = own.radius if ended else None
    charts.show_figure(
        levels.fixed_bars(bars, radius),
        "fixed_bars",
        levels.fixed_in_words(bars, radius),
        live=not ended,
    )
    best = next((bar for bar in bars if bar.kind == "best afterwards"), None)
    told = "The best of these is known only afterwards; picking it is **not** a certificate."
    if best is not None and ended:
        told = (
            f"Best afterwards: level **{best.level:g}**, {down(best.radius, 3)}. " + told
            if own.sigma != best.level
            else f"The level chosen, **{best.level:g}**, is the best one here. " + told
        )
    st.caption(told)


def fixed_levels(fixed: Mapping[str, Certificate], wanted: int | None) -> list[levels.Fixed]:
    """Return what each fixed level gave; the best is the largest radius for the class wanted."""
    kinds = {
        name: "no class"
        if c.abstained
        else "right class"
        if c.predicted == wanted
        else "wrong class"
        for name, c in fixed.items()
    }
    right = [name for name, kind in kinds.items() if kind == "right class"]
    if right:
        kinds[max(right, key=lambda name: fixed[name].radius)] = "best afterwards"
    return [levels.Fixed(float(n), c.radius, kinds[n]) for n, c in fixed.items()]


def _show_certificate(own: Certificate, classes: Sequence[str], label: int | None) -> None:
    """Show the verdict, the radii of both stages and why, or what is still awaited."""
    detail = _detail(own)
    if own.predicted is None or own.abstained:
        waits = own.ended == "running"
        st.subheader("Nothing is proved yet" if waits else "Abstains: nothing is certified")
    else:
        more = ", so far" if own.ended == "running" else ""
        name = classes[own.predicted].capitalize()
        st.subheader(f"{name}, certified within {down(own.radius, 3)}{more}")
        if label is not None and own.predicted != label:
            st.badge("wrong class", color="red")
    with st.container(horizontal=True, gap="small"):
        level = "–" if own.sigma is None else f"{own.sigma:g}"
        st.metric("Level", level, border=True, width=120)
        for title, radius in detail.parts:
            told = down(radius, 3) if radius else "–"
            st.metric(title, told, border=True, width=215)
    if detail.why:
        st.caption(detail.why)
    if not own.abstained and own.ended != "running":
        shared = ", ".join(f"{event}: {a:.3g}" for event, a in own.alpha_split.items())
        st.markdown(f"**The guarantee.** {own.guarantee} Here alpha = {own.alpha:g} ({shared}).")
    show_flags(own)


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
