"""What several processes do together, in real ones that torchrun starts."""

import itertools
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch

from rsviz.core.errors import UserError
from rsviz.data.datasets import Dataset
from rsviz.evaluation.evaluate import EvaluationSpec
from rsviz.evaluation.shards import evaluate_together
from rsviz.methods import sun
from rsviz.smoothing import processes
from rsviz.training.loop import TrainSpec, train

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, eq=False)
class Fatal(Dataset):
    """Images of which the second process is killed at the fourth, when it is first started."""

    def image(self, index):
        first = os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0"
        if first and index == 7:  # of 1, 3, 5, 7, ...
            os.kill(os.getpid(), signal.SIGKILL)
        return super().image(index)


def work(folder):
    """Evaluate nine images and train twice for two epochs, as one of however many processes."""
    generator = torch.Generator().manual_seed(0)
    x_NCHW = torch.randint(256, (16, 3, 8, 8), generator=generator, dtype=torch.uint8)
    data = Fatal("shapes", "test", ("a", "b"), x_NCHW, torch.arange(16) % 2)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2)).eval()
    spec = EvaluationSpec("n", "shapes", "gaussian", "-", "0", 0.5, 100, 200, 0.01, 3, first=9)
    own = processes.here()
    evaluate_together(spec, {"classifier": net}, data, folder / "log.csv", own, report=str)
    how = TrainSpec("gaussian", "shapes", "linear", 0.0, 2, lr=0.05, batch=4)
    train(net, data, loss, how, folder / "state.pt", compiled=False, report=str)
    weigh = partial(sun.weigh, settings=sun.Settings(keep=0.0))  # both draw the same images
    train(net, data, loss, how, folder / "weighed.pt", compiled=False, report=str, weigh=weigh)
    if own.first:
        torch.save(net.state_dict(), folder / "net.pt")


def loss(net, x_NCHW, y_N, sigma_N111, generator, step):
    return torch.nn.functional.cross_entropy(net(x_NCHW), y_N)


def rows(folder):
    return [line.rsplit(",", 2)[0] for line in (folder / "log.csv").read_text().splitlines()[2:]]


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_all_ends_as_by_one(tmp_path):
    alone, several = tmp_path / "alone", tmp_path / "several"
    alone.mkdir()
    several.mkdir()
    work(alone)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts", "1"]
    done = subprocess.run(
        [*start, "--nproc-per-node", "2", __file__, several],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "exitcode: -9" in done.stderr  # it was killed
    assert rows(several) == rows(alone) and len(rows(alone)) == 9
    assert sorted(f.name for f in several.glob("[!.]*")) == [
        "log.csv",
        "net.pt",
        "state.pt",
        "weighed.pt",
    ]
    one, two = (torch.load(f / "net.pt", weights_only=True) for f in (alone, several))
    for name in one:  # gradients of both halves were averaged
        assert torch.allclose(one[name], two[name], atol=1e-6)


def test_a_process_by_itself_waits_for_none_and_is_its_own_average():
    own, value = processes.Processes(), torch.ones(2)
    own.wait()
    own.average([value])
    assert value.tolist() == [1, 1] and list(range(5))[own.share()] == list(range(5))
    assert not torch.distributed.is_initialized()


def test_shares_are_apart_and_together_everything():
    shares = [list(range(11))[processes.Processes(rank, 3).share()] for rank in range(3)]
    assert sorted(itertools.chain(*shares)) == list(range(11)) and max(map(len, shares)) == 4


@pytest.mark.parametrize(("rank", "size", "says"), [("x", "2", "whole"), ("2", "2", "RANK is 2")])
def test_a_rank_that_is_none_gets_a_sentence(monkeypatch, rank, size, says):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(UserError, match=says):
        processes.here()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
