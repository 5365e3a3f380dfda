"""What a visitor takes away of a run: the certificate, a report, and the address."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from rsviz.core import live_bounds
from rsviz.core.radius import ceiling
from rsviz.core.spec import Certificate
from rsviz.data.images import image_id
from rsviz.figures import certificate, export, report


def offer_certificate(
    c: Certificate,
    x_CHW: Tensor,
    classes: Sequence[str],
    readings: Sequence[Certificate],
    more: Sequence[tuple[str, go.Figure]] = (),
) -> None:
    """Offer a certificate as JSON, as a report that opens offline, and its figures as CSV."""
    votes, radius = certificate.vote_bars(c.counts, classes, c.predicted), _trace(c, readings)
    drawn = (("The votes", votes), ("The distance they prove", radius), *more)
    with st.container(horizontal=True, gap="small"):
        for label, data, file, mime in (
            ("Certificate (JSON)", c.to_json, "certificate.json", "application/json"),
            (
                "Report (HTML, opens offline)",
                lambda: report.report(c, x_CHW, classes, drawn),
                "rsviz-report.html",
                "text/html",
            ),
            ("Votes (CSV)", lambda: export.figure_csv(votes), "rsviz-votes.csv", "text/csv"),
            ("Distance (CSV)", lambda: export.figure_csv(radius), "rsviz-radius.csv", "text/csv"),
        ):
            st.download_button(
                label, data, file, mime, on_click="ignore", icon=":material/download:"
            )
    st.caption(
        "Whoever receives a certificate checks it with the image and the weights: "
        "`python -m rsviz verify certificate.json IMAGE`."
    )


def _trace(c: Certificate, readings: Sequence[Certificate]) -> go.Figure:
    """Draw the radius while votes came in, as the page does."""
    line = live_bounds.trace(readings, c.alpha, c.bound)
    final = live_bounds.planned(c, c.alpha, c.bound)
    alpha = c.alpha * (live_bounds.PLANNED[c.bound] or 1.0)
    highest = ceiling(c.sigma or 0.0, c.n, alpha)
    return certificate.radius_trace(line, c.n, highest, final.radius if final else None)


def say_upload(x_CHW: Tensor) -> None:
    """Say that an address cannot hold a picture, and which one it was by hash."""
    st.caption(
        "The address of this page holds every setting but not your picture: whoever opens it must "
        f"upload the same one again. As the network saw it, it is `{image_id(x_CHW)[:23]}...`."
    )
