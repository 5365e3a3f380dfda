"""Compare: curves of certified accuracy, one image by all networks, networks, claims."""

import streamlit as st

from rsviz.ui import frame
from rsviz.ui.common import address
from rsviz.ui.compare import (
    claims,
    curves,
    ensembles,
    evaluate,
    every_network,
    experiments,
    networks,
)

frame.require()

VIEWS = {
    "Curves": (
        "How many test images keep a **certified, correct** answer at each distance. Compare "
        "curves only at the same norm, images, n and alpha: what differs from the first curve is "
        "marked **≠**.",
        curves.show,
    ),
    "One image": (
        "One picture through **every network**: same seed, same number of votes, each at its own "
        "noise.",
        every_network.show,
    ),
    "Networks": (
        "Every trained network here: what it is, how it was trained, what it measured.",
        networks.show,
    ),
    "Ensembles": (
        "Several networks voting as one: how far their margins vary **together**, and what each "
        "way to weigh them certifies.",
        ensembles.show,
    ),
    "Claims": ("", claims.show),
    "Experiments": (
        "What the papers leave open: a question, what was expected, and what these networks say.",
        experiments.show,
    ),
    "Evaluate": (
        "Certify many test images with a network here; its curve grows as they land.",
        evaluate.show,
    ),
}

st.title("Compare")
address.check(view=list(VIEWS))
view = st.segmented_control(
    "View",
    list(VIEWS),
    default="Curves",
    key="view",
    bind="query-params",
    on_change=address.forget,
    args=("view",),
    required=True,
    label_visibility="collapsed",
)
about, show = VIEWS[view or "Curves"]
if about:
    st.markdown(about)
show()
