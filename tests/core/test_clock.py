from types import SimpleNamespace

import pytest

from rsviz.core import clock
from rsviz.core.progress import ProgressLine

DAY = 86_400.0


@pytest.fixture
def seconds(monkeypatch):
    """A clock that the test sets."""
    now = [1_000.0]
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return now


def test_time_never_runs_backwards(seconds):
    start = clock.now()
    seconds[0] += 2.5
    assert (clock.since(start), clock.is_due(start, 2), clock.is_due(start, 3)) == (
        2.5,
        True,
        False,
    )
    seconds[0] -= DAY
    assert clock.since(start) == 0.0
    assert clock.is_due(start, 3)  # and not a day later


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_progress_is_told_whatever_the_clock_does(seconds, jump):
    said = []
    line = ProgressLine(4, 0, said.append)
    seconds[0] += 1
    line.step()
    assert said == []
    seconds[0] += jump
    line.step()
    line.close()
    assert len(said) == 2 and not [text for text in said if "-" in text or "inf" in text]
