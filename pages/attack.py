"""Attack: how far must a picture move, on purpose, before the smoothed classifier gives way."""

import streamlit as st

from rsviz.certification import certify
from rsviz.certification.attack import AttackRun
from rsviz.data import images
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.ui import attack, frame
from rsviz.ui.common import own_network, picture_picker, run_controls, sessions
from rsviz.ui.common.address import plain

frame.require()
run_controls.adopt_address()

st.title("Attack")
st.markdown(
    "A certificate says: **no change shorter than the radius alters the answer**. Here an "
    "attacker who knows the network tries to change it, inside the radius and beyond."
)
attack.adopt_address()
left, right = st.columns([2, 3], gap="large")
with left:
    source = picture_picker.pick(run_controls.default_image())
    pictures = st.container()
    checkpoint = own_network.pick(source.dataset) or run_controls.pick_checkpoint(
        source.dataset, attack.PAGES
    )
    chosen, device = run_controls.pick_settings(checkpoint)
    alpha = run_controls.pick_alpha()
    how, budget = attack.pick_attack(alpha, chosen["seed"], checkpoint.card.method)
    pressed = st.button(
        "Attack",
        key="attack",
        type="primary",
        icon=":material/bolt:",
        shortcut="Ctrl+Enter",
        width="stretch",
    )
dataset = checkpoint.card.dataset
classes = CLASSES[dataset]
with pictures:
    picture = picture_picker.cut(source, INPUT_SIZE[dataset])

spec = certify.make_spec(
    checkpoint,
    picture.x_CHW,
    image=picture.name,
    alpha=alpha,
    flags=picture.flags,
    **chosen,
)
key = AttackRun(images.image_id(picture.x_CHW), spec, how, device)
session = sessions.desk(sessions.IMAGE)
if session.job is not None and session.job.key != key:
    session.stop()
if pressed:
    attack.start(key, picture.x_CHW, sessions.networks(checkpoint, device))

job = session.job if session.job is not None and session.job.key == key else None
ended = [j for j in session.history if j.key == key and attack.latest(j) is not None]
with right:
    if job is not None and job.active:
        attack.show_running(job, budget, picture.x_CHW, classes)
    elif job is not None and job.error:
        st.error(plain(job.error, 400))
    elif ended and (reading := attack.latest(ended[-1])) is not None:
        attack.show_result(reading, budget, picture.x_CHW, classes)
        attack.show_paper_style(reading, spec, picture.x_CHW)
    else:
        st.image(images.to_pil(picture.x_CHW, 8), width=172, alt="The picture, before any attack")
        st.info(
            f"Press **Attack**: the picture is certified with {spec.n:,} votes, then attacked at "
            f"{len(how.budgets)} budgets, on {device}.",
            icon=":material/play_arrow:",
        )
    attack.explain(alpha)
