"""Int8 files are measured as the float32 logs beside them were, setting by setting."""

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.core.files import sole_writer
from rsviz.evaluation import fewer_votes, measure
from rsviz.evaluation.evaluate import spec_for
from rsviz.evaluation.logs import head_of, read_log
from rsviz.networks import classifiers
from rsviz.smoothing import engines
from rsviz.training import quantize
from tests.helpers import TINY, constant_network

DUAL = catalog.inspect(Path(__file__).parents[2] / "checkpoints" / "shapes-dual")


class Curve:
    acr = 0.0


def test_each_float32_log_has_an_int8_log_at_its_own_settings(monkeypatch):
    asked = {}

    def measured(checkpoint, spec, out, device, command, report):
        asked[out.name] = dict(spec.settings), command
        return Curve

    def inspect(folder):
        even = catalog.Difference(0.0, 0.0, 0.0)
        logs = tuple(catalog.Measured(log=name, difference=even) for name in asked)
        held = {"int8": catalog.Precision(measured=logs)}
        return replace(DUAL, card=msgspec.structs.replace(DUAL.card, precisions=held))

    monkeypatch.setattr(quantize, "measure", measured)
    monkeypatch.setattr(catalog, "inspect", inspect)
    quantize.measure_beside(DUAL, report=lambda _: None)
    assert len(asked) == 2  # of the same at n 10,000 none
    plain, sweep = asked["certified-int8.csv"], asked["certified-sweep-int8.csv"]
    assert "rule" not in plain[0]
    assert (sweep[0]["rule"], sweep[0]["ask"]) == ("sweep", "every")
    assert "--set" not in plain[1]
    assert "--set ask=every --set rule=sweep" in sweep[1]


@pytest.mark.parametrize("log", ["certified.csv", "certified-sweep.csv"])
def test_a_log_is_held_against_the_one_of_its_own_settings(log):
    row = next(m for m in DUAL.card.measured if m.log == log)
    spec = spec_for(
        DUAL,
        None,
        every=10,
        n0=100,
        n=2000,
        alpha=0.001,
        seed=0,
        settings=head_of(DUAL.folder / log).settings,
    )
    fields = {f: getattr(row, f) for f in row.__struct_fields__}
    found = measure._difference(DUAL, spec, fields)
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
    assert measure._difference(wide, spec, fields) is None


class KilledError(Exception):
    pass


@pytest.fixture
def measured(tmp_path):
    """A network whose card names an int8 file, and a log of it."""
    made = constant_network(tmp_path / "net")
    put(made, b"old", [{"log": "certified-int8.csv"}])
    return catalog.find("net", tmp_path)


def put(checkpoint, data, measured=()):
    sha256 = hashlib.sha256(data).hexdigest()
    files = {"classifier": {"file": "int8.onnx", "sha256": sha256}}
    named = {"files": files, "recipe": {}, "measured": list(measured)}
    quantize._put(checkpoint, {checkpoint.folder / "int8.onnx": data}, named)


@pytest.mark.parametrize("calls", range(4))
def test_a_kill_leaves_a_card_that_names_no_int8_file_or_the_one_that_is_there(
    measured, monkeypatch, calls
):
    real, count = Path.replace, iter(range(100))

    def dies(self, *args):
        if next(count) == calls:
            raise KilledError
        return real(self, *args)

    with monkeypatch.context() as patch, suppress(KilledError):
        patch.setattr(Path, "replace", dies)
        put(measured, b"new")
    found = catalog.inspect(measured.folder)
    assert found.verified
    for file, sha256 in catalog.network_files(found, "int8").values():
        engines.read_checked(file, sha256)
    put(found, b"new")  # the same command goes on
    assert (measured.folder / "int8.onnx").read_bytes() == b"new"
    assert not [f for f in measured.folder.iterdir() if f.name.endswith(".part")]


def test_a_full_disk_leaves_the_int8_file_and_what_was_measured_of_it(measured, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "fsync", full)
        put(measured, b"new")
    found = catalog.inspect(measured.folder)
    assert found.stored == measured.stored
    assert (measured.folder / "int8.onnx").read_bytes() == b"old"


def test_the_same_file_again_keeps_what_was_measured_of_it(measured):
    put(measured, b"old")
    assert catalog.inspect(measured.folder).card.precisions["int8"].measured
    put(measured, b"new")
    assert not catalog.inspect(measured.folder).card.precisions["int8"].measured


def test_a_file_of_weights_that_were_trained_anew_meanwhile_is_not_named(measured):
    net = classifiers.build(TINY, "shapes")
    new = weights.save(net, measured.folder, dict(measured.stored) | {"precisions": {}})
    with pytest.raises(UserError, match="changed meanwhile: it was trained anew"):
        put(measured, b"new")
    assert catalog.inspect(measured.folder).stored == new.stored


def test_a_second_process_that_quantises_is_told_who_writes(measured, monkeypatch):
    monkeypatch.setattr(quantize.int8_files, "versions", dict)
    with (
        sole_writer(measured.folder / "int8.onnx"),
        pytest.raises(UserError, match=r"int8\.onnx is being written by process"),
    ):
        quantize.quantize(measured, "")
