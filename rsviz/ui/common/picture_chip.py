"""The picture in use, as a chip in the header of every page (no torch here)."""

import streamlit as st

from rsviz.ui.common import state
from rsviz.ui.common.address import plain
from rsviz.ui.common.picture_strip import show_picture
from rsviz.ui.page_list import page_path


def show() -> None:
    """Show the picture in use, and the way back to Certify with it; nothing before there is one."""
    picture = state.PICTURE.get()
    if picture is None:
        return
    name = picture.name
    with st.container(key="chip", horizontal=True, gap="xsmall", vertical_alignment="center"):
        small = picture.original.convert("RGB")
        small.thumbnail((56, 56))
        show_picture(small, 28, "The picture in use")
        st.page_link(
            page_path("certify"),
            label=plain(name or picture.source.name, 24),
            help="The picture in use: it goes with you from page to page.",
            query_params={"image": name} if name else None,
            width="content",
        )
