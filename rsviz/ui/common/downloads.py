"""What a visitor takes away of a run: the certificate, a report, and the address."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from rsviz.core.spec import Certificate
from rsviz.data.images import image_id
from rsviz.figures import certificate, export, report


def offer_certificate(
    c: Certificate,
    x_CHW: Tensor,
    classes: Sequence[str],
    readings: Sequence[Certificate],
    more: Sequence[tuple[str, report.Drawing]] = (),
) -> None:
    """Offer a certificate as JSON, as a report that opens offline, and its figures as CSV."""

    def votes() -> go.Figure:
        return certificate.vote_bars(c.counts, classes, c.predicted)

    def radius() -> go.Figure:
        return certificate.radius_of_run(c, readings)[0].figure()

    def written() -> str:
        drawn = (("The votes", votes), ("The distance they prove", radius), *more)
        return report.report(c, x_CHW, classes, drawn)

    # Each is made when it is asked for.
    with st.container(horizontal=True, gap="small"):
        for label, data, file, mime in (
            ("Certificate (JSON)", c.to_json, "certificate.json", "application/json"),
            ("Report (HTML, opens offline)", written, "rsviz-report.html", "text/html"),
            ("Votes (CSV)", lambda: export.figure_csv(votes()), "rsviz-votes.csv", "text/csv"),
            ("Distance (CSV)", lambda: export.figure_csv(radius()), "rsviz-radius.csv", "text/csv"),
        ):
            st.download_button(
                label, data, file, mime, on_click="ignore", icon=":material/download:"
            )
    st.caption(
        "Anyone can check a certificate with the image and the weights: "
        "`python -m rsviz verify certificate.json IMAGE`."
    )


def say_upload(x_CHW: Tensor) -> None:
    """Say that an address cannot hold a picture, and which one it was by hash."""
    st.caption(
        f"The address of this page holds every setting but not your picture: anyone who opens it "
        f"must upload the same one. The hash of what the network saw is "
        f"`{image_id(x_CHW)[:23]}...`."
    )
