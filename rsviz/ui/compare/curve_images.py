"""Behind a curve: how its radii are spread, and the images at a point of it.

Shape suffixes: N images.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from rsviz.core.errors import UserError
from rsviz.core.radius import down
from rsviz.core.spec import link_to
from rsviz.data import catalog, datasets
from rsviz.data.images import to_pil
from rsviz.evaluation import curves, per_image
from rsviz.evaluation.comparison import Entry
from rsviz.evaluation.contradictions import doubts
from rsviz.figures import curves as figures
from rsviz.ui.common import charts, state
from rsviz.ui.common.address import plain
from rsviz.ui.page_list import page_path

GALLERY = 12


def clicked(key: str, event: Any, axis: str = "") -> dict[str, Any] | None:
    """Return the point of a chart that was clicked last, kept when the figure changes.

    Parameters
    ----------
    axis : what its x is measured in; a point on another axis is forgotten.
    """
    points = event["selection"]["points"]
    if points:
        state.CLICKED.of(key).set((axis, points[0]))
    was, point = state.CLICKED.of(key).get()
    return point if was == axis else None


def show_spread(entry: Entry) -> None:
    """Show the radii and p_A of a log, and the images of the bar of radii clicked last."""
    log = entry.log
    assert log is not None
    stands_N = log.predicted_N >= 0
    left, right = st.columns(2)
    with left:
        st.markdown("**Radii**, image by image")
        radii = figures.radius_histogram(
            log.radius_N, log.correct_N, stands_N, curves.curve(log, [0.0])
        )
        event = charts.show_figure(
            radii,
            "radii_bars",
            f"Histogram of {int(stands_N.sum())} certified radii, right and wrong.",
            on_select="rerun",
            selection_mode="points",
        )
    with right:
        st.markdown("**p_A**, how sure the smoothed network is")
        try:
            p_N, what = per_image.p_a(log)
            figure = figures.p_a_histogram(p_N, log.correct_N, stands_N, what, log.name)
            charts.show_figure(figure, "p_a_bars", f"Histogram: {what}.")
        except UserError as error:
            st.info(plain(str(error), 300))
    images, of_acr = per_image.share_at_the_top(log, entry.curve.ceiling or log.radius_N.max())
    st.caption(
        f"{of_acr:.0%} of this ACR comes from the {images:.0%} of images that are certified to "
        "nine tenths of the largest radius or more. An average hides this shape: ACR can rise on "
        "images that were easy already while others are lost "
        "([arXiv 2410.06895](https://arxiv.org/abs/2410.06895))."
    )
    found = clicked("radii_bars", event)
    if found is not None and found["customdata"][0] == log.name:
        show_bar(entry, *found["customdata"][1:])


def show_images(entries: Mapping[str, Entry], radius: float) -> None:
    """Show the images behind one of the logs at a radius, by what became of them."""
    left, right = st.columns(2, vertical_alignment="bottom")
    name = left.selectbox(f"Images at radius {radius:.3g} of", list(entries), key="behind")
    entry = entries[name or next(iter(entries))]
    log = entry.log
    assert log is not None
    found = per_image.fates(log, radius)
    fate = right.pills(
        "What became of them",
        per_image.FATES,
        default=per_image.FATES[0],
        format_func=lambda f: f"{f} ({len(found[f]):,})",
        key="fate",
        required=True,
    )
    show_positions(entry, found[fate or per_image.FATES[0]])


def show_bar(entry: Entry, low: float, high: float) -> None:
    """Show the images whose radius lies in a bar of the histogram."""
    assert entry.log is not None
    if low < 0:  # the bar of those that abstained
        show_positions(entry, per_image.fates(entry.log, 0.0)["abstained"])
        return
    at_N = per_image.between(entry.log, low, high)
    st.markdown(f"**{len(at_N):,} images** with a radius from {low:.3g} to {high:.3g}")
    show_positions(entry, at_N)


def show_positions(entry: Entry, at_N: np.ndarray) -> None:
    """Show images of a log by position: pictures where there are any, all in a table."""
    log = entry.log
    assert log is not None
    if not len(at_N):
        st.caption("There is no such image.")
        return
    classes = catalog.CLASSES.get(log.dataset)
    present = (
        classes is not None
        and log.split in catalog.SPLITS  # not stated, it may be of other images
        and not doubts(log)
        and datasets.available(log.dataset)
    )
    with st.container(horizontal=True, gap="small"):
        for i in at_N[:GALLERY].tolist():
            with st.container(width=104, gap=None):
                _show_one(entry, i, present)
    if classes is not None and not log.split:
        st.caption("The split of this log is not stated, so no pictures stand beside its rows.")
    elif classes is not None and doubts(log):
        st.caption(
            "Its labels are not those of these images, so no pictures stand beside its rows."
        )
    elif classes is not None and not present:
        st.caption("CIFAR-10 is not on this machine, so only labels and indices are shown.")
    told = ["abstained" if p < 0 else _class(p, classes) for p in log.predicted_N[at_N]]
    st.dataframe(
        {
            "image": log.index_N[at_N],
            "label": [_class(y, classes) for y in log.label_N[at_N]],
            "predicted": told,
            "radius": [float(down(r, 4)) for r in log.radius_N[at_N]],
        },
        hide_index=True,
        height=240,
        column_config={"radius": st.column_config.NumberColumn(format="%.4f")},
    )


def _show_one(entry: Entry, i: int, present: bool) -> None:
    """Show one image of a log, and the way to Certify with it."""
    log = entry.log
    assert log is not None
    index, classes = int(log.index_N[i]), catalog.CLASSES.get(log.dataset)
    label, predicted = _class(int(log.label_N[i]), classes), int(log.predicted_N[i])
    told = (
        "abstained"
        if predicted < 0
        else f"{_class(predicted, classes)}, R {down(log.radius_N[i], 2)}"
        + ("" if log.correct_N[i] else ", **wrong**")
    )
    if present:
        picture = to_pil(datasets.load(log.dataset, log.split).image(index), 3)
        st.image(picture, width=96, alt=f"Test image {index}, {label}")
    st.caption(f"{index}: {label}  \n→ {told}")
    if entry.kind == "measured here" and page_path("certify").exists() and present:
        st.page_link(
            page_path("certify"),
            label="Certify",
            icon=":material/verified:",
            query_params=link_to(
                image=f"{log.dataset}/{log.split}/{index}",
                checkpoint=entry.checkpoint,
                sigma=log.sigma,
            ),
        )


def _class(number: int, classes: Sequence[str] | None) -> str:
    return classes[number] if classes and 0 <= number < len(classes) else str(number)
