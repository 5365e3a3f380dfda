import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from rsviz.core.errors import UserError
from rsviz.data.datasets import Dataset
from rsviz.evaluation import evaluate, logs
from rsviz.evaluation.shards import evaluate_together, part_of
from rsviz.smoothing.processes import Processes


class Thread(Processes):
    """One of several processes, as a thread of this one."""

    def wait(self):
        BARRIERS[self.count].wait(30)


BARRIERS = {count: threading.Barrier(count) for count in (1, 2, 3, 5)}


@pytest.fixture
def run(half_space, tmp_path):
    """Evaluate eleven noisy copies of an image, by several processes, into a log."""
    net, x_CHW, _ = half_space
    noise = 0.1 * torch.randn(11, *x_CHW.shape, generator=torch.Generator().manual_seed(0))
    x_NCHW = ((x_CHW + noise).clamp(0, 1) * 255).to(torch.uint8)
    data = Dataset("shapes", "test", ("a", "b"), x_NCHW, torch.arange(11) % 2)
    settings = ("net", "shapes", "gaussian", "none", "0" * 64, 0.5, 100)

    def run(count=1, out="log.csv", among=None, n=200):
        spec = evaluate.EvaluationSpec(*settings, n, 0.01, 3, first=11)
        what = (spec, {"classifier": net}, data, tmp_path / out)
        if among is not None:
            evaluate.evaluate(*what, report=str, among=among)
            return what[-1]
        with ThreadPoolExecutor(count) as pool:
            ran = [
                pool.submit(evaluate_together, *what, Thread(rank, count), report=str)
                for rank in range(count)
            ]
        for done in ran:
            done.result()
        return what[-1]

    return run


def rows(file):
    """The rows of a log but for seconds and checks."""
    return [line.rsplit(",", 2)[0] for line in file.read_text().splitlines()[2:]]


def test_the_joined_log_is_row_for_row_that_of_one_process(run):
    alone = rows(run(out="alone.csv"))
    assert len(alone) == len(set(alone)) == 11
    file = run(3)
    assert rows(file) == alone
    assert logs.read_log(file).checked
    assert not list(file.parent.glob(".*.part*"))


def test_a_killed_run_goes_on_with_another_number_of_processes(run):
    alone = rows(run(out="alone.csv"))
    file = run(among=[8, 3])
    for rank, images in ((0, [0, 2]), (4, [1, 5, 10])):  # of five processes, killed
        part = part_of(file, rank)
        run(out=part.name, among=images)
    part.write_bytes(part.read_bytes()[:-30])  # in its last row
    before = {row for f in (file, part_of(file, 0), part) for row in f.read_text().split("\n")}
    run(2)
    assert rows(file) == alone
    kept = {row.rpartition(",")[0] for row in before} & {
        row.rpartition(",")[0] for row in file.read_text().split("\n")[2:-1]
    }
    assert len(kept) == 2 + 2 + 2  # with their seconds: no whole row was counted again
    assert not list(file.parent.glob(".*.part*"))


def test_one_process_takes_up_the_parts_of_several(run):
    alone = rows(run(out="alone.csv"))
    file = run(among=[8, 3])
    run(out=part_of(file, 1).name, among=[0, 2])
    assert sorted(rows(run())) == sorted(alone)
    assert not list(file.parent.glob(".*.part*"))


def test_a_part_of_another_run_is_refused_and_kept(run):
    part = part_of(run(among=[1]), 1)
    run(out=part.name, among=[2], n=300)
    held = part.read_text()
    with pytest.raises(UserError, match=r"1\.part holds a run with another n"):
        run()
    assert part.read_text() == held


def test_a_log_without_checks_stays_one(run):
    alone = run(out="alone.csv")
    head, columns, *kept = run(among=[0, 3]).read_text().splitlines()
    old = json.loads(head[2:])
    del old["check"]
    lines = [f"# {json.dumps(old)}", columns.removesuffix(",check")]
    lines += [line.rpartition(",")[0] for line in kept]
    file = alone.with_name("log.csv")
    file.write_text("\n".join(lines) + "\n")
    run(2)
    assert [line.rpartition(",")[0] for line in file.read_text().splitlines()[2:]] == rows(alone)
    assert not logs.read_log(file).checked
