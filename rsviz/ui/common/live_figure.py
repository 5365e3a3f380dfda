"""A Plotly figure that changes in place before, while and after votes come in.

`st.plotly_chart` removes a chart at every change and draws another, which flickers:
at two changes a second on a busy machine its place was blank for 56 to 399 ms of every second, that
of an Altair chart never. Here the figure stays, plotly.js moves what changed, and nothing is blank.
"""

import json
from functools import cache
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from plotly.offline import get_plotlyjs
from streamlit import runtime

from rsviz.figures.style import Plain

_HTML = '<div class="rsviz-live-figure" role="figure"></div>'
# plotly.js comes once a page. It may be gone for a moment, or elsewhere once the server began anew,
# and what stands between may answer in its place: it is asked for until it is here.
_LIBRARY = """
const library = (url) => {
  window.rsvizLibrary = url;
  return window.rsvizPlotly ??= new Promise((done) => {
    const ask = (pause) => {
      const script = document.createElement("script");
      const again = () => { script.remove(); setTimeout(ask, pause, Math.min(2 * pause, 4000)); };
      const onload = () => window.Plotly ? done(window.Plotly) : again();
      Object.assign(script, {src: window.rsvizLibrary, onload, onerror: again});
      document.head.append(script);
    };
    ask(250);
  });
};
"""
# Text, font and grid are those of the page, so they follow its theme.
_JS = (
    _LIBRARY
    + """
const template = (page) => {
  const [red, green, blue] = page.color.match(/[\\d.]+/g);
  const grid = {gridcolor: `rgba(${red},${green},${blue},0.12)`, zeroline: false};
  const axis = {...grid, automargin: true, title: {font: {size: 14}}};
  const font = {color: page.color, family: page.fontFamily, size: 12};
  return {layout: {font, xaxis: {...axis, showgrid: false}, yaxis: axis}};
};

export default function ({data, parentElement}) {
  const box = parentElement.querySelector(".rsviz-live-figure");
  const figure = JSON.parse(data.figure);
  const draw = (plotly) => {
    box.setAttribute("aria-label", data.alt);
    box.style.height = `${figure.layout.height}px`;
    const layout = {...figure.layout, ...data.layout, template: template(getComputedStyle(box))};
    return plotly.react(box, figure.data, layout, {...data.config, responsive: true});
  };
  // A slow browser makes calls late: also those outdated meanwhile, in any order, which Streamlit
  // takes back in the same turn. So the turn after it draws the newest call that is left, or clears
  // a figure that has none; one turn after another, as Plotly goes on after it returned.
  const calls = box.calls ??= new Set();
  const look = () => {
    const turn = new Promise((done) => setTimeout(done));
    box.drawn = Promise.all([library(data.library), box.drawn, turn]).then(([plotly]) => {
      const newest = [...calls].pop();
      calls.forEach((call) => call === newest || calls.delete(call));
      if (newest === box.newest || !box.isConnected && newest) return null;
      box.newest = newest;
      return newest ? newest(plotly) : plotly.purge(box);
    }).catch(reportError);
  };
  calls.add(draw);
  look();
  return () => { calls.delete(draw); look(); };
}
"""
)
_FIGURE = st.components.v2.component("live_figure", html=_HTML, js=_JS, isolate_styles=False)


@cache
def _plotly_js() -> bytes:
    return get_plotlyjs().encode()


def _address() -> str:
    """Return where this server has plotly.js for the page being drawn."""
    if not runtime.exists():
        return ""
    media = runtime.get_instance().media_file_mgr
    address = media.add(_plotly_js(), "text/javascript", "plotly.js")
    base = st.get_option("server.baseUrlPath").strip("/")  # Streamlit adds it in the browser
    return f"/{base}{address}" if base else address


def fetch_library() -> None:
    """Let the browser fetch plotly.js while the page is still being drawn."""
    if address := _address():
        script = f"{_LIBRARY} library({json.dumps(address)});"
        st.html(f"<script>{{{script}}}</script>", unsafe_allow_javascript=True)


def show_live_figure(
    figure: go.Figure | Plain, key: str, alt: str, config: dict[str, Any], layout: dict[str, Any]
) -> None:
    """Show a figure, or change the one that this key shows already.

    Parameters
    ----------
    config, layout : Plotly's settings, and what is laid over the figure's layout.
    """
    data = {
        "library": _address(),
        "figure": figure.to_json(),
        "alt": alt,
        "config": config,
        "layout": layout,
    }
    _FIGURE(key=key, data=data, height=figure.layout["height"] or "content")
