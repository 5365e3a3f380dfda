"""Logs of certified images: read, cut to the same images, re-read at a smaller n (no torch here).

Two kinds of log: rsviz's own (a line of settings, then CSV with the counts of every image), and the
field's table ``idx label predict radius correct [time]`` (`rsviz.evaluation.log_tables`), in which
-1 is an abstention and most settings are not stated. What a log does not state stays unknown.

Shape suffixes: N images, K classes.
"""

import csv
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rsviz.core.bounds import lower, upper
from rsviz.core.errors import UserError
from rsviz.core.files import opened, read_bytes, shown
from rsviz.core.radius import radius_l2, radius_two_sided
from rsviz.core.records import Count, Distance, Noise, Share, read_record
from rsviz.core.spec import SIGMA_MAX, Bound, Norm, RunSpec, Votes
from rsviz.data.catalog import SPLITS
from rsviz.evaluation import row_checks
from rsviz.evaluation.log_tables import NUMBER, Table, decode, read_table, split_lines

FORMAT = "rsviz-log-1"
LOG_BYTES = 256 << 20  # of a file; a row of ImageNet has 4 kB
ABSTAIN = -1
TORN = "a last line that is torn left out"
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
TWO_CLASS = ", two-class"  # ends the name of whatever is read so
_WHOLE = re.compile(r"[+-]?\d{1,12}(\.0*)?", re.ASCII)
# Own logs print radii to six digits; those that agree so far are a reading of the counts.
_PRINTED = 2e-6
COLUMNS = ("index", "label", "predicted", "radius", "correct", "counts0", "counts", "n", "seconds")


@dataclass(frozen=True, eq=False)
class Log:
    """Certified images, sorted by index, and the settings they were certified with.

    ``predicted_N`` is -1 where the run abstained; there radius is 0 and correct is false.
    ``chosen_N`` and ``counts_NK`` are the class of the n0 votes and the counts of the n fresh ones,
    None where the log does not have them or its radii are not a reading of them alone. ``sigma_N``
    is the noise of each image where a log has a column of it. An unknown setting is None, or an
    empty text. ``two_class``: radii are read in the two-class form (`two_sided`), another protocol
    than the field's. ``precision``: each image's votes ended when its radius was within this share
    of what infinitely many would certify, ``votes_N`` of them. ``checked`` says of a log of rsviz
    whether its rows have checks, which fit; of a table of the field it is None. ``notes`` say what
    was left out or read in another way than it stands there.
    """

    name: str
    index_N: np.ndarray
    label_N: np.ndarray
    predicted_N: np.ndarray
    radius_N: np.ndarray
    correct_N: np.ndarray
    chosen_N: np.ndarray | None = None
    counts_NK: np.ndarray | None = None
    sigma_N: np.ndarray | None = None
    norm: Norm | None = None
    dataset: str = ""
    split: str = ""
    method: str = ""
    network: str = ""
    sigma: float | None = None
    n0: int | None = None
    n: int | None = None
    alpha: float | None = None
    bound: Bound = Bound.CLOPPER_PEARSON
    source: str = ""
    checkpoint_sha256: str = ""
    checked: bool | None = None
    two_class: bool = False
    precision: float | None = None
    until_radius: float | None = None
    votes_N: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.index_N)


def read_log(path: Path | str, **settings: Any) -> Log:
    """Read a log of either kind; settings that it does not state (n, alpha, ...) are arguments.

    Raises
    ------
    UserError
        The file cannot be read, or holds no log.
    """
    path = Path(path)
    return parse_log(read_bytes(path, LOG_BYTES), shown(path.stem), shown(path.name), **settings)


class LogRow(msgspec.Struct, frozen=True):
    """One row of a log of rsviz, with the counts that its certificate was read from.

    ``predicted`` is -1 where it abstained; ``detail`` is what the method keeps beside the class.
    """

    index: int
    label: int
    predicted: int
    radius: Distance
    counts0: tuple[Count, ...]
    counts: tuple[Count, ...]
    seconds: float
    detail: dict[str, Any] = {}


