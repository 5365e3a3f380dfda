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


def show(spec: RunSpec, page: str) -> None:
    """Show what may be done next with a run's picture, on every page but this one."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="acts"):
        st.caption("Next:", width="content")
        for name, (label, icon) in ACTS.items():
            if name != page and page_path(name).exists():
                st.page_link(
                    page_path(name),
                    label=label,
                    icon=icon,
                    query_params=dict(_query(name, spec)),
                    width="content",
                )


def _query(page: str, spec: RunSpec) -> Mapping[str, str]:
    """Return the address of a page for a picture; an upload goes along without one."""
    named = not spec.image.startswith(NAMELESS)
    image = {"image": spec.image} if named else {}
    if page in ("certify", "attack") and spec.sigma is not None:
        return link_of(spec)
    if page == "masks":
        dataset, _, number = spec.image.partition("/test/")
        pasted = {"pasted": dataset, "pasted_number": number} if named else {"pasted": "upload"}
        return {"canvas_source": "compose", **pasted}
    return image | ({"view": "One image"} if page == "compare" else {})
