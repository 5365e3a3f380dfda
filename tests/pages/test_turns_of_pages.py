"""The first page of a visitor is drawn before what others have on their screens already."""

from contextlib import contextmanager

import pytest

from rsviz.ui import frame
from rsviz.ui.common import jobs, picture_picker, run_controls, sessions, stage
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
    done = []

    def note(owner, name, event):
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a: done.append(event) or real(*a))

    note(sessions, "noisy", "copies")
    note(stage, "show_votes", "bars")
    note(picture_picker, "show", "picture")
    note(run_controls, "show_presets", "presets")
    note(Turns, "give_way", "gives way")
    return done


def is_after_first_votes(events):
    """Whether all but the verdict is drawn once, and after others have gone first."""
    drawn = [event for event in events if event != "gives way"]
    return events[0] == "gives way" and drawn == ["bars", "picture", "copies", "presets"]


def test_what_needs_no_votes_is_drawn_after_the_first_votes_of_others(open_page, line, events):
    open_page(image="shapes/test/3", n="5000")
    assert is_after_first_votes(events)


def test_so_they_are_while_a_run_is_under_way(open_page, monkeypatch, events):
    device = Device(AtFirstVotes())
    monkeypatch.setattr(jobs, "device", lambda name: device)
    app = open_page(image="shapes/test/3", n="5000")
    assert is_after_first_votes(events)
    assert any("of 5,100 votes" in p.text for p in app.get("progress")) and not app.exception
    device.jobs[0].stop()
