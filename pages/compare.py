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

point = compare.show_curves(entries, bands)
shown = {entry.name: entry for entry in entries}
if point is not None and point[0] in shown:
    st.subheader("The images behind the point")
    behind.show_images(shown[point[0]], point[1])

st.subheader("In numbers")
compare.show_table(entries)
compare.show_parts(entries)

logs = {name: entry for name, entry in shown.items() if entry.log is not None}
if logs:
    st.subheader("Behind the average")
    name = st.selectbox("Log", list(logs), key="spread", label_visibility="collapsed")
    entry = logs[name or next(iter(logs))]
    assert entry.log is not None
    bar = behind.show_spread(entry.log)
    if bar is not None:
        behind.show_bar(entry, *bar)
