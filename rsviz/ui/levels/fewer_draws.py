"""Over the test images: Variational RS with fewer draws and at smaller budgets, read again."""

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.radius import down
from rsviz.evaluation import fewer_draws
from rsviz.evaluation.fewer_draws import Reread
from rsviz.methods import variational
from rsviz.methods.registry import METHODS


def show(checkpoint: Checkpoint) -> None:
    """Show ACR by the number of draws Nh and the budget D, where a log holds the draws."""
    measured = checkpoint.card.measured
    if METHODS[checkpoint.card.method].options is not variational.Options or not measured:
        return
    st.subheader("How many draws does the selector need?")
    if not st.toggle("Read the log again with fewer draws", key="fewer_draws"):
        st.caption("From the votes of the shipped log; it takes some seconds.")
        return
    with st.spinner("Reading the votes of every test image again."):
        found = _reread(checkpoint.name, checkpoint.sha256, measured[0].log)
    by_draws: dict[int, dict[str, str | int]] = {}
    for r in found:
        row = by_draws.setdefault(r.draws, {"draws, Nh": r.draws})
        row[f"D = {r.budget:g}"] = down(r.acr, 3) + (" at least" if r.lacking else "")
    st.dataframe(list(by_draws.values()), hide_index=True)
    st.caption(
        "ACR of the proved radius. Draws left out at random leave those of a run that drew fewer. "
        "At least: with so few draws more levels stay possible than the log has votes at."
    )


@st.cache_data(max_entries=8, show_spinner=False)
def _reread(name: str, sha256: str, file: str) -> list[Reread]:
    return fewer_draws.reread(catalog.find(name).folder / file)
