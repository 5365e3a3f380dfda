"""The view of experiments: a question, a figure, what came out, and the commands."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.evaluation import experiment_rows
from rsviz.evaluation.experiment_rows import Result, Row
from rsviz.evaluation.experiments import EXPERIMENTS, find
from rsviz.figures import experiments as figures
from rsviz.ui.common import address, charts
from rsviz.ui.compare.claims import State, logs_state

SHOWN = 3  # commands that fit without scrolling
MARKS = {"as expected": "✔", "contradicted": "✖", "undecided": "≈", "not measured": "…"}


@st.cache_data(max_entries=32, show_spinner="Reading the logs")
def _result(key: str, state: State) -> Result:
    return experiment_rows.result(find(key), catalog.root())


def show() -> None:
    """Show one experiment, chosen by its question."""
    key = _chosen()
    found = _result(key, logs_state())
    st.markdown(f"**{found.headline}**")
    st.caption(f"{found.experiment.paper}. {found.state.capitalize()}. {found.registered}")
    measure = _measure(found)
    if found.of(measure):
        _figures(found, measure)
    _expectations(found)
    _table(found, measure)
    _commands(found)


def _chosen() -> str:
    """Show the questions and return the key of the one chosen, which the address holds.

    Streamlit would put the whole question there.
    """
    keys = [e.key for e in EXPERIMENTS]
    address.check(experiment=keys)
    _begin("experiment", keys)
    key = st.selectbox(
        "Question",
        keys,
        key="experiment",
        format_func=lambda key: find(key).question,
        on_change=address.forget,
        args=("experiment",),
    )
    st.query_params["experiment"] = key
    return key


def _begin(key: str, offered: Sequence[str]) -> None:
    """Let a control begin with what the address asks for, or with the first it offers."""
    if st.session_state.get(key) not in offered:
        asked = address.asked(key)
        st.session_state[key] = asked if asked in offered else offered[0]


def _measure(found: Result) -> str:
    """Show which measures there are and return the one chosen."""
    measures = found.experiment.measures
    if len(measures) == 1:
        return measures[0]
    if "measure" not in st.session_state:  # later the address may hold that of another question
        address.check(measure=measures)
    _begin("measure", measures)
    chosen = st.segmented_control(
        "Measure",
        measures,
        key="measure",
        bind="query-params",
        on_change=address.forget,
        args=("measure",),
        required=True,
    )
    return chosen or measures[0]


def _figures(found: Result, measure: str) -> None:
    charts.show_figure(figures.measured(found, measure), "experiment_chart", found.headline)
    for note in filter(None, (found.beyond(measure), found.experiment.note)):
        st.caption(note)
    if not found.experiment.curves:
        return
    with st.expander("Certified accuracy against radius", icon=":material/show_chart:"):
        for series in found.experiment.series:
            st.markdown(f"`{series}`")
            told = f"Certified accuracy of {series} at five radii, a line for each x."
            charts.show_figure(figures.certified(found, series), f"certified_{series}", told)


def _expectations(found: Result) -> None:
    """Say what was expected, and what came of it."""
    if not found.judged:
        return
    with st.expander(
        f"What was expected ({len(found.judged)})", icon=":material/fact_check:", expanded=True
    ):
        for j in found.judged:
            told = f": {words}" if (words := experiment_rows.gap_in_words(j)) else ""
            when = "; written after its logs had been read" if j.seen else ""
            st.markdown(f"{MARKS[j.outcome]} {j.expected.text} *{j.outcome}*{told}{when}")


def _table(found: Result, measure: str) -> None:
    """List every point of a measure."""
    rows = [row for row in found.rows if row.measure == measure]
    with st.expander(f"Its {len(rows)} points", icon=":material/table_rows:"):
        st.dataframe(
            [_cells(found, row) for row in rows],
            hide_index=True,
            height=min(430, 38 + 35 * len(rows)),
            alt="A row for each point, with its interval.",
        )


def _cells(found: Result, row: Row) -> dict[str, str | int | None]:
    gap = ""
    if row.gap is not None:
        numbers = (row.gap, row.gap_low or 0.0, row.gap_high or 0.0)
        gap = "{} ({} to {})".format(*experiment_rows.told(row.measure, *numbers, sign="+"))
    return {
        found.experiment.x: row.x if isinstance(row.x, str) else f"{row.x:g}",
        "series": row.series,
        row.measure: experiment_rows.number(row),
        "95 %": experiment_rows.interval(row),
        f"above {found.experiment.series[0]}": gap,
        "images": row.images or None,
        "n": row.n,
    }


def _commands(found: Result) -> None:
    """Show the command of every log, those that are missing first."""
    missing = list(dict.fromkeys(c for row in found.missing for c in row.commands))
    made = [c for row in found.rows for c in row.commands if c not in missing]
    if missing:
        st.caption(
            f"Not measured yet; `python -m rsviz experiments run {found.experiment.key}` does, by:"
        )
        height: int | Literal["content"] = 200 if len(missing) > SHOWN else "content"
        st.code("\n".join(missing), language="bash", wrap_lines=True, height=height)
    if made := list(dict.fromkeys(made)):
        with st.expander("The commands behind it", icon=":material/terminal:"):
            st.code("\n".join(made), language="bash", wrap_lines=True)
