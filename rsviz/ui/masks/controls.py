"""What the Masks page asks besides the canvas: network, noise, budget split, votes, device."""

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.methods.registry import METHODS
from rsviz.ui.common import address
from rsviz.ui.common.run_controls import SEED_MAX, SIGMAS, trained_sigma
from rsviz.ui.common.sessions import devices
from rsviz.ui.masks import canvas_picker

VOTES = (500, 1000, 2000, 5000, 10000)


def _networks() -> dict[str, Checkpoint]:
    """Return the networks with a mask, by name."""
    found = catalog.list_checkpoints()
    return {c.name: c for c in found if c.verified and METHODS[c.card.method].rivals}


def adopt_address() -> None:
    """Let the address set the controls, by the names that Certify gives them too."""
    adopted = address.adopt(
        {
            "mask_network": sorted(_networks()),
            "mask_sigma": SIGMAS,
            "f": address.Between(0.1, 0.9),
            "mask_n": VOTES,
            "mask_seed": address.Between(0, SEED_MAX),
            **canvas_picker.CONTROLS,
        },
        {
            "checkpoint": "mask_network",
            "sigma": "mask_sigma",
            "n": "mask_n",
            "seed": "mask_seed",
        },
    )
    if "mask_sigma" in adopted:
        st.session_state["_mask_network"] = None  # the noise asked for, not the one it brings


def pick_network() -> Checkpoint:
    """Show the choice among networks with a mask; a new one brings its noise level."""
    found = _networks()
    if not found:
        raise UserError(
            f"There is no network with a mask in {catalog.root()}; 'python -m rsviz recipes "
            "run --only adaptive' makes those there are recipes for."
        )
    name = st.selectbox(
        "Network, for canvases of k x k pixels",
        sorted(found, key=lambda name: (found[name].card.dataset != "shapes-k48", name)),
        key="mask_network",
        bind="query-params",
        help="A classifier and a mask network trained together; k is the size of the canvas.",
    )
    checkpoint = found[name or next(iter(found))]
    if st.session_state.get("_mask_network") not in (None, checkpoint.name):
        st.session_state["mask_sigma"] = trained_sigma(checkpoint)
        st.session_state["f"] = trained_split(checkpoint)
    st.session_state["_mask_network"] = checkpoint.name
    return checkpoint


def trained_split(checkpoint: Checkpoint) -> float:
    """Return the budget split a network was trained for, chosen or learned, in hundredths."""
    return min(max(round(float(checkpoint.card.run.get("f", 0.5)), 2), 0.05), 0.95)


def pick_settings(checkpoint: Checkpoint) -> tuple[float, float, int, int, str]:
    """Show sigma, budget split f, votes, seed and device, and return them."""
    sigma = st.select_slider(
        "Noise budget, sigma",
        SIGMAS,
        trained_sigma(checkpoint),
        key="mask_sigma",
        bind="query-params",
        help="The noise plain smoothing would add for the same certificate. The networks were "
        f"trained at {checkpoint.card.sigma:g}; at another level they see what they never saw.",
    )
    f = st.slider(
        "Budget of the first look, f",
        0.05,
        0.95,
        trained_split(checkpoint),
        0.01,
        key="f",
        bind="query-params",
        help="The share of the budget spent on the first look; the second gets the rest. More for "
        "the first makes a better mask, more for the second a better look through it. This "
        f"network was trained at {trained_split(checkpoint):g}.",
    )
    with st.expander("Votes, seed, device", icon=":material/tune:"):
        n = st.select_slider("Votes, n", VOTES, 1000, key="mask_n", bind="query-params")
        seed = st.number_input("Seed", 0, SEED_MAX, 0, key="mask_seed", bind="query-params")
        device = st.radio("Device", devices(), horizontal=True, key="mask_device")
    return float(sigma), float(f), int(n), int(seed), device or "cpu"
