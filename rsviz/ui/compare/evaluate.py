"""Evaluate here: certify many test images in the background, its curve growing as they land."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.data.catalog import CLASSES
from rsviz.evaluation import comparison, evaluate
from rsviz.evaluation.comparison import Entry
from rsviz.evaluation.evaluate import EvaluationSpec, command, log_path
from rsviz.evaluation.logs import read_log
from rsviz.figures import curves as figures
from rsviz.methods.registry import METHODS
from rsviz.smoothing.engine import REFERENCE
from rsviz.ui.common import address, charts, job_panel, sessions
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.run_controls import (
    OFFERED,
    pick_alpha,
    pick_network,
    pick_rest,
    pick_sigma,
    pick_votes,
    trained_sigma,
)
from rsviz.ui.compare.measured_logs import measured

POLL_SECONDS = 2.0  # its curve is drawn anew at each look


def show() -> None:
    """Show the choice of a run, its progress, and its curve beside those measured before."""
    found = [
        c
        for c in catalog.list_checkpoints()
        if c.verified
        and c.card.dataset in CLASSES
        and c.card.method in METHODS
        and datasets.available(c.card.dataset)
    ]
    if not found:
        st.info("No network here has its data set on this machine.")
        return
    checkpoint, spec, device = _pick(found)
    out, job = log_path(spec, device), sessions.desk("evaluate").job
    current = job if job is not None and job.key == (spec, device) else None
    if current is not None and current.active:
        job_panel.show_job(current, lambda: _show_curve(spec, out), "halt", POLL_SECONDS)
        return
    _press(checkpoint, spec, device, out, job)
    if current is not None and current.error:
        st.error(address.plain(current.error, 400))
    _show_curve(spec, out)
    with st.expander("The same from the command line", icon=":material/terminal:"):
        st.code(command(spec, out, device), language="bash", wrap_lines=True)


def _pick(found: list[Checkpoint]) -> tuple[Checkpoint, EvaluationSpec, str]:
    """Show which network, noise, images and votes; return them."""
    run = {name: OFFERED[name] for name in ("sigma", "n0", "n", "alpha")}
    address.check(checkpoint=[c.name for c in found], **run)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        checkpoint = pick_network(found, "Network", "Whose test images are certified.", width=280)
        sigma: float | None = None
        if not METHODS[checkpoint.card.method].chooses_sigma:
            sigma = pick_sigma(trained_sigma(checkpoint), width=150)
        how = st.segmented_control(
            "Images", ["every", "first"], default="every", key="which", bind="query-params"
        )
        size = datasets.load(checkpoint.card.dataset, "test")
        label = "k: every k-th image" if how != "first" else "m: the first m images"
        number = st.number_input(
            label, 1, len(size), 50 if how != "first" else 100, key=f"number-{how}", width=170
        )
        n = pick_votes(1000, width=180)
    with st.expander("Votes that choose, alpha, seed, device", icon=":material/tune:"):
        alpha = pick_alpha()
        rest, device = pick_rest()
    which = {"first": int(number)} if how == "first" else {"every": int(number)}
    spec = evaluate.spec_for(checkpoint, sigma, n=n, alpha=alpha, **rest, **which)
    return checkpoint, spec, device


def _press(
    checkpoint: Checkpoint, spec: EvaluationSpec, device: str, out: Path, other: Job | None
) -> None:
    """Show the button that starts or goes on, and what stands in the log already."""
    total, held = len(spec.indices(_size(spec))), _held(out)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if held >= total:
            st.badge(f"complete: {total:,} images", icon=":material/check:", color="green")
        else:
            if st.button(
                "Go on" if held else "Evaluate",
                key="evaluate",
                type="primary",
                icon=":material/play_arrow:",
            ):
                start(checkpoint, spec, device, out)
                st.rerun()
            st.caption(
                f"{held:,} of {total:,} images are in its log; it goes on from there."
                if held
                else f"{total:,} images with {spec.n0 + spec.n:,} votes each, on {device}. It runs "
                "in the background; the same settings go on where they stopped."
            )
        if out.exists() and held:
            st.download_button("Log (CSV)", out.read_bytes(), out.name, on_click="ignore")
    if other is not None and other.active and held < total:
        st.caption(":material/info: Another evaluation of yours is running; this one ends it.")


def start(checkpoint: Checkpoint, spec: EvaluationSpec, device: str, out: Path) -> None:
    """Start a run for this tab; it replaces the current one."""
    evaluate.check_room(out)
    nets = sessions.networks(checkpoint, device, REFERENCE)

    def steps(cancel):
        data = datasets.load(spec.dataset, spec.split)
        return evaluate.walk(spec, nets, data, out, device, command(spec, out, device), cancel)

    sessions.desk("evaluate").start(Job((spec, device), device, steps))


def _show_curve(spec: EvaluationSpec, out: Path) -> None:
    """Draw the curve of the log so far, with its bands, beside that network's shipped logs."""
    beside = [
        e
        for e in measured()[0].values()
        if e.checkpoint == spec.name and "evaluated here" not in e.name
    ]
    same = [e for e in beside if e.curve.sigma == spec.sigma]
    try:
        log = read_log(out)
        forming = comparison.from_log(
            replace(log, name=f"{spec.name}, here", source=out.name), "measured here", spec.name
        )
        entries: list[Entry] = [forming, *same]
    except UserError:
        entries = same
    if not entries:
        return
    charts.show_figure(
        figures.accuracy_curves(entries, comparison.marks(entries), bands=True),
        "forming",
        figures.in_words(entries),
    )
    if len(entries) > len(same):
        c = forming.curve
        st.caption(
            f"So far {c.images:,} images: ACR {c.acr:.3f}. The bands show how uncertain so few "
            f"images are. The curve is also among those to choose in Curves."
        )


def _size(spec: EvaluationSpec) -> int:
    return len(datasets.load(spec.dataset, spec.split))


def _held(out: Path) -> int:
    try:
        return len(read_log(out))
    except UserError:
        return 0
