"""Runs that share a device: fair turns, the newest first, and the same votes as alone."""

import itertools
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from rsviz.core import clock
from rsviz.data.images import image_id
from rsviz.smoothing import turns
from rsviz.smoothing.driver import drive
from rsviz.smoothing.pgd import ascend
from rsviz.smoothing.turns import Stopped, Turns
from rsviz.smoothing.voters import Ask, NoisyClassifier, Request
from tests.helpers import wait


@pytest.fixture(autouse=True)
def _every_batch(monkeypatch):
    """Change turns at every batch."""
    monkeypatch.setattr(turns, "MOMENT", 0.0)
    monkeypatch.setattr(turns, "LOOK", 0.02)


class Runs:
    """Runs in threads of their own, and in which order they computed; a batch takes one second."""

    def __init__(self, monkeypatch):
        self.turns, self.order, self.threads = Turns(), [], []
        time = SimpleNamespace(perf_counter=lambda: float(len(self.order)))
        monkeypatch.setattr(clock, "time", time)

    def start(self, name, batches, ready=lambda: True):
        def work():
            with self.turns.share(threading.Event()):
                for _ in range(batches):
                    wait(ready)
                    self.order.append(name)
                    turns.give_way(ends=False)

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def end(self):
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()
        return "".join(self.order)


def test_a_short_run_beside_long_ones_loses_no_more_than_its_share(monkeypatch):
    runs = Runs(monkeypatch)
    for name in "ab":
        runs.start(name, 200, lambda: len(runs.order) != 80 or len(runs.turns._waiting) > 1)
    wait(lambda: len(runs.order) == 80)
    runs.start("s", 20)
    order = runs.end()
    until = order[order.index("s") : order.rindex("s")]
    assert until.count("s") == 19
    assert 18 <= until.count("a") <= 21 and 18 <= until.count("b") <= 21  # a third each
    assert order.count("a") == order.count("b") == 200


def test_a_later_run_is_owed_nothing_of_the_time_before(monkeypatch):
    runs = Runs(monkeypatch)
    runs.start("a", 100, lambda: len(runs.order) != 50 or runs.turns._waiting)
    wait(lambda: len(runs.order) == 50)
    runs.start("b", 50)
    order = runs.end()
    assert 18 <= order[50:90].count("a") <= 22


def test_who_has_no_votes_yet_goes_first(monkeypatch):
    runs = Runs(monkeypatch)
    runs.start("a", 10, lambda: len(runs.order) != 3 or len(runs.turns._waiting) >= 3)
    wait(lambda: len(runs.order) == 3)
    for name in "bcd":
        runs.start(name, 10)
    assert sorted(runs.end()[4:7]) == list("bcd")


def test_a_stopped_run_waits_for_no_turn():
    shared, cancel, ended, free = Turns(), threading.Event(), threading.Event(), threading.Event()

    def hold():
        with shared.share(threading.Event()):
            free.wait(10)

    def waiting():
        with shared.share(cancel):
            with pytest.raises(Stopped):
                turns.give_way()
            ended.set()

    threads = [threading.Thread(target=work) for work in (hold, waiting)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    assert not ended.is_set()
    cancel.set()
    assert ended.wait(2)
    free.set()
    for thread in threads:
        thread.join(5)
    with shared.share(threading.Event()):  # the device is free again
        turns.give_way()


def test_who_waits_for_a_file_leaves_the_device_to_others():
    shared, file, seen = Turns(), threading.Event(), []

    def waiting():
        with shared.share(threading.Event()):
            with turns.aside():
                file.wait(10)
            seen.append("first")

    thread = threading.Thread(target=waiting)
    thread.start()
    time.sleep(0.05)
    with shared.share(threading.Event()):
        seen.append("second")
        file.set()
        time.sleep(0.05)
        seen.append("still second")
    thread.join(5)
    assert seen == ["second", "still second", "first"]


def test_an_attack_ends_at_its_next_step_when_stopped():
    cancel, steps = threading.Event(), []

    def logits_of(x_NCHW):
        steps.append(1)
        if len(steps) == 2:
            cancel.set()
        return x_NCHW.flatten(1)[None]

    x_NCHW = torch.rand(1, 3, 2, 2)
    with pytest.raises(Stopped), Turns().share(cancel):
        ascend(logits_of, x_NCHW, torch.tensor([0]), 1.0, 50)
    assert len(steps) == 2
    ascend(logits_of, x_NCHW, torch.tensor([0]), 1.0, 5)  # who shares nothing is not stopped


class Pipelined(NoisyClassifier):
    """A voter that has two batches on their way, each some time."""

    at_once = 2

    def __call__(self, x_NCHW, sigma_N111, *noise_NCHW):
        time.sleep(0.001)
        return super().__call__(x_NCHW, sigma_N111, *noise_NCHW)


@pytest.mark.parametrize("voter", [NoisyClassifier, Pipelined])
def test_counts_do_not_depend_on_whose_turn_it_is(half_space, voter):
    net, x_CHW, _ = half_space
    shared, together, readings = Turns(), {}, []

    def method():
        yield Ask("select", voter(net), 0.25, 130, 2)
        yield Ask("bound", voter(net), 0.25, 700, 2, until=lambda counts_K, class_N: None)
        return "certificate"

    def votes(seed):
        found = {}
        for task in drive([Request(0, x_CHW, image_id(x_CHW), seed, method)]):
            readings.append(seed)
            found |= {stage: v.counts_K for stage, v in task.votes.items()}
        return found

    def work(seed):
        with shared.share(threading.Event()):
            together[seed] = votes(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    changes = sum(a != b for a, b in itertools.pairwise(readings))
    assert changes > 8  # they did take turns
    assert together == {seed: votes(seed) for seed in range(4)}
    assert len({counts["bound"] for counts in together.values()}) > 1


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_set_forward_or_back_starves_nobody(monkeypatch, jump):
    """Two runs share a device; while the first computes, the clock jumps by a day."""
    monkeypatch.setattr(turns, "MOMENT", 0.05)
    seconds = [0.0]
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: seconds[0]))
    shared = Turns()
    first, second = (turns._Run(shared, threading.Event(), fresh=False) for _ in range(2))
    shared._take(first)
    shared._waiting.append(second)
    seconds[0] += 0.01
    assert not shared.is_due(first)
    seconds[0] += jump
    assert shared.is_due(first)
    shared._leave(first)
    assert shared._holder is second and 0 <= first.served <= turns.LONGEST
