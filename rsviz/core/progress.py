"""Progress of long work: a line of text, or a line with rate and time left."""

import time
from collections.abc import Callable

Report = Callable[[str], None]


class ProgressLine:
    """Prints at most every ten seconds how many images are done, the rate and the time left."""

    def __init__(self, total: int, done: int, report: Callable[[str], None]) -> None:
        self.total, self.done, self.report, self.here = total, done, report, 0
        self.begun = self.said = time.perf_counter()

    def step(self) -> None:
        """Count one image more."""
        self.done += 1
        self.here += 1
        if time.perf_counter() - self.said > 10:
            self.said = time.perf_counter()
            self.close()

    def close(self) -> None:
        """Print the current state."""
        rate = self.here / max(time.perf_counter() - self.begun, 1e-9)
        left = (self.total - self.done) / rate / 60 if rate else 0.0
        self.report(f"{self.done}/{self.total} images  {rate:.2f} images/s  {left:.1f} min left")
