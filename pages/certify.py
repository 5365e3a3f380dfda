"""Certify: a picture, a network and noise; votes come in, and a proved distance forms."""

from contextlib import nullcontext
from dataclasses import replace
from functools import cache, partial

import streamlit as st

from rsviz.certification import certify
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.ui import frame
from rsviz.ui.certify import claimed, meaning, result, see_radius
from rsviz.ui.certify.result import View
from rsviz.ui.common import (
    job_panel,
    next_acts,
    own_network,
    picture_picker,
    run_controls,
    sessions,
    tried,
)

frame.require()
run_controls.adopt_address()

# What is certified: the picture, the network, the noise; a telephone keeps these out of sight.
notes = st.container()
with st.sidebar:
    source = picture_picker.pick(run_controls.first_image())
    cropped = st.container() if source.x_CHW is None else nullcontext()  # only a file is cut
    checkpoint = own_network.pick(source.dataset) or run_controls.pick_checkpoint(
        source.dataset, notes=notes
    )
    chosen, device = run_controls.pick_settings(checkpoint)
    asked = run_controls.pick_question(checkpoint)
    engine = run_controls.pick_engine(checkpoint, device)
    alpha, bound = run_controls.pick_reading()
    two_class = run_controls.pick_two_class(
        "alpha/2 bounds p_A and alpha/2 the most-voted other class, from the same votes. Another "
        "protocol than the field's, which bounds p_A alone: never compare the two unmarked."
    )
dataset = checkpoint.card.dataset
with cropped:
    picture = picture_picker.cut(source, INPUT_SIZE[dataset])

st.title(
    "Certify",
    help="Noisy copies of a picture vote on what it shows. From the votes follows a distance "
    "within which no change of the picture, however clever, alters the answer.",
)
row = st.container(key="tries", horizontal=True, gap="small", vertical_alignment="center")
with row:
    presets = run_controls.announce_presets(checkpoint) if picture.crop is None else []
    if picture.crop is not None:
        picture = replace(picture, source=picture_picker.ask_label(source, CLASSES[dataset]))

# The run: other votes asked for stop what runs; alpha and bound only read votes again.
spec = certify.make_spec(
    checkpoint,
    picture.x_CHW,
    image=picture.name,
    alpha=alpha,
    flags=picture.flags,
    until_radius=asked,
    **chosen,
)
key = sessions.key_of(picture.x_CHW, spec, device, engine)
claim = claimed.read(key, spec, len(CLASSES[dataset]))
nets, desk = sessions.networks(checkpoint, device, engine), sessions.desk(sessions.IMAGE)
if desk.job is not None and desk.job.key != key:
    desk.stop()
if run_controls.wants_all() or run_controls.wants_seed():
    sessions.start(key, picture.x_CHW, spec, nets)
elif sessions.find_shown(key, checkpoint) is None and not sessions.was_started(key):
    recounts = claim is not None and spec.n <= claimed.RECOUNTED
    pause = None if recounts else run_controls.FIRST_LOOK
    first = sessions.start(key, picture.x_CHW, spec, nets, pause=pause)
    job_panel.await_short(first)

# What comes of it, vote by vote.
view = View(
    picture,
    cache(partial(sessions.noisy, key, picture.x_CHW, nets)),  # once a page, not once a look
    CLASSES[dataset],
    alpha,
    bound,
    spec.noise,
    two_class,
)
shown = sessions.find_shown(key, checkpoint)
if shown is not None:
    tried.record(picture.source, result.read(view, shown))
job = desk.job if desk.job is not None and desk.job.key == key else None
counted = shown is not None and shown.certificate.ended == "complete"
result.show(job, shown, spec, device, view, None if counted else claim)
with row:  # after first votes, which others wait for too
    run_controls.show_presets(presets)
    run_controls.press_new_seed(job is not None and job.active)
claimed.say(claim, shown)
claimed.put(key, shown)
if shown is not None and not (job is not None and job.active):
    proved = result.read(view, shown)
    walked = shown.walks if proved.radius == shown.certificate.radius else {}
    see_radius.show(see_radius.Ground(picture.x_CHW, nets, spec, proved, key.image, walked))
    meaning.show_distance(picture.x_CHW, proved)
    meaning.tell(shown, view)
    next_acts.show("certify", spec.image, spec)
meaning.show_classes(view)
meaning.show_history(desk.history)
meaning.show_exports(shown, spec, view, device, engine)
