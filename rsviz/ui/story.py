"""The Story page: every result of the picture in use, in order, and all of them as one file."""

import streamlit as st

from rsviz.core.radius import down
from rsviz.core.spec import Certificate
from rsviz.data import images
from rsviz.figures import report
from rsviz.figures.report import Part
from rsviz.ui.common import charts, next_acts, state, story
from rsviz.ui.common.address import plain
from rsviz.ui.common.pictures import Picture

PAGES = {  # what the results of each page tell
    "certify": "How far the answer is proved",
    "attack": "What an attacker reached",
    "levels": "Noise of its own",
    "masks": "A mask for it",
    "compare": "By every network",
}


def show() -> None:
    """Show the story of the picture in use, or how one begins."""
    picture, told = state.PICTURE.get(), story.parts()
    if picture is None or not told:
        st.info("Nothing is told of a picture yet: every result of this session is gathered here.")
    else:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.image(picture.original, width=96, alt="The picture in use")
            st.markdown(_summary(picture, told))
            _offer(picture, [part for _, part in told])
        for i, (page, part) in enumerate(told):
            if i == 0 or told[i - 1][0] != page:
                st.subheader(PAGES[page])
            _show_part(part, i)
    next_acts.show("story", "" if picture is None else picture.name)


def _name(picture: Picture) -> str:
    return picture.name or picture.source.name


def _summary(picture: Picture, told: list[tuple[str, Part]]) -> str:
    results = "1 result" if len(told) == 1 else f"{len(told)} results"
    return f"**{plain(_name(picture))}**: {results} of this session, in order."


def _offer(picture: Picture, parts: list[Part]) -> None:
    title = f"The story of {_name(picture)}"
    st.download_button(
        "The story (HTML, opens offline)",
        lambda: report.story(title, parts),
        "rsviz-story.html",
        "text/html",
        key="story",
        on_click="ignore",
        type="primary",
        icon=":material/download:",
    )


def _show_part(part: Part, number: int) -> None:
    with st.container(border=True):
        left, right = st.columns([1, 5], gap="medium")
        left.image(images.to_pil(part.x_CHW, 4), width=128, alt="What the network saw")
        with right:
            st.markdown(f"**{plain(part.title, 200)}**")
            if part.words:
                st.markdown(part.words)
            if part.certificate is not None:
                st.caption(_facts(part.certificate))
            if part.table:
                st.dataframe(list(part.table), hide_index=True, key=f"story-table-{number}")
        for column, (i, (title, figure)) in zip(
            st.columns(max(len(part.figures), 1), gap="medium"),
            enumerate(part.figures),
            strict=False,
        ):
            with column:
                st.caption(title)
                charts.show_figure(report.drawn(figure), f"story-{number}-{i}", title)


def _facts(c: Certificate) -> str:
    sigma = "noise of its own" if c.sigma is None else f"sigma {c.sigma:g}"
    return (
        f"{plain(c.checkpoint)} · {sigma} · {sum(c.counts):,} of {c.n:,} votes · alpha {c.alpha:g} "
        f"· p_A at least {down(c.p_a_lower, 4)} · seed {c.seed} · {c.ended}"
    )
