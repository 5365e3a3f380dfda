"""Home: what randomized smoothing is, in one live picture, and the way to each page."""

import streamlit as st

from rsviz import lessons, toy, ui
from rsviz.figures_learn import PICTURES

ui.require()

INTRODUCTION = """
Change a picture so slightly that nobody would notice, and a neural network may call it something
else. **Randomized smoothing** asks the network not once but about many noisy copies of the picture
and counts the answers as votes. From the votes alone follows a **proof**: no change smaller than a
certain radius can turn the result.
"""

st.title("How much change does an answer survive?")
st.markdown(INTRODUCTION)
left, right = st.columns([3, 2], gap="medium")
with right:
    st.markdown(
        "**Try it.** In this little world an image has two pixels and is a point on the map. Tap "
        "the map to move it, and change the noise: each dot is a noisy copy, in the colour of its "
        "vote. Nothing inside the green disc can change the majority."
    )
    sigma = st.select_slider(
        "Noise, sigma",
        toy.SIGMAS,
        0.08,
        help=lessons.help_text("sigma"),
        key="noise",
        bind="query-params",
    )
picture = PICTURES["votes"](left=0.75, right=0.45, noise=sigma, votes=1000)
with left:
    st.plotly_chart(picture.figure, alt=picture.alt, config={"displayModeBar": False}, key="map")
