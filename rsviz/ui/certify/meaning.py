"""What a result means: the radius as pictures, the copies that voted, history and exports.

Shape suffixes: C channels, H height, W width.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import plotly.graph_objects as go
import pyarrow as pa
import streamlit as st
from torch import Tensor

from rsviz.certification import as_python
from rsviz.core import radius
from rsviz.core.radius import down
from rsviz.core.spec import NAMELESS, Certificate, RunSpec
from rsviz.data import images, perturbations
from rsviz.figures import certificate, report
from rsviz.figures.report import Part
from rsviz.smoothing.engine import Engine
from rsviz.ui.certify.result import View, read
from rsviz.ui.common import downloads, run_controls, story
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.picture_strip import show_picture
from rsviz.ui.common.sessions import Shown, class_names


def show_classes(view: View) -> None:
    """Name the classes, and say that certified does not mean correct."""
    st.markdown(
        f"**The network knows {len(view.classes)} classes**: {', '.join(view.classes)}. "
        "**Certified does not mean correct**: it means that the answer, right or wrong, stays the "
        "same nearby."
    )


def show_distance(x_CHW: Tensor, c: Certificate) -> None:
    """Show the picture changed by exactly the certified length in a few directions."""
    st.markdown("**How far is that?**")
    if c.abstained or not c.radius:
        st.caption("Nothing is certified, so there is no distance to show.")
        return
    d = x_CHW.numel()
    levels = radius.in_grey_levels(c.radius, d)
    st.markdown(
        f"A change of length {down(c.radius, 3)}, spread evenly over all {d:,} values of the "
        f"picture, moves each by **{down(levels, 1)} of 255 grey levels**. Below is the picture "
        "moved by exactly that length in a few directions; any shorter change, in these or any "
        "other direction, leaves the answer as it is."
    )
    moved = {
        name: x_CHW + c.radius * direction_CHW
        for name, direction_CHW in perturbations.directions(x_CHW.shape).items()
    }
    with st.container(horizontal=True, gap="small"):
        for name, y_CHW in ({"as it is": x_CHW} | moved).items():
            with st.container(width=112, gap=None):
                show_picture(images.to_pil(y_CHW, 4), 108, f"The picture, {name}")
                st.caption(name)
    worst = max(perturbations.clipped_share(y_CHW) for y_CHW in moved.values())
    if worst:
        share = f"Up to {100 * worst:.0f} %" if worst >= 0.01 else "Fewer than 1 %"
        st.caption(
            f"{share} of the values left the range from black to white; they are clipped for this "
            "display only."
        )


def show_history(history: Sequence[Job]) -> None:
    """List what this session ran, each run once; a new seed adds a row, a click opens one again."""
    newest = {job.key: job.latest.certificate for job in history if job.latest is not None}
    runs = list(newest.values())
    if runs:
        st.markdown("**Runs of this session**")
        st.dataframe(
            pa.Table.from_pylist([_row(c) for c in runs]),  # pandas takes 20 times as long
            hide_index=True,
            key="runs",
            on_select=partial(reopen, runs),
            selection_mode="single-row",
        )
        st.caption(
            "Tick a row to open that run again. A new seed is added, it never replaces an old "
            "result: the best of several tries is wrong more often than alpha."
        )


def reopen(runs: Sequence[Certificate]) -> None:
    """Set the controls to those of the run chosen in the table."""
    chosen = st.session_state["runs"]["selection"]["rows"]
    if not chosen:
        return
    c = runs[chosen[0]]
    run_controls.keep_noise(c.checkpoint)
    st.session_state.update(checkpoint=c.checkpoint, n0=c.n0, n=c.n, seed=c.seed, alpha=c.alpha)
    if c.sigma is not None:
        st.session_state["sigma"] = c.sigma
    if c.image.startswith(NAMELESS):
        st.session_state["source"] = "upload"
    else:
        st.session_state.update(source="gallery", image=c.image)


def _row(c: Certificate) -> dict[str, object]:
    names = class_names(c.checkpoint)
    return {
        "picture": "upload" if c.image.startswith("sha256") else c.image,
        "network": c.checkpoint,
        "sigma": c.sigma,
        "seed": c.seed,
        "class": in_a_word(c, names),
        "radius": None if c.abstained else float(down(c.radius, 3)),
        "p_A at least": float(down(c.p_a_lower, 4)),
        "alpha": c.alpha,
        "votes": f"{sum(c.counts):,} of {c.n:,}",
        "ended": c.ended,
    }


def in_a_word(c: Certificate, names: Sequence[str]) -> str:
    """Say what a run came to; one under way has not abstained."""
    if c.predicted is not None and not c.abstained:
        return names[c.predicted]
    return "not yet" if c.ended == "running" else "abstains"


def tell(shown: Shown, view: View) -> None:
    """Add a run that ended to the story of its picture."""
    c = read(view, shown)

    def votes() -> go.Figure:
        return certificate.vote_bars(c.counts, view.classes, c.predicted)

    def distance() -> go.Figure:
        return certificate.radius_of_run(c, shown.readings)[0].figure()

    figures = (("The votes", votes), ("The distance they prove", distance))
    title = report.verdict(c, view.classes)
    part = Part(title, view.picture.x_CHW, view.classes, c, figures)
    story.tell("certify", (c.checkpoint, c.sigma, c.seed, c.n, c.until_radius), part)


def show_exports(
    shown: Shown | None,
    spec: RunSpec,
    view: View,
    device: str,
    engine: Engine,
) -> None:
    """Offer the run as Python and, once there is one, the certificate as JSON."""
    picture = view.picture
    with st.expander("Copy as Python", icon=":material/code:"):
        file = "" if picture.crop is None else picture.source.name
        spec = replace(spec, bound=view.bound)
        code = as_python.as_python(
            spec, device, file, picture.crop, engine, view.two_class and spec.until_radius is None
        )
        st.code(code, language="python")
    if shown is not None:
        downloads.offer_certificate(read(view, shown), picture.x_CHW, view.classes, shown.readings)
    if picture.crop is not None:
        downloads.say_upload(picture.x_CHW)