def own_rows(path: Path | str) -> tuple["LogHead", list[LogRow]]:
    """Return the head of a log of rsviz and its rows.

    Raises
    ------
    UserError
        The file cannot be read, or is no log of rsviz.
    """
    path = Path(path)
    held = len(read_log(path))  # refuses a file that is not one, in words
    lines, _ = split_lines(decode(read_bytes(path, LOG_BYTES), shown(path.name)))
    if not lines[0].startswith("# {"):
        raise UserError(f"{shown(path.name)} is no log of rsviz: it states no settings.")
    what = f"{shown(path.name)} is not a complete log of rsviz"
    table = list(csv.DictReader(lines[1:]))[:held]  # without a torn last one
    return read_head(lines[0], path.name), [_own_row(cells, what) for cells in table]


def _own_row(cells: Mapping[str, str], what: str) -> LogRow:
    """Read one row, as `evaluate.row` writes it."""
    try:
        plain = {
            **{name: int(cells[name]) for name in ("index", "label", "predicted")},
            **{name: float(cells[name]) for name in ("radius", "seconds")},
            **{name: [int(k) for k in cells[name].split()] for name in ("counts0", "counts")},
            "detail": json.loads(cells.get("detail") or "{}"),
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{what}: {_short(error)}.") from None
    return read_record(plain, LogRow, what)


def parse_log(data: bytes | str, name: str, source: str = "", **settings: Any) -> Log:
    """Read what a log file holds; see `read_log`. ``name`` is for logs that do not state theirs."""
    text = decode(data, name) if isinstance(data, bytes) else data
    lines, ended = split_lines(text)
    if lines[:1] and lines[0].startswith("# {"):
        return _own(lines, ended, name, source)
    return state(_field(lines, ended, name, source), **settings)


STATED = ("dataset", "split", "norm", "sigma", "n0", "n", "alpha", "method", "network")


def state(log: Log, **settings: Any) -> Log:
    """Return a log with settings that it does not state itself; those it states stay.

    Raises
    ------
    UserError
        A setting is not known, or out of range.
    """
    if strange := sorted(set(settings) - set(STATED)):
        raise UserError(f"There is no setting {strange[0]!r}; there are: {', '.join(STATED)}.")
    given = {k: v for k, v in settings.items() if v not in (None, "") and not getattr(log, k)}
    if log.sigma_N is not None:
        given.pop("sigma", None)
    known = {k: v for k, v in given.items() if k in ("n0", "n", "alpha")}
    RunSpec("", "", given.get("sigma"), **known)
    if given.get("split", "test") not in SPLITS:
        raise UserError(f"split must be one of {', '.join(SPLITS)}, but is {given['split']!r}.")
    if "norm" in given:
        try:
            given["norm"] = Norm(given["norm"])
        except ValueError:
            raise UserError(f"norm must be L2 or Linf, but is {given['norm']!r}.") from None
    return replace(log, **given)


def unstated(log: Log) -> tuple[str, ...]:
    """Return which settings that decide what a log compares to are not known."""
    noise = log.sigma is not None or log.sigma_N is not None
    own = log.checkpoint_sha256 != ""  # its method may choose the noise
    known = {
        "data set": log.dataset,
        "split": log.split,
        "norm": log.norm,
        "sigma": noise or own,
        "n": log.n,
        "alpha": log.alpha,
    }
    return tuple(what for what, value in known.items() if not value)


def unprotected(log: Log) -> str:
    """Warn about a log of rsviz whose rows have no checks: a change of it would not be seen."""
    if log.checked is not False:
        return ""
    return "made before rows had checks, so that a change of them would not be seen"


def thin(log: Log, n: int, generator: np.random.Generator) -> Log:
    """Return the log as if only n votes an image had been drawn and planned.

    A random n of an image's votes, without replacement (multivariate hypergeometric), are exactly
    distributed as the first n are; radii are read from them anew.

    Raises
    ------
    UserError
        The log has no counts to thin, or fewer votes than n.
    """
    _check_planned(log)
    if log.counts_NK is None or log.n is None:
        raise UserError(
            f"{log.name} cannot be read at another n: its log has no vote counts from which its "
            "radii follow."
        )
    if not 1 <= n <= log.n:
        raise UserError(f"{log.name} has {log.n:,} votes an image; give an n from 1 to {log.n:,}.")
    draw = generator.multivariate_hypergeometric
    counts_NK = np.array([draw(counts_K, n, method="marginals") for counts_K in log.counts_NK])
    source = f"{log.source}, thinned from n = {log.n:,}"
    return _reread(replace(log, counts_NK=counts_NK, n=n, source=source))


def two_sided(log: Log) -> Log:
    """Return the log read in the two-class form of `core.reading.two_sided`; its name says so.

    Of each image alpha/2 bounds p_A from below and alpha/2 the probability of the most-voted other
    class from above, from the votes that are there already. It is another protocol than the
    field's, which bounds p_A alone.

    Raises
    ------
    UserError
        The log has no counts to read.
    """
    if log.two_class:
        return log
    _check_planned(log)
    if log.counts_NK is None:
        raise UserError(
            f"{log.name} cannot be read in the two-class form: its log has no vote counts from "
            "which its radii follow."
        )
    return _reread(replace(log, name=f"{log.name}{TWO_CLASS}", two_class=True))


def _check_planned(log: Log) -> None:
    """Refuse to read counts otherwise that their own rule ended."""
    if log.precision is not None:
        raise UserError(
            f"The votes of {log.name} ended by a precision, {log.precision:g}, and are read by it "
            "alone; leave out another n and the two-class form."
        )


def subset(log: Log, images: str) -> Log:
    """Return part of a log: ``first 500``, ``500-999``, ``every 20th`` or ``all``.

    Raises
    ------
    UserError
        The words are not one of these, or the log lacks images of that part.
    """
    words = images.strip().lower()
    if words == "all":
        return log
    if match := re.fullmatch(r"first (\d+)", words):
        low, high = 0, int(match[1]) - 1
    elif match := re.fullmatch(r"(\d+)-(\d+)", words):
        low, high = int(match[1]), int(match[2])
    elif (match := re.fullmatch(r"every (\d+)(?:st|nd|rd|th)?", words)) and int(match[1]):
        step = int(match[1])
        wanted = len(range(0, int(log.index_N.max()) + 1, step))
        return _part(log, log.index_N % step == 0, wanted, images)
    else:
        raise UserError(f"{images!r} names no images; say first M, A-B, every Kth, or all.")
    return _part(log, (log.index_N >= low) & (log.index_N <= high), high - low + 1, images)


def images_of(log: Log) -> str:
    """Name the images so that equal names mean equal images of one data set, of known splits."""
    index_N, size = log.index_N, len(log)
    steps = set(np.diff(index_N).tolist())
    first, last = int(index_N[0]), int(index_N[-1])
    split = "" if log.split in ("test", "") else f"{log.split}, "
    if steps <= {1}:
        return f"{split}first {size:,}" if first == 0 else f"{split}{first}-{last}"
    if len(steps) == 1 and first == 0:
        return f"{split}every {ordinal(steps.pop())}, {size:,} images"
    digest = hashlib.sha256(" ".join(map(str, index_N)).encode()).hexdigest()[:6]
    return f"{split}{size:,} images ({digest})"


def _own(lines: list[str], ended: bool, name: str, source: str) -> Log:
    """Read a log of rsviz, leaving out a last line that a kill tore."""
    spec = read_head(lines[0], name)
    if spec.until_radius is not None:
        raise UserError(
            f"{name} answers one question of each image, whether radius {spec.until_radius:g} is "
            "certified, so it has no curve; 'python -m rsviz curves' says what came of it."
        )
    notes: tuple[str, ...] = ()
    checked = row_checks.has_checks(_json(lines[0]), (*lines, "")[1], name)
    if checked:
        whole = row_checks.whole_rows(lines, ended, name)
        notes = (TORN,) if len(whole) < len(lines) else ()
        lines, ended = whole, True
    table = _whole_rows(read_table(lines[1:], ended, name, 2, ("counts0", "counts", "n")), name)
    if unlike := {row[table.at["n"]] for row in table.rows} - {str(spec.n)}:
        raise UserError(f"{name} has rows of n {shown(unlike.pop())}, but states n {spec.n:,}.")
    columns, also = _columns(table, name)
    log = Log(
        name=spec.name or name,
        source=source,
        checked=checked,
        notes=(*notes, *table.notes, *also),
        **columns,
        **{key: getattr(spec, key) for key in PASSED},
    )
    try:
        return _with_counts(log, table)
    except UserError:
        raise
    except (ValueError, OverflowError) as error:
        raise UserError(f"{name} is not a complete log of rsviz: {_short(error)}.") from None


class LogHead(msgspec.Struct, frozen=True):
    """The run that the head of a log of rsviz states; what else it holds is left out.

    ``sigma`` is None where a method chooses it. ``device``, ``dtype``, ``path`` and ``torch`` say
    where votes were counted. Early logs lack what has a default here.
    """

    dataset: str
    method: str
    network: str
    sigma: Noise | None
    n0: int
    n: int
    alpha: float
    name: str | None = ""
    split: str = "test"
    every: int | None = None
    first: int | None = None
    seed: int = 0
    norm: Norm = Norm.L2
    bound: Bound = Bound.CLOPPER_PEARSON
    checkpoint_sha256: str = ""
    settings: tuple[tuple[str, float | int | str], ...] = ()
    until_radius: Distance | None = None
    precision: Share | None = None
    device: str = ""
    dtype: str = ""
    path: str = ""
    torch: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        named = ("n0", "n", "alpha", "bound", "precision")
        RunSpec("", "", self.sigma, **{name: getattr(self, name) for name in named})  # checks them


def _json(line: str) -> Any:
    return json.loads(line.removeprefix("# "))


PASSED = (  # from the head of a log to what is read from it
    *("dataset", "method", "network", "sigma", "n0", "n", "alpha", "split", "norm", "bound"),
    *("checkpoint_sha256", "precision"),
)


def head_of(path: Path) -> "LogHead":
    """Return the settings that a log of rsviz states in its first line; see `read_head`."""
    with opened(path) as lines:
        return read_head(lines.readline().decode(), path.name)


def read_head(line: str, name: str) -> LogHead:
    """Return the settings in the first line of a log of rsviz.

    Raises
    ------
    UserError
        It is of another version, or a setting is missing, of another type or out of range.
    """
    try:
        head = _json(line)
        if head["format"] != FORMAT:
            raise UserError(f"{name} is a log of another version, {str(head['format'])[:40]!r}.")
        stated = head["spec"]
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError):
        raise UserError(
            f"{name} is not a complete log of rsviz: its first line, the settings, is damaged."
        ) from None
    return read_record(stated, LogHead, f"{name} is not a complete log of rsviz")


