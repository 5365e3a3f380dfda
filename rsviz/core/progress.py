"""Progress of long work: a line of text, or a line with rate and time left."""

from collections.abc import Callable

from rsviz.core import clock

Report = Callable[[str], None]


class ProgressLine:
    """Prints at most every ten seconds how many images are done, the rate and the time left."""

    def __init__(self, total: int, done: int, report: Callable[[str], None]) -> None:
        self.total, self.done, self.report, self.here = total, done, report, 0
        self.begun = self.said = clock.now()

    def step(self) -> None:
        """Count one image more."""
        self.done += 1
        self.here += 1
        if clock.is_due(self.said, 10):
            self.said = clock.now()
            self.close()

    def close(self) -> None:
        """Print the current state."""
        rate = self.here / max(clock.since(self.begun), 1e-9)
        left = (self.total - self.done) / rate / 60 if rate else 0.0
        self.report(f"{self.done}/{self.total} images  {rate:.2f} images/s  {left:.1f} min left")
