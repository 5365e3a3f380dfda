"""What a page lets a visitor take away says the same as its certificate, whatever the method."""

import csv
import io
import re

import pytest
import streamlit

from rsviz.core.radius import down
from rsviz.core.spec import Certificate
from rsviz.data import datasets
from rsviz.ui import attack as parts
from rsviz.ui.common import sessions
from rsviz.ui.common.run_controls import default_image
from tests.helpers import make_selectors
from tests.pages.test_attack_page import open_quick
from tests.pages.test_certify_page import words


@pytest.fixture
def taken(monkeypatch):
    """What the buttons of the last run would download, by file name."""
    files = {}

    def button(_label, data, file_name="", *_args, **_options):
        files[file_name] = data() if callable(data) else data
        return False

    monkeypatch.setattr(streamlit, "download_button", button)
    return files


@pytest.mark.parametrize("method", ["dual", "routing", "variational"])
@pytest.mark.parametrize("norm", ["L2", "Linf"])
def test_attack_of_a_method_that_chooses_its_noise(
    open_page, monkeypatch, tmp_path, taken, method, norm
):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(make_selectors(tmp_path, (method,))))
    app = open_quick(open_page, monkeypatch, checkpoint=f"shapes-{method}", attack_norm=norm)
    app.button(key="certify").click().run()
    assert not app.exception and not app.error
    c = Certificate.from_json(taken["certificate.json"])
    assert c.radius > 0
    rows = list(csv.DictReader(io.StringIO(taken["rsviz-radius.csv"])))
    assert rows and all(float(row["y"]) == c.radius for row in rows)
    report = taken["rsviz-report.html"]
    assert f"certified within {down(c.radius, 3)} (L2)</h1>" in report
    drawn = re.findall(r"radius (\d\.\d+)", report.partition('id="figure-1"')[2])
    assert drawn and set(drawn) == {down(c.radius, 3)}
    if method == "variational":
        _check_paper_style(words(app), c, app)


def _check_paper_style(told, c, app):
    """Attacks are counted by their L2 length, whatever norm they were made in."""
    paper, sound, inside = re.search(
        r"would be ([\d.]+) in L2, not ([\d.]+)\. Of the (\d+) attacks", told
    ).groups()
    assert sound == down(c.radius, 3)
    *_, job = [  # the first look is one of its own
        j
        for j in app.session_state[f"_desk_{sessions.IMAGE}"].history
        if parts.latest(j) is not None
    ]
    x_CHW = _picture()
    lengths = [float((a.x_CHW - x_CHW).norm()) for a in parts.latest(job).attempts]
    assert int(inside) == sum(length <= float(paper) for length in lengths)


def _picture():
    return datasets.find_image(default_image())[0]


def test_certify_at_every_alpha_and_bound(open_page, taken):
    app = open_page(n=500, image="shapes/test/8")
    app.button(key="certify").click().run()
    for alpha in (0.1, 0.001):
        for bound in ("split", "anytime", "clopper-pearson"):
            app.select_slider(key="alpha").set_value(alpha)
            app.segmented_control(key="bound").set_value(bound).run()
            assert not app.exception
            c = Certificate.from_json(taken["certificate.json"])
            assert (c.alpha, c.bound) == (alpha, bound)
            assert app.metric[0].value == down(c.radius, 3)
            rows = list(csv.DictReader(io.StringIO(taken["rsviz-radius.csv"])))
            ends = [r for r in rows if r["curve"].startswith("certified") and r["x"] == "500"]
            assert ends and all(float(r["y"]) == pytest.approx(c.radius, rel=1e-9) for r in ends)
            assert f"certified within {down(c.radius, 3)} (L2)</h1>" in taken["rsviz-report.html"]
