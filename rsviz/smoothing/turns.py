"""Whose turn it is on a device that several runs share: one computes at a time, in fair turns.

Loops that compute call `give_way` between batches of votes, or steps of an attack. Who has computed
nothing yet goes first, for one batch; then whoever held the device for the fewest seconds. A run
that comes later is owed nothing of the time before. No vote depends on whose turn it is: a batch is
the same whatever is computed beside it (`driver.drive`).

Outside `Turns.share`, on the command line or in training, nobody waits for anybody.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rsviz.core import clock

MOMENT = 0.05  # seconds that a run holds the device at a time, where others wait: a few batches
LONGEST = 60.0  # seconds that one turn counts at most, as a clock set forward makes it endless
LOOK = 0.25  # seconds between looks of a waiting run whether it was stopped

_here = threading.local()  # ``run``: what this thread computes for


class Stopped(Exception):  # noqa: N818  # no error: somebody pressed Stop
    """The run was stopped, and what it computes has no reading to end with."""


@dataclass(eq=False)
class _Run:
    turns: Turns
    cancel: threading.Event
    served: float = 0.0  # seconds it held the device, and those before it came
    fresh: bool = True  # it had no turn yet
    since: float = 0.0  # when its turn began
    granted: threading.Event = field(default_factory=threading.Event)


class Turns:
    """The turns of one device."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: _Run | None = None
        self._waiting: list[_Run] = []

    @contextmanager
    def share(self, cancel: threading.Event) -> Iterator[None]:
        """Compute in this thread when its turn comes; who is stopped waits for no turn."""
        run = _here.run = _Run(self, cancel)
        try:
            self._take(run)
            yield
        finally:
            _here.run = None
            self._leave(run)

    def is_due(self, run: _Run) -> bool:
        """Whether a run that computes should give way now."""
        if run is not self._holder or not self._waiting:
            return False
        return clock.is_due(run.since, MOMENT) or any(other.fresh for other in list(self._waiting))

    def _take(self, run: _Run, comes: bool = True) -> None:
        with self._lock:
            run.granted.clear()
            if comes:
                run.served = max(run.served, self._least())
            self._waiting.append(run)
            self._grant()
        while not run.granted.wait(LOOK):
            if run.cancel.is_set():
                self._leave(run)
                return

    def _leave(self, run: _Run) -> None:
        with self._lock:
            if run in self._waiting:
                self._waiting.remove(run)
            if run is self._holder:
                run.served += _held(run)
                run.fresh = False
                self._holder = None
                self._grant()

    def _least(self) -> float:
        """Return for how long the run was served that was served least; the lock is held."""
        served = [run.served for run in self._waiting]
        if self._holder is not None:
            served.append(self._holder.served + _held(self._holder))
        return min(served, default=0.0)

    def _grant(self) -> None:
        """Give the free device to who is first; the lock is held."""
        if self._holder is None and self._waiting:
            first = min(self._waiting, key=lambda run: (not run.fresh, run.served))
            self._waiting.remove(first)
            self._holder, first.since = first, clock.now()
            first.granted.set()


def _held(run: _Run) -> float:
    """Return for how long a run holds the device in this turn, as it counts."""
    return min(clock.since(run.since), LONGEST)


def is_due() -> bool:
    """Whether the run of this thread should now end what is on its way and give way."""
    run: _Run | None = getattr(_here, "run", None)
    return run is not None and run.turns.is_due(run)


def give_way(ends: bool = True) -> None:
    """Let other runs have the device, if that is due, until it is this thread's turn again.

    Parameters
    ----------
    ends : raise `Stopped` if the run was stopped; False for loops that look for that themselves.
    """
    run: _Run | None = getattr(_here, "run", None)
    if run is None:
        return
    if run.turns.is_due(run):
        run.turns._leave(run)
        run.turns._take(run, comes=False)
    if ends and run.cancel.is_set():
        raise Stopped


@contextmanager
def aside() -> Iterator[None]:
    """Leave the device to others while the block waits for something else, as a file."""
    run: _Run | None = getattr(_here, "run", None)
    if run is None:
        yield
        return
    run.turns._leave(run)
    try:
        yield
    finally:
        run.turns._take(run)
