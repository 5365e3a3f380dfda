"""Logs of attacks at multiples of the certified radius: a row an image, resumed (no torch).

Line 1 is ``# `` and a JSON object with the attack, the runs and the command; then a CSV table whose
rows end in a check, see `row_checks`. An image that abstains is not attacked: its row has no
verdicts.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rsviz.core.errors import UserError
from rsviz.core.files import begun, read_bytes, shown, write_whole
from rsviz.core.records import Count, read_record
from rsviz.evaluation import row_checks
from rsviz.evaluation.log_tables import decode, split_lines
from rsviz.evaluation.logs import LOG_BYTES

FORMAT = "rsviz-attacks-1"
COLUMNS = ("image", "predicted", "radius", "verdicts", row_checks.CHECK)


@dataclass(frozen=True)
class AttackRow:
    """One image: what was certified, and each budget with how the attack at it ended.

    ``predicted`` is -1 where it abstained.
    """

    image: str
    predicted: int
    radius: float
    verdicts: tuple[tuple[float, str], ...]


class AttackLogHead(msgspec.Struct, frozen=True):
    """What the first line of a log of attacks states; what else it holds is left out."""

    checkpoint_sha256: str
    budgets: tuple[float, ...]
    n: Count
    n_predict: Count
    command: str


def head_of(
    checkpoint_sha256: str, attack: Mapping[str, Any], run: Mapping[str, Any], command: str
) -> dict[str, Any]:
    """Return the head of a log.

    Parameters
    ----------
    attack : every setting of the attack. run : every setting of the certificates.
    """
    given = {"budgets": attack["budgets"], "n": run["n"], "n_predict": attack["n"]}
    told = {"checkpoint_sha256": checkpoint_sha256, **given, "command": command}
    return {"format": FORMAT, row_checks.CHECK: row_checks.KIND, **told, "of": [attack, run]}


def opened(out: Path, head: Mapping[str, Any]) -> set[str]:
    """Write the head of a new log, or check that of an old one; return the images it holds.

    A last row that a kill tore is cut off.

    Raises
    ------
    UserError
        ``out`` holds something else, which stays as it is.
    """
    first = f"# {json.dumps(head)}"
    data = begun(out, f"{first}\n{','.join(COLUMNS)}\n", LOG_BYTES)
    if not data:
        return set()
    lines = _lines(data, out)
    if _settings(lines[0]) != _settings(first):
        raise UserError(f"{shown(out)} holds attacks with other settings; choose another --out.")
    write_whole(out, "\n".join(lines) + "\n")
    return {row.image for row in _rows(lines, out)}


def row_of(row: AttackRow) -> Sequence[object]:
    """Return a row as it is written, but for its check."""
    told = " ".join(f"{budget:g}:{verdict}" for budget, verdict in row.verdicts)
    return row.image, row.predicted, row.radius, told


def read(file: Path) -> tuple[AttackLogHead, list[AttackRow]]:
    """Return the head and the rows of a log.

    Raises
    ------
    UserError
        It is none.
    """
    lines = _lines(read_bytes(file, LOG_BYTES), file)
    head = json.loads(lines[0].removeprefix("# "))
    return read_record(head, AttackLogHead, f"{shown(file)} is no log of attacks"), _rows(
        lines, file
    )


def _settings(line: str) -> dict[str, Any]:
    """Return what decides the rows: the command may name another file."""
    return {k: v for k, v in json.loads(line.removeprefix("# ")).items() if k != "command"}


def _lines(data: bytes, file: Path) -> list[str]:
    """Return the lines up to the last whole row."""
    lines, ended = split_lines(decode(data, shown(file)))
    try:
        whole = lines[1] == ",".join(COLUMNS)
        whole = whole and json.loads(lines[0].removeprefix("# "))["format"] == FORMAT
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        whole = False
    if not whole:
        raise UserError(f"{shown(file)} is no log of attacks; choose another file.")
    return row_checks.whole_rows(lines, ended, shown(file))


def _rows(lines: Sequence[str], file: Path) -> list[AttackRow]:
    """Read the rows of a log whose checks fit."""
    try:
        return [
            AttackRow(image, int(predicted), float(radius), tuple(map(_verdict, told.split())))
            for image, predicted, radius, told, _ in csv.reader(lines[2:])
        ]
    except ValueError:
        raise UserError(
            f"{shown(file)} is a damaged log of attacks; choose another file."
        ) from None


def _verdict(text: str) -> tuple[float, str]:
    budget, _, verdict = text.partition(":")
    return float(budget), verdict
