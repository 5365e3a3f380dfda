"""Training and evaluating on a machine that fails: one sentence, and the same command goes on."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rsviz.checkpoints import catalog
from rsviz.cli.main import main
from rsviz.networks import classifiers
from rsviz.training import loop, train
from tests.helpers import TINY, constant_network

TRAIN = f"train gaussian --dataset shapes --sigma .5 --epochs 3 --lr .1 --network {TINY}"
TRAIN += " --batch 1000 --no-compile --out"  # two steps an epoch
EVALUATE = "evaluate --checkpoint net --every 400 --n 100 --out log.csv"
linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is bounded by Linux"
)
LOST = torch.AcceleratorError("CUDA error: unspecified launch failure\nCompile with ...")
FAULTS = {
    "memory": (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "enough memory"),
    "device": (LOST, "The device failed (CUDA error: unspecified launch failure); the same"),
    "disk": (OSError(errno.ENOSPC, "No space left on device"), "no space left on device; make"),
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("checkpoints", "states"):
        monkeypatch.setenv(f"RSVIZ_{name.upper()}", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fail_at(monkeypatch, fault, call):
    """Let the network, or the disk, refuse from its ``call``-th use on."""
    error, used = FAULTS[fault][0], iter(range(10**6))
    place, name = (os, "fsync") if fault == "disk" else (classifiers.Compact, "forward")
    real = getattr(place, name)

    def refuse(*given):
        if next(used) >= call:
            raise type(error)(*error.args)  # a new one: it holds every frame it passed
        return real(*given)

    monkeypatch.setattr(place, name, refuse)


def refused(capsys, words, fault):
    assert main(words) == 2
    *before, told = capsys.readouterr().err.splitlines()
    assert FAULTS[fault][1] in told and "unexpectedly" not in told
    return before


@pytest.mark.parametrize("fault", FAULTS)
def test_a_training_keeps_its_last_epoch_and_goes_on(home, monkeypatch, capsys, fault):
    """It ends as the unbroken one does."""
    assert main([*TRAIN.split(), str(home / "checkpoints" / "whole")]) == 0
    whole = catalog.find("whole")
    words = [*TRAIN.split(), str(home / "checkpoints" / "cut")]
    with monkeypatch.context() as patch:
        fail_at(patch, fault, 2 if fault == "disk" else 3)  # in the second epoch
        capsys.readouterr()
        said = refused(capsys, words, fault)
    assert [line.split()[1] for line in said if "epoch" in line] == ["epoch"]
    assert torch.load(home / "states" / "cut.pt", weights_only=True)["epoch"] == 1
    assert not (home / "checkpoints" / "cut").exists()
    assert main(words) == 0
    assert "continuing after epoch 1 of 3" in capsys.readouterr().err
    assert catalog.find("cut").sha256 == whole.sha256


@pytest.mark.parametrize("fault", FAULTS)
def test_an_evaluation_keeps_its_rows_and_goes_on(home, monkeypatch, capsys, fault):
    constant_network(home / "checkpoints" / "net")
    with monkeypatch.context() as patch:
        fail_at(patch, fault, 3)
        refused(capsys, EVALUATE.split(), fault)
    held = (home / "log.csv").read_text()
    assert 2 <= len(held.splitlines()) < 7
    assert main(EVALUATE.split()) == 0
    assert (home / "log.csv").read_text().startswith(held)
    assert len((home / "log.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize(("device", "bounded"), [("cpu", True), ("cuda", False)])
@linux
def test_a_training_is_bounded_but_where_a_gpu_is_used(home, monkeypatch, device, bounded):
    def limit(*_):
        return resource.getrlimit(resource.RLIMIT_DATA)[0]

    monkeypatch.setattr(train, "MAKERS", {"gaussian": limit})
    spec, before = loop.TrainSpec("gaussian", "shapes", TINY, 0.5, 1), limit()
    within = train.train_checkpoint(spec, home / "net", device, "", report=lambda line: None)
    assert (within != before) == bounded and limit() == before


@linux
def test_a_training_larger_than_memory_is_refused_before_the_system_ends_some_process(home):
    large = "train macer --dataset shapes --sigma .5 --epochs 1 --set draws=2000 --no-compile --out"
    words = [*large.split(), str(home / "net")]
    program = (
        "import sys; from rsviz.cli.main import main; from rsviz.core import faults; "
        "faults.free_memory = lambda: 3 * 10**8; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 2, done.stderr
    assert FAULTS["memory"][1] in done.stderr and len(done.stderr.splitlines()) == 1
