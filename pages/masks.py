"""Masks: what ARS looks at, vote by vote, and the Linf certificate that forms beside its rivals."""

from dataclasses import replace

import streamlit as st

from rsviz.certification import certify, mask_rivals
from rsviz.core.spec import Bound
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.data.images import image_id
from rsviz.ui import frame
from rsviz.ui.common import sessions
from rsviz.ui.masks import budget, canvas_picker, controls, measured, votes
from rsviz.ui.masks.rivals import best, show, show_history, start, titles

frame.require()

st.title("Masks")
st.markdown(
    "A small object lies somewhere on a busy canvas. **Adaptive Randomized Smoothing** looks once, "
    "hides what does not matter, and looks again with less noise, **for the same certificate**: "
    "the answer stays while no colour value of any pixel changes by more than the radius (that is, "
    "in Linf)."
)

controls.adopt_address()

# What is looked at, and how.
left, right = st.columns([3, 5], gap="medium")
with left:
    checkpoint = controls.pick_network()
    dataset = checkpoint.card.dataset
    chosen = canvas_picker.pick(dataset, INPUT_SIZE[dataset])
    sigma, f, counts, device = controls.pick_settings(checkpoint)
classes = CLASSES[dataset]
rivals = mask_rivals.partners(checkpoint)
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
    for name, rival in rivals.items()
}
# What the first votes see does not depend on how many are planned.
key = sessions.Key(image_id(chosen.x_CHW), replace(specs[checkpoint.card.method], n=1), "cpu")
nets = sessions.networks(checkpoint, "cpu")
sight = votes.Sight(chosen, key, votes.first_votes(key, chosen.x_CHW, nets), classes, f)

with left:
    if chosen.label is None:
        st.caption(
            f"The network knows only {', '.join(classes)}; it calls any other picture one of these."
        )
    else:
        st.caption(f"True label: **{classes[chosen.label]}**")
with right:
    votes.show_one_vote(sight)

# The certificate, beside its rivals on the same canvas, seed and number of votes.
st.subheader("The certificate, beside its rivals")
for title in (title for name, title in titles().items() if name not in rivals):
    st.caption(f"{title}: no network for these canvases is here.")
race_key = (image_id(chosen.x_CHW), tuple(specs.values()), device)
if st.button("Certify with all", type="primary", icon=":material/play_arrow:", key="race_button"):
    entrants = [(sessions.networks(rivals[name], device), specs[name]) for name in rivals]
    start(chosen.x_CHW, entrants, race_key, device)
job = sessions.desk("masks").find(race_key)
if job is None:
    st.info(
        f"Press **Certify with all**: {counts['n']:,} votes of each method, the same canvas and "
        "seed."
    )
else:
    show(job, classes, chosen.label)

show_history()
measured.show(mask_rivals.on_canvases())

# What the masks do, and what they do not change.
certificate = best(job)
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
