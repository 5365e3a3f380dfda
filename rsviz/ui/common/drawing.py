"""Whose page is drawn now: one at a time, first those of visitors who have seen nothing yet.

Python computes one page at a time, however many cores there are, so pages that are drawn side by
side all come late. Here one is drawn after another: first the first page of each visitor, in the
order in which they came, as far as its first votes; then the rest of these, pages that run again,
and panels that look again. Nothing freezes, whatever another visitor does: what has waited for
`PATIENCE` is put off no longer, and a page that takes longer than `LONGEST`, as where it loads a
network, holds nobody up (no Streamlit here).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rsviz.core import clock

PATIENCE = 2.0  # seconds that first pages go before another page, or before a run that has votes
LONGEST = 0.5  # seconds that the drawing of one page keeps others waiting
LOOK = 0.25  # seconds between looks of who waits whether one of these is over

_here = threading.local()  # ``page``: the one that this thread draws


@dataclass(eq=False)
class _Page:
    first: bool
    called: threading.Condition  # its turn may have come
    came: float = field(default_factory=clock.now)
    waits: bool = True  # for its turn
    since: float | None = None  # when its turn began, None where it has none

    @property
    def place(self) -> tuple[bool, float]:
        """Its place in the line, the least is the next."""
        return not self.first and not clock.is_due(self.came, PATIENCE), self.came


class Line:
    """The pages under way in one process: who draws, and who waits for that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calm = threading.Condition(self._lock)  # no first page waits any more
        self._pages: list[_Page] = []

    @contextmanager
    def turn(self, first: bool = False) -> Iterator[None]:
        """Draw a page in this thread when its turn comes; its parts have the turn of the whole.

        Parameters
        ----------
        first : its visitor has seen nothing yet.
        """
        if getattr(_here, "page", None) is not None:
            yield
            return
        page = _here.page = _Page(first, threading.Condition(self._lock))
        with self._lock:
            self._pages.append(page)
        try:
            self._take(page)
            yield
        finally:
            _here.page = None
            with self._lock:
                self._pages.remove(page)
                self._call()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let others draw while the block waits for something else, as votes."""
        page: _Page | None = getattr(_here, "page", None)
        if page is None:
            yield
            return
        with self._lock:
            page.since = None
            self._call()
        try:
            yield
        finally:
            self._take(page)

    def give_way(self) -> None:
        """Let other first pages go before the rest of this one, which has shown its first votes."""
        page: _Page | None = getattr(_here, "page", None)
        if page is None or not page.first:
            return
        with self._lock:
            page.first, page.came, page.since = False, clock.now(), None
            self._call()
        self._take(page)

    def let_pass(self, seconds: float, cancel: threading.Event) -> float:
        """Wait while first pages wait; return the seconds that it took, about so many at most.

        Parameters
        ----------
        cancel : ends the wait; it is seen at the next look.
        """
        begun = clock.now()
        with self._calm:
            while self.is_long and not cancel.is_set() and not clock.is_due(begun, seconds):
                self._calm.wait(min(LOOK, seconds))
        return clock.since(begun)

    @property
    def is_long(self) -> bool:
        """Whether a first page waits for its turn."""
        return any(page.first and page.waits for page in list(self._pages))

    def _take(self, page: _Page) -> None:
        """Wait for the turn of a page."""
        with self._lock:
            page.waits = True
            while self._next() is not page:
                page.called.wait(LOOK)
            page.waits, page.since = False, clock.now()
            self._call()

    def _next(self) -> _Page | None:
        """Return who is first in the line, None while somebody draws, but not for too long."""
        begun = [page.since for page in self._pages if page.since is not None]
        waiting = [page for page in self._pages if page.waits]
        free = all(clock.is_due(since, LONGEST) for since in begun)
        return min(waiting, key=lambda page: page.place, default=None) if free else None

    def _call(self) -> None:
        """Wake who is next, and nobody else: each who wakes takes the interpreter from who draws.

        Votes that have let first pages pass go on when none waits. The lock is held.
        """
        if (page := self._next()) is not None:
            page.called.notify()
        if not self.is_long:
            self._calm.notify_all()


LINE = Line()  # of all visitors
