"""The bar that leads a guest through the pages, one click a step."""

import streamlit as st

from rsviz.figures.style import BACKGROUNDS, ORANGE
from rsviz.teaching import tour
from rsviz.ui.common import guide, state
from rsviz.ui.page_list import PAGES, page_path, present

# It stays in sight while the page scrolls to what it speaks of.
STYLE = (
    ".st-key-tour_bar {{position: sticky; top: 3.75rem; z-index: 99; background: {paper}}} "
    ".rsviz-shown {{outline: 3px solid {ink}; outline-offset: 3px; border-radius: .5rem}}"
)


def _present() -> tuple[tour.Stop, ...]:
    return tour.stops([name for name, _, _ in present()])


def show_bar() -> None:
    """Show the step of the tour, what to look at, and the next link; nothing without a tour."""
    stops = _present()
    asked = st.query_params.get("tour")
    if asked is None and not state.ENTERED.get():
        asked = state.TOUR.get()  # a control of the page may write its address anew
    step = tour.step_of(asked, len(stops))
    state.TOUR.set(None if step is None else str(step))
    if step is None:
        return
    paper = BACKGROUNDS[st.context.theme.type or "light"]
    st.html(f"<style>{STYLE.format(paper=paper, ink=ORANGE)}</style>")
    with st.container(border=True, key="tour_bar"):
        st.markdown(f"Tour, {step} of {len(stops)}. {stops[step - 1].look}")
        guide.show(stops[step - 1], step, len(stops))
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if step > 1:
                _link(stops, step - 1, "Back", ":material/arrow_back:")
            if step < len(stops):
                _link(stops, step + 1, "Next", ":material/arrow_forward:")
            if step == len(stops):
                _link_to_certificate()
            st.page_link(
                page_path(PAGES[0][0]),
                label="End the tour",
                icon=":material/close:",
                query_params={"tour": "0"},
            )


def _link_to_certificate() -> None:
    """Show the way back to the certificate of the tour, whose address can be passed on."""
    st.page_link(
        page_path("certify"),
        label="Your certificate: its address is the link to pass on",
        icon=":material/link:",
        query_params=dict(tour.PICTURE),
        width="content",
    )


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
