"""Whatever a figure, a CSV, a report or a sentence shows as certified is the certificate's radius.

Every method plays runs of arbitrary votes; each number is held against the certificate of its
moment.
"""

import csv
import io
import json
import re
from html import unescape
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rsviz.certification import every_level
from rsviz.core import live_bounds
from rsviz.core.flags import RESAMPLED
from rsviz.core.radius import down
from rsviz.core.reading import is_of_one_count, reread
from rsviz.core.spec import Bound, Norm, RunSpec, Votes
from rsviz.figures import certificate, export, masks, report
from rsviz.methods.registry import METHODS, reader
from rsviz.methods.variational import Options

CLASSES = ("disc", "ring", "star")
X_CHW = torch.zeros(3, 8, 8)
DIGITS = {Norm.L2: 3, Norm.LINF: 5}


class Stub(nn.Module):
    """A network that is only asked how many answers it knows."""

    def __init__(self, answers):
        super().__init__()
        self.fc = nn.Linear(1, answers)


NETS = {name: Stub(3) for name in ("classifier", "estimator", "selector", "mask")}
NETS |= {f"classifier-{level}": Stub(3) for level in ("0.25", "0.5", "1")}


def play(method, spec, shares, cut=None):
    """Return the certificates of a run's moments, as a page gets them.

    Parameters
    ----------
    shares : of each stage's votes that its first answer gets.
    cut : the number of the stage after half of whose votes the run is stopped; None to end it.
    """
    read, votes, moments = reader(method, X_CHW), {}, []
    run = method.certify(X_CHW, NETS, spec)
    ask = next(run)

    def count(n, share, ended):
        top = round(share * n)
        other = 1 if ask.classes > 1 else 0
        counts = [0] * ask.classes
        counts[ask.classes // 2], counts[ask.classes // 2 - other] = top, n - top
        votes[ask.stage] = Votes(ask.stage, tuple(counts), ask.n, ended)

    for number in range(100):
        share = shares[number % len(shares)]
        for part in (0.4,):
            count(round(part * ask.n), share, "running")
            moments.append(read(votes, spec))
        if number == cut:
            count(round(0.5 * ask.n), share, "stopped")
            return [*moments, read(votes, spec)]
        count(ask.n, share, "complete")
        try:
            ask = run.send(votes[ask.stage])
        except StopIteration as end:
            return [*moments, end.value]
        moments.append(read(votes, spec))
    raise AssertionError("the run does not end")


def shown(c, alpha, bound):
    """The certificate as a page shows it, read again where it can be."""
    return reread(c, alpha, bound) if is_of_one_count(c) else c


def rows(text):
    return [(r["curve"], r["x"], r["y"]) for r in csv.DictReader(io.StringIO(text))]


def close(a, b):
    return abs(a - b) <= 1e-9 * max(1.0, abs(b))


RUNS = {
    "shares": st.lists(st.floats(0, 1), min_size=1, max_size=4),
    "cut": st.one_of(st.none(), st.integers(0, 4)),
    "n": st.sampled_from((20, 200, 2000)),
    "alpha": st.sampled_from((0.1, 0.001)),
    "bound": st.sampled_from((Bound.SPLIT, Bound.ANYTIME, Bound.CLOPPER_PEARSON)),
}


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(**RUNS)
def test_every_number_shown_is_the_certificates(name, shares, cut, n, alpha, bound):
    method = METHODS[name]
    spec = RunSpec("i", "c", 0.5, name, n0=10, n=n, alpha=0.01, bound=Bound.SPLIT)
    moments = play(method, spec, shares, cut)
    if not is_of_one_count(moments[-1]):
        alpha, bound = spec.alpha, spec.bound
    c = shown(moments[-1], alpha, bound)
    at = {sum(m.counts): shown(m, alpha, bound) for m in moments if m.predicted is not None}
    plain, words = certificate.radius_of_run(c, moments)
    figure = plain.figure()

    # The figure's numbers, which the CSV holds too.
    assert str(c.norm) in figure.layout.yaxis.title.text
    last = 0.0
    for curve, x, y in rows(export.figure_csv(figure)):
        if curve == "certified so far":
            assert close(float(y), at[int(x)].radius)
            last = float(y)
        elif curve.startswith("certified at the planned n"):
            assert float(y) == c.radius
        elif curve.startswith("most that"):
            assert float(y) >= c.radius - 1e-12
        else:
            top = live_bounds.most(c)
            assert curve == "where it may still end" and top is not None
            assert float(y) <= top + 1e-9
    if c.ended == "complete" and c.predicted is not None:
        assert close(max([last, *_diamond(figure)]), c.radius)
    for t in figure.data:
        told = [*(t.text or ()), *re.findall(r"radius (\d\.\d+)", t.hovertemplate or "")]
        assert all(
            float(number) <= c.radius + 1e-9 or t.name == "certified so far" for number in told
        )

    # Its words, and the two bounds' sentences.
    for number in re.findall(r"(?:certified radius is|planned n it is) ([\d.]*\d)", words):
        assert number in {down(m.radius, DIGITS[c.norm]) for m in at.values()}
    for reading in (live_bounds.anytime(c, alpha, bound), live_bounds.planned(c, alpha, bound)):
        assert reading is None or reading.radius <= c.radius + 1e-12

    # The report.
    with patch.object(report, "get_plotlyjs", str):  # megabytes, and no number of ours
        text = report.report(c, X_CHW, CLASSES, [("Distance", figure)])
    head = unescape(re.search(r"<h1>(.*?)</h1>", text)[1])
    if c.abstained:
        assert head == "Abstains: nothing is certified"
    else:
        assert f"certified within {down(c.radius, DIGITS[c.norm])} ({c.norm})" in head
    (spec_in_file,) = re.findall(r"\}\)\)\((\{.*\})\)</script>", text)
    drawn = json.loads(spec_in_file)["data"]
    assert [t.get("name") for t in drawn] == [t.name for t in figure.data]


def _diamond(figure):
    return [t.y[0] for t in figure.data if t.name.startswith("certified at")]


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.norm is Norm.LINF])
@settings(max_examples=5, deadline=None, derandomize=True)
@given(share=st.floats(0.5, 1), n=st.sampled_from((200, 2000)))
def test_lines_that_race_end_at_the_certificates(name, share, n):
    spec = RunSpec("i", "c", 0.5, name, n0=10, n=n, bound=Bound.SPLIT)
    moments = play(METHODS[name], spec, [share])
    line = live_bounds.trace(moments, spec.alpha, Bound.SPLIT)
    (drawn,) = masks.radii({name: line}, {name: name}, n).data
    at = {sum(m.counts): m.radius for m in moments}
    assert drawn.x[-1] == n
    for votes, radius, shown in zip(drawn.x, drawn.y, drawn.text, strict=True):
        assert close(radius, 255 * at[votes])
        assert shown == down(255 * line.low_T[line.votes_T.index(votes)], 3)
    told = masks.radii_in_words({name: line}, {name: name})
    assert f"{name}: {down(255 * moments[-1].radius, 2)}/255 after {n:,} votes" in told


def test_a_heuristic_radius_is_never_called_certified():
    given_ = (("draws", 100), ("levels", Options().levels))
    spec = RunSpec("i", "c", 0.5, "variational", n0=10, n=2000, bound=Bound.SPLIT, settings=given_)
    paper = every_level.paper_style(play(METHODS["variational"], spec, [1.0])[-1], spec)
    assert paper is not None and paper.radius > 0
    assert "certified" not in report.verdict(paper, CLASSES)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_known_of_the_image_marks_every_moment(name):
    spec = RunSpec("i", "c", 0.5, name, n0=10, n=200, bound=Bound.SPLIT, flags=(RESAMPLED,))
    for cut in (None, 0, 2):
        for c in play(METHODS[name], spec, [0.9], cut):
            assert c.flags.count(RESAMPLED) == 1