def _whole_rows(table: Table, name: str) -> Table:
    """Leave out a last row whose last cell, JSON, is torn."""
    if table.ended or table.columns[-1] != "detail":
        return table
    last = table.rows[-1]
    try:
        if len(last) == len(table.columns):
            json.loads(last[-1])
            return table
    except (ValueError, RecursionError):
        pass
    if len(table.rows) == 1:
        raise UserError(f"The log {name} holds no images yet.")
    notes = (*table.notes, TORN)
    return replace(table, rows=table.rows[:-1], lines=table.lines[:-1], notes=notes)


def _short(error: Exception) -> str:
    named = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
    return shown(named or type(error).__name__).rstrip(".")


def _with_counts(log: Log, table: Table) -> Log:
    """Return the log with its counts and the exact radii, where these follow from the counts."""
    at = table.at
    rows = sorted(table.rows, key=lambda row: int(row[at["index"]]))
    if log.sigma is None or not all(row[at["counts0"]] and row[at["counts"]] for row in rows):
        return log
    counts0_NK, counts_NK = (_counts(table, rows, column) for column in ("counts0", "counts"))
    votes_N = counts_NK.sum(axis=1)
    if log.precision is not None:
        log = replace(log, votes_N=votes_N)
    if np.any(votes_N > log.n if log.precision is not None else votes_N != log.n):
        return log
    anew = _reread(replace(log, chosen_N=counts0_NK.argmax(axis=1), counts_NK=counts_NK))
    if log.norm is Norm.L2:
        _check_against_counts(log, anew)
    same = np.abs(anew.radius_N - log.radius_N).max() < _PRINTED
    return anew if same and np.array_equal(anew.predicted_N, log.predicted_N) else log


