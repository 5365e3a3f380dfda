"""Noise levels: each picture gets the noise it can bear, and the certificate allows for that."""

import streamlit as st

from rsviz.data.catalog import CLASSES
from rsviz.ui import frame
from rsviz.ui.levels import controls, costs_and_attacks, fewer_draws, live, test_set
from rsviz.ui.page_list import page_path

frame.require()

st.title("Noise levels")
st.markdown(
    "Much noise certifies far, but hides what is small or faint. **So let each picture have its "
    "own level**, and prove that the answer stays the same nearby although the level may change."
)

controls.adopt_address()

# The answer lies first, to be seen first on a phone; what it needs is asked beside and below it.
answer, asked = st.columns([3, 2], gap="large")
knobs, closer = st.container(border=True), st.container()
with asked:
    picked, dataset = controls.pick_picture()
    found = controls.choosers(dataset)
    run, device = controls.pick_run()
    pressed = st.button(
        "Certify by every chooser",
        type="primary",
        icon=":material/play_arrow:",
        key="choose",
        width="stretch",
        shortcut="Ctrl+Enter",
    )
with knobs:
    st.markdown("**Knobs.** Those that only read votes again do so at once.")
    settings = controls.pick_knobs(found)
with closer:
    st.subheader("One of them, looked at closely")
    method = controls.pick_chooser(found)
classes = CLASSES[found[method].card.dataset]
specs = controls.specs_of(found, settings, picked, run)
key = controls.key_of(picked, specs, device)
if pressed:
    controls.start(key, picked, found, specs, device, method)
live.show(live.Asked(key, picked, found, specs, method, classes), answer, closer)

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
group = test_set.show_curves(found[method])
if group is not None:
    costs_and_attacks.show_costs(group)
if (chosen := test_set.chosen(found[method])) is None:
    st.caption("No log of this network over the test images is shipped yet.")
else:
    test_set.show_scatter(found[method], chosen)
    test_set.show_gallery(found[method], chosen)
fewer_draws.show(found[method])
for checkpoint in found.values():
    costs_and_attacks.show_attacked(checkpoint)
