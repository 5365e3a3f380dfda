"""Noise levels: each picture gets the noise it can bear, and the certificate allows for that."""

import streamlit as st

from rsviz.data.catalog import CLASSES
from rsviz.ui import frame
from rsviz.ui.common import next_acts, run_controls, sessions
from rsviz.ui.levels import controls, costs_and_attacks, fewer_draws, live, test_set
from rsviz.ui.page_list import page_path

frame.require()
controls.adopt_address()

# Which picture, who chooses, and how; a telephone keeps these out of sight.
with st.sidebar:
    picked, dataset = controls.pick_picture()
    found = controls.choosers(dataset)
    method = controls.pick_chooser(found)
    run, device = controls.pick_run()
    settings = controls.pick_knobs(found)

st.title(
    "Noise levels",
    help="Much noise certifies far, but hides what is small or faint. So let each picture have its "
    "own level, and prove that the answer stays the same nearby although the level may change.",
)
classes = CLASSES[found[method].card.dataset]
with st.container(horizontal=True, gap="small", vertical_alignment="center"):
    picked = controls.ask_label(picked, classes)

# The run: votes of shipped logs where there are, else a first look; the button counts all.
specs = controls.specs_of(found, settings, picked, run)
first_run = {**run, "n": min(run["n"], run_controls.FIRST_LOOK)}
first_specs = controls.specs_of(found, settings, picked, first_run)
key, first_key = (controls.key_of(picked, s, device) for s in (specs, first_specs))
stored = live.are_stored(found, specs, picked.name)
desk = sessions.desk("levels")
if run_controls.wants_all():
    controls.start(key, picked, found, specs, device, method)
elif desk.find(key, first_key) is None and not stored:
    controls.start(first_key, picked, found, first_specs, device, method)
job = desk.find(key, first_key)
first = job is not None and job.key != key
asked = live.Asked(picked, found, first_specs if first else specs, method, classes, device)
live.show(asked, job, job is not None and job.state == "done" and not first)
if picked.knobs is None:
    next_acts.show("levels", picked.name, specs[method])

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
    costs_and_attacks.show_broken(checkpoint)
