"""A sheet to print for a class: every chapter's questions to answer, the answers on a last page."""

import re
from collections.abc import Sequence

import jinja2
from markupsafe import Markup, escape

from rsviz.teaching.pictures.by_scene import PICTURES
from rsviz.teaching.scene import Chapter, Scene

SIGNS = {  # of TeX, as far as chapters use them
    r"\sigma": "σ",
    r"\Phi": "Φ",
    r"\delta": "δ",
    r"\lVert ": "‖",
    r"\rVert": "‖",
    r"\sqrt ": "√",
    r"\ge": "≥",
    r"\ne": "≠",
    r"\mathrm{Var}": "Var",
    r"\,": " ",
}
PAGES = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
PAGE = PAGES.from_string("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>rsviz: questions for a class</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
@page{margin:18mm}body{font:12pt/1.45 Georgia,serif;max-width:42rem;margin:2rem auto;color:#000}
h1,h2,h3{font-family:system-ui,sans-serif;line-height:1.2}section{break-inside:avoid}
li{list-style:none;margin:.2rem 0}li::before{content:"\\2610\\00a0"}ul{padding-left:1rem}
.answers{break-before:page}.name{border-bottom:1px solid #000;display:inline-block;width:16rem}
</style></head><body>
<h1>Randomized smoothing</h1><p>Name <span class="name">&nbsp;</span></p>
{% for chapter in chapters %}
<h2>{{ chapter.number }}. {{ chapter.title }}</h2>
{% for scene in chapter.scenes %}
<section><h3>{{ scene.title }}</h3>
{% for sentence in scene.sentences %}
<p>{{ bold(sentence) }}</p>
{% endfor %}
<p><b>Predict first.</b> {{ bold(scene.question.prompt) }}</p>
<ul>
{% for option in scene.question.options %}
<li>{{ bold(option) }}</li>
{% endfor %}
</ul></section>
{% endfor %}
{% endfor %}
<div class="answers"><h2>Answers, with every slider where it starts</h2>
{% for chapter in chapters %}
{% for scene in chapter.scenes %}
<p><b>{{ chapter.number }}. {{ scene.title }}</b> {{ answer(scene) }}</p>
{% endfor %}
{% endfor %}
</div>
</body></html>
""")


def sheet(chapters: Sequence[Chapter]) -> str:
    """Return the sheet as one HTML file that asks nobody for anything; a browser prints it."""
    return PAGE.render(chapters=chapters, bold=_bold, answer=_answer)


def _answer(scene: Scene) -> Markup:
    """Return what the scene's picture computes where its sliders begin."""
    picture = PICTURES[scene.key](**{c.key: c.default for c in scene.controls})
    chosen = _bold(scene.question.options[picture.answer])
    return Markup("<i>{}.</i> {}").format(chosen, _bold(picture.reveal))


def _bold(text: str) -> Markup:
    """Return a text with its bold words and its formulas, all else in it escaped."""
    marked = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", str(escape(text)))
    return Markup(re.sub(r"\$(.+?)\$", lambda found: _formula(found[1]), marked))


def _formula(tex: str) -> str:
    """Return a short formula as text with indices: no script draws it on paper."""
    for sign, drawn in SIGNS.items():
        tex = tex.replace(sign, drawn)
    tex = re.sub(r"_(\w)", r"<sub>\1</sub>", tex)
    return "<i>" + re.sub(r"\^(?:\{(.+?)\}|(\w))", r"<sup>\1\2</sup>", tex) + "</i>"
