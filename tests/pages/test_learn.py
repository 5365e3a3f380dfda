import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rsviz.teaching import glossary, lessons
from rsviz.ui.compare import measured_logs as logs_here

APP = str(Path(__file__).parents[2] / "app.py")


@pytest.fixture
def learn():
    at = AppTest.from_file(APP, default_timeout=60).run()
    return at.switch_page("pages/learn.py").run()


def open_chapter(slug):
    at = AppTest.from_file(APP, default_timeout=60).run()
    at.switch_page("pages/learn.py")
    at.query_params["chapter"] = slug
    return at.run()


def charts(at):
    return [json.loads(c.proto.spec) for c in at.get("plotly_chart")]


@pytest.mark.parametrize("chapter", lessons.CHAPTERS, ids=lambda c: c.slug)
def test_each_chapter_shows_its_scenes(chapter):
    at = open_chapter(chapter.slug)
    assert not at.error and not at.exception
    own = ["Draw your own world"] if chapter.slug == "votes" else []
    assert [s.value for s in at.subheader] == [scene.title for scene in chapter.scenes] + own
    assert len(charts(at)) == len(at.latex) == len(chapter.scenes)


def test_the_answer_comes_only_after_the_prediction(learn):
    assert not learn.success and not learn.info
    learn.radio(key="votes_guess").set_value(0).run()
    assert len(learn.success) + len(learn.info) == 1


def test_the_runs_appear_only_after_the_prediction():
    at = open_chapter("bound")
    hidden = len(charts(at)[1]["data"])
    at.radio(key="peek_guess").set_value(2).run()
    assert len(charts(at)[1]["data"]) == hidden + 2


def test_moving_a_slider_moves_the_point_and_the_formula(learn):
    before = learn.latex[0].value
    learn.select_slider(key="votes_left").set_value(0.9).run()
    assert learn.latex[0].value != before


def test_a_link_sets_every_control():
    at = AppTest.from_file(APP, default_timeout=60).run()
    at.switch_page("pages/learn.py")
    at.query_params["votes_noise"] = "0.16"
    at.query_params["votes_votes"] = "10000"
    at.run()
    assert at.select_slider(key="votes_noise").value == 0.16
    assert at.select_slider(key="votes_votes").value == 10_000


def test_an_unknown_chapter_opens_the_first():
    at = open_chapter("no-such-chapter")
    assert not at.error
    assert at.subheader[0].value == lessons.CHAPTERS[0].scenes[0].title


def test_the_glossary_is_there(learn):
    text = " ".join(m.value for m in learn.markdown)
    assert all(f"**{term}**" in text for term in glossary.TERMS)


def test_next_turns_the_page(learn):
    learn.button[0].click().run()
    assert learn.subheader[0].value == lessons.CHAPTERS[1].scenes[0].title


def test_the_link_to_the_curves_names_logs_that_are_there():
    measured, refused = logs_here.measured()
    wanted = lessons.chapter("levels").scenes[0].link.query["measured"]
    assert not refused and set(wanted) <= set(measured)
    assert [measured[name].curve.sigma for name in wanted] == [0.25, 0.5, 1.0]


def test_a_class_sees_less_larger_and_its_answers_and_hands_stay():
    at = AppTest.from_file(APP, default_timeout=60).run()
    at.query_params.update({"mode": "teach", "hide": "attack,words,nonsense", "chapter": "votes"})
    at.switch_page("pages/learn.py").run()
    styles = "".join(h.proto.body for h in at.get("html"))
    assert "font-size: 125%" in styles and '[href$="/attack"] {display: none}' in styles
    assert ".st-key-words {display: none}" in styles and "nonsense" not in styles
    at.number_input(key="votes_hands_0").set_value(3).run()
    at.number_input(key="votes_hands_1").set_value(1).run()
    assert "**3 of 4** say" in "".join(m.value for m in at.markdown)
    at.radio(key="votes_guess").set_value(0).run()
    at.query_params.clear()
    at.switch_page("pages/home.py").run()
    at.switch_page("pages/learn.py").run()
    assert at.radio(key="votes_guess").value == 0  # kept, and the chapter is ticked
    ticked = at.get("button_group")[0].proto.options[0].content
    assert ticked.endswith("✓")
    at.multiselect(key="class_hide").set_value(["masks", "seed"]).run()
    assert at.code[-1].value.endswith("?mode=teach&hide=masks,seed&chapter=votes")
    at.query_params["mode"] = "all"
    at.run()
    assert "125%" not in "".join(h.proto.body for h in at.get("html"))
    assert not at.exception and not at.error
