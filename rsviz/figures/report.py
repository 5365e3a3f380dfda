"""Reports: a single HTML file that opens offline and asks nobody for anything.

One certificate, or all results of one picture in order.

Shape suffixes: C channels, H height, W width, K classes.
"""

import base64
import hashlib
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from torch import Tensor

from rsviz.core.flags import FLAGS, HEURISTIC
from rsviz.core.radius import down
from rsviz.core.spec import Certificate
from rsviz.data import images

# No script but those written here, told by their hashes; no style or picture from anywhere but this
# file. A browser enforces it. Plotly writes styles into its elements.
POLICY = "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}
img{image-rendering:pixelated;width:256px}figure{margin:1rem 0}table{border-collapse:collapse}
td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
pre{overflow:auto;background:#f4f4f4;padding:1rem;font-size:13px}
"""


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
    figures: Sequence[tuple[str, go.Figure]] = ()
    words: str = ""
    table: Sequence[Mapping[str, object]] = ()


def report(
    c: Certificate,
    x_CHW: Tensor,
    classes: Sequence[str],
    figures: Sequence[tuple[str, go.Figure]],
) -> str:
    """Return the report as HTML: picture, verdict, guarantee, figures, certificate, how to verify.

    Parameters
    ----------
    classes : names, by number.
    figures : what each shows, and the figure; plotly.js is written into the file once, 4.5 MB.
    """
    title = verdict(c, classes)
    return _document(title, [Part(title, x_CHW, classes, c, figures)])


def story(title: str, parts: Sequence[Part]) -> str:
    """Return all results of a picture, in order, as one report; see `report`."""
    return _document(title, parts, f"<h1>{html.escape(title)}</h1>")


def _document(title: str, parts: Sequence[Part], above: str = "") -> str:
    drawn = [figure for part in parts for _, figure in part.figures]
    scripts = [_draw(figure, i) for i, figure in enumerate(drawn)]
    plotly = [get_plotlyjs()] if drawn else []
    policy = POLICY.format(" ".join(map(_hash, [*plotly, *scripts])) or "'none'")
    body, first = [], 0
    for i, part in enumerate(parts):
        body.append(_section(part, i, "h2" if above else "h1", scripts[first:], first))
        first += len(part.figures)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>rsviz: {html.escape(title)}</title><style>{STYLE}</style>
{f"<script>{plotly[0]}</script>" if plotly else ""}</head><body>
{above}{"".join(body)}</body></html>
"""


def _section(part: Part, number: int, level: str, scripts: Sequence[str], first: int) -> str:
    """Return one result; ``scripts`` draw its figures, the first of which has this number."""
    shown = "".join(
        f"<figure><figcaption>{html.escape(title)}</figcaption>"
        f'<div id="figure-{first + i}"></div><script>{scripts[i]}</script></figure>'
        for i, (title, _) in enumerate(part.figures)
    )
    words = f"<p>{html.escape(part.words)}</p>" if part.words else ""
    head = f"""<{level}>{html.escape(part.title)}</{level}>
<p><img alt="The image certified" src="data:image/png;base64,{_png(part.x_CHW)}"></p>{words}"""
    c = part.certificate
    if c is None:
        return f"<section>{head}{_table(part.table)}{shown}</section>"
    rows = "".join(
        f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in _rows(c)
    )
    flags = "".join(
        f"<p><b>{html.escape(name.capitalize())}.</b> {html.escape(FLAGS[name].meaning)}</p>"
        for name in c.flags
        if name in FLAGS
    )
    return f"""<section>{head}
<p><b>The guarantee.</b> {html.escape(c.guarantee)} Here alpha = {c.alpha:g}.</p>{flags}
<table>{rows}</table>{_table(part.table)}{shown}
<h2>Check it</h2>
<p>Save the certificate below as certificate.json and run
<code>python -m rsviz verify certificate.json IMAGE</code>: it counts the votes again, with this
seed and with a fresh one.</p>
<h2>The certificate</h2>
<pre id="certificate{f"-{number}" if number else ""}">{html.escape(c.to_json())}</pre></section>"""


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{'' if value is None else html.escape(str(value))}</td>" for value in row.values()
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def verdict(c: Certificate, classes: Sequence[str]) -> str:
    """Return one line: the class and its radius, rounded down, or that nothing is certified."""
    if c.abstained or c.predicted is None:
        return "Abstains: nothing is certified"
    unit = "L2" if c.norm == "L2" else "Linf"
    digits = 3 if unit == "L2" else 5
    said = "heuristic radius" if HEURISTIC in c.flags else "certified within"
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
    drawn = go.Figure(figure)
    drawn.update_layout(paper_bgcolor="white", plot_bgcolor="white", template="plotly_white")
    spec = json.dumps(json.loads(drawn.to_json() or "{}")).replace("<", "\\u003c")
    config = json.dumps({"displaylogo": False, "showSendToCloud": False, "responsive": True})
    return f'(f=>Plotly.newPlot("figure-{number}",f.data,f.layout,{config}))({spec})'


def _png(x_CHW: Tensor) -> str:
    buffer = io.BytesIO()
    images.to_pil(x_CHW).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
