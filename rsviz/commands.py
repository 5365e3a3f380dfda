"""What each command of ``python -m rsviz`` does; heavy imports wait until a command needs them."""

from typing import Any


def _where(c: Any) -> str:
    flags = f"; flags: {', '.join(c.flags)}" if c.flags else ""
    return f"{c.seconds:.1f} s on {c.path}{flags}"
