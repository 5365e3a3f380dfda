import re

from rsviz.teaching import lessons, sheet


def test_the_sheet_asks_every_question_and_answers_it_at_the_end():
    text = sheet.sheet(lessons.CHAPTERS[:3])
    asked, answers = text.split('<div class="answers">')
    scenes = [scene for chapter in lessons.CHAPTERS[:3] for scene in chapter.scenes]
    assert "<b>smoothed classifier</b>" in asked and "&lt;" not in text
    assert asked.count("<section>") == asked.count("Predict first.") == len(scenes)
    assert asked.count("<li>") == sum(len(scene.question.options) for scene in scenes)
    assert answers.count("<i>") == len(scenes)
    assert (
        "**" not in text and "<script" not in text and "http" not in text.replace("http-equiv", "")
    )


def test_formulas_can_be_read_on_paper():
    text = sheet.sheet(lessons.CHAPTERS)
    words = text[text.index("<body>") :]
    assert not re.search(r"[$\\\\{}`]|\]\(|\*\*", words)
    assert "<i>p<sub>A</sub> ≥ 1 - Var/e<sup>2</sup></i>" in words
    assert "<i>σ Φ<sup>-1</sup>(p<sub>A</sub>)</i>" in words
