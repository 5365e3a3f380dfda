"""What each command of ``python -m rsviz`` does; heavy imports wait until a command needs them."""

import math
from typing import Any

from rsviz.core.errors import UserError
from rsviz.core.files import shown
from rsviz.core.settings import parse
from rsviz.evaluation.logs import STATED


def _radii(text: str) -> list[float]:
    """Return radii given with commas, finite and at least 0."""
    try:
        radii = [float(r) for r in text.split(",")]
    except ValueError:
        radii = [math.nan]
    if not all(math.isfinite(r) and r >= 0 for r in radii):
        raise UserError(f"--radii must be numbers from 0 up with commas, not {shown(text)!r}.")
    return radii


def _stated(words: list[str]) -> dict[str, Any]:
    """Return what --state says of logs, its numbers as numbers."""
    given = dict(parse(words))
    if strange := sorted(set(given) - set(STATED)):
        raise UserError(f"There is no setting {strange[0]!r}; there are: {', '.join(STATED)}.")
    for name in ("n0", "n"):
        if isinstance(value := given.get(name), float) and value.is_integer():
            given[name] = int(value)
    return given
