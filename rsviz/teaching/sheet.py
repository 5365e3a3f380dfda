"""A sheet to print for a class: every chapter's questions to answer, the answers on a last page."""

import html
import re
from collections.abc import Sequence

from rsviz.teaching.pictures.by_scene import PICTURES
from rsviz.teaching.scene import Chapter, Scene

STYLE = """
@page{margin:18mm}body{font:12pt/1.45 Georgia,serif;max-width:42rem;margin:2rem auto;color:#000}
h1,h2,h3{font-family:system-ui,sans-serif;line-height:1.2}section{break-inside:avoid}
li{list-style:none;margin:.2rem 0}li::before{content:"\\2610\\00a0"}ul{padding-left:1rem}
.answers{break-before:page}.name{border-bottom:1px solid #000;display:inline-block;width:16rem}
"""


def sheet(chapters: Sequence[Chapter]) -> str:
    """Return the sheet as one HTML file that asks nobody for anything; a browser prints it."""
    asked = "".join(
        f"<h2>{c.number}. {html.escape(c.title)}</h2>" + "".join(map(_question, c.scenes))
        for c in chapters
    )
    answers = "".join(
        f"<p><b>{c.number}. {html.escape(scene.title)}</b> {_answer(scene)}</p>"
        for c in chapters
        for scene in c.scenes
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>rsviz: questions for a class</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>{STYLE}</style></head><body>
<h1>Randomized smoothing</h1><p>Name <span class="name">&nbsp;</span></p>{asked}
<div class="answers"><h2>Answers, with every slider where it starts</h2>{answers}</div>
</body></html>
"""


def _question(scene: Scene) -> str:
    said = "".join(f"<p>{_bold(sentence)}</p>" for sentence in scene.sentences)
    options = "".join(f"<li>{_bold(option)}</li>" for option in scene.question.options)
    asked = f"<p><b>Predict first.</b> {_bold(scene.question.prompt)}</p><ul>{options}</ul>"
    return f"<section><h3>{html.escape(scene.title)}</h3>{said}{asked}</section>"


def _answer(scene: Scene) -> str:
    """Return what the scene's picture computes where its sliders begin."""
    picture = PICTURES[scene.key](**{c.key: c.default for c in scene.controls})
    return f"<i>{_bold(scene.question.options[picture.answer])}.</i> {_bold(picture.reveal)}"


def _bold(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(text))
