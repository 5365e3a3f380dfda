"""Whoever writes where another process writes already is told who that is, and writes nothing."""

import pytest

from rsviz.checkpoints import weights
from rsviz.cli import recipes as recipes_command
from rsviz.cli.main import main
from rsviz.core import files
from rsviz.networks import classifiers
from rsviz.training.recipes import Recipe
from tests.helpers import TINY, make_checkpoints, make_selectors

COMMANDS = {  # what another process holds: what is asked for
    "new": f"train gaussian --dataset shapes --sigma .5 --epochs 1 --network {TINY} --out new",
    "log.csv": "evaluate --checkpoint shapes-constant --every 1000 --n 100 --out log.csv",
    "attacks.csv": "attack --checkpoint shapes-constant --every 1000 --out attacks.csv",
    "both": "ensemble fit shapes-constant other --images 6 --out both",
    "levels": "multiscale shapes-constant --images 6 --n 100 --out levels",
    "shapes-constant/int8.onnx": "quantize shapes-constant --images 4",
    "shapes-dual/quantile.csv": "quantile shapes-dual --images 4",
    "shapes-constant/examples.json": "examples --checkpoint shapes-constant",
    "made": "recipes run --only made",
    "cifar-10-batches-py": "download",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    monkeypatch.setenv("RSVIZ_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files.sole_writer.__wrapped__, "__defaults__", (0.05,))
    recipe = Recipe("made", "gaussian", "shapes", TINY, 0.5, 1, 0.1, (0.5,), 1)
    monkeypatch.setattr(recipes_command, "RECIPES", [recipe])
    make_checkpoints(tmp_path)
    make_selectors(tmp_path, ["dual"])
    card = {"method": "gaussian", "dataset": "shapes", "network": TINY, "sigma": 0.5}
    weights.save(classifiers.build(TINY, "shapes"), tmp_path / "other", card)
    return tmp_path


def all_files(home):
    return {f: f.read_bytes() for f in home.rglob("*") if f.is_file() and f.suffix != ".lock"}


@pytest.mark.parametrize("held", COMMANDS)
def test_a_second_writer_is_told_who_writes(home, capsys, held):
    if "onnx" in held:
        pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    before = all_files(home)
    with files.sole_writer(home / held):
        assert main(COMMANDS[held].split()) == 2
    *_, told = capsys.readouterr().err.splitlines()
    assert "is being written by process" in told and ", since 20" in told
    assert all_files(home) == before
