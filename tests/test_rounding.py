"""A radius is never shown longer than it was certified."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rsviz
from rsviz.certification import verify
from rsviz.core import reading
from rsviz.core.radius import down
from rsviz.core.spec import Norm, RunSpec, Votes
from rsviz.evaluation import evaluate

SOURCE = Path(rsviz.__file__).parent
RADII = r"radius|reach|ceiling|claimed|proved|constancy|p_a_lower|p_lower"
# {c.radius:.3f}, {255 * radius:.2f} and %{radius:.3f}: a format that rounds to the nearest.
ROUNDED = re.compile(rf"\{{[^{{}}]*\b(?:\w+_)?(?:{RADII})\b[^{{}}()]*:[,.]?\d*\.\d[fgeE]\}}")
# Where the reader pointed or typed a radius, it is shown as given.
GIVEN = {'f"Images at radius {radius:.3g} of"', "the change is {255 * radius:.1f}"}


def test_no_source_line_rounds_a_radius_to_the_nearest():
    found = [
        f"{file.relative_to(SOURCE)}:{i}: {line.strip()}"
        for file in sorted(SOURCE.rglob("*.py"))
        for i, line in enumerate(file.read_text().splitlines(), 1)
        if ROUNDED.search(line) and not any(g.lower() in line.lower() for g in GIVEN)
    ]
    assert found == []


@pytest.mark.parametrize("text", ["{c.radius:.3f}", "{255 * radius:.2f}", "{ceiling:.3g}"])
def test_the_search_finds_what_it_looks_for(text):
    assert ROUNDED.search(text)
    assert not ROUNDED.search("{down(c.radius, 3)}")


@settings(derandomize=True, deadline=None)
@given(st.floats(0, 50), st.integers(0, 9))
def test_down_is_below_by_less_than_one_unit(value, digits):
    shown = float(down(value, digits))
    assert shown <= value + 1e-12 and value - shown < 10.0**-digits + 1e-12


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.integers(501, 1000), st.sampled_from([0.12, 0.25, 0.5, 1.0]))
def test_a_log_holds_no_more_than_the_certificate(k, sigma):
    votes = Votes("bound", (k, 1000 - k), 1000, "complete")
    spec = RunSpec("i", "c", sigma, n0=10, n=1000)
    for norm, d in ((Norm.L2, None), (Norm.LINF, 3072)):
        c = reading.read(Votes("select", (10, 0), 10, "complete"), votes, spec, "g", norm, d)
        assert float(evaluate._digits(c)) <= c.radius


def test_a_sentence_made_before_radii_were_rounded_down_is_still_the_same():
    assert verify._same("out to 0.1235; fine", "out to 0.1234; fine")
    assert not verify._same("out to 0.1236; fine", "out to 0.1234; fine")
    assert not verify._same("out to 0.1234; fine", "out to 0.1234; false")
    assert not verify._same("certified 2.5", "certified 1.5")
