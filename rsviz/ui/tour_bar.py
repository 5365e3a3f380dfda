"""The bar that leads a guest through the pages, one click a step."""

import streamlit as st

from rsviz.teaching import tour
from rsviz.ui.page_list import PAGES, page_path


def _present() -> tuple[tour.Stop, ...]:
    return tour.stops([name for name, _, _ in PAGES if page_path(name).exists()])


def show_bar() -> None:
    """Show the step of the tour, what to look at, and the next link; nothing without a tour."""
    stops = _present()
    step = tour.step_of(st.query_params.get("tour"), len(stops))
    if step is None:
        return
    with st.container(border=True, key="tour_bar"):
        st.markdown(f"Tour, {step} of {len(stops)}. {stops[step - 1].look}")
        with st.container(horizontal=True, gap="small"):
            if step > 1:
                _link(stops, step - 1, "Back", ":material/arrow_back:")
            if step < len(stops):
                _link(stops, step + 1, "Next", ":material/arrow_forward:")
            st.page_link(page_path(PAGES[0][0]), label="End the tour", icon=":material/close:")


def show_start() -> None:
    """Show the way into the tour."""
    _link(_present(), 1, "Take the tour: three minutes, one click a step", ":material/tour:")


def _link(stops: tuple[tour.Stop, ...], step: int, label: str, icon: str) -> None:
    stop = stops[step - 1]
    st.page_link(
        page_path(stop.page),
        label=label,
        icon=icon,
        query_params={**stop.query, "tour": str(step)},
        width="content",
    )
