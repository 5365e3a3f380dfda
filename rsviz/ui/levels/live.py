"""What the Noise levels page shows of one picture, live while it runs: the race, one chooser."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.spec import RunSpec
from rsviz.ui.common import job_panel, sessions
from rsviz.ui.common.address import plain
from rsviz.ui.common.jobs import Job
from rsviz.ui.levels import controls, race, readings, run
from rsviz.ui.levels.controls import Picked
from rsviz.ui.levels.readings import Readings


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked: a picture, the choosers and their runs, and the one to look at closely.

    ``key`` is that of the run that would answer.
    """

    key: Hashable
    picked: Picked
    found: Mapping[str, Checkpoint]
    specs: Mapping[str, RunSpec]
    method: str
    classes: Sequence[str]


def show(asked: Asked, answer: DeltaGenerator, closer: DeltaGenerator) -> None:
    """Show the race in ``answer`` and the chooser in ``closer``, both anew until a run ends."""
    job = sessions.desk("levels").find(asked.key)
    with answer:
        if job is not None and job.active:
            job_panel.show_job(job, lambda: _show_answer(asked, job), "stop_levels")
        else:
            if job is not None and job.error:
                st.error(plain(job.error, 400))
            _show_answer(asked, job)
    with closer:
        if job is not None and job.active:
            st.fragment(_show_closer, run_every=job_panel.POLL_SECONDS)(asked, job)
        else:
            _show_closer(asked, job)


def _readings(asked: Asked, job: Job | None) -> Readings:
    if job is None:
        return readings.of_logs(asked.found, asked.specs, asked.picked.name)
    return readings.of_job(job, asked.specs)


def _show_answer(asked: Asked, job: Job | None) -> None:
    found, running = _readings(asked, job), job is not None and job.active
    glances: dict[str, float | None] = dict.fromkeys(asked.found)
    if not found.by_method and job is None:
        glances = {m: _glance(asked, m) for m in asked.found}
    own = found.by_method.get(asked.method)
    controls.show_picture(asked.picked, own.sigma if own else glances[asked.method])
    race.show(race.rows_of(found, glances, asked.picked.label, running), found, running)
    if asked.picked.label is not None:
        st.caption(f"True label: **{asked.classes[asked.picked.label]}**.")
    if job is None and len(found.by_method) < len(asked.found):
        st.info(
            "Press **Certify by every chooser**: noisy copies vote for level and class.",
            icon=":material/play_arrow:",
        )
    elif found.lacking and not running:
        st.info(
            "These votes do not reach for the knobs of now; **Certify by every chooser** counts "
            "those that lack.",
            icon=":material/play_arrow:",
        )


def _glance(asked: Asked, method: str) -> float:
    nets = sessions.networks(asked.found[method], "cpu")
    return controls.glance(asked.picked, nets, asked.specs[method])[0]


def _show_closer(asked: Asked, job: Job | None) -> None:
    own = _readings(asked, job).by_method.get(asked.method)
    if own is None:
        st.caption("Its votes are not counted yet.")
    else:
        run.show(own, asked.specs[asked.method], asked.classes, asked.picked.label)
    if job is None or not job.active:
        nets = sessions.networks(asked.found[asked.method], "cpu") if asked.picked.knobs else {}
        controls.show_follow(asked.picked, nets, asked.specs[asked.method])
