"""Claims of papers beside what the logs here say, and ACR against training minutes."""

import streamlit as st

from rsviz.checkpoints import catalog
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


State = tuple[tuple[str, int, int], ...]


@st.cache_data(max_entries=4, show_spinner="Reading the logs")
def _judged(state: State) -> list[Finding]:
    return verdicts.judge_all(catalog.root(), commands_of)


@st.cache_data(max_entries=4, show_spinner="Reading the logs")
def _points(state: State) -> dict[str, list[Point]]:
    found = training_cost.points(catalog.root(), catalog.list_checkpoints())
    return training_cost.alike(found)


def _state() -> State:
    """Return what tells that a log or a card changed."""
    root = catalog.root()
    files = sorted([*root.glob("*/*.csv"), *root.glob("*/*/*.csv"), *root.glob("*/card.json")])
    return tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files)


def findings() -> list[Finding]:
    """Return the verdict on every claim, computed anew when a log or a card changes."""
    return _judged(_state())


def show() -> None:
    """Show every claim with its verdict, whatever it is."""
    found = findings()
    decided = [f for f in found if f.gap is not None]
    st.markdown(
        "What papers claim, beside what the logs of the networks here say. The interval is a "
        "**paired bootstrap over the same images** (10,000 resamples, 95 %); a claim holds or is "
        "contradicted only where it excludes zero. Of so many claims some would by chance, so the "
        "count below keeps those whose p-value **survives Holm's correction** over all of them. "
        "These networks are small and trained for minutes: a verdict is about them, not about the "
        "paper's own."
    )
    st.markdown(f"**{verdicts.headline(found)}**")
    counts = verdicts.tally(found)
    with st.container(horizontal=True, gap="small"):
        for name, count in counts.items():
            st.badge(f"{count} {name}", color=COLOURS.get(name, "gray"))  # type: ignore[arg-type]
    if decided:
        charts.show_figure(figures.forest(decided), "forest", " ".join(verdicts.in_lines(decided)))
    _show_minutes()
    for system in dict.fromkeys(f.claim.system for f in found):
        st.subheader(system)
        for finding in found:
            if finding.claim.system == system:
                _show_one(finding)


def _show_one(f: Finding) -> None:
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
                f"Here: {_pair(f.ours_a, f.ours_b)} in {f.claim.measure}, difference "
                f"**{f.gap:+.3f}**{gain}, 95 % interval {f.low:+.3f} to {f.high:+.3f} "
                f"({f.images}, n {f.n:,}); {verdicts.p_in_words(f)}."
            )
        if f.minutes_a is not None and f.minutes_b is not None:
            st.caption(f"Training minutes, all in all: {f.minutes_a:.0f} and {f.minutes_b:.0f}.")
        if f.note:
            st.caption(f.note)
        if f.commands:
            with st.expander("Commands", icon=":material/terminal:"):
                st.code("\n".join(f.commands), language="bash", wrap_lines=True)


def _pair(a: float | None, b: float | None) -> str:
    return "" if a is None or b is None else f"{a:.3f} against {b:.3f}"


def _show_minutes() -> None:
    """Show ACR against training minutes of every network measured alike, at a chosen sigma."""
    groups = _points(_state())
    if not groups:
        return
    names, most = list(groups), max(groups, key=lambda name: len(groups[name]))
    st.subheader("ACR against training minutes")
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
        figures.minutes(points, {name: m.title for name, m in METHODS.items()}),
        "minutes",
        training_cost.in_words(points),
    )
    first = points[0]
    st.caption(
        f"All on the same images ({first.subset}), n {first.n:,}, α {first.alpha:g}. Minutes are "
        "those recorded in the networks' cards, all in all: also of the networks that one starts "
        "from or is made of. Whether the machine had other work meanwhile is not known. Bars: "
        "95 % of ACR over images, each network alone; as the images are the same, a difference "
        "between two is surer than their bars (the paired intervals above)."
    )
