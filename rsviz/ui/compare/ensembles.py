"""The view of ensembles: choose networks, see their margins, and what each weighting certifies."""

from collections.abc import Sequence
from functools import partial
from math import isnan
from typing import Any

import numpy as np
import streamlit as st
from torch import nn

from rsviz.certification import every_weighting
from rsviz.certification.every_weighting import PER_QUERY, Weighing
from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.checkpoints.weights import load
from rsviz.core.radius import down
from rsviz.core.spec import Bound, RunSpec
from rsviz.data import datasets
from rsviz.data.catalog import CLASSES
from rsviz.data.images import image_id
from rsviz.figures import weightings as figures
from rsviz.methods.ensemble import Shared
from rsviz.ui.certify.result import show_flags
from rsviz.ui.common import address, charts, job_panel, picture_picker, sessions
from rsviz.ui.common.jobs import Job
from rsviz.ui.common.run_controls import OFFERED, default_image, pick_rest, pick_sigma, pick_votes

POLL_SECONDS = 0.7
MOST = 8
NOISE = 0.5  # at first


def show() -> None:
    """Show the choice of networks, then their matrix, the weights, and an image's radii."""
    found = _candidates()
    dataset = _dataset(found)
    fitting = [c for c in found if c.card.dataset == dataset]
    if len(fitting) < 2:
        st.info("An ensemble needs two networks of one data set, with its images on this machine.")
        return
    chosen, run, device = _pick(fitting)
    with st.expander("Picture", icon=":material/image:"):
        picture = picture_picker.cut(picture_picker.pick(_default(dataset)), 32)
    if len(chosen) < 2:
        st.info("Choose at least two networks.", icon=":material/add_circle:")
        return
    spec = RunSpec(
        picture.name or image_id(picture.x_CHW),
        " + ".join(c.name for c in chosen),
        method="ensemble",
        checkpoint_sha256="+".join(c.sha256[:12] for c in chosen),
        **run,
        bound=Bound.SPLIT,
        flags=picture.flags,
    )
    key = (image_id(picture.x_CHW), spec, device)
    job = sessions.desk("weightings").job
    if job is not None and job.active and job.key != key:
        job.stop()
    mine = job if job is not None and job.key == key else None
    left, right = st.columns([1, 4], vertical_alignment="center")
    left.image(picture.original, width=96)
    if mine is None or not mine.active:
        right.button(
            "Weigh them",
            key="weigh",
            type="primary",
            icon=":material/balance:",
            on_click=_start,
            args=(chosen, dataset, picture.x_CHW, spec, device, key),
        )
    names = [c.name for c in chosen]
    if mine is None:
        st.caption("Measures their margins on 40 training images, then lets them vote.")
    elif mine.active:
        job_panel.show_job(
            mine, partial(_show_latest, mine, CLASSES[dataset]), "quit", POLL_SECONDS
        )
    else:
        if mine.error:
            st.error(address.plain(mine.error, 400))
        if mine.latest is not None:
            _show(mine.latest, names, CLASSES[dataset])


def _candidates() -> list[Checkpoint]:
    """Return single classifiers whose images are on this machine."""
    return [
        c
        for c in catalog.list_checkpoints()
        if c.verified
        and not (c.card.members or c.card.parts)
        and c.card.dataset in CLASSES
        and "-k" not in c.card.dataset
        and datasets.available(c.card.dataset)
    ]


def _dataset(found: Sequence[Checkpoint]) -> str:
    names = sorted({c.card.dataset for c in found})
    if len(names) < 2:
        return names[0] if names else ""
    address.check(among=[picture_picker.TITLES[name] for name in names])
    chosen = st.segmented_control(
        "Data set",
        names,
        default=names[0],
        format_func=picture_picker.TITLES.__getitem__,
        key="among",
        bind="query-params",
        on_change=address.forget,
        args=("among",),
        required=True,
    )
    return chosen or names[0]


def _default(dataset: str) -> str:
    return default_image() if dataset == "shapes" else f"{dataset}/test/20"


def _shipped(fitting: Sequence[Checkpoint]) -> list[str]:
    """Return the networks of the smallest ensemble of several methods at `NOISE`, if any."""
    method = {c.name: c.card.method for c in fitting}
    here = (c for c in catalog.list_checkpoints() if c.card.sigma == NOISE)
    known = [names for c in here if (names := [m.name for m in c.card.members])]
    known = [names for names in known if set(names) <= set(method)]
    return min(known, key=lambda of: (len({method[m] for m in of}) < 2, len(of)), default=[])


def _pick(fitting: Sequence[Checkpoint]) -> tuple[list[Checkpoint], dict[str, Any], str]:
    names = [c.name for c in fitting]
    trained = [c.name for c in fitting if c.card.sigma in (NOISE, None)]
    first = _shipped(fitting) or (trained if len(trained) > 1 else names)[:2]
    key = f"members-{fitting[0].card.dataset}"
    address.check(**{key: names}, **{name: OFFERED[name] for name in ("sigma", "n0", "n")})
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = st.multiselect(
            "Networks",
            names,
            first,
            key=key,
            max_selections=MOST,
            bind="query-params",
            on_change=address.forget,
            args=(key,),
            width=640,
        )
        sigma, n = pick_sigma(NOISE, width=150), pick_votes(1000, width=180)
    with st.expander("Votes that choose, seed, device", icon=":material/tune:"):
        rest, device = pick_rest()
    return [c for c in fitting if c.name in chosen], {"sigma": sigma, "n": n, **rest}, device


