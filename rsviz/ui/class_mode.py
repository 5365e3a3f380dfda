"""A reduced, larger screen for a class: ``?mode=teach&hide=attack,exports`` in any address.

It lasts for the session; ``?mode=all`` ends it.
"""

from urllib.parse import urlencode, urlsplit

import streamlit as st

from rsviz.teaching import lessons, sheet
from rsviz.ui.common import state
from rsviz.ui.page_list import PAGES

CONTROLS = {  # what may be hidden beside pages: in words, and as CSS
    "sidebar": ("the sidebar", '[data-testid="stSidebar"], [data-testid="stExpandSidebarButton"]'),
    "network": ("the network", ".st-key-checkpoint, .st-key-engine"),
    "noise": ("the noise", ".st-key-sigma"),
    "seed": ("new seeds", ".st-key-again, .st-key-seed"),
    "acts": ("next acts", ".st-key-acts"),
    "files": ("files to take away", '[data-testid="stDownloadButton"]'),
    "words": ("words at the foot", ".st-key-words"),
}
LINKS = '[data-testid="stTopNavLink"], [data-testid="stSidebarNavLink"]'
LARGE = "html {font-size: 125% !important}"  # of everything, to be read from the last row


def hidable() -> dict[str, str]:
    """Return what may be hidden, by its name in the address, in words."""
    pages = {name: f"the page {title}" for name, title, _ in PAGES[1:]}
    return pages | {name: words for name, (words, _) in CONTROLS.items()}


def adopt() -> None:
    """Let the address turn the mode on, with what it hides, or off; unknown names hide nothing."""
    mode = st.query_params.get("mode")
    if mode == "teach":
        asked = st.query_params.get("hide", "").split(",")
        state.HIDDEN.set(tuple(name for name in hidable() if name in asked))
    elif mode is not None:
        state.HIDDEN.clear()


def on() -> bool:
    """Whether this session is a class's."""
    return state.HIDDEN.get() is not None


def show_style() -> None:
    """Make everything larger, and hide what the address says."""
    hidden = state.HIDDEN.get()
    if hidden is None:
        return
    rules = [LARGE]
    for name in hidden:
        if name in CONTROLS:
            rules.append(f"{CONTROLS[name][1]} {{display: none}}")
        else:
            links = ", ".join(f'{link}[href$="/{name}"]' for link in LINKS.split(", "))
            rules.append(f"{links} {{display: none}}")
    st.html(f"<style>{' '.join(rules)}</style>")


def show_builder() -> None:
    """Show how a teacher makes the link for a class, and the sheet to print."""
    with st.expander("For a class", icon=":material/co_present:"):
        st.markdown(
            "Everything larger, and less to press: choose what your class does not need, then "
            "copy the link. Answers and ticks stay in each pupil's own tab."
        )
        names = hidable()
        hide = st.multiselect("Hide", list(names), format_func=names.__getitem__, key="class_hide")
        titles = {c.slug: f"{c.number}. {c.title}" for c in lessons.CHAPTERS}
        chapter = st.selectbox(
            "Open at", list(titles), format_func=titles.__getitem__, key="class_chapter"
        )
        here = urlsplit(st.context.url or "http://localhost:8501/learn")
        query = {"mode": "teach", "hide": ",".join(hide), "chapter": chapter}
        asked = urlencode({name: text for name, text in query.items() if text}, safe=",")
        st.caption("The link for the class; the sign at its right copies it.")
        st.code(f"{here.scheme}://{here.netloc}{here.path}?{asked}", language=None)
        st.download_button(
            "Questions to print (HTML)",
            lambda: sheet.sheet(lessons.CHAPTERS),
            "rsviz-questions.html",
            "text/html",
            key="sheet",
            on_click="ignore",
            icon=":material/print:",
        )


def show_hands(scene: str, options: tuple[str, ...]) -> None:
    """In a class, count a show of hands for each option of a question."""
    if not on():
        return
    with st.expander("A show of hands", icon=":material/front_hand:"):
        with st.container(horizontal=True, gap="small"):
            hands = [
                int(st.number_input(option, 0, 999, 0, key=f"{scene}_hands_{i}", width=150))
                for i, option in enumerate(options)
            ]
        if sum(hands):
            most = max(range(len(options)), key=hands.__getitem__)
            st.markdown(f"**{hands[most]} of {sum(hands)}** say: {options[most]}")
            for option, count in zip(options, hands, strict=True):
                st.progress(count / sum(hands), f"{option}: {count}")
