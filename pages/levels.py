"""Noise levels: each picture gets the noise it can bear, and the certificate allows for that."""

import streamlit as st

from rsviz.certification import certify, every_level
from rsviz.data.catalog import CLASSES
from rsviz.data.images import image_id
from rsviz.ui import frame
from rsviz.ui.common import sessions
from rsviz.ui.levels import controls, costs_and_attacks, run, test_set
from rsviz.ui.page_list import page_path

frame.require()

st.title("Noise levels")
st.markdown(
    "Much noise certifies large radii, but hides what is small or faint. **So let each picture "
    "have its "
    "own level**, and prove that the level stays the same nearby as well."
)

controls.adopt_address()

# Which picture, who chooses its level, and how it is run.
left, right = st.columns([2, 3], gap="large")
with left:
    picked, dataset = controls.pick_picture()
    checkpoint = controls.pick_method(dataset)
    chosen, device = controls.pick_settings(checkpoint)
    pressed = st.button(
        "Choose and certify",
        type="primary",
        icon=":material/play_arrow:",
        key="choose",
        width="stretch",
        shortcut="Ctrl+Enter",
    )
classes = CLASSES[checkpoint.card.dataset]
spec = certify.make_spec(checkpoint, picked.x_CHW, image=picked.name, flags=picked.flags, **chosen)
nets = sessions.networks(checkpoint, device)
key = (image_id(picked.x_CHW), spec, device)

# The level at a glance, then the run.
with right:
    controls.show_glance(picked, sessions.networks(checkpoint, "cpu"), spec)
    controls.show_follow(picked, sessions.networks(checkpoint, "cpu"), spec, classes)
    if pressed:
        controls.start(key, picked, nets, spec, device)
    job = sessions.desk("levels").find(key)
    if job is None:
        st.info(
            "Press **Choose and certify**: noisy copies vote for the level, others for the class "
            "at that level; then every fixed level is tried, to compare.",
            icon=":material/play_arrow:",
        )
    else:
        run.show_run(job, spec, classes, picked.label)
    if picked.label is not None:
        st.caption(f"True label: **{classes[picked.label]}**.")

# Why the level needs a proof of its own.
with st.container(border=True):
    st.markdown(
        "**Why not just take the best level for each picture?** Then a neighbour of the picture "
        "might get another level, and with it another answer, inside the ball that was claimed. "
        "Learn has a small live example, where an attack finds such a neighbour."
    )
    st.page_link(
        page_path("learn"),
        label="See the counter-example",
        icon=":material/school:",
        query_params={"chapter": "levels"},
    )

# The whole test set, from shipped logs.
selectors = every_level.selectors(checkpoint.card.dataset)
test_set.show_curves(checkpoint.card.dataset, selectors)
found = test_set.chosen(checkpoint)
if found is None:
    st.caption("No log of this network over the test images is shipped yet.")
else:
    test_set.show_scatter(checkpoint, found)
    test_set.show_gallery(checkpoint, found)
costs_and_attacks.show_costs(selectors)
for selector in selectors.values():
    costs_and_attacks.show_attacked(selector)
