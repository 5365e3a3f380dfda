"""Background work: runs that share a device in fair turns, progress, stop (no Streamlit here)."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol

from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.core.faults import kind_of
from rsviz.core.files import reason, shown
from rsviz.smoothing import turns
from rsviz.smoothing.turns import Stopped, Turns
from rsviz.ui.common import drawing

State = Literal["queued", "running", "done", "cancelled", "failed"]
READINGS_MAX = 400
JOBS_MAX = 64  # of all sessions on one device
NO_MEMORY = "There is not enough memory for this run here; try it with fewer votes, or later."


class Reading(Protocol):
    """Progress of work: how many of how many votes, images or attacks."""

    @property
    def done(self) -> int:
        """How many are done."""
        ...

    @property
    def planned(self) -> int:
        """How many there will be, at least."""
        ...

    @property
    def unit(self) -> str:
        """What is counted, in the plural."""
        ...

    @property
    def complete(self) -> bool:
        """Whether all that was planned is done."""
        ...


Steps = Callable[[threading.Event], Iterator[Any]]  # of some kind of Reading


@dataclass(eq=False)
class Job:
    """One run in the background.

    ``key`` says what is computed, so that a page knows whether it still shows that.
    ``readings`` holds readings so far, the newest last, at most `READINGS_MAX`; each is valid at
    its time. Only its thread writes state and readings, only ``stop`` is called from elsewhere.
    """

    key: Any
    device: str
    steps: Steps
    state: State = "queued"
    readings: list[Any] = field(default_factory=list)
    error: str = ""
    cancel: threading.Event = field(default_factory=threading.Event)
    first: tuple[float, int] | None = None  # when the first reading came, and what was done then
    last: tuple[float, int] | None = None
    begun: threading.Event = field(default_factory=threading.Event)  # it has a reading, or ended
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def active(self) -> bool:
        """Whether it waits for its first turn, or runs."""
        return self.state in ("queued", "running")

    @property
    def rate(self) -> float:
        """Units done per second since its first reading; 0 before there is one.

        What a log held before this run does not count.
        """
        if self.first is None or self.last is None or self.last[0] <= self.first[0]:
            return 0.0
        return (self.last[1] - self.first[1]) / (self.last[0] - self.first[0])

    @property
    def latest(self) -> Any:
        """The newest reading, None before the first."""
        return self.readings[-1] if self.readings else None

    def stop(self) -> None:
        """Ask it to stop at the next batch of votes; what was counted stays valid."""
        self.cancel.set()

    def work(self) -> None:
        """Run to the end; every error becomes a sentence."""
        try:
            self._work()
        finally:
            self.ended.set()
            self.begun.set()

    def _work(self) -> None:
        if self.cancel.is_set():
            self.state = "cancelled"
            return
        self.state, patience = "running", drawing.PATIENCE
        try:
            latest: Reading | None = None
            for latest in self.steps(self.cancel):
                thin = self.readings[1::2] if len(self.readings) >= READINGS_MAX else self.readings
                self.last = (clock.now(), latest.done)
                self.first = self.first or self.last
                self.readings = [*thin, latest]
                self.begun.set()
                if patience > 0 and drawing.LINE.is_long:  # of visitors who have no votes at all
                    with turns.aside():
                        patience -= drawing.LINE.let_pass(patience, self.cancel)
            self.state = "done" if latest is not None and latest.complete else "cancelled"
        except Stopped:
            self.state = "cancelled"
        except UserError as error:
            self.error, self.state = str(error), "failed"
        except Exception as error:
            self.error, self.state = self._told(error), "failed"

    def _told(self, error: Exception) -> str:
        """Return in a sentence what ended the run; what its server must look at is logged."""
        kind = kind_of(error)
        if kind == "memory":
            return NO_MEMORY
        if kind == "file":
            assert isinstance(error, OSError)
            where = f"{shown(Path(error.filename).name)}: " if error.filename else ""
            return f"This run cannot go on: {where}{reason(error)}. What it wrote is whole."
        if kind == "device":
            logging.getLogger("rsviz").error("%s failed: %s", self.device, error)
            return (
                f"{self.device} failed, and this run with it; what it counted before stays valid. "
                "Try it again; if it fails again, whoever keeps this server must restart it."
            )
        logging.getLogger("rsviz").exception("a job failed")
        return "This run failed unexpectedly; the log of the server says why."


class Executor(Protocol):
    """Whatever calls a function, now or later."""

    def submit(self, work: Callable[[], None], /) -> Any:
        """Call ``work`` once."""
        ...


class Threads:
    """Calls each function in a thread of its own.

    They are daemons, so that a server can stop without waiting for a long run.
    """

    def submit(self, work: Callable[[], None], /) -> None:
        """Begin to call a function, which must not raise."""
        threading.Thread(target=work, name="rsviz-job", daemon=True).start()


@dataclass(eq=False)
class Device:
    """The runs of one device: all are under way at once, and compute in turns (`turns`)."""

    executor: Executor = field(default_factory=Threads)
    jobs: list[Job] = field(default_factory=list)
    turns: Turns = field(default_factory=Turns)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def submit(self, job: Job) -> Job:
        """Start a job; a full device refuses it."""
        with self.lock:
            if len(self.jobs) >= JOBS_MAX:
                job.state = "failed"
                job.error = f"{JOBS_MAX} runs share this device already; try again later."
                return job
            self.jobs.append(job)
        self.executor.submit(partial(self._work, job))
        return job

    def _work(self, job: Job) -> None:
        with self.turns.share(job.cancel):
            job.work()
        with self.lock:
            self.jobs.remove(job)  # whose networks and pictures its tab alone keeps

    def beside(self, job: Job) -> int:
        """Return how many other runs share the device."""
        with self.lock:
            return sum(j is not job for j in self.jobs)


@lru_cache(maxsize=16)
def device(name: str) -> Device:
    """Return a device by its name; all sessions share it."""
    return Device()


@dataclass(eq=False)
class Session:
    """The jobs of one browser tab: at most one is active at a time, ended ones are its history.

    ``paused`` says that the tab's connection was lost while its job ran.
    """

    job: Job | None = None
    history: list[Job] = field(default_factory=list)
    paused: bool = False

    def start(self, job: Job) -> Job:
        """Stop what runs for this tab and start a job in its place."""
        self.stop()
        self.job = job
        self.history.append(job)
        return device(job.device).submit(job)

    def start_once(self, job: Job) -> Job:
        """Start a job as `start` does, unless that very run waits or runs already."""
        held = self.job
        if held is not None and held.key == job.key and held.active and not held.cancel.is_set():
            return held
        return self.start(job)

    def find(self, *keys: Any) -> Job | None:
        """Return the newest job of the first key that has one, and stop what runs for no key."""
        if self.job is not None and self.job.key not in keys:
            self.job.stop()
        newest = {job.key: job for job in self.history}
        return next((newest[key] for key in keys if key in newest), None)

    def stop(self) -> None:
        """Stop this tab's job; nobody else's is touched."""
        self.paused = False
        if self.job is not None:
            self.job.stop()

    def pause(self) -> None:
        """Stop what runs until `resume`: nobody looks at it."""
        if self.job is not None and self.job.active and not self.job.cancel.is_set():
            self.job.stop()
            self.paused = True

    def resume(self) -> None:
        """Begin again what `pause` stopped, whose votes are the same, drawn by the same seed."""
        held = self.job
        if not self.paused or held is None:
            return
        self.history.remove(held)
        self.start(Job(held.key, held.device, held.steps))

    def __del__(self) -> None:
        """Stop what runs when the tab is gone for good."""
        self.stop()
