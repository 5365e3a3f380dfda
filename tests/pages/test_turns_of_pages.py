"""The first page of a visitor is drawn before what others have on their screens already."""

from contextlib import contextmanager

import pytest

from rsviz.ui import frame
from rsviz.ui.common import jobs, sessions
from rsviz.ui.common.drawing import Line as Turns
from rsviz.ui.common.jobs import Device


class Line:
    """Records for whom a turn was taken."""

    def __init__(self):
        self.firsts = []

    @contextmanager
    def turn(self, first=False):
        self.firsts.append(first)
        yield


def test_a_page_takes_its_turn_as_a_first_page_once(open_page, monkeypatch):
    line = Line()
    monkeypatch.setattr(frame, "LINE", line)
    app = open_page()
    app.run()
    assert line.firsts[0] is True and len(line.firsts) >= 3
    assert not any(line.firsts[1:])


class AtFirstVotes:
    """An executor that leaves a run at its first reading, under way."""

    def submit(self, work):
        job = work.args[0]
        self.steps = job.steps(job.cancel)
        job.readings, job.state = [next(self.steps)], "running"
        job.begun.set()


@pytest.fixture
def events(monkeypatch):
    """What a page does that others wait for, and where it lets them go first."""
    done, noisy, give_way = [], sessions.noisy, Turns.give_way
    monkeypatch.setattr(sessions, "noisy", lambda *a: done.append("copies") or noisy(*a))
    monkeypatch.setattr(Turns, "give_way", lambda line: done.append("gives way") or give_way(line))
    return done


def test_copies_are_drawn_after_the_first_votes_of_others(open_page, line, events):
    open_page(image="shapes/test/3", n="5000")
    assert events[:2] == ["gives way", "copies"] and events.count("copies") == 1


def test_so_they_are_while_a_run_is_under_way(open_page, monkeypatch, events):
    device = Device(AtFirstVotes())
    monkeypatch.setattr(jobs, "device", lambda name: device)
    app = open_page(image="shapes/test/3", n="5000")
    assert events[:2] == ["gives way", "copies"] and events.count("copies") == 1
    assert any("of 5,100 votes" in p.text for p in app.get("progress")) and not app.exception
    device.jobs[0].stop()
