"""Time spent, by a clock that a suspended or moved machine may set forward or back."""

import time


def now() -> float:
    """Return the seconds of the clock that `since` and `is_due` read."""
    return time.perf_counter()


def since(start: float) -> float:
    """Return the seconds since a look at the clock: none where it was set back meanwhile."""
    return max(0.0, now() - start)


def is_due(last: float, every: float) -> bool:
    """Whether ``every`` seconds went by since a look at the clock, or it was set back meanwhile."""
    return not 0 <= now() - last < every
