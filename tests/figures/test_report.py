"""The report is one file that asks nobody for anything, whatever names it holds."""

import json
import re
from dataclasses import replace
from html import unescape

import plotly.graph_objects as go
import pytest
import torch

from rsviz.core.reading import read
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.figures import certificate, export, report

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
        c,
        x_CHW,
        ("a", HOSTILE),
        [("Votes", certificate.vote_bars(c.counts, ("a", HOSTILE), c.predicted))],
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
        c,
        x_CHW,
        ("a", HOSTILE),
        [(HOSTILE, certificate.vote_bars(c.counts, ("a", HOSTILE), c.predicted))],
    )
    rest = without_plotly(text)
    assert not re.search(r"""(src|href|action)\s*=\s*["']?\s*(https?:)?//""", unescape_tags(rest))
    assert rest.count("<script") == 2  # plotly.js, and one figure
    assert "default-src 'none'" in rest
    assert "<b>promise" not in rest


def unescape_tags(text):
    """What a browser takes for markup: all tags, without the text between them."""
    return " ".join(re.findall(r"<[^>]*>", text))


def test_a_story_holds_every_result_in_order_in_one_file(case):
    c, x_CHW = case
    bars = certificate.vote_bars(c.counts, ("a", "b"), c.predicted)
    parts = [
        report.Part("First", x_CHW, ("a", "b"), c, [("Votes", bars)]),
        report.Part("Second", x_CHW, ("a", "b"), table=[{"network": HOSTILE, "radius": None}]),
        report.Part("Third", x_CHW, ("a", "b"), c, [("Votes", bars)], words=HOSTILE),
    ]
    text = report.story(HOSTILE, parts)
    rest = without_plotly(text)
    heads = re.findall(r"<h2>(.*?)</h2>", rest)
    assert [h for h in heads if h in ("First", "Second", "Third")] == ["First", "Second", "Third"]
    assert rest.count("<script") == 3 and HOSTILE not in rest  # plotly.js, and two figures
    drawn = re.findall(r'id="(figure-\d)"', rest)
    assert drawn == ["figure-0", "figure-1"]
    assert "<b>" not in rest.replace("<b>The guarantee.</b>", "")  # of a promise
    stored = [
        unescape(t) for t in re.findall(r'<pre id="certificate[-\d]*">(.*?)</pre>', text, re.S)
    ]
    assert [Certificate.from_json(t) for t in stored] == [c, c]


def test_an_abstention_says_so(case):
    c, x_CHW = case
    text = report.report(replace(c, abstained=True), x_CHW, ("a", "b"), [])
    assert "<h1>Abstains: nothing is certified</h1>" in text


def test_a_figure_becomes_rows_and_no_formula():
    figure = go.Figure([go.Scatter(x=[0, 1], y=[0.5, 0.25], name="=cmd()"), go.Bar(x=[3], y=["a"])])
    rows = export.figure_csv(figure).splitlines()
    assert rows == ["curve,x,y", "'=cmd(),0,0.5", "'=cmd(),1,0.25", ",3,a"]
    assert json.loads(figure.to_json())["data"]


def test_maps_triangles_and_counted_values_become_rows_and_pictures_none():
    figure = go.Figure(
        [
            go.Heatmap(x=["a", "b"], y=["c"], z=[[1, 2]], name="map"),
            go.Scatterternary(a=[0.5], b=[0.25], c=[0.25], name="three"),
            go.Histogram(x=[0.5], name="counted"),
            go.Image(z=[[[0, 0, 0]]]),
        ]
    )
    assert export.figure_csv(figure).splitlines() == [
        "curve,x,y,z",
        "map,a,c,1",
        "map,b,c,2",
        "three,0.5,0.25,0.25",
        "counted,0.5,,",
    ]


def test_votes_become_rows_with_what_is_chosen_and_the_half():
    rows = export.figure_csv(certificate.vote_bars((3, 7), ("=a", "b"), 1)).splitlines()
    assert rows == [
        "curve,x,y",
        "chosen class,7,b",
        "other classes,3,'=a",
        "half of the votes,5.0,",
    ]


def test_a_level_line_becomes_its_height_and_a_region_none():
    figure = go.Figure(go.Bar(x=["a"], y=[1], name="bars"))
    figure.add_hline(y=0.5, name="=own")
    figure.add_vrect(x0=0, x1=1, name="region")
    figure.add_vline(x=3)
    assert export.figure_csv(figure).splitlines() == ["curve,x,y", "bars,a,1", "'=own,,0.5"]
