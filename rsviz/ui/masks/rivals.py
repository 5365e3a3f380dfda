"""Certificates forming side by side on the Masks page: ARS, the static mask, plain smoothing."""

from collections.abc import Mapping, Sequence

import streamlit as st
from torch import Tensor

from rsviz.certification import mask_rivals
from rsviz.core import live_bounds
from rsviz.core.radius import down
from rsviz.core.spec import Bound, Certificate
from rsviz.figures import masks
from rsviz.methods import registry
from rsviz.methods.registry import METHODS
from rsviz.ui.certify.result import show_flags
from rsviz.ui.common import charts, job_panel, sessions
from rsviz.ui.common.address import plain
from rsviz.ui.common.jobs import Job


def titles() -> dict[str, str]:
    """Return what each method is called here, by name, in the order shown."""
    return {name: METHODS[name].label for name in registry.on_canvases()}


def start(x_CHW: Tensor, entrants: Sequence[mask_rivals.Entrant], key: object, device: str) -> Job:
    """Queue a race for this tab, unless it runs already; it replaces the one that runs now."""
    return sessions.desk("masks").start_once(
        Job(key, device, lambda cancel: mask_rivals.race(x_CHW, entrants, device, cancel))
    )


def show(job: Job, classes: Sequence[str], label: int | None) -> None:
    """Show a race: every reading while votes come in, then how it ended."""

    def show_latest() -> None:
        show_readings(mask_rivals.by_method(job.readings), classes, label)

    if job.active:
        job_panel.show_job(job, show_latest, "stop_race")
        return
    if job.error:
        st.error(plain(job.error, 400))
    show_latest()


def show_readings(
    runs: Mapping[str, Sequence[Certificate]], classes: Sequence[str], label: int | None
) -> None:
    """Show where each method stands, and how its certificate formed."""
    with st.container(horizontal=True, gap="medium"):
        for name, title in titles().items():
            if name in runs:
                with st.container(width=260, border=True):
                    _show_one(title, runs[name][-1], classes, label)
    traces = {
        name: live_bounds.trace(certificates, certificates[-1].alpha, Bound.SPLIT)
        for name, certificates in runs.items()
    }
    traces = {name: line for name, line in traces.items() if line.votes_T}
    if traces:
        planned = max(certificates[-1].n for certificates in runs.values())
        alpha = max(certificates[-1].alpha for certificates in runs.values())
        ended = all(certificates[-1].ended != "running" for certificates in runs.values())
        charts.show_figure(
            masks.radii(traces, titles(), planned),
            "race",
            masks.radii_in_words(traces, titles()),
            live=not ended,
        )
        st.caption(
            "Certified Linf radius, in grey levels of 255. The lines are anytime bounds: each "
            "holds whenever you look. Their last point, at the planned number of votes, also uses "
            "Clopper-Pearson, which is larger. Each certificate is wrong "
            f"with probability at most {alpha:g}; to pick one of them by its radius spends "
            "the sum."
        )
    if runs:
        show_flags(next(iter(runs.values()))[-1])


def _show_one(title: str, c: Certificate, classes: Sequence[str], label: int | None) -> None:
    name = "" if c.predicted is None else classes[c.predicted]
    st.markdown(f"**{title}**")
    if c.predicted is None:
        st.caption("Choosing the class")
        return
    if c.abstained:
        waits = c.ended == "running"
        st.metric("Linf radius", "–")
        st.caption(f"{name}: nothing proved yet" if waits else f"{name} leads, but it abstains")
        return
    st.metric("Linf radius, of 255 grey levels", down(255 * c.radius, 2))
    right = "" if label is None else (", correct" if c.predicted == label else ", **wrong class**")
    st.caption(
        f"{name}{right}. Radius {down(c.radius, 5)} on [0, 1]; p_A ≥ {down(c.p_a_lower, 4)}; "
        f"{sum(c.counts):,} votes."
    )


def show_history() -> None:
    """List every race of this tab, the newest last; a new seed adds a row."""
    ended = [job for job in sessions.desk("masks").history if job.readings]
    if len(ended) < 2:
        return
    st.markdown("**Races of this session**, radii in 1/255")
    st.dataframe(
        [_history_row(mask_rivals.by_method(job.readings)) for job in ended], hide_index=True
    )
    st.caption(
        "A new seed is added, it never replaces an old result: the best of several tries is "
        "wrong more often than alpha."
    )


def _history_row(runs: Mapping[str, Sequence[Certificate]]) -> dict[str, object]:
    last = {name: certificates[-1] for name, certificates in runs.items()}
    c = next(iter(last.values()))
    return {
        "canvas": "composed" if c.image.startswith("sha256") else c.image,
        "sigma": c.sigma,
        "seed": c.seed,
        "votes": f"{sum(c.counts):,} of {c.n:,}",
        **{
            METHODS[name].label: None if r.abstained else float(down(255 * r.radius, 2))
            for name, r in last.items()
        },
    }


def best(job: Job | None) -> Certificate | None:
    """Return the last reading of the one that has rivals, None before its radius is certified."""
    runs = {} if job is None else mask_rivals.by_method(job.readings)
    own = next((name for name in runs if METHODS[name].rivals), None)
    if own is None:
        return None
    last = runs[own][-1]
    return None if last.abstained else last
