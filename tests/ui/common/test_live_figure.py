"""Where a live figure finds its library."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers import live_figures


def drawn():
    import plotly.graph_objects as go

    from rsviz.ui.common.live_figure import show_live_figure

    show_live_figure(go.Figure(layout={"height": 100}), "figure", "Nothing.", {}, {})


@pytest.mark.parametrize("base, start", [("", "/"), ("some/where", "/some/where/"), ("/a/", "/a/")])
def test_the_library_is_below_the_address_of_the_server(monkeypatch, base, start):
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": base}.get)
    page = AppTest.from_function(drawn, default_timeout=60).run()
    library = live_figures(page)[0]["library"]
    assert library.startswith(f"{start}mock/media/")
