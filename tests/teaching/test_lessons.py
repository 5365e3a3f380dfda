import inspect

import pytest

from rsviz.teaching import glossary, lessons
from rsviz.teaching.chapters import votes
from rsviz.teaching.pictures.by_scene import PICTURES

SCENES = [scene for chapter in lessons.CHAPTERS for scene in chapter.scenes]


def test_chapters_are_numbered_and_named_apart():
    assert [c.number for c in lessons.CHAPTERS] == list(range(1, len(lessons.CHAPTERS) + 1))
    assert len({c.slug for c in lessons.CHAPTERS}) == len(lessons.CHAPTERS)
    assert len({s.key for s in SCENES}) == len(SCENES)


@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.key)
def test_each_scene_has_a_picture_of_its_controls(scene):
    wanted = set(inspect.signature(PICTURES[scene.key]).parameters)
    assert wanted == {control.key for control in scene.controls}


@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.key)
def test_each_control_starts_on_one_of_its_steps_and_reads_apart(scene):
    for control in scene.controls:
        assert control.default in control.options
        shown = [control.show(option) for option in control.options]
        assert len(set(shown)) == len(shown)
        assert not control.term or glossary.help_text(control.term)


def test_what_certificates_are_made_of_is_explained():
    for term in ("sigma", "n0", "n", "alpha", "p_A", "p_a_lower", "radius", "abstain", "ACR"):
        assert len(glossary.help_text(term)) > 30
    with pytest.raises(KeyError):
        glossary.help_text("no such term")


def test_an_unknown_chapter_is_the_first():
    assert lessons.chapter("bound").number == 2
    assert lessons.chapter("<script>").number == 1
    assert lessons.chapter(None).number == 1


def test_a_click_moves_to_the_nearest_step():
    assert lessons.nearest_step(votes.VOTES, "left", 0.309) == 0.3
    assert lessons.nearest_step(votes.VOTES, "right", 1.2) == 1.0
