"""What the Noise levels page shows of one picture: its stage, and below it one chooser closely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.radius import down
from rsviz.core.spec import Certificate, RunSpec
from rsviz.data import images
from rsviz.figures import levels, report
from rsviz.figures.report import Part
from rsviz.ui.common import picture_picker, sessions, stage, story, tried
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.picture_strip import show_strip
from rsviz.ui.common.pictures import NONE_OF_THESE
from rsviz.ui.levels import controls, race, readings, run
from rsviz.ui.levels.controls import Picked
from rsviz.ui.levels.readings import Readings


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked: a picture, the choosers and their runs, and the one to look at closely."""

    picked: Picked
    found: Mapping[str, Checkpoint]
    specs: Mapping[str, RunSpec]
    method: str
    classes: Sequence[str]
    device: str


def read(asked: Asked, job: Job | None) -> Readings:
    """Return what is known of the picture: from this run, or from shipped logs if there is none."""
    if job is None:
        return readings.of_logs(asked.found, asked.specs, asked.picked.name)
    return readings.of_job(job, asked.specs)


def are_stored(found: Mapping[str, Checkpoint], specs: Mapping[str, RunSpec], image: str) -> bool:
    """Whether shipped logs hold the votes of every chooser."""
    return len(readings.of_logs(found, specs, image).by_method) == len(found)


def show(asked: Asked, job: Job | None, whole: bool) -> None:
    """Show the stage before, while and after votes come in, then one chooser closely.

    Parameters
    ----------
    whole : every vote that is asked for is counted.
    """
    found, latest = read(asked, job), None if job is None else job.latest
    whole = (whole or found.stored) and not found.lacking
    share = 1.0 if latest is None else latest.done / max(latest.planned, 1)
    if found.stored:
        told = f"{found.n:,} votes a stage, read from shipped logs"
    else:
        told = f"{0 if latest is None else latest.done:,} votes of all choosers on {asked.device}"
    if found.lacking:
        told = "These votes do not reach for the knobs of now; the button counts those that lack"
    label = "Again" if whole else "Certify"
    stage.show(job, lambda: _show(asked, job), share, told, label, whole)
    if job is None or not job.active:
        race.show_words(_rows(asked, found, False), found)
        found = _remembered(asked, found)
        _tell(asked, found)
        _show_closer(asked, found)


def _remembered(asked: Asked, found: Readings) -> Readings:
    """Return what the choosers proved, each with what a claim chosen among all is worth."""
    if asked.picked.source is None:
        return found
    marked = tried.told(asked.picked.source, *found.by_method.values())
    return replace(found, by_method=dict(zip(found.by_method, marked, strict=True)))


def _tell(asked: Asked, found: Readings) -> None:
    """Add what the choosers proved to the story of their picture, unless it was drawn for them."""
    own = found.by_method.get(asked.method)
    if own is None or asked.picked.knobs is not None:
        return
    rows = _rows(asked, found, False)
    part = Part(
        report.verdict(own, asked.classes),
        asked.picked.x_CHW,
        asked.classes,
        own,
        (("What every way to a level proves", lambda: levels.race(rows)),),
        race.in_words(rows),
    )
    story.tell("levels", (own.checkpoint, own.seed), part)


def _rows(asked: Asked, found: Readings, running: bool) -> list[levels.Row]:
    label = None if asked.picked.label == NONE_OF_THESE else asked.picked.label
    return race.rows_of(found, asked.found, label, running)


def _show(asked: Asked, job: Job | None) -> None:
    """Show the picture and its copies, the verdict with the votes, the level beside all others."""
    found, running = read(asked, job), job is not None and job.active
    own = found.by_method.get(asked.method)
    pictures, ballots, distance = stage.columns()
    with pictures:
        _pictures(asked, own)
    with ballots:
        if own is None:
            stage.show_awaited(asked.classes)
        else:
            with stage.verdict():
                run.show_verdict(own, asked.classes, asked.picked.label, found.stored)
                if asked.picked.source is not None and own.predicted is not None:
                    stage.say_unknown(asked.picked.source, asked.classes)
            stage.show_votes(own, asked.classes, offered=True)
    with distance:
        _numbers(own)
        rows = _rows(asked, found, running)
        told = levels.race_in_words(rows)
        stage.show_figure(levels.race(rows, running), "race", told, running, offered=True)


def _pictures(asked: Asked, own: Certificate | None) -> None:
    """Show the picture, and noisy copies of it at the level chosen with the class each gets."""
    shown = [(images.to_pil(asked.picked.x_CHW, 4), "What the network sees")]
    level = None if own is None else own.sigma
    if own is None or level is None:
        show_strip(shown)
        return
    noisy_NCHW, class_N = controls.copies_at(
        asked.picked, asked.found[asked.method], level, stage.COPIES
    )
    show_strip([*shown, (images.to_pil(noisy_NCHW[0], 4), f"With noise {level:g}")])
    if asked.picked.source is not None:
        picture_picker.show_label(asked.picked.source, asked.classes)
    elif asked.picked.label is not None:
        st.caption(f"True label: **{asked.classes[asked.picked.label]}**")
    stage.show_copies(noisy_NCHW, stage.votes_of(class_N, asked.classes, own.predicted))
    st.caption(f"Copies at the chosen level, {level:g}, and the vote of each.")


def _numbers(own: Certificate | None) -> None:
    """Show the radius, and the level chosen."""
    nothing = "–"
    with st.container(horizontal=True, gap="small"):
        st.metric(
            "Radius (L2)",
            nothing if own is None or own.abstained else down(own.radius, 3),
            width=130,
            help="No change of the picture shorter than this alters the answer, although the "
            "level may change with the picture.",
        )
        level = None if own is None else own.sigma
        st.metric("Level chosen", nothing if level is None else f"{level:g}", width=150)


def _show_closer(asked: Asked, found: Readings) -> None:
    own = found.by_method.get(asked.method)
    if own is not None:
        with st.expander("How sure is this?", icon=":material/rule:"):
            run.show(own, asked.specs[asked.method], asked.classes)
    if asked.picked.knobs is not None:
        nets = sessions.networks(asked.found[asked.method], "cpu")
        controls.show_follow(asked.picked, nets, asked.specs[asked.method])
