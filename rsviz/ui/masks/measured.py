"""The Masks page: what the shipped networks were measured at, what the mask gains and costs."""

from collections.abc import Sequence

import streamlit as st

from rsviz.checkpoints.catalog import Checkpoint, Measured, find
from rsviz.core.radius import down
from rsviz.evaluation import mask_gains
from rsviz.evaluation.mask_gains import Gain
from rsviz.figures import masks
from rsviz.methods.registry import METHODS
from rsviz.ui.common import charts

AT = (0, 1, 2, 3, 4, 6)  # radii of the table, in grey levels


def show(checkpoints: Sequence[Checkpoint]) -> None:
    """Show what networks for canvases were measured at; nothing if none was."""
    rows = [_row(c, m) for c in checkpoints for m in c.card.measured if m.norm == "Linf"]
    if not rows:
        return
    st.subheader("Does it pay?")
    _show_gains(checkpoints)
    st.markdown("**Measured on test canvases**, certified accuracy in per cent")
    st.dataframe(rows, hide_index=True)
    st.caption(
        "Right and certified at least as far as the radius, in grey levels of 255, over all images "
        "measured; ACR is the mean certified radius, wrong answers counting 0. Arithmetic is that "
        "of one vote, mask included, beside the classifier alone (the paper: about twice the time "
        "of plain smoothing). Rows compare only at equal canvases (k is their size), sigma, n and "
        "images; of 100 images, a share is certain to about 10 points."
    )


def _show_gains(checkpoints: Sequence[Checkpoint]) -> None:
    """Show certified accuracy less that of the rivals at a chosen radius, canvas by canvas."""
    chosen = st.segmented_control(
        "How far, in grey levels of 255", AT, default=2, key="gain_at", required=True
    )
    found = _gains(tuple((c.name, c.sha256) for c in checkpoints), float(chosen) / 255)
    if not found:
        return
    charts.show_figure(masks.gains(_lines(found)), "gains", in_words(found, chosen))
    st.caption(
        f"Certified accuracy at {chosen}/255 of a mask for each vote, less that of its rival, in "
        "points, with the 95 % interval of a paired bootstrap over the same images. The claim: "
        "little where the object fills the canvas (k = 32), more the smaller it is in it."
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _gains(names: tuple[tuple[str, str], ...], radius: float) -> list[Gain]:
    return mask_gains.gains([find(name) for name, _ in names], radius)


def _lines(found: Sequence[Gain]) -> dict[str, list[Gain]]:
    rivals = dict.fromkeys(g.rival for g in found)
    return {_over(rival): [g for g in found if g.rival == rival] for rival in rivals}


def _over(rival: str) -> str:
    """Return ``over no mask``, ``over one static mask``: the first words of a method's label."""
    return f"over {METHODS[rival].label.partition(':')[0].lower()}"


def in_words(found: Sequence[Gain], levels: float) -> str:
    """Return the figure in words."""
    return f"At {levels:g}/255: " + "; ".join(
        f"{g.where}, sigma {g.sigma:g}, {_over(g.rival)} {100 * g.gap:+.0f} points "
        f"({100 * g.low:+.0f} to {100 * g.high:+.0f})"
        for g in found
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _arithmetic(name: str, sha256: str) -> float:
    return mask_gains.arithmetic(find(name))


def _row(c: Checkpoint, m: Measured) -> dict[str, object]:
    far = {round(255 * float(r), 1): a for r, a in m.accuracy.items()}
    return {
        "method": METHODS[c.card.method].label,
        "canvases": c.card.dataset,
        "ACR": float(down(255 * m.acr, 2)),
        **{f"r = {r:g}": round(100 * far[r], 1) for r in AT if r in far},
        "arithmetic": f"{_arithmetic(c.name, c.sha256):.2f} ×",
        "sigma": m.sigma,
        "n": m.n,
        "images": m.images,
    }
