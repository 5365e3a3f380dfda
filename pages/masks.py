"""Masks: what ARS looks at, vote by vote, and the Linf certificate that forms beside its rivals."""

from dataclasses import replace

import streamlit as st

from rsviz import race, run, ui
from rsviz.canvas import ON_CANVASES
from rsviz.datasets import CLASSES
from rsviz.images import image_id
from rsviz.networks import INPUT_SIZE
from rsviz.spec import Bound
from rsviz.ui import canvases, mask_controls, masks, masks_budget, masks_measured, races, shared

ui.require()

st.title("Masks")
st.markdown(
    "A small object lies somewhere on a busy canvas. **Adaptive Randomized Smoothing** looks once, "
    "hides what does not matter, and looks again with less noise, **for the same certificate**: "
    "the answer stays while no colour value of any pixel changes by more than the radius (that is, "
    "in Linf)."
)

mask_controls.adopt_address()

# What is looked at, and how.
left, right = st.columns([3, 5], gap="medium")
with left:
    checkpoint = mask_controls.pick_network()
    dataset = checkpoint.card["dataset"]
    chosen = canvases.pick(dataset, INPUT_SIZE[dataset])
    sigma, f, n, seed, device = mask_controls.pick_settings(checkpoint)
classes = CLASSES[dataset]
rivals = race.partners(checkpoint)
specs = {
    name: run.make_spec(
        rival,
        chosen.x_CHW,
        sigma,
        chosen.name,
        n=n,
        seed=seed,
        bound=Bound.SPLIT,
        settings=(("f", f),) if name == "adaptive" else (),
    )
    for name, rival in rivals.items()
}
# What the first votes see does not depend on how many are planned.
key = shared.Key(image_id(chosen.x_CHW), replace(specs["adaptive"], n=1), "cpu")
nets = shared.networks(checkpoint, "cpu")
sight = masks.Sight(chosen, key, masks.first_votes(key, chosen.x_CHW, nets), classes, f)

with left:
    if chosen.label is None:
        st.caption(
            f"The network knows only {', '.join(classes)}; of another picture it makes what it can."
        )
    else:
        st.caption(f"True label: **{classes[chosen.label]}**")
with right:
    masks.show_one_vote(sight)

# The certificate, beside its rivals on the same canvas, seed and number of votes.
st.subheader("The certificate, beside its rivals")
for name in (name for name in ON_CANVASES if name not in rivals):
    st.caption(f"{races.TITLES[name]}: no network for these canvases is here.")
race_key = (image_id(chosen.x_CHW), tuple(specs.values()), device)
if st.button("Certify with all", type="primary", icon=":material/play_arrow:", key="race_button"):
    entrants = [(shared.networks(rivals[name], device), specs[name]) for name in rivals]
    races.start(chosen.x_CHW, entrants, race_key, device)
job = races.find(race_key)
if job is None:
    st.info(f"Press **Certify with all**: {n:,} votes of each method, the same canvas and seed.")
else:
    races.show(job, classes, chosen.label, chosen.x_CHW.numel())

races.show_history()
masks_measured.show(race.on_canvases())

# What the masks do, and what they do not change.
certificate = races.best(job)
radius = certificate.radius if certificate is not None and certificate.radius > 0 else 8 / 255
masks.show_many(sight, nets, masks.sizes_for(chosen))
masks_budget.show_budget(sight, radius)
masks_budget.show_l2(sight, certificate)
answer = (
    int(sight.seen.class_N.mode().values)
    if certificate is None
    else int(certificate.predicted or 0)
)
masks_budget.show_attacker(sight, nets, answer, radius, certificate is not None)
