"""Reports: a single HTML file that opens offline and asks nobody for anything.

One certificate, or all results of one picture in order.

Shape suffixes: C channels, H height, W width, K classes.
"""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

import jinja2
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from torch import Tensor

from rsviz.core import flags
from rsviz.core.radius import down
from rsviz.core.spec import Certificate
from rsviz.data import images

# No script but those written here, told by their hashes; no style or picture from anywhere but this
# file. A browser enforces it. Plotly writes styles into its elements.
POLICY = "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data:"

# What stands in double braces is escaped. Scripts are not: they are written here alone.
PAGES = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
PAGE = PAGES.from_string("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy | safe }}">
<meta name="viewport" content="width=device-width">
<title>rsviz: {{ title }}</title><style>
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}
img{image-rendering:pixelated;width:256px}figure{margin:1rem 0}table{border-collapse:collapse}
td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
pre{overflow:auto;background:#f4f4f4;padding:1rem;font-size:13px}
</style>
{% if plotly %}
<script>{{ plotly | safe }}</script>
{% endif %}
</head><body>
{% if many %}
<h1>{{ title }}</h1>
{% endif %}
{% for part, figures in sections %}
<section>
{% if many %}
<h2>{{ part.title }}</h2>
{% else %}
<h1>{{ part.title }}</h1>
{% endif %}
<p><img alt="The image certified" src="data:image/png;base64,{{ png(part.x_CHW) }}"></p>
{% if part.words %}
<p>{{ part.words }}</p>
{% endif %}
{% set c = part.certificate %}
{% if c %}
<p><b>The guarantee.</b> {{ c.guarantee }} Here alpha = {{ "%g" | format(c.alpha) }}.</p>
{% for flag in c.flags if flag in flags.FLAGS %}
<p><b>{{ flag | capitalize }}.</b> {{ flags.of(flag, c).meaning }}</p>
{% endfor %}
<table>
{% for name, text in rows(c) %}
<tr><th>{{ name }}</th><td>{{ text }}</td></tr>
{% endfor %}
</table>
{% endif %}
{% if part.table %}
<table><tr>
{% for name in part.table[0] %}
<th>{{ name }}</th>
{% endfor %}
</tr>
{% for row in part.table %}
<tr>
{% for value in row.values() %}
<td>{{ "" if value is none else value }}</td>
{% endfor %}
</tr>
{% endfor %}
</table>
{% endif %}
{% for told, number in figures %}
<figure><figcaption>{{ told }}</figcaption>
<div id="figure-{{ number }}"></div><script>{{ scripts[number] | safe }}</script></figure>
{% endfor %}
{% if c %}
<h2>Check it</h2>
<p>Save the certificate below as certificate.json and run
<code>python -m rsviz verify certificate.json IMAGE</code>: it counts the votes again, with this
seed and with a fresh one.</p>
<h2>The certificate</h2>
<pre id="certificate{{ "-%d" | format(loop.index0) if loop.index0 }}">{{ c.to_json() }}</pre>
{% endif %}
</section>
{% endfor %}
</body></html>
""")


Drawing: TypeAlias = go.Figure | Callable[[], go.Figure]  # or what draws it, which few ever ask for


def drawn(figure: Drawing) -> go.Figure:
    """Return a figure, drawn now if it was not yet."""
    return figure() if callable(figure) else figure


@dataclass(frozen=True, eq=False)
class Part:
    """One result of a picture: what it is called, its certificate or its table, its figures.

    ``classes`` are names by number; ``figures`` say what each shows. A result of many networks has
    a table in place of one certificate.
    """

    title: str
    x_CHW: Tensor
    classes: Sequence[str]
    certificate: Certificate | None = None
    figures: Sequence[tuple[str, Drawing]] = ()
    words: str = ""
    table: Sequence[Mapping[str, object]] = ()


def report(
    c: Certificate,
    x_CHW: Tensor,
    classes: Sequence[str],
    figures: Sequence[tuple[str, Drawing]],
) -> str:
    """Return the report as HTML: picture, verdict, guarantee, figures, certificate, how to verify.

    Parameters
    ----------
    classes : names, by number.
    figures : what each shows, and the figure; plotly.js is written into the file once, 4.5 MB.
    """
    title = verdict(c, classes)
    return _document(title, [Part(title, x_CHW, classes, c, figures)], many=False)


def story(title: str, parts: Sequence[Part]) -> str:
    """Return all results of a picture, in order, as one report; see `report`."""
    return _document(title, parts, many=True)


def _document(title: str, parts: Sequence[Part], many: bool) -> str:
    figures = [figure for part in parts for _, figure in part.figures]
    scripts = [_draw(drawn(figure), i) for i, figure in enumerate(figures)]
    plotly = [get_plotlyjs()] if figures else []
    number = count()
    return PAGE.render(
        title=title,
        many=many,
        sections=[(part, [(told, next(number)) for told, _ in part.figures]) for part in parts],
        policy=POLICY.format(" ".join(map(_hash, [*plotly, *scripts])) or "'none'"),
        plotly="".join(plotly),
        scripts=scripts,
        flags=flags,
        rows=_rows,
        png=_png,
    )


def verdict(c: Certificate, classes: Sequence[str]) -> str:
    """Return one line: the class and its radius, rounded down, or that nothing is certified."""
    if c.abstained or c.predicted is None:
        return "Abstains: nothing is certified"
    unit = "L2" if c.norm == "L2" else "Linf"
    digits = 3 if unit == "L2" else 5
    said = "heuristic radius" if flags.HEURISTIC in c.flags else "certified within"
    return f"{classes[c.predicted]}, {said} {down(c.radius, digits)} ({unit})"


def _rows(c: Certificate) -> list[tuple[str, str]]:
    names = "image image_sha256 checkpoint checkpoint_sha256 method sigma n0 n alpha bound ended "
    names += "seed p_a_lower path"
    names += " normalisation" if c.normalisation else ""
    rows = [(name.replace("_", " "), str(getattr(c, name))) for name in names.split()]
    return rows + ([("why", str(c.detail["why"]))] if "why" in c.detail else [])


def _hash(script: str) -> str:
    """Return a script as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _draw(figure: go.Figure, number: int) -> str:
    """Return the call that draws a figure into its div; text in it cannot end the script."""
    white = go.Figure(figure)
    white.update_layout(paper_bgcolor="white", plot_bgcolor="white", template="plotly_white")
    spec = json.dumps(json.loads(white.to_json() or "{}")).replace("<", "\\u003c")
    config = json.dumps({"displaylogo": False, "showSendToCloud": False, "responsive": True})
    return f'(f=>Plotly.newPlot("figure-{number}",f.data,f.layout,{config}))({spec})'


def _png(x_CHW: Tensor) -> str:
    buffer = io.BytesIO()
    images.to_pil(x_CHW).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
