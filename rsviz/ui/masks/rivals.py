"""Certificates forming side by side on the Masks page: ARS, the static mask, plain smoothing."""

from collections.abc import Collection, Mapping, Sequence

import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from rsviz.certification import mask_rivals
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import live_bounds
from rsviz.core.radius import down
from rsviz.core.spec import Bound, Certificate, RunSpec
from rsviz.figures import masks, report
from rsviz.figures.report import Part
from rsviz.methods import registry
from rsviz.methods.registry import METHODS
from rsviz.ui.certify.result import show_flags
from rsviz.ui.common import sessions, stage, story, tried
from rsviz.ui.common.jobs import Job
from rsviz.ui.masks import votes
from rsviz.ui.masks.votes import Sight


def titles() -> dict[str, str]:
    """Return what each method is called here, by name, in the order shown."""
    return {name: METHODS[name].label for name in registry.on_canvases()}


def start(
    x_CHW: Tensor,
    present: Mapping[str, Checkpoint],
    specs: Mapping[str, RunSpec],
    key: object,
    device: str,
) -> Job:
    """Start a race for this tab, unless it runs already; it replaces the one that runs now."""
    entrants = [(sessions.networks(present[name], device), spec) for name, spec in specs.items()]
    return sessions.desk("masks").start_once(
        Job(key, device, lambda cancel: mask_rivals.race(x_CHW, entrants, device, cancel))
    )


def show_missing(present: Collection[str]) -> None:
    """Name the rivals that have no network for these canvases."""
    for title in (title for name, title in titles().items() if name not in present):
        st.caption(f"{title}: no network for these canvases is here.")


def show(job: Job | None, sight: Sight, whole: bool, n: int) -> None:
    """Show a race before, while and after votes come in, and the button that starts the whole one.

    Parameters
    ----------
    whole : all ``n`` votes of each method that are asked for are counted.
    """
    together = None if job is None else job.latest
    share = 0.0 if together is None else together.done / together.planned
    done = 0 if together is None else together.done
    told = f"{done:,} votes of all methods" + ("" if whole else f"; {n:,} of each are asked for")
    label = "Again" if whole else "Certify"
    stage.show(job, lambda: _show(job, sight), share, told, label, whole)
    if job is not None and not job.active and job.readings:
        runs = _remembered(mask_rivals.by_method(job.readings), sight)
        _show_rest(runs, sight)
        _tell(runs, sight)


def _remembered(
    runs: Mapping[str, Sequence[Certificate]], sight: Sight
) -> Mapping[str, Sequence[Certificate]]:
    """Return the runs, the last certificate of each with what a claim among all is worth."""
    if sight.chosen.source is None:
        return runs
    marked = tried.told(sight.chosen.source, *(readings[-1] for readings in runs.values()))
    return {
        name: [*readings[:-1], last]
        for (name, readings), last in zip(runs.items(), marked, strict=True)
    }


def _tell(runs: Mapping[str, Sequence[Certificate]], sight: Sight) -> None:
    """Add what the mask and its rivals proved to the story of the picture on the canvas."""
    own = next((runs[name][-1] for name in runs if METHODS[name].rivals), None)
    if own is None or sight.chosen.source is None:
        return
    part = Part(
        report.verdict(own, sight.classes),
        sight.chosen.x_CHW,
        sight.classes,
        own,
        (("How each certificate formed", lambda: _drawn(runs)[0]),),
        table=[_row(titles()[n], certificates[-1], sight) for n, certificates in runs.items()],
    )
    story.tell("masks", (own.checkpoint, own.sigma, own.seed, own.image), part)


def _show(job: Job | None, sight: Sight) -> None:
    """Show the canvas and its copies, the verdict with the votes, the radius beside its rivals."""
    runs = {} if job is None else mask_rivals.by_method(job.readings)
    own = next((runs[name][-1] for name in runs if METHODS[name].rivals), None)
    pictures, ballots, distance = stage.columns()
    with pictures:
        votes.show_small(sight, None if own is None else own.predicted)
    with ballots:
        if own is None:
            stage.show_awaited(sight.classes)
        else:
            with stage.verdict():
                _verdict(own, sight)
            stage.show_votes(own, sight.classes, offered=True)
    with distance:
        if own is not None:
            _numbers(own, runs)
            _lines(runs)


