"""Claims of papers beside what the logs here say, and ACR against the work of training."""

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.core.files import kept_in, version
from rsviz.evaluation import training_cost, verdicts
from rsviz.evaluation.training_cost import Point
from rsviz.evaluation.verdicts import Finding
from rsviz.figures import claims as figures
from rsviz.methods.registry import METHODS
from rsviz.training.recipes import commands_of
from rsviz.ui.common import address, charts

COLOURS = {"holds": "green", "contradicted": "red"}
ICONS = {
    "holds": ":material/check_circle:",
    "contradicted": ":material/cancel:",
    "undecided": ":material/balance:",
}
MARKS = {"holds": "✔", "contradicted": "✖", "undecided": "≈"}
JUDGED = (
    "What papers claim, beside what the logs of the networks here say. The interval is a **paired "
    "bootstrap over the same images** (10,000 resamples, 95 %); a claim holds or is contradicted "
    "only where it excludes zero. Of so many claims some would by chance, so only those whose "
    "p-value **survives Holm's correction** over all of them count; the others are marked "
    "*alone*. By how much one is better is judged apart from whether it is. A rival is the best "
    "there is: of several fixed noise levels, the one best at that radius. These networks are "
    "small and trained for minutes: a verdict is about them, not about the paper's own."
)

State = tuple[tuple[str, tuple[int, ...] | None], ...]


@st.cache_data(max_entries=4, show_spinner="Reading the logs")
def _judged(state: State) -> list[Finding]:
    return verdicts.judge_all(catalog.root(), commands_of)


@st.cache_data(max_entries=4, show_spinner="Reading the logs")
def _points(state: State) -> dict[str, list[Point]]:
    found = training_cost.points(catalog.root(), catalog.list_checkpoints())
    return training_cost.alike(found)


def logs_state() -> State:
    """Return a value that changes when a log or a card does."""
    root = catalog.root()
    files = sorted(
        [*kept_in(root, "*/*.csv"), *kept_in(root, "*/*/*.csv"), *root.glob("*/card.json")]
    )
    return tuple((str(f), version(f)) for f in files)


def findings() -> list[Finding]:
    """Return the verdict on every claim, computed again when a log or a card changes."""
    return _judged(logs_state())


def show() -> None:
    """Show every claim with its verdict as a table to sort and filter, and one of them in full."""
    found = findings()
    st.markdown(f"**{verdicts.headline(found)}**")
    with st.popover("How it is judged", icon=":material/gavel:"):
        st.markdown(JUDGED)
    shown = _filtered(found)
    if not shown:
        st.info("No claim is left by these filters.")
        return
    picked = _table(shown)
    if picked is None:
        st.caption("Choose a row to read all of it: interval, rival, caveats, commands.")
    else:
        _show_one(picked)
    if decided := [f for f in shown if f.gap is not None]:
        with st.expander(
            "Their intervals in one figure", icon=":material/align_horizontal_center:"
        ):
            told = " ".join(verdicts.in_lines(decided))
            charts.show_figure(figures.forest(decided), "forest", told)
    _show_work()


def _filtered(found: list[Finding]) -> list[Finding]:
    """Show the filters and return the claims they leave, those decided first."""
    systems = list(dict.fromkeys(f.claim.system for f in found))
    counts = verdicts.tally(found)
    address.check(system=systems, verdict=list(counts))
    with st.container(horizontal=True, gap="medium"):
        of = _pills("Of", systems, "system", {})
        out = _pills(
            "Verdict", list(counts), "verdict", {k: f"{k} ({v})" for k, v in counts.items()}
        )
    order = list(counts)
    kept = [
        f
        for f in found
        if (not of or f.claim.system in of) and (not out or verdicts.tallied(f) in out)
    ]
    return sorted(kept, key=lambda f: order.index(verdicts.tallied(f)))


def _pills(label: str, options: list[str], key: str, words: dict[str, str]) -> list[str]:
    chosen = st.pills(
        label,
        options,
        selection_mode="multi",
        key=key,
        format_func=lambda o: words.get(o, o),
        bind="query-params",
        on_change=address.forget,
        args=(key,),
    )
    return list(chosen)


