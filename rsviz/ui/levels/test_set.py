"""Over a whole test set, from the shipped logs: levels chosen, best levels, and curves.

Shape suffixes: N images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import streamlit as st
import torch

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint, Measured
from rsviz.core.errors import UserError
from rsviz.core.radius import down
from rsviz.data import datasets, images
from rsviz.evaluation import chosen_levels
from rsviz.evaluation.chosen_levels import Chosen, Gap
from rsviz.evaluation.logs import Log, read_log
from rsviz.figures import levels
from rsviz.figures.levels import Lost
from rsviz.methods.registry import METHODS
from rsviz.ui import frame
from rsviz.ui.common import charts, state
from rsviz.ui.common.address import plain
from rsviz.ui.levels.readings import CASCADE
from rsviz.ui.page_list import page_path

SHOWN, SEED = 9, 0  # the seed of every bootstrap, so that one interval reads the same everywhere


@dataclass(frozen=True)
class Group:
    """Choosers that send images to the same classifiers, and logs of these at each level alone.

    All logs are of n votes, since more votes certify more; ``files`` are those of the fixed levels.
    """

    title: str
    n: int
    fixed: Mapping[float, Log]
    files: Mapping[float, Path]
    choosers: tuple[tuple[str, Checkpoint, Measured], ...]


def _fixed_logs(checkpoint: Checkpoint, n: int) -> dict[float, Log]:
    """Return logs of n votes of the classifiers that a chooser sends images to, by fixed level."""
    return {s: _log(c.name, c.sha256, m.log) for s, (c, m) in _fixed(checkpoint, n).items()}


def _fixed(checkpoint: Checkpoint, n: int) -> dict[float, tuple[Checkpoint, Measured]]:
    """Return where the logs of `_fixed_logs` lie.

    Of a classifier tuned to the chooser they are those of the universal network it started from.
    """
    parts = checkpoint.card.parts
    named = [
        p["checkpoint"]
        for n, p in parts.items()
        if n.startswith("classifier") and "checkpoint" in p
    ]
    if not named:
        named = [f"{checkpoint.card.dataset}-gaussian-universal"]
    found: dict[float, tuple[Checkpoint, Measured]] = {}
    known = {c.name: c for c in catalog.list_checkpoints() if c.verified}
    for c in (known[name] for name in named if name in known):
        for m in c.card.measured:
            if m.sigma is not None and c.card.sigma in (None, m.sigma) and m.n == n:
                found[m.sigma] = c, m
    return dict(sorted(found.items()))


def groups(dataset: str) -> list[Group]:
    """Return the groups of shipped choosers, of most votes and of one network first."""
    found: dict[tuple[str, ...], Group] = {}
    for c in catalog.list_checkpoints():
        card = c.card
        known = c.verified and card.dataset == dataset and card.method in METHODS
        if not known or METHODS[card.method].levels is None:
            continue
        for m in card.each_once:
            fixed = _fixed_logs(c, m.n)
            if len(fixed) < 2:
                continue
            key = tuple(f"{log.name} {log.checkpoint_sha256} {m.n}" for log in fixed.values())
            files = {s: at.folder / f.log for s, (at, f) in _fixed(c, m.n).items()}
            held = found.get(key, Group(_title(fixed), m.n, fixed, files, ()))
            found[key] = replace(held, choosers=(*held.choosers, (_named(c, m), c, m)))
    return sorted(found.values(), key=lambda g: (-g.n, _is_of_experts(g.fixed), g.title))


def _is_of_experts(fixed: Mapping[float, Log]) -> bool:
    return len({log.checkpoint_sha256 for log in fixed.values()}) > 1


def _title(fixed: Mapping[float, Log]) -> str:
    """Say which classifiers a group sends images to."""
    if not _is_of_experts(fixed):
        return "One network for all levels"
    trained = dict.fromkeys(METHODS[log.method].title for log in fixed.values())
    return f"Experts: {', '.join(trained)}"


def _named(c: Checkpoint, m: Measured) -> str:
    """Return the name of a chooser's curve: its method, and what its name or its log adds."""
    more = c.name.removeprefix(f"{c.card.dataset}-{c.card.method}").strip("-")
    if c.card.method == CASCADE:
        more = ""  # its group says which experts
    named = f"{METHODS[c.card.method].label}{f', {more}' if more else ''}"
    return ", ".join(filter(None, (named, m.ending, m.precision)))


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


