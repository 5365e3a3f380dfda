"""Certify: a picture, a network and noise; votes come in, and a proved distance forms."""

import streamlit as st

from rsviz.certification import certify
from rsviz.data import images
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.ui import frame
from rsviz.ui.certify import meaning
from rsviz.ui.certify.result import View, read, show_result, show_running, show_waiting
from rsviz.ui.common import own_network, picture_picker, run_controls, sessions
from rsviz.ui.common.address import plain

frame.require()
run_controls.adopt_address()

st.title("Certify")
st.markdown(
    "Noisy copies of a picture vote on what it shows. The votes prove a **distance within which "
    "no change of the picture, however clever, alters the answer**."
)
presets = st.container()
left, right = st.columns([2, 3], gap="large")

# What is certified: the picture, the network, the noise.
with left:
    source = picture_picker.pick(run_controls.default_image())
    pictures = st.container()
    checkpoint = own_network.pick(source.dataset) or run_controls.pick_checkpoint(source.dataset)
    chosen, device = run_controls.pick_settings(checkpoint)
    asked = run_controls.pick_question(checkpoint)
    engine = run_controls.pick_engine(checkpoint, device)
    pressed = run_controls.press_certify(device, engine)
with presets:
    run_controls.show_presets(checkpoint)
dataset = checkpoint.card.dataset
with pictures:
    picture = picture_picker.cut(source, INPUT_SIZE[dataset])
with right:
    result = st.container()
    alpha, bound = run_controls.pick_reading()
    two_class = run_controls.pick_two_class(
        "alpha/2 bounds p_A and alpha/2 the most-voted other class, from the same votes. Another "
        "protocol than the field's, which bounds p_A alone: never compare the two unmarked."
    )

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
nets = sessions.networks(checkpoint, device, engine)
copies, votes = sessions.noisy(key, picture.x_CHW, nets)
session = sessions.desk(sessions.IMAGE)
if session.job is not None and session.job.key != key:
    session.stop()
if pressed:
    sessions.start(key, picture.x_CHW, spec, nets)

# What came of it.
view = View(alpha, bound, CLASSES[dataset], picture.source.label, picture.x_CHW.numel(), two_class)
shown = sessions.find_shown(key, checkpoint)
job = session.job if session.job is not None and session.job.key == key else None
with pictures:
    picture_picker.show(picture, view.classes, images.to_pil(copies[0], 8))
with result:
    if job is not None and job.active:
        show_running(job, view)
    elif job is not None and job.error:
        st.error(plain(job.error, 400))
    elif shown is not None:
        show_result(view, shown)
    else:
        show_waiting(spec, device)
with right:
    meaning.show_classes(view, picture.crop is not None)
if shown is not None and not (job is not None and job.active):
    meaning.show_distance(picture.x_CHW, read(view, shown))
    meaning.show_onward(spec)
meaning.show_copies(copies, votes, view, shown)
meaning.show_history(session.history)
meaning.show_exports(shown, spec, view, picture, device, engine)
