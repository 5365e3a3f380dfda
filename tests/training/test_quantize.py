"""Int8 files are measured as the float32 logs beside them were, setting by setting."""

from pathlib import Path

import pytest

from rsviz.checkpoints import catalog
from rsviz.evaluation import measure
from rsviz.evaluation.evaluate import spec_for
from rsviz.evaluation.logs import head_of
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