def chosen(checkpoint: Checkpoint, measured: Measured | None = None) -> Chosen | None:
    """Return what a shipped log (the first) chose beside fixed levels, None if there is none."""
    if not checkpoint.card.measured:
        return None
    measured = measured or checkpoint.card.measured[0]
    fixed = _fixed_logs(checkpoint, measured.n)
    if len(fixed) < 2:
        return None
    args = checkpoint.name, checkpoint.sha256, measured.log
    try:
        return chosen_levels.compare(_log(*args), _levels(*args), fixed)
    except UserError as error:
        st.caption(plain(str(error), 300))
        return None


def show_curves(checkpoint: Checkpoint) -> Group | None:
    """Show envelope, fixed levels and choosers over the test images, and the gaps as numbers.

    Return the group they are of, None without one.
    """
    found = groups(checkpoint.card.dataset)
    if not found:
        return None
    st.subheader("Over the test images: how near does each come to the envelope?")
    group = _picked(found, checkpoint)
    picked = chosen_of(group)
    gaps = {name: chosen_levels.gap(c) for name, c in picked.items()}
    if not gaps:
        return None
    cascade = next((n for n, c, _ in group.choosers if c.card.method == CASCADE), None)
    lines = {name: (c.card.method, _log(c.name, c.sha256, m.log)) for name, c, m in group.choosers}
    charts.show_figure(
        levels.envelope_curves(group.fixed, {n: lines[n] for n in gaps}),
        "noise_curves",
        _in_words(gaps),
    )
    st.markdown(_in_words(gaps))
    st.markdown("**Where the rest of the oracle's radius goes**")
    lost = {n: _lost(g) for n, g in gaps.items()}
    charts.show_figure(levels.losses(lost), "losses", levels.losses_in_words(lost))
    others = picked.get(cascade or "")
    rows = [_row(name, g, picked[name], others) for name, g in gaps.items()]
    st.dataframe(rows, hide_index=True)
    if (said := _why(picked, cascade)) is not None:
        st.markdown(said)
        if not _is_of_experts(group.fixed):
            st.page_link(
                page_path("compare"),
                label="The same asked of more images, its margins set before they were measured",
                icon=":material/science:",
                query_params={"view": "Experiments", "experiment": "chooser-images"},
                width="content",
            )
    st.caption(
        "ACR: mean certified radius, the area under a curve. The envelope takes the best fixed "
        "level anew at every radius, known only afterwards: no classifier is behind it. The oracle "
        "takes the best level of each image, which needs its label. At r: points of certified "
        "accuracy behind the envelope there. Intervals are of 95 %, by a bootstrap paired by "
        "image; the best fixed level is the best on these very images, which favours it. "
        + _of_whom(group)
    )
    return group


def _picked(found: Sequence[Group], checkpoint: Checkpoint) -> Group:
    """Return the group that is asked for: its networks, and of how many votes."""
    titles = list(dict.fromkeys(group.title for group in found))
    own = next((g.title for g in found if any(c == checkpoint for _, c, _ in g.choosers)), None)
    with st.container(horizontal=True, gap="medium"):
        title = st.segmented_control(
            "Whose votes for the class",
            titles,
            default=own or titles[0],
            required=True,
            key="group",
        )
        of_title = {f"{g.n:,}": g for g in found if g.title == (title or titles[0])}
        first = next(iter(of_title))
        n = st.segmented_control(
            "Votes a stage, n", list(of_title), default=first, required=True, key="group_n"
        )
    return of_title.get(n or first, of_title[first])


def chosen_of(group: Group) -> dict[str, Chosen]:
    """Return what each chooser of a group chose, by its name."""
    pairs = ((name, chosen(c, m)) for name, c, m in group.choosers)
    return {name: found for name, found in pairs if found is not None}


def _lost(g: Gap) -> Lost:
    """Return where the oracle's radius goes; the three parts make it up.

    A proof costs nothing where a chooser proves more than the fixed levels nearest to those it
    takes, as of a level between them or of a classifier of its own.
    """
    proof = max(g.lost_to_proof, 0.0)
    return Lost(g.acr, proof, g.oracle - g.acr - proof)


def _in_words(gaps: Mapping[str, Gap]) -> str:
    """Say who comes nearest to the envelope, and how near the best fixed level does."""
    name, nearest = min(gaps.items(), key=lambda pair: pair[1].gap)
    even, steady = min(gaps.items(), key=lambda pair: pair[1].farthest)
    radii = [f"{r:g}" for r in steady.points]
    level = max(nearest.fixed, key=nearest.fixed.__getitem__)
    beside = nearest.envelope - nearest.fixed[level]
    return (
        f"**{name}** comes nearest: its ACR of {nearest.acr:.3f} is {_below(nearest.gap)} the "
        f"envelope, {nearest.envelope:.3f}. The best level for all, {level:g}, is "
        f"{_below(beside)} it. At radius {', '.join(radii[:-1])} and {radii[-1]} **{even}** stays "
        f"within {100 * max(steady.farthest, 0.0):.1f} points of it"
        f"{', nearer than all others' if len(gaps) > 1 else ''}."
    )


