"""Attack: how far must a picture move, on purpose, before the smoothed classifier gives way."""

from dataclasses import replace

import streamlit as st

from rsviz.certification import certify
from rsviz.certification.attack import AttackRun
from rsviz.data import images
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.ui import attack, frame
from rsviz.ui.common import next_acts, own_network, picture_picker, run_controls, sessions

frame.require()
run_controls.adopt_address()
attack.adopt_address()

# What is attacked, and how.
notes = st.container()
with st.sidebar:
    source = picture_picker.pick(run_controls.first_image())
    cropped = st.container()
    checkpoint = own_network.pick(source.dataset) or run_controls.pick_checkpoint(
        source.dataset, attack.PAGES, notes
    )
    chosen, device = run_controls.pick_settings(checkpoint)
    alpha = run_controls.pick_alpha()
    how = attack.pick_attack(alpha, chosen["seed"], checkpoint.card.method)
dataset = checkpoint.card.dataset
with cropped:
    picture = picture_picker.cut(source, INPUT_SIZE[dataset])

st.title(
    "Attack",
    help="A certificate says: no change shorter than the radius alters the answer. Here an "
    "attacker who knows the network tries to change it, inside the radius and beyond.",
)
with st.container(horizontal=True, gap="small", vertical_alignment="center"):
    budget = attack.pick_budget()
    if not source.dataset:
        picture = replace(picture, source=picture_picker.ask_label(source, CLASSES[dataset]))

spec = certify.make_spec(
    checkpoint,
    picture.x_CHW,
    image=picture.name,
    alpha=alpha,
    flags=picture.flags,
    **chosen,
)
key = AttackRun(images.image_id(picture.x_CHW), spec, how, device)
first, nets = attack.first_look(key, budget), sessions.networks(checkpoint, device)
session = sessions.desk(sessions.IMAGE)
if run_controls.wants_all():
    attack.start(key, picture.x_CHW, nets)
elif session.find(key, first) is None:
    attack.start(first, picture.x_CHW, nets)
job = session.find(key, first)
attack.show(job, attack.View(key, picture, nets, CLASSES[dataset], budget))
next_acts.show("attack", spec.image, spec)
attack.explain(alpha)
