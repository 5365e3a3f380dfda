"""A visitor's own network, dropped in on a page and kept for this browser tab only."""

import hashlib

import streamlit as st

from rsviz.checkpoints.catalog import Checkpoint
from rsviz.checkpoints.foreign import MEGABYTES, NETWORKS, Own, read_own
from rsviz.core.errors import UserError
from rsviz.data.catalog import CLASSES
from rsviz.ui.common.address import plain
from rsviz.ui.common.run_controls import SIGMAS


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
            help="A .pth.tar or .pt file in the field's layout: {arch, state_dict}, or the "
            "state_dict alone. Nothing in it is executed. It is kept for this browser tab only and "
            "shown to nobody else.",
        )
        if file is None:
            st.session_state["_own"] = None
            return None
        names = [dataset] if dataset else list(CLASSES)
        data = file.getvalue()
        of = hashlib.sha256(data).hexdigest()[:16]  # what is stated of one file is not of the next
        chosen = st.selectbox("Its classes are those of", names, key=f"own_dataset_{of}")
        sigma = st.selectbox("Trained with noise sigma", SIGMAS, 2, key=f"own_sigma_{of}")
        try:
            own = _read(data, file.name, chosen or names[0], float(sigma or 0.5))
        except UserError as error:
            st.session_state["_own"] = None
            st.error(plain(str(error), 400))
            return None
        c = own.checkpoint
        st.caption(
            f":material/check: {plain(c.name)} is used: a {c.card['network']}, sha256 "
            f"{c.sha256[:12]}. A link to this page does not hold it."
        )
    return c


def _read(data: bytes, name: str, dataset: str, sigma: float) -> Own:
    """Read a file once for this session; session state is private to a browser tab."""
    key = hashlib.sha256(data).hexdigest(), name, dataset, sigma
    if st.session_state.get("_own_key") != key or st.session_state.get("_own") is None:
        own = read_own(data, name, dataset, sigma)
        st.session_state["_own"], st.session_state["_own_key"] = own, key
        known = st.session_state.get("_own_classes", {})
        st.session_state["_own_classes"] = known | {own.checkpoint.name: CLASSES[dataset]}
        st.session_state["sigma"] = sigma
    return st.session_state["_own"]