def _below(gap: float) -> str:
    return f"**{abs(gap):.3f} {'below' if gap > 0 else 'above'}**"


def _row(name: str, g: Gap, own: Chosen, cascade: Chosen | None) -> dict[str, str]:
    best, rank = max(g.fixed, key=g.fixed.__getitem__), chosen_levels.correlation(own)
    beyond = chosen_levels.beyond_fixed(own, np.random.default_rng(SEED))
    others = {}
    if cascade is not None:
        past = chosen_levels.beyond(own, cascade, np.random.default_rng(SEED))
        others = {"beyond the cascade": "" if own is cascade else _interval(past)}
    return {
        "who chooses": name,
        "ACR": f"{g.acr:.3f}",
        "behind the envelope": f"{g.gap:.3f}",
        f"beyond level {best:g} for all": _interval(beyond),
        **others,
        "follows the best level": "one level" if np.isnan(rank) else f"{rank:.2f}",
        "oracle": f"{g.oracle:.3f}",
        **{f"at r = {r:g}": f"{100 * p:.1f}" for r, p in g.points.items()},
    }


def _interval(found: tuple[float, float, float]) -> str:
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*found)


def _why(picked: Mapping[str, Chosen], cascade: str | None) -> str | None:
    """Say how far learned choosers stay behind the cascade, and what it knows that they do not."""
    if cascade is None or cascade not in picked or len(picked) < 2:
        return None
    ours = picked[cascade]
    learned = {name: c for name, c in picked.items() if name != cascade}
    name, best = max(learned.items(), key=lambda pair: pair[1].gain_N.mean())
    fixed = chosen_levels.beyond_fixed(best, np.random.default_rng(SEED))
    past = chosen_levels.beyond(best, ours, np.random.default_rng(SEED))
    told = (
        f"**{name}** is the best of those that learn to choose. Its ACR is "
        f"{_told(fixed)} the best level for all, and {_told(past)} the cascade."
    )
    rank, others = chosen_levels.correlation(ours), map(chosen_levels.correlation, learned.values())
    most = max(map(np.nan_to_num, others))
    if past[2] >= 0 or not most < rank:
        return told
    return (
        f"{told} The cascade follows the best level of each image more closely: rank correlation "
        f"{rank:.2f}, of the others at most {most:.2f}. A radius is made of how far noisy copies "
        "agree on one class: the cascade counts that itself, while a learned chooser must guess it "
        "from each noisy copy alone, and only then are its votes counted."
    )


def _told(found: tuple[float, float, float]) -> str:
    """Say a difference of ACR with its interval: '**.012 above** (95 %: ...)'."""
    gap, low, high = found
    side = "above" if gap > 0 else "below"
    ends = (low, high) if gap > 0 else (-high + 0.0, -low + 0.0)  # no -0.000
    return f"**{abs(gap):.3f} {side}** (95 % interval {ends[0]:.3f} to {ends[1]:.3f})"


def _of_whom(group: Group) -> str:
    tuned = [name for name, c, _ in group.choosers if _is_tuned(c)]
    if not tuned:
        return ""
    votes = "votes by a classifier" if len(tuned) == 1 else "vote by classifiers"
    return (
        f"{'; '.join(tuned)} {votes} tuned from this network to the levels chosen; the fixed "
        "levels are of the network before."
    )


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
        "All have one level, so there is no correlation."
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
    """Let the picture above be this one of a data set, and go there."""
    st.session_state.update(drawn=False, source="gallery", image=name)
    frame.open_above(name)


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
                st.caption(f"level **{level:g}**, {_came_to(found, i)}")
                name = data.image_name(index)
                st.button("Open", key=f"open-{name}", on_click=open_image, args=(name,))


def _came_to(found: Chosen, i: int) -> str:
    """Say what became of an image: its radius, or that it is wrong or abstains."""
    if found.abstains_N[i]:
        return "abstains"
    return "**wrong**" if found.wrong_N[i] else f"R {down(found.gain_N[i], 2)}"


def _show_pair(data: datasets.Dataset, index: int, level: float) -> None:
    x_CHW = data.image(index)
    label = data.classes[int(data.y_N[index])]
    noise_CHW = torch.randn(x_CHW.shape, generator=torch.Generator().manual_seed(index))
    st.image(images.to_pil(x_CHW, 3), width=96, alt=f"{label}, number {index}")
    noisy = images.to_pil(x_CHW + level * noise_CHW, 3)
    st.image(noisy, width=96, alt=f"The same with noise {level:g}")
