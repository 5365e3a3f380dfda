"""What the Masks page asks besides the canvas: network, noise, budget split, votes, device."""

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.errors import UserError
from rsviz.methods.registry import METHODS
from rsviz.ui.common import address, run_controls, state
from rsviz.ui.common.run_controls import (
    OFFERED,
    pick_rest,
    pick_sigma,
    pick_votes,
    trained_sigma,
)
from rsviz.ui.masks import canvas_picker


def _networks() -> dict[str, Checkpoint]:
    """Return the networks with a mask, by name."""
    found = catalog.list_checkpoints()
    return {c.name: c for c in found if c.verified and METHODS[c.card.method].rivals}


def adopt_address() -> None:
    """Let the address set the controls, by the names that Certify gives them too."""
    adopted = address.adopt(
        {
            "checkpoint": [*sorted(_networks()), *run_controls.carried()],
            **{name: OFFERED[name] for name in ("sigma", "n0", "n", "seed")},
            "f": address.Between(0.1, 0.9),
            **canvas_picker.CONTROLS,
        }
    )
    if "sigma" in adopted or "f" in adopted:
        state.MASK_NETWORK.clear()  # the split asked for, not the one it brings


def pick_network() -> Checkpoint:
    """Show the choice among networks with a mask; a new one brings its noise level."""
    found = _networks()
    if not found:
        raise UserError(
            f"There is no network with a mask in {catalog.root()}; 'python -m rsviz recipes "
            "run --only adaptive' trains the ones that have recipes."
        )
    checkpoint = run_controls.pick_network(
        sorted(found.values(), key=lambda c: (c.card.dataset != "shapes-k48", c.name)),
        "Network, for canvases of k x k pixels",
        "A classifier and a mask network trained together; k is the size of the canvas.",
    )
    if state.MASK_NETWORK.get() not in (None, checkpoint.name):
        st.session_state["f"] = trained_split(checkpoint)
    state.MASK_NETWORK.set(checkpoint.name)
    return checkpoint


def trained_split(checkpoint: Checkpoint) -> float:
    """Return the budget split a network was trained for, chosen or learned, in hundredths."""
    return min(max(round(float(checkpoint.card.run.get("f", 0.5)), 2), 0.05), 0.95)


def pick_settings(checkpoint: Checkpoint) -> tuple[float, float, dict[str, int], str]:
    """Show sigma, budget split f, votes, seed and device; return them, n, n0 and seed by name."""
    sigma = pick_sigma(
        trained_sigma(checkpoint),
        label="Noise budget, sigma",
        about="The noise plain smoothing would add for the same certificate. The networks were "
        f"trained at {checkpoint.card.sigma:g}; another level is new to them.",
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
        n = pick_votes(1000)
        rest, device = pick_rest()
    return sigma, float(f), {"n": n, **rest}, device
