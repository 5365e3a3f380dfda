"""Story: all that this session found of the picture in use, on one page and as one file."""

import streamlit as st

from rsviz.ui import frame, story

frame.require()

st.title(
    "Story",
    help="Every result of the picture in use, in order: certificates, attacks, its own noise, "
    "masks, every network. One file holds it all and opens offline.",
)
story.show()
