"""Rows of a log that show later changes: each ends in a check of all before it (no torch).

The check of a row is a hash of the check above it and of the row; the first stands on the two lines
above the rows, the settings and the columns. So a row that was changed, moved, added or taken away
is found, while a log that a kill cut off ends at its last whole row. Whoever wants to can compute
the checks anew: they find accidents and hasty edits, they are no signature.

Logs made before have no checks; they go on without.
"""

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rsviz.core.errors import UserError
from rsviz.core.files import naming

CHECK = "check"  # the last column, and what the head says of it
KIND = "sha256 of the check above and the row"
DIGITS = 16  # of a check, in hexadecimal: 64 bits


def check(above: str, text: str) -> str:
    """Return the check of a row: SHA-256 of the check above it and its text, cut to 64 bits."""
    return hashlib.sha256(f"{above}\n{text}".encode()).hexdigest()[:DIGITS]


def has_checks(head: Any, columns: str, name: str) -> bool:
    """Return whether a log has checks, by its head and its line of columns.

    Raises
    ------
    UserError
        One says so and the other does not.
    """
    said = isinstance(head, dict) and CHECK in head
    there = columns == CHECK or columns.endswith(f",{CHECK}")
    if said != there:
        raise UserError(f"{name} was changed: its first two lines do not belong together.")
    return there


def whole_rows(lines: Sequence[str], ended: bool, name: str) -> list[str]:
    """Return the lines of a log with checks up to its last whole row, every check held against it.

    Parameters
    ----------
    lines, ended : of `log_tables.split_lines`: settings, columns, rows.

    Raises
    ------
    UserError
        A line is not what was written there.
    """
    kept, above = list(lines[:2]), _start(lines)
    for i, line in enumerate(lines[2:], 3):
        text, _, stated = line.rpartition(",")
        if stated.rstrip() != check(above, text):
            if i == len(lines) and not ended:
                return kept  # torn as it was written
            raise UserError(
                f"{name} was changed: line {i} is not as it was written, or a line above it is "
                "missing; take the log as it was, or measure anew."
            )
        above = stated.rstrip()
        kept.append(line)
    return kept


def _start(lines: Sequence[str]) -> str:
    return check(lines[0], lines[1])


def with_checks(head: str, rows: Iterable[Sequence[object]]) -> str:
    """Return a log as text: its two first lines, each ended, and rows with their checks.

    A log whose columns name no check gets none.
    """
    if not head.endswith(f",{CHECK}\n"):
        return head + "".join(f"{_text(row)}\n" for row in rows)
    above, out = _start(head.split("\n")), [head]
    for row in rows:
        text = _text(row)
        above = check(above, text)
        out.append(f"{text},{above}\n")
    return "".join(out)


@contextmanager
def appending(out: Path) -> Iterator[Callable[[Sequence[object]], None]]:
    """Yield what appends a row to a log, flushed to the disk, with its check if the log has them.

    The log ends in a line break, and was held against its checks by who opened it.
    """
    lines = out.read_text(encoding="utf-8").split("\n")
    above = None
    if lines[1].endswith(f",{CHECK}"):
        above = _start(lines) if len(lines) == 3 else lines[-2].rpartition(",")[2]
    with out.open("a", newline="", encoding="utf-8") as file:

        def append(row: Sequence[object]) -> None:
            nonlocal above
            text = _text(row)
            if above is not None:
                above = check(above, text)
                text = f"{text},{above}"
            with naming(out):
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())

        yield append


def _text(row: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()
