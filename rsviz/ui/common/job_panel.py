"""The one panel of a running job: progress, rate, time left, whom it shares with, Stop, errors.

A page gives it a function that shows the newest reading; the panel looks again until the job ends.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from rsviz.ui.common import jobs
from rsviz.ui.common.drawing import LINE
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.sentences import told

POLL_SECONDS = 0.5
SHORT_SECONDS = 0.3
LOOKS_SAVED = 3
SHARED_WELL = 4  # runs of a device that may look as often as they like


def show_job(
    job: Job, show_reading: Callable[[], None], stop_key: str, poll: float = POLL_SECONDS
) -> None:
    """Show a job that waits or runs, until it ends: then the whole page runs again.

    Among many runs each comes on slowly, and is looked at less often.

    Parameters
    ----------
    show_reading : draws what ``job`` has found so far; called at every look.
    stop_key : the key of the Stop button, one a page.
    poll : seconds from one look to the next.
    """
    crowd = _crowd(job)

    @st.fragment(run_every=poll * crowd)
    def panel() -> None:
        with LINE.turn():
            draw()

    def draw() -> None:
        if not job.active or _crowd(job) <= crowd / 2:
            st.rerun()
        left, right = row()
        left.progress(*progress(job))
        right.button(
            "Stop", key=stop_key, on_click=job.stop, icon=":material/stop:", width="stretch"
        )
        with told():
            show_reading()

    panel()


def await_short(job: Job) -> None:
    """Wait a moment for the end of a short run: drawn at once, it need not be looked at again.

    Among many runs no longer than for what there is to draw first, which may take more than that
    moment, as each look delays them all. Meanwhile others draw.
    """
    with LINE.aside():
        if _crowd(job) > 1 or not job.ended.wait(SHORT_SECONDS):
            crowd = _crowd(job)  # they may have come meanwhile
            if crowd > 1:
                job.begun.wait(SHORT_SECONDS * (1 + LOOKS_SAVED * (crowd - 1)))


def _crowd(job: Job) -> float:
    """Return how many times more runs share the job's device than may look as they like."""
    return max(1.0, jobs.device(job.device).beside(job) / SHARED_WELL)


def row() -> list[Any]:
    """Return the places of a job's progress and button, the same before, during and after it."""
    with st.container(key="job"):
        return st.columns([4, 1], vertical_alignment="center")


def progress(job: Job) -> tuple[float, str]:
    """Return how far a job is, from 0 to 1, and in words: done, rate, time left, where."""
    latest, others = job.latest, jobs.device(job.device).beside(job)
    where = f"on {job.device}"
    if others:
        where += f", shared with {others} other {'run' if others == 1 else 'runs'}"
    if latest is None:
        return 0.0, f"Starting {where}" if others else "Starting"
    planned = max(latest.planned, latest.done, 1)
    words = [f"{latest.done:,} of {planned:,} {latest.unit}"]
    if (rate := job.rate) > 0:
        words += [
            f"{rate:,.0f} {latest.unit}/s" if rate >= 10 else f"{rate:.2g} {latest.unit}/s",
            f"{_time((planned - latest.done) / rate)} left",
        ]
    return latest.done / planned, " · ".join([*words, where])


def _time(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"
