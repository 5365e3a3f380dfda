from rsviz.teaching import lessons, sheet


def test_the_sheet_asks_every_question_and_answers_it_at_the_end():
    text = sheet.sheet(lessons.CHAPTERS[:3])
    asked, answers = text.split('<div class="answers">')
    scenes = [scene for chapter in lessons.CHAPTERS[:3] for scene in chapter.scenes]
    assert asked.count("<section>") == asked.count("Predict first.") == len(scenes)
    assert asked.count("<li>") == sum(len(scene.question.options) for scene in scenes)
    assert answers.count("<i>") == len(scenes)
    assert (
        "**" not in text and "<script" not in text and "http" not in text.replace("http-equiv", "")
    )
