"""What every page has in common: it opens, explains its words, and its figures can be saved."""

import json
import re

import pytest

from rsviz.teaching import glossary, lessons
from rsviz.ui.page_list import PAGES
from tests.helpers import faults, live_figures

NAMES = [name for name, _, _ in PAGES]


def terms(app):
    """The terms at a page's foot, each with the sentence behind its question mark."""
    captions = [c for c in app.caption if c.value == "In plain words:" or c.proto.help]
    first = [c.value for c in captions].index("In plain words:")
    return {c.value: c.proto.help for c in captions[first + 1 :]}


def stray(app):
    """The backslashes of a line's end that a page shows, as of a raw string; not those of TeX."""
    return re.findall(r"\\n(?![a-z])", "".join(e.value for e in (*app.markdown, *app.caption)))


def check_figures(app):
    """Each figure has Plotly's camera, and its numbers can be downloaded."""
    charts = app.get("plotly_chart")
    for chart in charts:
        assert json.loads(chart.proto.config).get("displayModeBar") is not False
        assert chart.proto.alt
    offers = [b for b in app.get("download_button") if "CSV" in b.proto.label]
    assert len(offers) >= len(charts)
    changing = live_figures(app)  # of a run, whose numbers go with its certificate
    for figure in changing:
        assert figure["config"]["modeBarButtons"] == [["toImage"]] and figure["alt"]
    return len(charts) + len(changing)


@pytest.mark.parametrize("page", NAMES)
def test_a_page_opens_and_explains_its_words(open_page, every_kind, monkeypatch, page):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(every_kind))
    app = open_page(page)
    assert faults(app) == [] and not app.exception and not stray(app)
    assert terms(app) == {t: glossary.help_text(t) for t in glossary.on_page(page)}
    drawn = check_figures(app)
    assert drawn or page in ("attack", "levels", "story")  # which draw only what was asked for


@pytest.mark.parametrize("chapter", [c.slug for c in lessons.CHAPTERS])
def test_the_figures_of_a_chapter_can_be_taken_away(open_page, chapter):
    app = open_page("learn", chapter=chapter)
    assert [e.value for e in app.error] == [] and not app.exception and not stray(app)
    assert check_figures(app) == len(lessons.chapter(chapter).scenes)


def test_a_page_that_cannot_open_explains_its_words_all_the_same(open_page, monkeypatch, tmp_path):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_page("masks")
    assert len(app.error) == 1 and not app.exception
    assert "mask" in terms(app)
