"""Certify: a picture, a network and noise; votes come in, and a proved distance forms."""

import streamlit as st

from rsviz import images, run, ui
from rsviz.datasets import CLASSES
from rsviz.networks import INPUT_SIZE
from rsviz.ui import live, meaning, own, picker, settings, shared

ui.require()
settings.adopt_address()

st.title("Certify")
st.markdown(
    "Noisy copies of a picture vote on what it shows. From the votes follows a **distance within "
    "which no change of the picture, however clever, alters the answer**."
)
presets = st.container()
left, right = st.columns([2, 3], gap="large")

# What is certified: the picture, the network, the noise.
with left:
    source = picker.pick(settings.default_image())
    pictures = st.container()
    checkpoint = own.pick(source.dataset) or settings.pick_checkpoint(source.dataset)
    chosen, device = settings.pick_settings(checkpoint)
    pressed = settings.press_certify(device)
with presets:
    settings.show_presets(checkpoint)
dataset = checkpoint.card["dataset"]
with pictures:
    picture = picker.cut(source, INPUT_SIZE[dataset])
with right:
    result = st.container()
    alpha, bound = settings.pick_reading()

# The run: other votes asked for stop what runs; alpha and bound only read votes again.
spec = run.make_spec(checkpoint, picture.x_CHW, image=picture.name, alpha=alpha, **chosen)
key = shared.key_of(picture.x_CHW, spec, device)
nets = shared.networks(checkpoint, device)
copies, votes = shared.noisy(key, picture.x_CHW, nets["classifier"])
session = shared.session()
if session.job is not None and session.job.key != key:
    session.stop()
if pressed:
    shared.start(key, picture.x_CHW, spec, nets)

# What came of it.
view = live.View(alpha, bound, CLASSES[dataset], picture.source.label, picture.x_CHW.numel())
shown = shared.find_shown(key, checkpoint, picture.resampled)
job = session.job if session.job is not None and session.job.key == key else None
with pictures:
    picker.show(picture, view.classes, images.to_pil(copies[0], 8))
with result:
    if job is not None and job.active:
        live.show_running(job, view, picture.resampled)
    elif job is not None and job.error:
        st.error(job.error)
    elif shown is not None:
        live.show_result(view, shown)
    else:
        live.show_waiting(spec, device)
with right:
    meaning.show_classes(view, picture.crop is not None)
if shown is not None and not (job is not None and job.active):
    meaning.show_distance(picture.x_CHW, live.read(view, shown))
meaning.show_copies(copies, votes, view, shown)
meaning.show_history(session.history)
meaning.show_exports(shown, spec, view, picture, device)