def _counts(table: Table, rows: Sequence[Sequence[str]], column: str) -> np.ndarray:
    """Return counts_NK of a column; ValueError says what makes it none."""
    cells = [row[table.at[column]].split() for row in rows]
    if len({len(cell) for cell in cells}) > 1:
        raise ValueError(f"its rows have {column} of several numbers of classes")
    if not all(_COUNT.fullmatch(k) for cell in cells for k in cell):
        raise ValueError(f"its {column} are no counts")
    return np.array([[int(k) for k in cell] for cell in cells])


def _check_against_counts(log: Log, anew: Log) -> None:
    """Refuse radii above what their counts certify, and classes that their counts do not name.

    In L2 at one noise level both follow from the counts of every method here.
    """
    far = int(np.sum(log.radius_N > anew.radius_N + _PRINTED))
    both_N = (log.predicted_N != ABSTAIN) & (anew.predicted_N != ABSTAIN)
    other = int(np.sum(both_N & (log.predicted_N != anew.predicted_N)))
    of, told = f"of its {len(log):,} rows", []
    if far:
        told.append(f"in {far:,} {of} the radius is larger than the counts certify")
    if other:
        told.append(f"in {other:,} {of} the class is not that of the counts")
    if told:
        raise UserError(f"The log {log.name} contradicts itself: {' and '.join(told)}.")