def _start(chosen, dataset, x_CHW, spec, device, key) -> None:  # type: ignore[no-untyped-def]
    def steps(cancel):
        def loaded(ready: bool) -> list[nn.Module]:
            return [load(c, device, ready) for c in chosen]

        fit = every_weighting.spaced(datasets.load(dataset, "train"), 40)
        free, ready, methods = loaded(False), loaded(True), [c.card.method for c in chosen]
        return every_weighting.watch(free, ready, fit, x_CHW, spec, device, cancel, methods)

    sessions.desk("weightings").start(Job(key, device, steps))


def _show_latest(job: Job, classes: Sequence[str]) -> None:
    now: Weighing = job.latest or Weighing()
    if now.Q_LL is None:
        st.caption("The networks' margins are measured first.")
    _show_radii(now, classes)


def _show(now: Weighing, names: Sequence[str], classes: Sequence[str]) -> None:
    if now.Q_LL is None or now.correlation_LL is None:
        return
    st.caption(" · ".join(f"**{chr(65 + i)}** {name}" for i, name in enumerate(names)))
    left, right = st.columns(2, gap="medium")
    told = {"covariances": (now.Q_LL, 3), "correlations": (now.correlation_LL, 2)}
    for column, (what, (value_LL, digits)) in zip((left, right), told.items(), strict=True):
        with column:
            st.markdown(f"**Variances and covariances of the margins**, as {what}")
            charts.show_figure(figures.matrix(value_LL, names, digits), what, f"{what} {value_LL}")
    st.caption(
        "Margins are how much more probable a network finds the right class than another, over "
        "noise, on training images; each is weighted by the inverse square of its mean. The less "
        "two networks vary together, the more there is to gain."
    )
    _show_weights(now, names)
    _show_radii(now, classes)
    _show_shared(now.shared)


def _show_shared(shared: Sequence[Shared]) -> None:
    """Show how far margins vary within methods and between them, and where the latter is more."""
    if not shared:
        return
    rows = [
        {
            "other class": row.rank,
            "variance": row.variance,
            "within methods, α": None if isnan(row.within) else row.within,
            "between methods, β": None if isnan(row.between) else row.between,
            "": "α < β" if row.within < row.between else "",
        }
        for row in shared
    ]
    with st.expander("Within and between methods", icon=":material/join_inner:"):
        numbers = [name for name in rows[0] if name and name != "other class"]
        st.dataframe(
            rows,
            hide_index=True,
            column_config={n: st.column_config.NumberColumn(format="%.4f") for n in numbers},
        )
        st.caption(
            "How the margins vary over noise, means over the training images; other class 1 is the "
            "one nearest to each image's own. α is the covariance of two networks trained by one "
            "method, β that of two methods, empty where there is no such pair. As many networks "
            "as one likes leave that much variance. Where **α < β**, unlike methods share more of "
            "their errors than networks of one, and mixing them gains nothing in variance."
        )


def _show_weights(now: Weighing, names: Sequence[str]) -> None:
    assert now.Q_LL is not None
    st.markdown("**The variance, for every way to weigh them** (less is better)")
    if len(names) == 2:
        figure = figures.along(now.Q_LL, now.weightings, names)
    elif len(names) == 3:
        figure = figures.triangle(now.Q_LL, now.weightings)
    else:
        st.caption(
            f"{len(names)} networks have too many weightings to draw; the table shows the main "
            "ones."
        )
        return
    charts.show_figure(
        figure,
        "weights",
        "Variance against the weights.",
        width="stretch" if len(names) == 2 else 440,  # at which a triangle's points touch
    )
    if len(names) == 3:
        st.caption(
            "Each point of the triangle is one way to weigh them: a corner is that network alone, "
            "the middle the average; on the side opposite a corner that network has no say."
        )
    if len(names) == 2:
        st.caption(
            "The formula for two networks as the paper prints it has the sign of the covariance "
            "wrong; where it differs from the optimum, its variance is larger."
        )


def _show_radii(now: Weighing, classes: Sequence[str]) -> None:
    """Show what each weighting certifies of the image, from the same noise."""
    if not now.certificates:
        return
    st.markdown("**What each certifies of this picture**, all from the same noisy copies")
    letters = ", ".join(chr(65 + i) for i in range(0 if now.Q_LL is None else len(now.Q_LL)))
    rows = []
    for name, c in now.certificates.items():
        weights = c.detail.get("weights")
        w_ML = None if weights is None else np.array([weights])
        rows.append(
            {
                "weighting": "printed in the paper" if name == "printed" else name,
                "weights": "the surest network decides"
                if weights is None
                else ", ".join(f"{w:.3f}" for w in weights),
                "variance": None
                if w_ML is None or now.Q_LL is None or name == PER_QUERY
                else float(every_weighting.variance(now.Q_LL, w_ML)[0]),
                "class": "abstains" if c.abstained or c.predicted is None else classes[c.predicted],
                "radius": None if c.abstained else float(down(c.radius, 3)),
                "certified": "no, heuristic" if name == PER_QUERY else "yes",
            }
        )
    st.dataframe(
        rows,
        hide_index=True,
        column_config={
            "weights": st.column_config.TextColumn(f"weights of {letters}"),
            "variance": st.column_config.NumberColumn(format="%.4f"),
        },
    )
    st.caption(
        "Weights fixed in advance make one classifier, to which the theorem applies. Weights found "
        "at the picture itself make another classifier at each point: **outside the theorem**, so "
        "that radius certifies nothing."
    )
    show_flags(next(iter(now.certificates.values())))
