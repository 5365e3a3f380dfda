"""The view of networks: what each is, how it was trained, what it measured, beside papers."""

from collections.abc import Sequence

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint, Measured
from rsviz.core.radius import down
from rsviz.core.spec import Norm
from rsviz.evaluation import comparison, published
from rsviz.evaluation.comparison import Entry
from rsviz.evaluation.training_cost import training_minutes, training_work
from rsviz.figures import curves as figures
from rsviz.methods.registry import METHODS
from rsviz.smoothing.engine import INT8
from rsviz.ui.common import address, charts
from rsviz.ui.common.address import plain
from rsviz.ui.compare.measured_logs import measured
from rsviz.ui.page_list import PAGES, page_path

CHOSEN = "chosen"  # by the method, for each image


def _levels(c: Checkpoint) -> list[str]:
    """Return the noise a network was measured at, as the table and its filter name it."""
    sigmas = dict.fromkeys(m.sigma for m in c.card.each_once)
    return [CHOSEN if s is None else f"{s:g}" for s in sigmas]


def _find(found: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Show the filters and return the networks that pass them all."""
    of = {"dataset": [c.card.dataset for c in found], "method": [c.card.method for c in found]}
    levels = sorted({level for c in found for level in _levels(c)})
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        words = st.text_input("Find", placeholder="a word of its name", key="find", width=190)
        data = st.multiselect("Data set", sorted(set(of["dataset"])), key="in_data", width=220)
        method = st.multiselect(
            "Method",
            [name for name in METHODS if name in of["method"]],
            format_func=lambda name: METHODS[name].title,
            key="in_method",
            width=260,
        )
        sigma = st.multiselect("σ", levels, key="in_sigma", width=180)
    return [
        c
        for c in found
        if all(word in c.name for word in words.lower().split())
        and (not data or c.card.dataset in data)
        and (not method or c.card.method in method)
        and (not sigma or set(sigma) & set(_levels(c)))
    ]


def _row(c: Checkpoint, m: Measured) -> dict[str, object]:
    return {
        "network": c.name,
        "method": METHODS[c.card.method].title,
        "data set": c.card.dataset,
        "σ": CHOSEN if m.sigma is None else f"{m.sigma:g}",
        "n": m.n,
        "images": m.images,
        "counted in": m.precision or "float32",
        "ACR": m.acr if m.norm == Norm.L2 else None,
        "right and certified at all": 100 * m.accuracy.get("0", 0.0),
    }


def _table(found: Sequence[Checkpoint]) -> None:
    """List every measurement; a ticked row opens its network below."""
    rows = [_row(c, m) for c in found for m in c.card.each_once]

    def opened() -> None:
        chosen = st.session_state["networks"]["selection"]["rows"]
        if chosen:
            st.session_state["about"] = rows[chosen[0]]["network"]

    st.dataframe(
        rows,
        hide_index=True,
        key="networks",
        on_select=opened,
        selection_mode="single-row",
        height=min(38 + 35 * len(rows), 360),
        column_config={
            "network": st.column_config.TextColumn(pinned=True, width=250),
            "n": st.column_config.NumberColumn(format="localized"),
            "ACR": st.column_config.NumberColumn(
                format="%.3f", help="Average certified radius, in L2; compare it at equal n only."
            ),
            "right and certified at all": st.column_config.NumberColumn("r = 0", format="%.1f %%"),
        },
        alt="A row for each measurement of each network.",
    )


def _origin(c: Checkpoint) -> None:
    """Say what a network is, how it was trained and what that took."""
    card, method = c.card, METHODS[c.card.method]
    trained = card.sigma_training if card.sigma is None else card.sigma
    at = "levels from U(0, 1)" if trained == "uniform" else f"σ {trained}"
    if trained is None or method.chooses_sigma:
        at = "levels it chooses" if method.chooses_sigma else "many levels"
    what = card.network or "several networks"
    told = [f"**{method.title}** ({method.source}); {what}, for {at}."]
    if card.start:
        told.append(f"It continues from `{card.start}`.")
    if others := [m.name for m in card.members] or [
        p["checkpoint"] for p in card.parts.values() if "checkpoint" in p
    ]:
        told.append(f"It is made of {', '.join(f'`{name}`' for name in dict.fromkeys(others))}.")
    root = c.folder.parent
    if (minutes := training_minutes(root, c.name)) is not None:
        spent = "under a minute" if minutes < 1 else f"{minutes:.0f} minutes"
        told.append(f"Training took {spent}, with all it starts from, on {plain(card.device)}.")
    if (work := training_work(root, c.name)) is not None:
        told.append(f"That is {work}.")
    for name, precision in card.precisions.items():
        gaps = [m.difference for m in precision.measured if m.difference]
        told += [
            f"In {name} its ACR is {d.mean:+.4f} beside float32 ({d.low:+.4f} to {d.high:+.4f})."
            for d in gaps[:1]
        ]
    st.markdown(" ".join(told))
    if card.command:
        st.code(card.command, language="bash", wrap_lines=True)


def _curves(c: Checkpoint, logs: Sequence[Entry]) -> None:
    """Draw its curves beside the published ones of its method, data set and noise."""
    papers = [comparison.from_published(p) for p in published.load()]
    # An int8 file votes much as float32 does, which is what papers measure: it comes last.
    own = sorted(logs, key=lambda entry: INT8.precision in entry.name)
    alike = [entry for entry in own if INT8.precision not in entry.name] or own
    beside = [p for log in alike for p in comparison.namesakes(log, papers)]
    entries = [*own, *{p.name: p for p in beside}.values()]
    figure = figures.accuracy_curves(entries, comparison.marks(entries), False, None)
    charts.show_figure(figure, "network", figures.in_words(entries), camera="svg")
    if not beside:
        st.caption("No published curve of this method on these images at this noise is known here.")
    else:
        st.caption(
            "≠ marks what differs from the first curve. Published curves at fewer votes than the "
            "papers' are read as if so many of their votes had been drawn."
        )


def show() -> None:
    """Show the view of networks: find one, then its card."""
    found = [c for c in catalog.list_checkpoints() if c.verified and c.card.each_once]
    if not found:
        st.info("No network here has been measured yet.", icon=":material/info:")
        return
    passed = _find(found)
    if not passed:
        st.info("No network passes these filters; take one away.", icon=":material/filter_alt_off:")
        return
    _table(passed)
    names = [c.name for c in found]
    address.check(about=names)
    if st.session_state.get("about") not in names:
        st.session_state["about"] = address.asked("about") or passed[0].name
    name = st.selectbox("Network", names, key="about", bind="query-params")
    c = next((c for c in found if c.name == name), found[0])
    _origin(c)
    logs = [entry for entry in measured()[0].values() if entry.checkpoint == c.name]
    if logs:
        _curves(c, logs)
    for m in c.card.each_once:  # what is beside float32 is told in a sentence
        said = f"ACR {down(m.acr, 3)}" if m.norm == Norm.L2 else "certified in Linf"
        level = "noise it chooses" if m.sigma is None else f"σ {m.sigma:g}"
        by = f", {m.engine}" if m.engine else ""
        with st.expander(f"Measured: {level}, n {m.n:,}, {m.subset}{by}: {said}"):
            st.code(m.command, language="bash", wrap_lines=True)
    page = METHODS[c.card.method].page
    title = next(title for file, title, _ in PAGES if file == page)
    st.page_link(
        page_path(page),
        label=f"Use it on {title}",
        icon=":material/play_arrow:",
        query_params={"checkpoint": c.name},
        width="content",
    )
