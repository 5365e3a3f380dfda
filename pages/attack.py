"""Attack: how far must a picture move, on purpose, before the smoothed classifier gives way."""

import streamlit as st

from rsviz import images, run, ui
from rsviz.datasets import CLASSES
from rsviz.networks import INPUT_SIZE
from rsviz.ui import attack, own, picker, settings, shared

ui.require()
settings.adopt_address()

st.title("Attack")
st.markdown(
    "A certificate says: **no change shorter than the radius alters the answer**. Here an attacker "
    "who knows the network tries, inside the radius and beyond it."
)
attack.adopt_address()
left, right = st.columns([2, 3], gap="large")
with left:
    source = picker.pick(settings.default_image())
    pictures = st.container()
    checkpoint = own.pick(source.dataset) or settings.pick_checkpoint(
        source.dataset, ("certify", "levels")
    )
    chosen, device = settings.pick_settings(checkpoint)
    how, budget = attack.pick_attack(settings.ALPHA, chosen["seed"], checkpoint.card["method"])
    pressed = st.button(
        "Attack",
        key="attack",
        type="primary",
        icon=":material/bolt:",
        shortcut="Ctrl+Enter",
        width="stretch",
    )
dataset = checkpoint.card["dataset"]
classes = CLASSES[dataset]
with pictures:
    picture = picker.cut(source, INPUT_SIZE[dataset])

spec = run.make_spec(checkpoint, picture.x_CHW, image=picture.name, alpha=settings.ALPHA, **chosen)
key = attack.Key(images.image_id(picture.x_CHW), spec, how, device)
session = shared.session()
if session.job is not None and session.job.key != key:
    session.stop()
if pressed:
    attack.start(key, picture.x_CHW, shared.networks(checkpoint, device))

job = session.job if session.job is not None and session.job.key == key else None
ended = [j for j in session.history if j.key == key and attack.latest(j) is not None]
with right:
    if job is not None and job.active:
        attack.show_running(job, budget, picture.x_CHW, classes)
    elif job is not None and job.error:
        st.error(job.error)
    elif ended and (reading := attack.latest(ended[-1])) is not None:
        attack.show_result(reading, budget, picture.x_CHW, classes)
        attack.show_paper_style(reading, spec)
    else:
        st.image(images.to_pil(picture.x_CHW, 8), width=172, alt="The picture, before any attack")
        st.info(
            f"Press **Attack**: the picture is certified with {spec.n:,} votes, then attacked at "
            f"{len(how.budgets)} budgets, on {device}.",
            icon=":material/play_arrow:",
        )
    attack.explain(settings.ALPHA)
