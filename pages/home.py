"""Home: what randomized smoothing is, in one live picture, and the way to each page."""

import streamlit as st

from rsviz.methods.registry import is_plain
from rsviz.teaching import lessons
from rsviz.ui import frame, home
from rsviz.ui.common import run_controls

frame.require()

st.title("How robust is an answer?")
st.markdown(lessons.INTRODUCTION)
trained = [c for c in run_controls.usable("shapes") if is_plain(c.card.method)]
if trained:
    home.show_votes(trained[0])
else:
    home.show_plane()

home.show_cards()
