"""The words a page uses, explained at its foot: on hover, by a tap, or with the keyboard."""

import streamlit as st

from rsviz.teaching import glossary


def show_words(page: str) -> None:
    """Show the terms of a page, each with its sentence behind a question mark."""
    with st.container(horizontal=True, gap="small", key="words"):
        st.caption("In plain words:", width="content")
        for term in glossary.on_page(page):
            st.caption(term, help=glossary.help_text(term), width="content")
