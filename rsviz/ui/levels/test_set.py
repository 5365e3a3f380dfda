"""Over a whole test set, from the shipped logs: levels chosen, best levels, and curves.

Shape suffixes: N images.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import streamlit as st
import torch

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint, Measured
from rsviz.core.errors import UserError
from rsviz.core.radius import down
from rsviz.data import datasets, images
from rsviz.evaluation import chosen_levels, comparison, curves
from rsviz.evaluation.chosen_levels import Chosen
from rsviz.evaluation.comparison import Entry
from rsviz.evaluation.logs import Log, read_log
from rsviz.figures import curves as figures
from rsviz.figures import levels
from rsviz.methods.registry import METHODS, is_plain
from rsviz.ui.common import charts, state
from rsviz.ui.common.address import plain

SHOWN = 9


def fixed_logs(dataset: str, experts: bool) -> dict[float, Log]:
    """Return logs of fixed levels: of experts, one for each, else of the universal network."""
    found: dict[float, Log] = {}
    for c in catalog.list_checkpoints():
        card = c.card
        if not c.verified or card.dataset != dataset or not is_plain(card.method):
            continue
        if (card.sigma is None) == experts:
            continue
        for m in card.measured:
            if m.sigma is None or card.sigma not in (None, m.sigma):
                continue  # a network at a level it was not trained for
            found[m.sigma] = _log(c.name, c.sha256, m.log)
    return dict(sorted(found.items()))


def _has_experts(method: str) -> bool:
    """Whether each level has a classifier of its own."""
    levels = METHODS[method].levels
    return levels is not None and levels.experts


def _is_tuned(checkpoint: Checkpoint) -> bool:
    """Whether its one classifier has weights of its own, rather than another checkpoint's."""
    classifier = checkpoint.card.parts.get("classifier")
    return classifier is not None and "checkpoint" not in classifier


@st.cache_resource(max_entries=64, show_spinner=False)
def _log(name: str, sha256: str, file: str) -> Log:
    return read_log(catalog.find(name).folder / file)


@st.cache_resource(max_entries=16, show_spinner=False)
def _levels(name: str, sha256: str, file: str) -> dict[int, float]:
    return chosen_levels.levels_of(catalog.find(name).folder / file)


def chosen(checkpoint: Checkpoint) -> Chosen | None:
    """Return what a checkpoint's first shipped log chose beside fixed levels, None if not there."""
    measured = checkpoint.card.measured
    fixed = fixed_logs(checkpoint.card.dataset, _has_experts(checkpoint.card.method))
    if not measured or len(fixed) < 2:
        return None
    args = checkpoint.name, checkpoint.sha256, measured[0].log
    try:
        return chosen_levels.compare(_log(*args), _levels(*args), fixed)
    except UserError as error:
        st.caption(plain(str(error), 300))
        return None


def show_curves(dataset: str, selectors: Mapping[str, Checkpoint]) -> None:
    """Show certified accuracy against radius: fixed levels, their envelope, and the selectors."""
    fixed = [
        comparison.from_log(replace(log, name=f"fixed {level:g}"), "measured here")
        for level, log in fixed_logs(dataset, experts=False).items()
    ]
    entries: list[Entry] = [
        comparison.from_log(
            replace(_log(c.name, c.sha256, m.log), name=METHODS[method].label + _which(m)),
            "measured here",
        )
        for method, c in selectors.items()
        for m in c.card.measured
    ]
    if not entries:
        return
    st.subheader("Over the test images: fixed levels, their envelope, and the choosers")
    entries += fixed + [
        comparison.renamed(e, "best fixed level") for e in comparison.envelopes(fixed)
    ]
    charts.show_figure(
        figures.accuracy_curves(entries, comparison.marks(entries)),
        "noise_curves",
        figures.in_words(entries),
    )
    st.markdown("By mean certified radius (ACR): " + "; ".join(_beside(selectors)) + ".")
    st.caption(
        "A chooser must prove its level as well as its class, and gets the smaller of the two "
        "radii: that is its price. What it may win is that images too faint for much noise stay "
        "certified, while others are certified far."
    )
    st.caption(
        "Fixed levels here are of one network trained at every level. The best of them is another "
        "one at each radius and known only afterwards: no single network reaches that curve. "
        + "; ".join(f"{e.name}: ACR {e.curve.acr:.3f}" for e in entries if not _nan(e.curve.acr))
        + "."
    )


def _beside(selectors: Mapping[str, Checkpoint]) -> list[str]:
    """Say the ACR of each chooser beside the best fixed level of its own classifiers."""
    told = []
    for method, c in selectors.items():
        logs = fixed_logs(c.card.dataset, _has_experts(method))
        if not c.card.measured or not logs:
            continue
        own = curves.acr(_log(c.name, c.sha256, c.card.measured[0].log))
        by_level = {level: curves.acr(log) for level, log in logs.items()}
        best = max(by_level, key=by_level.__getitem__)
        of = "its experts alone" if _has_experts(method) else "a fixed level"
        beside = f"the best of {of} {by_level[best]:.3f} (σ {best:g})"
        told.append(f"**{METHODS[method].label} {own:.3f}**, {beside}")
    return told


