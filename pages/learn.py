"""Learn: short chapters, each one picture to play with; everything on it is computed live."""

import streamlit as st

from rsviz.teaching import glossary, lessons
from rsviz.ui import class_mode, frame, learn, own_world

frame.require()

titles = learn.titles()
slug = st.pills(
    "Chapter",
    list(titles),
    default=lessons.chapter(st.query_params.get("chapter")).slug,
    format_func=titles.__getitem__,
    key="chapter",
    required=True,
    label_visibility="collapsed",
)
st.query_params["chapter"] = slug


st.title("Learn")
chapter = lessons.chapter(slug)
for scene in chapter.scenes:
    learn.show_scene(scene)
if chapter.slug == "votes":
    own_world.show()

for following in [c for c in lessons.CHAPTERS if c.number == chapter.number + 1]:
    st.button(
        f"Next: {titles[following.slug]}",
        on_click=learn.turn_to,
        args=(following.slug,),
        icon=":material/arrow_forward:",
        type="primary",
    )
class_mode.show_builder()
with st.expander("Glossary", icon=":material/menu_book:"):
    st.markdown("\n\n".join(f"**{term}**: {text}" for term, text in glossary.TERMS.items()))
