import csv

import pytest

from rsviz.certification import mask_rivals
from rsviz.checkpoints import catalog
from rsviz.evaluation import mask_gains
from tests.helpers import make_rivals


def shares(name, radius):
    """Certified accuracy at a radius, read from a log by hand."""
    lines = (catalog.find(name).folder / "certified.csv").read_text().splitlines()[1:]
    rows = list(csv.DictReader(lines))
    won = [r["correct"] == "1" and float(r["radius"]) >= radius for r in rows]
    return sum(won) / len(won)


def test_shipped_gains_are_the_differences_of_the_logs_and_grow_with_the_canvas():
    radius = 4 / 255
    found = {(g.dataset, g.rival): g for g in mask_gains.gains(mask_rivals.on_canvases(), radius)}
    for size in (32, 48, 64):
        dataset = "shapes" if size == 32 else f"shapes-k{size}"
        for rival, name in (("plain-linf", "plain"), ("static", "static")):
            g = found[dataset, rival]
            a, b = (shares(f"shapes-k{size}-{m}-1.0", radius) for m in ("adaptive", name))
            assert g.gap == pytest.approx(a - b)
            assert g.low <= g.gap <= g.high and g.n == 1000
    plain = [found[d, "plain-linf"].gap for d in ("shapes", "shapes-k48", "shapes-k64")]
    assert plain == sorted(plain)


def test_nothing_is_gained_where_nothing_was_measured(tmp_path):
    assert mask_gains.gains(mask_rivals.on_canvases(make_rivals(tmp_path)), 0.01) == []


def test_a_mask_costs_arithmetic_and_none_costs_nothing_more(tmp_path):
    by_method = {c.card.method: c for c in mask_rivals.on_canvases(make_rivals(tmp_path))}
    assert mask_gains.arithmetic(by_method["plain-linf"]) == 1
    assert mask_gains.arithmetic(by_method["static"]) == 1
    shipped = catalog.find("shapes-k48-adaptive-1.0")
    assert 1.1 < mask_gains.arithmetic(shipped) < 2  # of a vote, not of the time it takes