def _field(lines: list[str], ended: bool, name: str, source: str) -> Log:
    """Read a log in the field's own layout; the name of a column of radii may state their norm."""
    table = read_table(lines, ended, name)
    if {row_checks.CHECK, "counts0"} <= set(table.columns):
        raise UserError(f"{name} was changed: it is a log of rsviz, but its first line is not.")
    norms = {"l2_radius": Norm.L2, "linf_radius": Norm.LINF}
    if table.named("radius") == "l1_radius":
        raise UserError(f"{name} states radii in L1; only L2 and Linf can be compared here.")
    columns, also = _columns(table, name)
    notes = (*table.notes, *also)
    norm = norms.get(table.named("radius"))
    return Log(name=name, source=source, norm=norm, notes=notes, **columns)


def _columns(table: Table, name: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the columns both kinds share, sorted by index, and notes on how they were read."""
    read = _Cells(table, name)
    index_N = read.whole("index")
    label_N = read.whole("label")
    predicted_N = read.whole("predicted", abstains=True)
    stands_N = predicted_N != ABSTAIN
    radius_N = read.radii("radius", stands_N)
    own_N = stands_N & (predicted_N == label_N)
    if index_N.min() < 0 or label_N.min() < 0 or predicted_N.min() < ABSTAIN:
        raise UserError(f"The log {name} has an index or a class below 0; -1 abstains.")
    seen, counted_N = np.unique(index_N, return_counts=True)
    if len(seen) < len(index_N):
        twice = int(seen[counted_N > 1][0])
        raise UserError(f"The log {name} lists an image twice: {twice}.")
    notes: tuple[str, ...] = ()
    if "correct" in table.at:
        notes = _check_correct(read.whole("correct"), own_N, name)
    sigma: dict[str, Any] = {}
    order_N = np.argsort(index_N)
    if "sigma" in table.at:
        sigma_N = read.radii("sigma", stands_N)
        if np.any(stands_N & ~((sigma_N > 0) & (sigma_N < SIGMA_MAX))):
            raise UserError(f"The log {name} has a sigma that is not from 0 to {SIGMA_MAX:g}.")
        levels = set(sigma_N[stands_N].tolist())
        sigma = {"sigma_N": sigma_N[order_N], "sigma": levels.pop() if len(levels) == 1 else None}
    columns = {
        "index_N": index_N,
        "label_N": label_N,
        "predicted_N": predicted_N,
        "radius_N": radius_N,
        "correct_N": own_N,
    }
    return {key: value[order_N] for key, value in columns.items()} | sigma, notes


def _check_correct(correct_N: np.ndarray, own_N: np.ndarray, name: str) -> tuple[str, ...]:
    """Hold the column ``correct``, in the order of the file, against label and prediction.

    Some scripts print the number of images right so far, which may begin anew in a joined file.
    """
    unlike_N = correct_N != own_N
    if not unlike_N.any():
        return ()
    added_N = np.diff(correct_N)
    adds_N = added_N == own_N[1:]
    plain = bool(np.isin(correct_N, (0, 1)).all())
    anew_N = (added_N < 0) & ~unlike_N[1:] & (not plain)
    if len(own_N) > 1 and np.all(adds_N | anew_N) and correct_N[0] >= own_N[0]:
        return ("`correct` counts the images right so far; read from label and prediction",)
    if plain:
        raise UserError(
            f"The log {name} contradicts itself: in {int(unlike_N.sum()):,} of "
            f"{len(own_N):,} rows `correct` is not what label and prediction say."
        )
    raise UserError(
        f"The log {name} has a column `correct` that is neither 0 or 1 nor the number right so far."
    )


@dataclass(frozen=True)
class _Cells:
    """The cells of a table as numbers; UserError names the line of one that is none."""

    table: Table
    name: str

    def whole(self, column: str, abstains: bool = False) -> np.ndarray:
        """Return a column of whole numbers; true and false are 1 and 0."""
        at = self.table.at[column]
        words = {"true": 1, "false": 0}
        if abstains:
            words = {"": ABSTAIN, "none": ABSTAIN, "nan": ABSTAIN, "abstain": ABSTAIN}
        return np.array([self._whole(row, i, at, words) for i, row in enumerate(self.table.rows)])

    def _whole(self, row: Sequence[str], i: int, at: int, words: Mapping[str, int]) -> int:
        cell = row[at]
        if _WHOLE.fullmatch(cell):
            return int(cell.partition(".")[0])
        if cell.lower() in words:
            return words[cell.lower()]
        raise self._refusal(i, cell)

    def radii(self, column: str, stands_N: np.ndarray) -> np.ndarray:
        """Return a column of numbers of at least 0; where the run abstained it is 0."""
        at, found = self.table.at[column], np.zeros(len(stands_N))
        for i in np.flatnonzero(stands_N).tolist():
            cell = self.table.rows[i][at].replace(",", ".")
            if not NUMBER.fullmatch(cell):
                if cell.lower().lstrip("+-") in ("nan", "inf", "infinity"):
                    raise UserError(
                        f"The log {self.name} has a {column} that is negative or not a number, in "
                        f"line {self.table.lines[i]}."
                    )
                raise self._refusal(i, cell)
            found[i] = float(cell)
        if np.any(found < 0) or not np.isfinite(found).all():
            i = int(np.flatnonzero((found < 0) | ~np.isfinite(found))[0])
            raise UserError(
                f"The log {self.name} has a {column} that is negative or not a number, in line "
                f"{self.table.lines[i]}."
            )
        return found

    def _refusal(self, i: int, cell: str) -> UserError:
        return UserError(
            f"The log {self.name} has a line that is not numbers: {shown(cell)!r} in line "
            f"{self.table.lines[i]}."
        )


def _reread(log: Log) -> Log:
    """Return the log with predictions and radii read from its counts at its n, alpha and bound."""
    assert log.counts_NK is not None and log.chosen_N is not None
    assert log.n is not None and log.alpha is not None and log.sigma is not None
    chosen_N1 = log.chosen_N[:, None]
    k_N = np.take_along_axis(log.counts_NK, chosen_N1, axis=1)[:, 0]
    others_NK = log.counts_NK.copy()
    np.put_along_axis(others_NK, chosen_N1, 0, axis=1)
    columns = (k_N, others_NK.max(axis=1), log.counts_NK.sum(axis=1))
    read = list(zip(*(column.tolist() for column in columns), strict=True))
    radius = {votes: _radius(log, *votes) for votes in set(read)}
    radius_N = np.array([radius[votes] for votes in read])
    predicted_N = np.where(radius_N > 0, log.chosen_N, ABSTAIN)
    correct_N = predicted_N == log.label_N
    return replace(log, predicted_N=predicted_N, radius_N=radius_N, correct_N=correct_N)


def _radius(log: Log, k: int, other: int, total: int) -> float:
    """Return the radius of k of all votes for the class, ``other`` for the most-voted other one."""
    assert log.n is not None and log.alpha is not None and log.sigma is not None
    votes = Votes("bound", (k, total - k), log.n, "complete" if total == log.n else "settled")
    if not log.two_class:
        return radius_l2(log.sigma, lower(votes, k, log.alpha, log.bound))
    p_a_lower = lower(votes, k, log.alpha / 2, log.bound)
    p_b_upper = min(upper(votes, other, log.alpha / 2, log.bound), 1 - p_a_lower)
    return radius_two_sided(log.sigma, p_a_lower, p_b_upper)


def _part(log: Log, inside_N: np.ndarray, wanted: int, images: str) -> Log:
    held = int(inside_N.sum())
    if held < wanted or held == 0:
        raise UserError(f"{log.name} holds {held:,} of the {wanted:,} images of {images!r}.")
    names = ("index_N", "label_N", "predicted_N", "radius_N", "correct_N", "chosen_N", "counts_NK")
    columns = {name: getattr(log, name) for name in (*names, "sigma_N", "votes_N")}
    cut: dict[str, Any] = {
        name: None if value is None else value[inside_N] for name, value in columns.items()
    }
    return replace(log, **cut)


def ordinal(k: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th, 21st, ..."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(k % 10 if k % 100 not in (11, 12, 13) else 0, "th")
    return f"{k}{ending}"
