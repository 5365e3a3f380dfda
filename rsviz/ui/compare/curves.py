"""The view of curves: which ones, how they are made comparable, plot and table."""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rsviz.core.errors import UserError
from rsviz.core.spec import RADIUS_MAX, Norm
from rsviz.evaluation import comparison, curves, published
from rsviz.evaluation.comparison import Entry
from rsviz.figures import curves as figures
from rsviz.ui.common import address, charts, run_controls, state
from rsviz.ui.common.address import plain
from rsviz.ui.compare import curve_images, uploaded_logs
from rsviz.ui.compare.curve_images import clicked
from rsviz.ui.compare.measured_logs import default_names, measured

RADII = tuple(i / 4 for i in range(13))
BESIDE = "Gaussian, Cohen et al. 2019, σ 0.5"


def _first(found: dict[str, Entry]) -> dict[str, list[str]]:
    """Return what is shown first: networks here, and the likest published curve of one of them."""
    names = default_names(found)
    papers = [comparison.from_published(p) for p in published.load()]
    same = [p.name for n in names[1:2] for p in comparison.namesakes(found[n], papers, 1)]
    return {"measured": names, "published": same or [BESIDE]}


def _take_set() -> None:
    """Show the published curves of the set pressed, alone; pressed again, what was first."""
    chosen = st.session_state["set"]
    if chosen:
        st.session_state["published"] = published.SETS[chosen]
        st.session_state["measured"] = []
    else:
        st.session_state.update(_first(measured()[0]))


def pick_entries(told: DeltaGenerator) -> list[Entry]:
    """Show the choice of curves and return it: measured here, uploaded, published.

    Parameters
    ----------
    told : where errors of a visitor's logs are shown, for a popover hides what it holds.
    """
    found, refused = measured()
    # Set here and not as the widgets' defaults, which an address leaves out: a link says it all.
    if not any(k in st.session_state or k in st.query_params for k in ("measured", "published")):
        st.session_state.update(_first(found))
    shelf = {p.curve.name: p for p in published.load()}
    with told:
        address.check(measured=list(found), published=list(shelf))
    st.pills("Published sets", list(published.SETS), key="set", on_change=_take_set)
    names = st.multiselect(
        "Measured here",
        list(found),
        key="measured",
        bind="query-params",
        on_change=address.forget,
        args=("measured",),
        placeholder="No log chosen" if found else "No network here has been measured yet",
        help="Logs of the networks in the checkpoints folder, one for each noise level.",
    )
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    papers = left.multiselect(
        "Published",
        list(shelf),
        key="published",
        bind="query-params",
        on_change=address.forget,
        args=("published",),
        placeholder="No paper chosen",
        help="Numbers of papers and public logs. Other networks, other images, often other n and "
        "alpha: each difference is marked.",
    )
    with right.popover("Your logs", icon=":material/upload_file:", width="stretch"):
        mine = uploaded_logs.pick_logs(told)
    with st.expander("Papers of which no numbers were found", icon=":material/search_off:"):
        for paper in published.NOT_FOUND:
            st.markdown(
                f"**{paper.method}** (arXiv {paper.arxiv}): {paper.known}. Its curves would be in "
                f"{paper.where}."
            )
    for sentence in refused:
        st.warning(plain(sentence, 400), icon=":material/block:")
    entries = [found[n] for n in names] + mine
    return entries + [comparison.from_published(shelf[n]) for n in papers]


