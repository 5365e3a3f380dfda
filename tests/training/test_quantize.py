"""Int8 files are measured as the float32 logs beside them were, setting by setting."""

from pathlib import Path

import pytest

from rsviz.checkpoints import catalog
from rsviz.core.errors import UserError
from rsviz.evaluation import fewer_votes, measure
from rsviz.evaluation.evaluate import spec_for
from rsviz.evaluation.logs import head_of, read_log
from rsviz.training import quantize

ROUTING = catalog.inspect(Path(__file__).parents[2] / "checkpoints" / "shapes-routing")


class Curve:
    acr = 0.0


def test_each_float32_log_has_an_int8_log_at_its_own_settings(monkeypatch):
    asked = {}

    def measured(checkpoint, spec, out, device, command, report):
        asked[out.name] = dict(spec.settings), command
        return Curve

    monkeypatch.setattr(quantize, "measure", measured)
    quantize.measure_beside(ROUTING, report=lambda _: None)
    plain, sweep = asked["certified-int8.csv"], asked["certified-sweep-int8.csv"]
    assert "rule" not in plain[0]
    assert (sweep[0]["rule"], sweep[0]["ask"]) == ("sweep", "every")
    assert "--set" not in plain[1]
    assert "--set ask=every --set rule=sweep" in sweep[1]


@pytest.mark.parametrize("log", ["certified.csv", "certified-sweep.csv"])
def test_a_log_is_held_against_the_one_of_its_own_settings(log):
    row = next(m for m in ROUTING.card.measured if m.log == log)
    spec = spec_for(
        ROUTING,
        None,
        every=10,
        n0=100,
        n=2000,
        alpha=0.001,
        seed=0,
        settings=head_of(ROUTING.folder / log).settings,
    )
    fields = {f: getattr(row, f) for f in row.__struct_fields__}
    found = measure._difference(ROUTING, spec, fields)
    assert found == {"mean": 0.0, "low": 0.0, "high": 0.0, "beside": log}


def test_a_log_of_fewer_votes_is_held_against_a_thinned_one():
    wide = catalog.find("cifar10-consistency-w64-0.5")
    row = wide.card.measured[0]
    fields = {f: getattr(row, f) for f in row.__struct_fields__} | {"n": 1000}
    spec = spec_for(wide, 0.5, every=20, n0=100, n=1000, alpha=0.001, seed=0)
    found = measure._difference(wide, spec, fields)  # its 10,000 votes against 1,000 of them
    expected = fewer_votes.expected(read_log(wide.folder / row.log), 1000, ()).acr
    assert found["mean"] == pytest.approx(row.acr - expected, abs=0.01)
    assert found["mean"] > 0.05 and found["beside"] == row.log


def test_fewer_votes_than_asked_for_are_no_rival():
    wide = catalog.find("cifar10-consistency-w64-0.5")
    row = wide.card.measured[0]
    fields = {f: getattr(row, f) for f in row.__struct_fields__} | {"n": 20_000}
    spec = spec_for(wide, 0.5, every=20, n0=100, n=20_000, alpha=0.001, seed=0)
    with pytest.raises(UserError, match="so many votes"):
        measure._difference(wide, spec, fields)
