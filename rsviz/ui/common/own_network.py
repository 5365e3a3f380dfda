"""A visitor's own network, dropped in on a page and kept for this browser tab only."""

import hashlib

import streamlit as st

from rsviz.checkpoints.catalog import Checkpoint
from rsviz.checkpoints.foreign import (
    MEGABYTES,
    NETWORKS,
    Foreign,
    Own,
    own_network,
)
from rsviz.checkpoints.guesses import IMAGES, accuracy_of_each, choices, doubt, guess
from rsviz.checkpoints.sandbox import read_apart
from rsviz.core.errors import UserError
from rsviz.data.catalog import CLASSES
from rsviz.networks.normalisation import Normalisation, in_words, parse
from rsviz.ui.common import state
from rsviz.ui.common.address import plain
from rsviz.ui.common.run_controls import SIGMAS

STATED = "numbers"  # the choice of numbers of one's own


def pick(dataset: str) -> Checkpoint | None:
    """Show where to drop a network; return it once there is one that fits, else None.

    Parameters
    ----------
    dataset : of the picture, empty for a file; the network must know its classes.
    """
    with st.expander("Your own network", icon=":material/upload_file:"):
        file = st.file_uploader(
            f"Weights as torch.save writes them ({', '.join(NETWORKS)})",
            key="own",
            max_upload_size=MEGABYTES,
            help="A .pth.tar, .pt or .safetensors file: the state_dict, alone or under a name. "
            "Nothing in it is executed. It is kept in this browser tab only, and nobody else sees "
            "it.",
        )
        if file is None:
            state.OWN.set(None)
            return None
        names, data = [dataset] if dataset else list(CLASSES), file.getvalue()
        of = hashlib.sha256(data).hexdigest()[:16]  # what is stated of one file is not of the next
        chosen = st.selectbox("Its classes are those of", names, key=f"own_dataset_{of}")
        chosen = chosen or names[0]
        sigma = float(st.selectbox("Trained with noise sigma", SIGMAS, 2, key=f"own_sigma_{of}"))
        try:
            foreign = _read(data, file.name, chosen)
            how, why = _pick_normalisation(foreign, chosen, of)
            own = _build(foreign, chosen, sigma, how)
        except UserError as error:
            state.OWN.set(None)
            st.error(plain(str(error), 400))
            return None
        c = own.checkpoint
        st.caption(
            f":material/check: {plain(c.name)} is used: a {c.card.network}, sha256 "
            f"{c.sha256[:12]}. In front of it, {in_words(how)} ({why}). A link to this page does "
            "not hold it."
        )
        for note in foreign.notes:
            st.warning(plain(note, 400))
        _show_check(foreign, chosen, sigma, how)
    return c


def _read(data: bytes, name: str, dataset: str) -> Foreign:
    """Read a file once for this session; session state is private to a browser tab."""
    key = hashlib.sha256(data).hexdigest(), name, dataset
    held = state.FOREIGN.get()
    if held is None or state.FOREIGN_KEY.get() != key:
        state.FOREIGN_KEY.clear()
        held = read_apart(data, name, dataset)
        state.FOREIGN.set(held)
        state.FOREIGN_KEY.set(key)
    return held


def _pick_normalisation(foreign: Foreign, dataset: str, of: str) -> tuple[Normalisation, str]:
    """Ask what is done to pixels in front of the network; the likeliest answer is the default."""
    offered = choices(foreign, dataset)
    likeliest, why = guess(foreign)
    base = dataset.partition("-k")[0]
    titles = {
        "file": "As the file states it",
        "none": "None: pixels from 0 to 1 as they are",
        "mean-std": f"Mean and std of {base}",
        "mean": f"Mean of {base} only",
        STATED: "Numbers of your own",
    }
    names = [*offered, STATED]
    chosen = st.selectbox(
        "Normalisation it was made with",
        names,
        names.index(likeliest),
        format_func=titles.__getitem__,
        key=f"own_normalisation_{of}_{dataset}",
        help="What is done to pixels before the first layer. Files of weights seldom say. A "
        "network answers differently with another normalisation than it was trained with.",
    )
    if chosen == STATED:
        text = st.text_input(
            "Mean/std, for pixels from 0 to 1",
            str(offered["mean-std"]),
            key=f"own_numbers_{of}_{dataset}",
        )
        return parse(text), "as you said"
    name = chosen or likeliest
    return offered[name], why if name == likeliest else "as you said"


def _build(foreign: Foreign, dataset: str, sigma: float, how: Normalisation) -> Own:
    """Build the network once for this session, and set the page's noise to what it was made for."""
    key = foreign.sha256, foreign.name, dataset, sigma, how
    own = state.OWN.get()
    if own is None or state.OWN_KEY.get() != key:
        own = own_network(foreign, dataset, sigma, how)
        state.OWN.set(own)
        state.OWN_KEY.set(key)
        classes = {own.checkpoint.name: CLASSES[dataset]}
        state.OWN_CLASSES.set({**state.OWN_CLASSES.get(), **classes})
        st.session_state["sigma"] = sigma
    return own


def _show_check(foreign: Foreign, dataset: str, sigma: float, how: Normalisation) -> None:
    """Show how often the network is right, and warn if it would be far more often otherwise."""
    offered = choices(foreign, dataset)
    among = offered if how in offered.values() else offered | {STATED: how}
    asked = (foreign.sha256, dataset, sigma)
    known = dict(state.OWN_ACCURACY.get().get(asked, {}))
    new = {name: one for name, one in among.items() if one not in known}
    if new:
        with st.spinner(f"Asking it about {IMAGES} noisy test images"):
            found = accuracy_of_each(foreign, dataset, sigma, new)
        known.update({new[name]: share for name, share in found.items()})
        state.OWN_ACCURACY.set({**state.OWN_ACCURACY.get(), asked: known})
    accuracy = {name: known[one] for name, one in among.items() if one in known}
    right = [accuracy[name] for name, one in among.items() if one == how and name in accuracy]
    if not right:
        st.caption(f"The images of {dataset} are not on this machine, so this was not checked.")
        return
    st.caption(f"Right on {100 * right[0]:.0f} % of {IMAGES} noisy test images, sigma {sigma:g}.")
    if warning := doubt(accuracy, among, how, len(CLASSES[dataset])):
        st.warning(warning, icon=":material/balance:")
