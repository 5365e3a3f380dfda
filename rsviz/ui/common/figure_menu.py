"""The one small menu of a figure: as a picture (PNG, SVG), as numbers (CSV), as a link.

Pictures are made in the browser of what it drew, in the theme of the page; nothing is sent for it.
"""

import re
from collections.abc import Callable

import streamlit as st

_HTML = """
<div class="row"><button data-as="png">PNG</button><button data-as="svg">SVG</button
><button data-as="link">Link</button></div>
"""
_CSS = """
.row {display: flex; gap: .5rem}
button {font: inherit; font-family: var(--st-font); color: var(--st-text-color); cursor: pointer;
  background: none; border: 1px solid var(--st-border-color, currentColor); border-radius: .5rem;
  padding: .35rem .8rem}
button:focus-visible {outline: 2px solid var(--st-primary-color)}
"""
_JS = """
export default function ({data, parentElement}) {
  const place = "http://www.w3.org/2000/svg";
  const drawn = () => document.querySelector(`.st-key-${data.key} .js-plotly-plot`);
  const fonts = async () => {  // of the page: a picture by itself knows none of them
    const rules = [...document.styleSheets].flatMap((sheet) => {
      try { return [...sheet.cssRules]; } catch { return []; }
    }).filter((rule) => rule instanceof CSSFontFaceRule
      && /Source Sans/.test(rule.style.getPropertyValue("font-family"))
      && rule.style.getPropertyValue("font-style") !== "italic");
    const told = rules.slice(0, 1).map(async (rule) => {
      const [, path] = rule.cssText.match(/url\\("?([^")]+)"?\\)/) ?? [];
      const address = new URL(path, rule.parentStyleSheet.href ?? location.href);
      const blob = await (await fetch(address)).blob();
      const data = await new Promise((done) => {
        const reader = new FileReader();
        reader.onload = () => done(reader.result);
        reader.readAsDataURL(blob);
      });
      return `@font-face {font-family: "Source Sans"; font-weight: 200 900; src: url(${data})}`;
    });
    return (await Promise.all(told).catch(() => [])).join("");
  };
  const svgOf = async (plot) => {
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    const svg = document.createElementNS(place, "svg");
    const page = getComputedStyle(plot);
    const paper = getComputedStyle(document.querySelector(".stApp")).backgroundColor;
    Object.entries({xmlns: place, width, height, viewBox: `0 0 ${width} ${height}`}).forEach(
      ([name, value]) => svg.setAttribute(name, value));
    svg.style.fontFamily = page.fontFamily;
    const back = document.createElementNS(place, "rect");
    Object.entries({width: "100%", height: "100%", fill: paper}).forEach(
      ([name, value]) => back.setAttribute(name, value));
    const style = document.createElementNS(place, "style");
    style.textContent = await fonts();
    svg.append(style, back);
    plot.querySelectorAll(".main-svg").forEach((e) => svg.append(...e.cloneNode(true).childNodes));
    return new XMLSerializer().serializeToString(svg);
  };
  const save = (blob, kind) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${data.file}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const raster = (plot, text) => {
    const image = new Image(), canvas = document.createElement("canvas"), fine = 3;
    image.onload = () => {
      [canvas.width, canvas.height] = [fine * plot.clientWidth, fine * plot.clientHeight];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, "png"));
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };
  parentElement.querySelectorAll("button").forEach((button) => {
    const name = {png: "PNG", svg: "SVG", link: "Link"}[button.dataset.as];
    button.onclick = async () => {
      if (button.dataset.as === "link") {
        await navigator.clipboard.writeText(location.href);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = name; }, 1500);
        return;
      }
      const plot = drawn();
      if (!plot) return;
      const text = await svgOf(plot);
      if (button.dataset.as === "png") raster(plot, text);
      else save(new Blob([text], {type: "image/svg+xml"}), "svg");
    };
  });
}
"""
_MENU = st.components.v2.component("figure_menu", html=_HTML, css=_CSS, js=_JS)


def show(key: str, file: str, numbers: Callable[[], str]) -> None:
    """Show the menu of the figure with this key.

    Parameters
    ----------
    file : the name of what is saved, without its ending.
    numbers : returns the figure's points as CSV.
    """
    with st.popover(
        "", icon=":material/more_horiz:", type="tertiary", help="Take this figure away"
    ):
        st.download_button(
            "CSV, its numbers",
            numbers,
            f"{file}.csv",
            "text/csv",
            key=f"csv-{key}",
            on_click="ignore",
            icon=":material/download:",
        )
        _MENU(
            key=f"menu-{key}",
            data={"key": re.sub(r"[^a-zA-Z0-9_-]", "-", key.strip()), "file": file},
        )