def _table(shown: list[Finding]) -> Finding | None:
    """Show claims as a table and return the one whose row is chosen."""
    rows = [_row(f) for f in shown]
    event = st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        key=f"claims-{len(shown)}-{shown[0].claim.text}",
        height=min(430, 38 + 35 * len(rows)),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "verdict": st.column_config.TextColumn(width=130),
            "statement": st.column_config.TextColumn(width=440),
            "difference": st.column_config.NumberColumn(format="%+.3f", width=80),
            "95 % interval": st.column_config.TextColumn(width=130),
            "paper": st.column_config.TextColumn(
                width=130, help="The paper's own two numbers, where it prints them."
            ),
            "size": st.column_config.TextColumn(
                width=60, help="Beside how much the paper says: less, more, or it fits."
            ),
            "seeds": st.column_config.TextColumn(
                width=50, help="Trainings of each side; a statement about training takes 3."
            ),
        },
    )
    chosen = event.selection.rows
    return shown[chosen[0]] if chosen else None


def _row(f: Finding) -> dict[str, str | float | None]:
    """Return a claim as a row of the table."""
    interval = "" if f.low is None or f.high is None else f"{f.low:+.3f} to {f.high:+.3f}"
    size = "" if f.size is None else f.size.verdict
    training = f.claim.about == "training"
    return {
        "verdict": f"{MARKS.get(f.verdict, '…')} {f.label}",
        "statement": f.claim.text,
        "difference": f.gap,
        "95 % interval": interval,
        "measure": f.claim.measure,
        "paper": _pair(f.claim.paper_a, f.claim.paper_b),
        "size": size,
        "seeds": str(f.seeds or "") if training else "",
    }


def _show_one(f: Finding) -> None:
    """Show all that is known of one claim."""
    with st.container(border=True, gap="xsmall"):
        st.badge(
            f.label,
            icon=ICONS.get(f.verdict, ":material/hourglass_empty:"),
            color=COLOURS.get(f.label, "orange" if f.gap is not None else "gray"),  # type: ignore[arg-type]
        )
        st.markdown(f"**{f.claim.text}**")
        paper = _pair(f.claim.paper_a, f.claim.paper_b) or "no numbers of its own for this"
        st.markdown(f"Paper: {paper} ({f.claim.source})")
        if f.gap is not None:
            gain = "" if f.gain is None else f" ({f.gain:+.1%})"
            st.markdown(
                f"Here, {f.claim.measure}: `{f.claim.a}` {f.ours_a:.3f}, against {f.rival} "
                f"{f.ours_b:.3f}; difference **{f.gap:+.3f}**{gain}, 95 % interval {f.low:+.3f} to "
                f"{f.high:+.3f} ({f.images}, n {f.n:,}); {verdicts.p_in_words(f)}."
            )
        if told := verdicts.size_in_words(f):
            st.markdown(f"By how much: {told}.")
        for told in (f.note, *f.caveats):
            if told:
                st.caption(told)
        if f.work_a is not None and f.work_a == f.work_b:  # a caveat tells where it is not equal
            st.caption(f"Training took {f.work_a}, of both.")
        if f.commands:
            st.code("\n".join(f.commands), language="bash", wrap_lines=True)


def _pair(a: float | None, b: float | None) -> str:
    return "" if a is None or b is None else f"{a:.3f} against {b:.3f}"


def _show_work() -> None:
    """Show ACR against the work of training, of networks measured alike, at a chosen sigma."""
    groups = _points(logs_state())
    if not groups:
        return
    names, most = list(groups), max(groups, key=lambda name: len(groups[name]))
    st.subheader("ACR against the work of training")
    address.check(alike=names)
    chosen = st.segmented_control(
        "Measured alike",
        names,
        default=most,
        key="alike",
        bind="query-params",
        on_change=address.forget,
        args=("alike",),
        required=True,
    )
    points = groups[chosen or most]
    charts.show_figure(
        figures.work(points, {name: m.title for name, m in METHODS.items()}),
        "work",
        training_cost.in_words(points),
    )
    first = points[0]
    st.caption(
        f"All on the same images ({first.subset}), n {first.n:,}, α {first.alpha:g}. Work is "
        "the multiply-adds of every pass forward and back, whatever the machine, also of the "
        "networks that one starts from or is made of; where several networks were trained together "
        "it is not counted, and they are not drawn. Minutes are no measure: machines differ, and "
        "whether one had other work meanwhile is not known. Bars: "
        "95 % of ACR over images, each network alone; as the images are the same, a difference "
        "between two is surer than their bars (the paired intervals above)."
    )
