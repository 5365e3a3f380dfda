"""Compare: certified accuracy against radius, of networks measured here, your logs, and papers."""

import streamlit as st

from rsviz import ui
from rsviz.ui import behind, compare

ui.require()

st.title("Compare")
st.markdown(
    "How many test images keep a **certified, correct** answer at each distance. Curves are alike "
    "only at the same norm, images, n and alpha: what differs from the first curve is marked **≠**."
)
entries, bands = compare.pick_treatment(compare.pick_entries())
if not entries:
    st.info("Choose a curve above, or add your own log.", icon=":material/show_chart:")
    st.stop()

radius = compare.show_curves(entries, bands)
logs = {entry.name: entry for entry in entries if entry.log is not None}
if radius is not None and logs:
    st.subheader("The images behind the curves")
    behind.show_images(logs, radius)

st.subheader("In numbers")
compare.show_table(entries)
compare.show_parts(entries)

if logs:
    st.subheader("Behind the average")
    name = st.selectbox("Log", list(logs), key="spread", label_visibility="collapsed")
    behind.show_spread(logs[name or next(iter(logs))])
