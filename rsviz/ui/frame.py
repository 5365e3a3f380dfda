"""The frame every page runs in: navigation, title, and errors as sentences."""

from copy import copy
from functools import cache
from typing import Any

import streamlit as st
from PIL import Image, ImageDraw

from rsviz.checkpoints import catalog
from rsviz.figures.style import BACKGROUNDS, BLUE, channels, ink
from rsviz.ui import class_mode
from rsviz.ui.common import heaps, picture_chip, state, uploads
from rsviz.ui.common.address import drop_infinite, plain, rename, restore, tell_infinite
from rsviz.ui.common.drawing import LINE
from rsviz.ui.common.live_figure import fetch_library
from rsviz.ui.common.picture_strip import address_of
from rsviz.ui.common.sentences import told
from rsviz.ui.page_list import PAGES, page_path, present
from rsviz.ui.tour_bar import show_bar
from rsviz.ui.words_bar import show_words

# Less air above a page. A stage, and the row of presets, have their height before they are drawn,
# so that nothing below moves, and of a stage's row only the newest button shows while Streamlit
# still has the one before it; on a phone its votes come before the picture. The chip leaves the
# links their room: where that is narrow, its picture alone shows, and is the link.
STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding-top: 4rem; padding-bottom: 3rem}
[data-testid="stMainBlockContainer"] h1 {padding: 0 0 .25rem}
.st-key-job {min-height: 3.5rem}
.st-key-job [data-testid="stColumn"] [data-testid="stVerticalBlock"] > :not(:first-child) {
  display: none
}
.st-key-stage {min-height: 35rem}
.st-key-tries {min-height: 2.5rem; align-content: flex-start}
.st-key-chip {position: fixed; top: .9rem; right: 11rem; z-index: 999991; width: auto}
.st-key-chip [data-testid="stPageLink"] p {
  font-size: .875rem; max-width: 10rem;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap
}
.st-key-chip [data-testid="stElementToolbar"] {display: none}
@media (min-width: 641px) and (max-width: 1500px) {
  [data-testid="stApp"]:has(.st-key-chip) [data-testid="stTopNav"] {margin-right: 3rem}
  .st-key-chip > :last-child {position: absolute; inset: 0; opacity: 0}
}
@media (max-width: 1500px) {
  .st-key-job kbd {display: none}
}
@media (max-width: 640px) {
  .st-key-chip {right: auto; left: 9rem}
  .st-key-stage {min-height: 66rem}
  .st-key-tries {min-height: 6rem}
  .st-key-job [data-testid="stHorizontalBlock"] {flex-wrap: nowrap}
  .st-key-job [data-testid="stColumn"] {min-width: 6.5rem}
  .st-key-stage [data-testid="stColumn"]:nth-child(1) {order: 2}
  .st-key-stage [data-testid="stColumn"]:nth-child(2) {order: 1}
  .st-key-stage [data-testid="stColumn"]:nth-child(3) {order: 3}
}
</style>"""


# A button of a row keeps Enter to itself while it has the focus, also with Ctrl; so the page's own
# shortcut is heard before anything else hears it, and what is typed in a field counts.
SHORTCUT = """<script>
if (!window.rsvizShortcut) {
  window.rsvizShortcut = true;
  window.addEventListener("keydown", (event) => {
    const button = document.querySelector(".st-key-certify button");
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !button) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    document.activeElement?.blur();
    button.click();
  }, true);
}
</script>"""
STAGES = ("certify", "attack", "levels", "masks")  # whose figures change in place
MARK = ((31, 70), (22, 130), (12, 255))  # radius and opacity: an answer, what is proved near it
TO_TOP = """<script>
document.querySelector("[data-testid=stMain]").scrollTo({top: 0, behavior: "smooth"});
</script>"""


def _pages() -> list[Any]:
    """Return the pages of one run, which notes in the one that it is about to run."""
    return [copy(page) for page in _checked_pages()]


@cache
def _checked_pages() -> tuple[Any, ...]:
    """Return all pages; Streamlit looks for the file of each and checks its icon."""
    return tuple(
        st.Page(page_path(name), title=title, icon=icon, default=i == 0)
        for i, (name, title, icon) in enumerate(present())
    )


@cache
def _mark() -> str:
    """Return the mark of the app as an address, drawn here: an icon's name would call a server."""
    mark = Image.new("RGBA", (64, 64))
    draw = ImageDraw.Draw(mark)
    for radius, opacity in MARK:
        box = (32 - radius, 32 - radius, 32 + radius, 32 + radius)
        draw.ellipse(box, fill=(*channels(BLUE), opacity))
    return address_of(mark, "PNG")


def _name(theme: str) -> str:
    """Return the name of the app with its mark, as SVG, in the ink of a theme."""
    rings = "".join(
        f'<circle cx="32" cy="32" r="{r}" fill="{BLUE}" fill-opacity="{opacity / 255:.2f}"/>'
        for r, opacity in MARK
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 210 64" width="210" height="64">'
        f'{rings}<text x="78" y="46" font-family="Source Sans, sans-serif" font-size="44" '
        f'font-weight="700" fill="{ink(BACKGROUNDS[theme])}">rsviz</text></svg>'
    )


def run() -> None:
    """Run the page the address names, inside the frame, in its turn; app.py calls only this."""
    heaps.share()
    asked = catalog.moment()
    with LINE.turn(first=state.PAGE.get() is None), catalog.listed_once(asked):
        _run()


def _run() -> None:
    st.set_page_config(page_icon=_mark(), layout="wide")  # first, else a page's icon is fetched
    page = st.navigation(_pages(), position="top")
    st.set_page_config(page_title=f"{page.title} · rsviz", page_icon=_mark())
    st.logo(_name(st.context.theme.type or "light"), size="medium", link=None)
    name = page.url_path or PAGES[0][0]
    with told():
        if state.PAGE.get() != page.url_path:
            restore()
        st.html(STYLE)
        class_mode.adopt()
        class_mode.show_style()
        drop_infinite()
        state.ENTERED.set(state.PAGE.get() != page.url_path)
        state.PAGE.set(page.url_path)
        rename(name)
        if page.url_path in STAGES:
            fetch_library()
    state.FRAMED.set(True)
    try:
        with told():
            show_bar()
            tell_infinite()
            uploads.bound()
            page.run()
    finally:
        state.FRAMED.set(False)
    with told():
        if (opened := state.TO_TOP.get()) is not None:
            state.TO_TOP.clear()
            st.toast(f"{plain(opened)} is open above")
            st.html(TO_TOP, unsafe_allow_javascript=True)
        st.html(SHORTCUT, unsafe_allow_javascript=True)
        picture_chip.show()
        show_words(name)


def open_above(name: str) -> None:
    """Go to the top of the page at its next run, where the picture of this name then is."""
    state.TO_TOP.set(name)


def require() -> None:
    """Make sure a page runs inside the frame; each page file calls this first.

    On a fresh server Streamlit runs the file a deep link names without app.py; saying that there is
    a navigation makes it run app.py from now on.
    """
    if not state.FRAMED.get():
        st.set_page_config(page_icon=_mark(), layout="wide")
        st.navigation(_pages())
        st.rerun()
