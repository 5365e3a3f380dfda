"""Masks: what ARS looks at, vote by vote, and the Linf certificate that forms beside its rivals."""

from dataclasses import replace

import streamlit as st

from rsviz.certification import certify, mask_rivals
from rsviz.core.spec import Bound
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.data.images import image_id
from rsviz.ui import frame
from rsviz.ui.common import next_acts, run_controls, sessions, stage
from rsviz.ui.masks import budget, canvas_picker, controls, measured, rivals, votes

frame.require()
controls.adopt_address()

# What is looked at, and how.
with st.sidebar:
    checkpoint = controls.pick_network()
    dataset = checkpoint.card.dataset
    chosen = canvas_picker.pick(dataset, INPUT_SIZE[dataset])
    sigma, f, counts, device = controls.pick_settings(checkpoint)
classes = CLASSES[dataset]

st.title(
    "Masks",
    help="A small object lies somewhere on a busy canvas. Adaptive Randomized Smoothing looks "
    "once, hides what does not matter, and looks again with less noise, for the same certificate: "
    "the answer stays while no colour value changes by more than the radius (in Linf).",
)
chosen = canvas_picker.ask_label(chosen, classes)
present = mask_rivals.partners(checkpoint)
specs = {
    name: certify.make_spec(
        rival,
        chosen.x_CHW,
        sigma,
        chosen.name,
        **counts,
        bound=Bound.SPLIT,
        settings=(("f", f),) if rival is checkpoint else (),
        flags=chosen.flags,
    )
    for name, rival in present.items()
}
# What the first votes see does not depend on how many are planned.
key = sessions.Key(image_id(chosen.x_CHW), replace(specs[checkpoint.card.method], n=1), "cpu")
nets = sessions.networks(checkpoint, "cpu")
sight = votes.Sight(chosen, key, votes.first_votes(key, chosen.x_CHW, nets), classes, f)

# The certificate, beside its rivals on the same canvas, seed and number of votes.
first_specs = {name: stage.first_look(spec) for name, spec in specs.items()}
whole_key = (key.image, tuple(specs.values()), device)
first_key = (key.image, tuple(first_specs.values()), device)
desk = sessions.desk("masks")
if run_controls.wants_all():
    rivals.start(chosen.x_CHW, present, specs, whole_key, device)
elif desk.find(whole_key, first_key) is None:
    rivals.start(chosen.x_CHW, present, first_specs, first_key, device)
job = desk.find(whole_key, first_key)
whole = job is not None and job.key == whole_key and job.state == "done"
rivals.show(job, sight, whole, counts["n"])
if chosen.source is not None:
    next_acts.show("masks", chosen.source.image)
rivals.show_missing(present)
rivals.show_history()

# One vote, what the masks do, and what they do not change.
votes.show_one_vote(sight)
measured.show(mask_rivals.on_canvases())
certificate = rivals.best(job)
radius = certificate.radius if certificate is not None and certificate.radius > 0 else 8 / 255
votes.show_many(sight, nets, votes.sizes_for(chosen))
budget.show_budget(sight, radius)
budget.show_l2(sight, certificate)
answer = (
    int(sight.seen.class_N.mode().values)
    if certificate is None
    else int(certificate.predicted or 0)
)
budget.show_attacker(sight, nets, answer, radius, certificate is not None)
