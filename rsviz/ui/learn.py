"""Parts of Learn: a scene with its controls, picture, question and link."""

from functools import partial

import streamlit as st

from rsviz.teaching import glossary, lessons
from rsviz.teaching.pictures.by_scene import PICTURES
from rsviz.teaching.scene import Scene
from rsviz.ui import class_mode
from rsviz.ui.common import charts
from rsviz.ui.common.sentences import fragment
from rsviz.ui.page_list import page_path


def _move(scene: Scene, targets: tuple[str, str]) -> None:
    """Set two controls to where the scene's picture was clicked."""
    points = st.session_state[f"{scene.key}_chart"]["selection"]["points"]
    for name, axis in zip(targets, ("x", "y"), strict=True):
        if points:
            step = lessons.nearest_step(scene, name, points[0][axis])
            st.session_state[f"{scene.key}_{name}"] = step


def _show_controls(scene: Scene) -> dict[str, float | int]:
    """Show a scene's sliders and return their values by name."""
    return {
        control.key: st.select_slider(
            control.label,
            control.options,
            control.default,
            format_func=control.show,
            help=glossary.help_text(control.term) if control.term else None,
            key=f"{scene.key}_{control.key}",
            bind="query-params",
        )
        for control in scene.controls
    }


def _show_question(scene: Scene, answer: int, reveal: str) -> None:
    """Ask for a prediction; only then show the answer, which follows the sliders."""
    options = scene.question.options
    guess = st.radio(
        f"**Predict first.** {scene.question.prompt}",
        range(len(options)),
        index=None,
        format_func=options.__getitem__,
        key=f"{scene.key}_guess",
        persist_state="session",
    )
    class_mode.show_hands(scene.key, options)
    if guess is None:
        st.caption("Choose one, and the answer appears.")
    elif guess == answer:
        st.success(f"Yes. {reveal}", icon=":material/check:")
    else:
        st.info(f"Here: **{options[answer].lower()}**. {reveal}", icon=":material/lightbulb:")


@fragment
def show_scene(scene: Scene) -> None:
    """Show one scene: three sentences, then the picture beside its controls and formula."""
    st.subheader(scene.title)
    st.markdown("\n\n".join(scene.sentences))
    left, right = st.columns([3, 2], gap="medium")
    with right:
        values = _show_controls(scene)
    picture = PICTURES[scene.key](**values)
    answered = st.session_state.get(f"{scene.key}_guess") is not None
    with left:
        charts.show_figure(
            picture.figure if answered or picture.teaser is None else picture.teaser,
            f"{scene.key}_chart",
            picture.alt,
            on_select=partial(_move, scene, picture.click) if picture.click else "ignore",
            selection_mode="points",
        )
    with right:
        charts.show_formula(picture.formula)
        _show_question(scene, picture.answer, picture.reveal)
        st.page_link(
            page_path(scene.link.page),
            label=scene.link.label,
            icon=":material/arrow_forward:",
            query_params=dict(scene.link.query),
        )


def titles() -> dict[str, str]:
    """Return the chapters' titles by slug, ticked where every question was answered."""
    return {
        c.slug: f"{c.number}. {c.title}" + (" ✓" if all(map(_answered, c.scenes)) else "")
        for c in lessons.CHAPTERS
    }


def _answered(scene: Scene) -> bool:
    return st.session_state.get(f"{scene.key}_guess") is not None


def turn_to(slug: str) -> None:
    """Open another chapter."""
    st.session_state["chapter"] = slug
