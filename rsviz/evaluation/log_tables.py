"""Tables of certified images as people send them: bytes -> named cells (no torch here).

The field's layout is ``idx label predict radius correct [time]``, but its files come in several
encodings, with spaces around names, with prints before and after, and with columns of their own.
Lines that are not rows are reported; what may be a damaged row is refused.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rsviz.core.errors import UserError

# What the columns are called, by what they hold.
NAMES = {
    "index": ("idx", "index", "sample_idx"),
    "label": ("label", "target", "true_label"),
    "predicted": ("predict", "predicted", "prediction", "pred"),
    "radius": ("radius", "l2_radius", "linf_radius", "l1_radius", "certified_radius"),
    "correct": ("correct",),
    "sigma": ("sigma",),
}
NEEDED = ("index", "label", "predicted", "radius")
HEAD_WITHIN = 200  # lines: prints of a script may stand above its table
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
    (b"\xff\xfe\x00\x00", "utf-32", "UTF-32"),
    (b"\x00\x00\xfe\xff", "utf-32", "UTF-32"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True)
class Table:
    """The rows of a table: cells without the spaces around them, and the line each stands on.

    ``at`` gives the place of each column of `NAMES` that there is, `named` how the file calls it;
    ``ended`` whether the last line ends in a line break; ``notes`` what was left out.
    """

    columns: tuple[str, ...]
    at: dict[str, int]
    rows: list[list[str]]
    lines: list[int]
    ended: bool
    notes: tuple[str, ...]

    def named(self, column: str) -> str:
        """Return what the file calls a column."""
        return self.columns[self.at[column]]


def decode(data: bytes, name: str) -> str:
    """Return the text of a file: UTF-8, UTF-16 or UTF-32, else Windows-1252.

    Raises
    ------
    UserError
        It is no text, or is not whole in the encoding that its first bytes name.
    """
    marked = [(encoding, called) for mark, encoding, called in _BOMS if data.startswith(mark)]
    encoding, called = marked[0] if marked else _without_mark(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise UserError(
            f"{name} cannot be read as {called}, which its first bytes announce; save it as UTF-8."
        ) from None
    if _CONTROL.search(text):
        raise UserError(f"{name} cannot be read: it is not a text file; give a log as CSV or TSV.")
    return text


def _without_mark(data: bytes) -> tuple[str, str]:
    """Guess the encoding of a text that does not say it; any byte is something in the last one."""
    sample = data[:4_000]
    if b"\x00" in sample:
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if min(even, odd) == 0 and max(even, odd) > len(sample) // 4:
            return ("utf-16-le" if odd else "utf-16-be"), "UTF-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            data.decode(encoding)
            return encoding, encoding
        except UnicodeDecodeError:
            continue
    return "latin-1", "Latin-1"


def split_lines(text: str) -> tuple[list[str], bool]:
    """Return the lines of a text, and whether the last one is ended by a line break."""
    lines = re.split(r"\r\n|\r|\n", text)
    ended = lines[-1] == ""
    return (lines[:-1] if ended else lines), ended


def read_table(
    lines: list[str], ended: bool, name: str, first: int = 1, also: tuple[str, ...] = ()
) -> Table:
    """Read a table whose head names at least the columns `NEEDED`.

    Lines that are not rows (prints, comments, repeated heads) are left out and reported.

    Parameters
    ----------
    lines, ended : of `split_lines`; ``first`` is the number of the first of them in its file.
    also : further columns, by the file's own names, that are to be read.

    Raises
    ------
    UserError
        No line is such a head, or a row is damaged.
    """
    start, delimiter, columns = _find_head(lines, name)
    at = _places(columns, name)
    if lacking := sorted(set(also) - set(columns)):
        raise UserError(f"{name} is not a complete log of rsviz: it lacks {', '.join(lacking)}.")
    at |= {column: columns.index(column) for column in also}
    needed = max(at.values())
    rows, numbers, heads, others = [], [], 0, sum(1 for line in lines[:start] if line.strip())
    torn = False
    for i in range(start + 1, len(lines)):
        cells = _cells(lines[i], delimiter)
        last = i == len(lines) - 1 and not ended
        if not any(cells):
            continue
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if tuple(c.lower() for c in cells) == columns:
            heads += 1
            continue
        if not _is_row(cells, at, len(columns)):
            if _is_head(cells):
                raise UserError(f"{name} changes its columns in line {first + i}; split it there.")
            others += 1
            continue
        # Of a last line without an end, the last cell may be cut; a delimiter ends the one before.
        held = len(cells) - (last and (len(cells) < len(columns) or not cells[-1]))
        if held <= needed and last:
            others += 1
            torn = True
            continue
        if held <= needed or len(cells) > len(columns):
            raise UserError(
                f"{name} has {len(cells)} cells in line {first + i}, but its head names "
                f"{len(columns)} columns."
            )
        rows.append(cells)
        numbers.append(first + i)
    if not rows:
        raise UserError(f"The log {name} holds no images yet.")
    notes = tuple(_notes(heads, others, torn))
    return Table(columns, at, rows, numbers, ended, notes)


def _notes(heads: int, others: int, torn: bool) -> Iterator[str]:
    if heads:
        yield f"{heads:,} repeated head{'s' if heads > 1 else ''} left out"
    if torn:
        yield "a last line that is torn left out"
    if others - torn > 0:
        plural = "s that are no rows" if others - torn > 1 else " that is no row"
        yield f"{others - torn:,} line{plural} left out"


def _find_head(lines: list[str], name: str) -> tuple[int, str, tuple[str, ...]]:
    for i, line in enumerate(lines[:HEAD_WITHIN]):
        for delimiter in ("\t", ",", ";", " "):
            columns = tuple(c.lower() for c in _cells(line, delimiter))
            if all(set(NAMES[c]) & set(columns) for c in NEEDED):
                return i, delimiter, columns
    raise UserError(
        f"{name} is not a log: its first line must be settings of rsviz, or name the columns "
        "idx, label, predict, radius, correct."
    )


def _is_head(cells: list[str]) -> bool:
    lower = {c.lower() for c in cells}
    return sum(bool(set(NAMES[c]) & lower) for c in NEEDED) >= 3


def _is_row(cells: list[str], at: dict[str, int], width: int) -> bool:
    """Return whether a line may be a row: its index is a number, or it is as long as one."""
    if cells[0].startswith("#"):
        return False
    found = [at[c] < len(cells) and bool(NUMBER.fullmatch(cells[at[c]])) for c in NEEDED]
    return found[0] or (len(cells) == width and sum(found) >= 2)


def _places(columns: tuple[str, ...], name: str) -> dict[str, int]:
    at = {}
    for column, names in NAMES.items():
        found = [i for i, called in enumerate(columns) if called in names]
        if len(found) > 1:
            both = ", ".join(columns[i] for i in found)
            raise UserError(f"{name} has several columns of one kind ({both}); keep one of them.")
        if found:
            at[column] = found[0]
    return at


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the stripped cells of a line; a space as delimiter means any white space."""
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        return [c.strip() for c in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return [cell.strip() for cell in line.split(delimiter)]