def pick_treatment(entries: Sequence[Entry]) -> tuple[list[Entry], bool]:
    """Ask how to make curves comparable; return them so, and whether bands are drawn."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        part = st.selectbox(
            "Images",
            comparison.PARTS,
            key="images",
            bind="query-params",
            width=170,
            help="Cuts each log to the same test images, where it holds them. Published points "
            "stay as they are.",
        )
        same_n = st.toggle(
            "Equal n",
            key="equal_n",
            bind="query-params",
            help="Thins each log to the smallest n shown: a random share of each image's votes is "
            "kept, and the radius is read from that.",
        )
        seed = run_controls.pick_seed(width=130) if same_n else 0
        best = st.toggle(
            "Best over σ",
            key="best",
            bind="query-params",
            help="Adds, for a method shown at several noise levels, the best of them at each "
            "radius. It is chosen afterwards: no single run reaches it.",
        )
        two_class = run_controls.pick_two_class(
            "Adds each log's curve in the two-class form, from the same votes: alpha/2 bounds p_A, "
            "alpha/2 the most-voted other class. Another protocol than the field's, and marked."
        )
        bands = st.toggle(
            "95 % bands",
            key="bands",
            bind="query-params",
            help="Binomial intervals, for the finite number of images.",
        )
        linf = False
        if len({e.curve.norm for e in entries} - {None}) > 1:
            linf = st.segmented_control("Norm", ["L2", "Linf"], default="L2", key="norm") == "Linf"
    made, refused = comparison.cut(entries, part)
    if same_n:
        made, also = comparison.equal_n(made, int(seed))
        refused += also
    if two_class:
        made, also = comparison.two_class(made)
        refused += also
    made, also = _one_norm(made, linf)
    if best and (sentence := comparison.not_joined(made)):
        refused.append(sentence)
    for sentence in dict.fromkeys(refused + also):
        st.caption(f":material/info: {plain(sentence, 400)}")
    return made + (comparison.envelopes(made) if best else []), bands


def _one_norm(entries: Sequence[Entry], linf: bool) -> tuple[list[Entry], list[str]]:
    """Return entries in one norm, and a sentence for each that cannot be read in it.

    A log whose norm is not stated stays where nothing is converted, and is marked.
    """
    kept, left_out = [], []
    several = len({e.curve.norm for e in entries} - {None}) > 1
    for entry in entries:
        try:
            kept.append(comparison.as_linf(entry) if linf and several else entry)
        except UserError as error:
            left_out.append(str(error))
    if several and not linf:
        left_out = [
            f"{e.name} is certified in Linf and not drawn on an axis of L2; choose Linf to read "
            "all in it."
            for e in kept
            if e.curve.norm is Norm.LINF
        ]
        kept = [e for e in kept if e.curve.norm is not Norm.LINF]
    return kept, left_out


def show_curves(entries: Sequence[Entry], bands: bool) -> None:
    """Show the plot; a click in it asks for the images at a radius."""
    slots = figures.numbered(entries, state.SLOTS.get())  # a curve keeps its look
    state.SLOTS.set(slots)
    figure = figures.accuracy_curves(entries, comparison.marks(entries), bands, slots)
    event = charts.show_figure(
        figure,
        "curves",
        figures.in_words(entries),
        camera="svg",
        on_select="rerun",
        selection_mode="points",
    )
    before = state.CLICKED.of("curves").get()
    found = clicked("curves", event, str(entries[0].curve.norm))
    if found is not None and state.CLICKED.of("curves").get() != before:
        st.session_state["at_radius"] = round(float(found["x"]), 3)


def pick_radius() -> float | None:
    """Ask at which radius the images behind the curves are shown; None for none."""
    address.adopt({"at_radius": address.Between(0.0, RADIUS_MAX)})
    return st.number_input(
        "Images behind the curves at radius",
        0.0,
        RADIUS_MAX,
        None,
        step=0.25,
        placeholder="type a radius, or click a curve",
        key="at_radius",
        bind="query-params",
        width=300,
    )


def show_notes(entries: Sequence[Entry]) -> None:
    """Say how the plot is read, and what must not be compared in it."""
    st.caption(
        "Dotted verticals: the largest radius that a curve's n votes can certify; a curve that "
        "ends there shows the limit of n, not of its network. Click a name below the plot to see "
        "it alone. The camera above the plot saves it as SVG."
    )
    reasons = curves.comparable([e.curve for e in entries])
    notes = _notes(entries)
    if reasons:
        marked = comparison.marks(entries)
        what = ", ".join(dict.fromkeys(w for unlike in marked.values() for w in unlike))
        with st.expander(
            f"Not like for like ({what}): read the gaps between these curves with care",
            icon=":material/warning:",
            expanded=False,
        ):
            st.markdown("\n".join(f"- {plain(r, 400)}" for r in reasons))
    if notes:
        st.caption("  \n".join(f":material/sticky_note_2: {plain(n, 400)}" for n in notes))


def _notes(entries: Sequence[Entry]) -> list[str]:
    """Return each note once, after the curves that it is about."""
    about: dict[str, list[str]] = {}
    for entry in entries:
        about.setdefault(entry.note, []).append(entry.name)
        if entry.flag:
            about.setdefault(f"{entry.flag}.", []).append(entry.name)
    about.pop("", None)
    return [
        f"{'; '.join(names) if len(names) < 3 else f'{len(names)} of these curves'}: {note}"
        for note, names in about.items()
    ]


def show_table(entries: Sequence[Entry]) -> None:
    """Show ACR, accuracy at chosen radii and every setting, sortable; offer all as CSV."""
    at_R = st.multiselect(
        "Accuracy at radius",
        RADII,
        [0.5, 1.0],
        format_func=lambda r: f"{r:g}",
        key="radii",
        bind="query-params",
    )
    every = st.toggle("Every setting", key="every_setting", bind="query-params")
    shown = ["curve", "ACR", *(f"at {r:g}" for r in sorted(at_R))]
    percent = {
        f"at {r:g}": st.column_config.NumberColumn(f"at {r:g}", format="%.1f %%") for r in at_R
    }
    st.dataframe(
        comparison.table(entries, sorted(at_R)),
        hide_index=True,
        column_order=None if every else shown,
        column_config={
            "curve": st.column_config.TextColumn(pinned=True, width=230),
            "ACR": st.column_config.NumberColumn(
                format="%.3f",
                help="Average certified radius: the mean of radius x correct over all images.",
            ),
            "n": st.column_config.NumberColumn(format="localized"),
            "count": st.column_config.NumberColumn("number", format="localized"),
            "ceiling": st.column_config.NumberColumn(format="%.3f"),
            **percent,
        },
        alt="A row for each curve: ACR, certified accuracy at the chosen radii, and its settings.",
    )
    st.download_button(
        "Curves as CSV",
        comparison.to_csv(entries),
        "rsviz-curves.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def show_parts(entries: Sequence[Entry]) -> None:
    """Show how far the choice of images alone moves the ACR of the logs shown."""
    rows = comparison.acr_by_part(e.log for e in entries if e.log is not None)
    if rows:
        st.markdown("**The same log on other images.** The choice of test images alone moves ACR:")
        numbers = {k for row in rows for k in row} - {"log"}
        formats = {k: st.column_config.NumberColumn(format="%.3f") for k in numbers}
        st.dataframe(rows, hide_index=True, column_config=formats)


def show() -> None:
    """Show the view of curves: plot, images behind it, choice, comparability, table and spread."""
    told, plot, behind, chooser = (st.container() for _ in range(4))
    with chooser:
        entries, bands = pick_treatment(pick_entries(told))
    if not entries:
        st.info("Choose a curve above, or add your own log.", icon=":material/show_chart:")
        return
    with plot:
        show_curves(entries, bands)
    logs = {entry.name: entry for entry in entries if entry.log is not None}
    with behind:
        radius = pick_radius() if logs else None
        if radius is not None:
            curve_images.show_images(logs, radius)
    show_notes(entries)
    st.subheader("In numbers")
    show_table(entries)
    show_parts(entries)
    if logs:
        st.subheader("Behind the average")
        name = st.selectbox("Log", list(logs), key="spread", label_visibility="collapsed")
        curve_images.show_spread(logs[name or next(iter(logs))])
