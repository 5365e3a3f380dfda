import threading
import time
from dataclasses import dataclass

import pytest

from rsviz.ui.common import job_panel, jobs
from rsviz.ui.common.drawing import Line
from rsviz.ui.common.jobs import Device, Job, Session


@dataclass(frozen=True)
class At:
    done: int
    planned: int = 100
    unit: str = "votes"

    @property
    def complete(self):
        return self.done == self.planned


class Never:
    def submit(self, work):
        pass


class AtOnce:
    def submit(self, work):
        work()


@pytest.fixture
def waiting(monkeypatch):
    device = Device(Never())
    monkeypatch.setattr(jobs, "device", lambda name: device)
    return device


def job(key="a", steps=lambda cancel: iter(())):
    return Job(key, "cpu", steps)


def test_a_job_tells_with_how_many_it_shares_the_device(waiting):
    first = waiting.submit(job())
    assert job_panel.progress(first) == (0.0, "Starting")
    second = waiting.submit(job())
    assert job_panel.progress(second) == (0.0, "Starting on cpu, shared with 1 other run")
    waiting.submit(job())
    first.readings = [At(20)]
    assert job_panel.progress(first)[1] == "20 of 100 votes · on cpu, shared with 2 other runs"


def test_rate_and_time_left_are_those_since_the_first_reading(waiting):
    run = waiting.submit(job())
    run.readings, run.first, run.last = [At(40)], (10.0, 20), (12.0, 40)
    assert run.rate == 10
    assert job_panel.progress(run) == (0.4, "40 of 100 votes · 10 votes/s · 6 s left · on cpu")
    run.readings, run.last = [At(20)], (10.0, 20)  # one reading has no rate
    assert job_panel.progress(run) == (0.2, "20 of 100 votes · on cpu")
    run.readings, run.first, run.last = [At(1, 601, "images")], (0.0, 0), (2.0, 1)
    assert job_panel.progress(run)[1] == "1 of 601 images · 0.5 images/s · 20 min left · on cpu"


def test_more_done_than_planned_is_no_more_than_all(waiting):
    run = waiting.submit(job())
    run.readings = [At(120)]
    assert job_panel.progress(run)[0] == 1


def test_the_same_run_is_started_once(waiting):
    tab = Session()
    first = tab.start_once(job("a"))
    assert tab.start_once(job("a")) is first
    other = tab.start_once(job("b"))
    assert first.cancel.is_set() and tab.job is other
    other.stop()
    assert tab.start_once(job("b")) is not other


def test_looking_for_another_run_stops_the_one_under_way(waiting):
    tab = Session()
    run = tab.start(job("a"))
    assert tab.find("a") is run and not run.cancel.is_set()
    assert tab.find("b") is None and run.cancel.is_set()


def test_a_job_knows_when_its_first_and_last_reading_came(monkeypatch):
    device = Device(AtOnce())
    monkeypatch.setattr(jobs, "device", lambda name: device)
    run = Session().start(job(steps=lambda cancel: iter([At(10), At(60), At(100)])))
    assert run.state == "done"
    assert (run.first[1], run.last[1]) == (10, 100)
    assert run.last[0] >= run.first[0]


def test_among_many_runs_a_panel_looks_less_often(waiting, monkeypatch):
    every = []
    monkeypatch.setattr(
        job_panel.st, "fragment", lambda run_every: every.append(run_every) or calls
    )
    runs = [waiting.submit(job(i)) for i in range(5)]
    job_panel.show_job(runs[0], lambda: None, "stop")
    runs += [waiting.submit(job(i)) for i in range(5, 21)]
    job_panel.show_job(runs[0], lambda: None, "stop")
    assert every == [0.5, 2.5]  # beside 4 others, and beside 20


def calls(panel):
    return lambda: None


def test_a_short_run_is_waited_for_and_a_long_one_is_not(waiting):
    def after(seconds):
        run = job(steps=lambda cancel: iter(()))
        threading.Timer(seconds, run.work).start()
        begun = time.perf_counter()
        job_panel.await_short(run)
        return run.ended.is_set(), time.perf_counter() - begun

    ended, waited = after(0.05)
    assert ended and waited < job_panel.SHORT_SECONDS
    ended, waited = after(1.5)
    assert not ended and job_panel.SHORT_SECONDS <= waited < 1.4
    crowd(waiting)
    ended, waited = after(3 * job_panel.SHORT_SECONDS)
    assert ended


def crowd(device):
    """Submit so many runs that looking costs more than waiting."""
    for i in range(2 * job_panel.SHARED_WELL):
        device.submit(job(i))


def test_in_a_crowd_a_run_that_has_votes_is_waited_for_no_longer(waiting):
    crowd(waiting)
    go_on = threading.Event()

    def steps(cancel):
        yield At(20)
        go_on.wait(10)

    run = job(steps=steps)
    threading.Timer(0.05, run.work).start()
    begun = time.perf_counter()
    job_panel.await_short(run)
    assert time.perf_counter() - begun < job_panel.SHORT_SECONDS  # for its first votes, no longer
    assert run.latest == At(20) and not run.ended.is_set()
    go_on.set()


def test_who_came_before_the_crowd_waits_for_its_first_votes_too(waiting):
    run = job(steps=lambda cancel: iter([At(20)]))
    threading.Timer(0.1, crowd, [waiting]).start()
    threading.Timer(2 * job_panel.SHORT_SECONDS, run.work).start()
    job_panel.await_short(run)
    assert run.begun.is_set()


@pytest.fixture
def line(monkeypatch):
    line = Line()
    monkeypatch.setattr(job_panel, "LINE", line)
    return line


def test_while_a_page_awaits_votes_another_is_drawn(waiting, line):
    run, drawn = job(), []

    def draw():
        with line.turn(first=True):
            drawn.append(run.ended.is_set())
        run.work()

    with line.turn(first=True):
        other = threading.Thread(target=draw)
        other.start()
        job_panel.await_short(run)
    other.join(5)
    assert drawn == [False]


def test_a_panel_that_looks_again_waits_for_its_turn(waiting, line, monkeypatch):
    panels, drawn = [], []
    monkeypatch.setattr(
        job_panel.st, "fragment", lambda run_every: lambda panel: panels.append(panel) or panel
    )
    monkeypatch.setattr(job_panel, "row", lambda: [Anything(), Anything()])
    with line.turn(first=True):  # of the page that it is drawn with
        job_panel.show_job(waiting.submit(job()), lambda: drawn.append("look"), "stop")
        assert drawn == ["look"]
        again = threading.Thread(target=panels[0])
        again.start()
        time.sleep(0.1)
        assert drawn == ["look"]
    again.join(5)
    assert drawn == ["look", "look"]


class Anything:
    """A place of a page, where anything can be drawn."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None
