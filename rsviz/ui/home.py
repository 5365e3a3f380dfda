"""Parts of Home: a live vote, what it proves in words, a stand-in without networks, the pages."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from rsviz.certification import certify
from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.radius import down, in_grey_levels
from rsviz.core.spec import Certificate, link_to
from rsviz.data import datasets, shapes
from rsviz.figures import ballot
from rsviz.smoothing import driver, voters
from rsviz.teaching import glossary, lessons
from rsviz.teaching.experiments import two_pixels
from rsviz.teaching.pictures.by_scene import PICTURES
from rsviz.ui.common import charts, run_controls, sessions
from rsviz.ui.page_list import PAGES, page_path
from rsviz.ui.tour_bar import show_start

COLUMNS = 3
PICTURES_SHOWN = {"heart": 7, "bars": 3, "cross": 12, "square": 1, "arrow": 4}  # of Shapes' test
SIGMAS = (0.12, 0.25, 0.5, 0.75, 1.0, 1.5)
VOTES = 400
CARDS = {  # of Home: what one does on each page
    "certify": "Take a picture of your own or one from the gallery, and watch its certificate form "
    "vote by vote: the noisy copies, the count, the radius, and what each of them means.",
    "attack": "Let an attacker who knows the network try to change the answer: inside the radius "
    "it must fail, beyond it you see how far it gets.",
    "compare": "See how many test pictures keep a certified, correct answer at each distance, for "
    "the networks shipped here, published results and your own logs; or send one picture through "
    "all of them.",
    "levels": "Networks that choose the noise for each picture: what they choose, what that "
    "certifies, and what every fixed level would have certified.",
    "masks": "A network that looks twice and hides what does not matter: its masks, vote by vote, "
    "and the certificate they buy.",
    "story": "All that this session found of your picture, on one page, and as one file that opens "
    "offline.",
    "learn": "Short chapters, each one picture to play with and a question to guess at first.",
}


def show_radius(winner: str, found: Certificate, label: str) -> None:
    """Say in words what the votes prove, and whether the answer is right."""
    if found.abstained:
        st.warning(
            "Too few copies agree to prove that any answer has a majority, so none is given. Turn "
            "the noise down.",
            icon=":material/front_hand:",
        )
        return
    grey = in_grey_levels(found.radius, 3 * 32 * 32)
    radius = down(found.radius, 2)
    if winner != label:
        st.error(
            f"**Certified, and wrong.** This is a picture of: {label}. Yet no change smaller than "
            f"**R = {radius}** takes the majority from **{winner}**. A proof that an answer is "
            "stable is no proof that it is right.",
            icon=":material/gpp_bad:",
        )
        return
    st.success(
        f"No change of the picture smaller than **R = {radius}** can take the majority from "
        f"**{winner}**. To shift every colour value by {down(grey, 1)} of 255 levels is a change "
        f"of that size. The probability that this proof is wrong is {found.alpha:g} at most.",
        icon=":material/verified:",
    )


def show_plane() -> None:
    """Show the two-pixel world, for as long as there is no trained network."""
    sigma = st.select_slider(
        "Noise, sigma", two_pixels.SIGMAS, 0.08, help=glossary.help_text("sigma")
    )
    picture = PICTURES["votes"](left=0.75, right=0.45, noise=sigma, votes=1000)
    st.caption(
        "An image of two pixels is a point on this map; each dot is a noisy copy, and votes."
    )
    charts.show_figure(picture.figure, "plane", picture.alt)


def show_cards() -> None:
    """Show the way into the tour, to each page, and to each chapter of Learn."""
    show_start()
    others = [entry for entry in PAGES[1:] if page_path(entry[0]).exists()]
    for i in range(0, len(others), COLUMNS):
        row = zip(st.columns(COLUMNS), others[i : i + COLUMNS], strict=False)
        for column, (name, title, icon) in row:
            with column.container(border=True, height="stretch"):
                st.page_link(page_path(name), label=f"**{title}**", icon=icon)
                st.markdown(CARDS[name])
    with st.container(border=True):
        st.markdown("**The chapters of Learn**")
        for chapter in lessons.CHAPTERS:
            st.page_link(
                page_path("learn"),
                label=f"{chapter.number}. {chapter.title}",
                query_params={"chapter": chapter.slug},
            )


@st.cache_data(max_entries=64, show_spinner="Asking the network")
def _ask(name: str, sha256: str, index: int, sigma: float) -> tuple[NDArray[np.uint8], Certificate]:
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
        sigma = run_controls.pick_sigma(0.5, SIGMAS, about=glossary.help_text("sigma"))
    sheet, found = _ask(checkpoint.name, checkpoint.sha256, PICTURES_SHOWN[name], sigma)
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
        show_radius(winner, found, name)
        st.page_link(
            page_path("certify"),
            label="The same in full, with 10,000 votes",
            icon=":material/arrow_forward:",
            query_params=link_to(image=found.image, checkpoint=found.checkpoint, sigma=sigma),
        )
