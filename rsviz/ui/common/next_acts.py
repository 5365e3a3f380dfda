"""What may be done next with the picture of a run, on the other pages."""

from collections.abc import Mapping

import streamlit as st

from rsviz.core.spec import NAMELESS, RunSpec
from rsviz.ui.common.run_controls import link_of
from rsviz.ui.page_list import page_path

ACTS = {  # page: what one does there with a picture
    "certify": ("Certify it", ":material/verified:"),
    "attack": ("Attack it", ":material/bolt:"),
    "levels": ("Let it choose its noise", ":material/tune:"),
    "masks": ("Mask it", ":material/visibility:"),
    "compare": ("By every network", ":material/show_chart:"),
}


def show(page: str, image: str, run: RunSpec | None = None) -> None:
    """Show what may be done next with a picture, on every page but this one.

    Parameters
    ----------
    image : its name; an upload, which has none, goes along by itself.
    run : whose network, noise, votes and seed Certify and Attack take over; None: their own.
    """
    image = "" if image.startswith(NAMELESS) else image
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="acts"):
        st.caption("Next:", width="content")
        for name, (label, icon) in ACTS.items():
            if name != page and page_path(name).exists():
                st.page_link(
                    page_path(name),
                    label=label,
                    icon=icon,
                    query_params=dict(_query(name, image, run)),
                    width="content",
                )


def _query(page: str, image: str, run: RunSpec | None) -> Mapping[str, str]:
    """Return the address of a page for a picture; an upload goes along without one."""
    if page in ("certify", "attack") and run is not None and run.sigma is not None:
        return link_of(run)
    if page == "masks":
        dataset, _, number = image.partition("/test/")
        pasted = {"pasted": dataset, "pasted_number": number} if image else {"pasted": "upload"}
        return {"canvas_source": "compose", **pasted}
    shown = {"view": "One image"} if page == "compare" else {}
    return shown | ({"image": image} if image else {})
