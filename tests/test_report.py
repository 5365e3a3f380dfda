"""The report is one file that asks nobody for anything, whatever names it holds."""

import json
import re
from dataclasses import replace
from html import unescape

import plotly.graph_objects as go
import pytest
import torch

from rsviz import export, report
from rsviz.certify import read
from rsviz.spec import Certificate, RunSpec, Votes

HOSTILE = '</script><script src="https://example.org/x.js"></script>'


@pytest.fixture
def case():
    spec = RunSpec(HOSTILE, "net", 0.5, n=1000)
    select = Votes("select", (100, 0), 100, "complete")
    c = read(select, Votes("bound", (990, 10), 1000, "complete"), spec, "A <b>promise</b>.")
    return c, torch.rand(3, 8, 8)


def without_plotly(text):
    return text.replace(report.get_plotlyjs(), "")


def test_it_holds_the_certificate_the_picture_and_the_figures(case):
    c, x_CHW = case
    text = report.report(
        c, x_CHW, ("a", HOSTILE), [("Votes", report.vote_figure(c, ("a", HOSTILE)))]
    )
    assert report.get_plotlyjs() in text
    inside = unescape(re.search(r'<pre id="certificate">(.*?)</pre>', text, re.S)[1])
    assert Certificate.from_json(inside) == c
    assert f"a, certified within {c.radius - 0.0005:.3f}"[:20] in text
    rest = without_plotly(text)
    assert rest.count("Plotly.newPlot(") == 1
    assert "data:image/png;base64," in rest


def test_it_loads_nothing_and_runs_nothing_of_others(case):
    c, x_CHW = case
    text = report.report(
        c, x_CHW, ("a", HOSTILE), [(HOSTILE, report.vote_figure(c, ("a", HOSTILE)))]
    )
    rest = without_plotly(text)
    assert not re.search(r"""(src|href|action)\s*=\s*["']?\s*(https?:)?//""", unescape_tags(rest))
    assert rest.count("<script") == 2  # plotly.js, and one figure
    assert "default-src 'none'" in rest
    assert "<b>promise" not in rest


def unescape_tags(text):
    """What a browser takes for markup: all tags, without the text between them."""
    return " ".join(re.findall(r"<[^>]*>", text))


def test_an_abstention_says_so(case):
    c, x_CHW = case
    text = report.report(replace(c, abstained=True), x_CHW, ("a", "b"), [])
    assert "<h1>Abstains: nothing is certified</h1>" in text


def test_a_figure_becomes_rows_and_no_formula():
    figure = go.Figure([go.Scatter(x=[0, 1], y=[0.5, 0.25], name="=cmd()"), go.Bar(x=[3], y=["a"])])
    rows = export.figure_csv(figure).splitlines()
    assert rows == ["curve,x,y", "'=cmd(),0,0.5", "'=cmd(),1,0.25", ",3,a"]
    assert json.loads(figure.to_json())["data"]