def _nan(value: float) -> bool:
    return bool(np.isnan(value))


def _which(measured: Measured) -> str:
    """Name a further log by what its file adds to certified.csv."""
    ending = measured.log.removeprefix("certified").removesuffix(".csv").strip("-")
    return f", {ending}" if ending else ""


def show_scatter(checkpoint: Checkpoint, found: Chosen) -> None:
    """Show chosen against best level over the test images; a click opens the image above."""
    st.subheader("Is the level chosen the best one?")
    worth_N = found.worth_N & ~np.isnan(found.level_N)
    charts.show_figure(
        levels.against_best(
            found.level_N[worth_N],
            found.best_N[worth_N],
            found.index_N[worth_N],
            found.gain_N[worth_N],
        ),
        "scatter",
        f"Level chosen against best fixed level of {int(worth_N.sum())} images.",
        on_select=_open_clicked,
        selection_mode="points",
    )
    state.SCATTER_DATASET.set(checkpoint.card.dataset)
    shares = levels.shares(found.level_N)
    told = ", ".join(f"{s:g} for {100 * share:.0f} %" for s, share in shares.items())
    rank = chosen_levels.correlation(found)
    gain, low, high = _gain(checkpoint.name, checkpoint.sha256, found)
    follows = (
        "One level for all: no correlation can be told."
        if np.isnan(rank)
        else f"Rank correlation with the best level: **{rank:.2f}**."
    )
    st.markdown(
        f"Chosen: {told}. {follows} The mean certified radius at the levels chosen is above that "
        f"at the same levels dealt out at random by **{gain:.3f}** (95 %: {low:.3f} to {high:.3f})."
    )
    st.caption(
        "One dot an image that some fixed level certifies; click it to open the image. Best is "
        "measured afterwards with votes of its own"
        + (
            ", here of the universal network, which this method's classifier was tuned from."
            if _is_tuned(checkpoint)
            else "."
        )
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _gain(name: str, sha256: str, _found: Chosen) -> tuple[float, float, float]:
    return chosen_levels.against_shuffled(
        _found, np.random.default_rng(0), shuffles=50, resamples=1000
    )


def _open_clicked() -> None:
    points = st.session_state["scatter"]["selection"]["points"]
    if points:
        data = points[0].get("customdata")
        index = data[0] if isinstance(data, list | tuple) else data
        if index is not None:
            open_image(f"{state.SCATTER_DATASET.get()}/test/{int(index)}")


def open_image(name: str) -> None:
    """Let the picture above be this one of a data set."""
    st.session_state.update(drawn=False, source="gallery", image=name)


def show_gallery(checkpoint: Checkpoint, found: Chosen) -> None:
    """Show images from least to most noise chosen, each with a noisy copy at its level."""
    dataset = checkpoint.card.dataset
    if not datasets.available(dataset):
        return
    st.subheader("From least to most noise")
    known_N = np.flatnonzero(~np.isnan(found.level_N))
    if not len(known_N):
        return
    order_N = known_N[np.argsort(found.level_N[known_N], kind="stable")]
    shown = order_N[np.linspace(0, len(order_N) - 1, min(SHOWN, len(order_N))).astype(int)]
    if not st.toggle("Spread over the whole order", True, key="gallery_spread"):
        at = st.slider("Where in the order, per cent", 0, 100, 0, key="gallery_at")
        first = int(at / 100 * max(len(order_N) - SHOWN, 0))
        shown = order_N[first : first + SHOWN]
    data = datasets.load(dataset, "test")
    with st.container(horizontal=True, gap="small"):
        for i in shown.tolist():
            index, level = int(found.index_N[i]), float(found.level_N[i])
            with st.container(width=104, gap="xxsmall"):
                _show_pair(data, index, level)
                st.caption(f"level **{level:g}**, R {down(found.gain_N[i], 2)}")
                name = data.image_name(index)
                st.button("Open", key=f"open-{name}", on_click=open_image, args=(name,))


def _show_pair(data: datasets.Dataset, index: int, level: float) -> None:
    x_CHW = data.image(index)
    label = data.classes[int(data.y_N[index])]
    noise_CHW = torch.randn(x_CHW.shape, generator=torch.Generator().manual_seed(index))
    st.image(images.to_pil(x_CHW, 3), width=96, alt=f"{label}, number {index}")
    noisy = images.to_pil(x_CHW + level * noise_CHW, 3)
    st.image(noisy, width=96, alt=f"The same with noise {level:g}")