def _verdict(c: Certificate, sight: Sight) -> None:
    """Say in one line what is known now."""
    name = "" if c.predicted is None else sight.classes[c.predicted].capitalize()
    stage.show_badges(c, sight.chosen.label)
    levels = down(255 * c.radius, 2)
    st.subheader(stage.headline(c, name, f"{levels}/255"))
    if c.predicted is not None and not c.abstained:
        st.markdown(
            "No change of the canvas alters this answer while no colour value of any pixel "
            f"changes by more than {levels} of 255 grey levels."
        )
    if sight.chosen.own is not None and c.predicted is not None:
        stage.say_unknown(sight.chosen.own, sight.classes)


def _numbers(own: Certificate, runs: Mapping[str, Sequence[Certificate]]) -> None:
    """Show the radius and the bound that it comes from; the rivals' radii in a line."""
    with st.container(horizontal=True, gap="small"):
        st.metric(
            "Radius (Linf)",
            "–" if own.abstained else f"{down(255 * own.radius, 2)}/255",
            width=150,
            help="The answer stays while no colour value of any pixel changes by more.",
        )
        st.metric("p_A is at least", down(own.p_a_lower, 4) if sum(own.counts) else "–", width=150)
    rest = [
        f"{titles()[name].partition(':')[0]} {_radius(readings[-1])}"
        for name, readings in runs.items()
        if readings[-1] is not own
    ]
    st.caption(" · ".join([*rest, "on the same canvas"]) if rest else "No rival is here.")


def _radius(c: Certificate) -> str:
    if c.abstained or c.predicted is None:
        return "nothing yet" if c.ended == "running" else "abstains"
    return f"{down(255 * c.radius, 2)}/255"


def _lines(runs: Mapping[str, Sequence[Certificate]]) -> None:
    """Show how each certificate formed."""
    running = any(certificates[-1].ended == "running" for certificates in runs.values())
    figure, told = _drawn(runs)
    stage.show_figure(figure, "race", told, running, offered=True)


def _drawn(runs: Mapping[str, Sequence[Certificate]]) -> tuple[go.Figure, str]:
    """Draw how each certificate formed, and say it in words."""
    traces = {
        name: live_bounds.trace(certificates, certificates[-1].alpha, Bound.SPLIT)
        for name, certificates in runs.items()
    }
    traces = {name: line for name, line in traces.items() if line.votes_T}
    planned = max(certificates[-1].n for certificates in runs.values())
    return masks.radii(traces, titles(), planned), masks.radii_in_words(traces, titles())


def _show_rest(runs: Mapping[str, Sequence[Certificate]], sight: Sight) -> None:
    """Show below the stage what each method came to, and how to read it."""
    last = {name: certificates[-1] for name, certificates in runs.items()}
    alpha = max(c.alpha for c in last.values())
    with st.expander("How sure is this?", icon=":material/rule:"):
        st.dataframe([_row(titles()[n], c, sight) for n, c in last.items()], hide_index=True)
        st.caption(
            "Certified Linf radius, in grey levels of 255. The lines are anytime bounds: each "
            "holds whenever you look. Their last point, at the planned number of votes, also uses "
            "Clopper-Pearson, which is larger. Each certificate is wrong "
            f"with probability at most {alpha:g}; to pick one of them by its radius spends "
            "the sum."
        )
    show_flags(next(iter(last.values())))


def _row(title: str, c: Certificate, sight: Sight) -> dict[str, object]:
    name = "–" if c.predicted is None else sight.classes[c.predicted]
    wrong = sight.chosen.label is not None and c.predicted != sight.chosen.label
    return {
        "method": title,
        "class": f"{name}, wrong" if wrong else name,
        "radius, of 255": None if c.abstained else float(down(255 * c.radius, 2)),
        "radius": None if c.abstained else float(down(c.radius, 5)),
        "p_A at least": float(down(c.p_a_lower, 4)),
        "votes": f"{sum(c.counts):,} of {c.n:,}",
    }


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
