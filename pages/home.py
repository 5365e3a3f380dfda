"""Home: what randomized smoothing is, in one live picture, and the way to each page."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from rsviz.certification import certify
from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.spec import Certificate
from rsviz.data import datasets, shapes
from rsviz.figures import ballot
from rsviz.methods.registry import is_plain
from rsviz.smoothing import driver, voters
from rsviz.teaching import glossary, lessons
from rsviz.ui import frame, home, page_list
from rsviz.ui.common import charts, run_controls, sessions

frame.require()

PICTURES_SHOWN = {"heart": 7, "bars": 3, "cross": 12, "square": 1, "arrow": 4}  # of Shapes' test
SIGMAS = (0.12, 0.25, 0.5, 0.75, 1.0, 1.5)
VOTES = 400


@st.cache_data(max_entries=64, show_spinner="Asking the network")
def ask(name: str, sha256: str, index: int, sigma: float) -> tuple[NDArray[np.uint8], Certificate]:
    """Return the mosaic of the first copies, and the certificate of all votes."""
    x_CHW = datasets.from_pixels(shapes.draw(shapes.SEEDS["test"], index).x_HWC)
    checkpoint = catalog.find(name)
    net = sessions.network(checkpoint, "cpu")
    spec = certify.make_spec(checkpoint, x_CHW, sigma, f"shapes/test/{index}", n=VOTES)
    *_, last = certify.watch(x_CHW, {"classifier": net}, spec)
    voter = voters.NoisyClassifier(net)
    copy_NCHW, class_N = driver.noisy_votes(voter, x_CHW, spec, ballot.COPIES)
    sheet = ballot.mosaic(
        x_CHW.permute(1, 2, 0).numpy(),
        copy_NCHW.permute(0, 2, 3, 1).numpy(),
        [int(c) == last.certificate.predicted for c in class_N],
    )
    return sheet, last.certificate


def show_votes(checkpoint: Checkpoint) -> None:
    """Show a picture, its noisy copies with their votes, the count, and the radius."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        name = st.segmented_control(
            "Picture",
            list(PICTURES_SHOWN),
            default="heart",
            required=True,
            key="picture",
            bind="query-params",
        )
    with right:
        sigma = st.select_slider(
            "Noise, sigma",
            SIGMAS,
            0.5,
            help=glossary.help_text("sigma"),
            key="noise",
            bind="query-params",
        )
    sheet, found = ask(checkpoint.name, checkpoint.sha256, PICTURES_SHOWN[name], sigma)
    winner = shapes.CLASSES[found.predicted or 0]
    with left:
        st.markdown("**1. Make noisy copies and ask about each**")
        st.image(sheet, width="stretch", alt=f"A picture of a {name} and noisy copies of it.")
        st.caption(
            f"Blue frame: the network says '{winner}'. Orange: anything else. Counted just now, on "
            f"this machine, by the small network {checkpoint.name}."
        )
    with right:
        st.markdown("**2. Count the votes**")
        figure = ballot.tally(found.counts, shapes.CLASSES, found.predicted or 0, found.p_a_lower)
        alt = f"{max(found.counts)} of {sum(found.counts)} copies are called '{winner}'."
        charts.show_figure(figure, "tally", alt)
        st.markdown("**3. Read off what is proved**")
        home.show_radius(winner, found)
        st.page_link(
            page_list.page_path("certify"),
            label="The same in full, with 10,000 votes",
            icon=":material/arrow_forward:",
            query_params={"image": found.image, "sigma": f"{sigma:g}"},
        )


st.title("How robust is an answer?")
st.markdown(lessons.INTRODUCTION)
trained = [c for c in run_controls.usable("shapes") if is_plain(c.card["method"])]
if trained:
    show_votes(trained[0])
else:
    home.show_plane()

home.show_cards()
