"""Logs of certified images: read, cut to the same images, re-read at a smaller n (no torch here).

Two kinds of log: rsviz's own (a line of settings, then CSV with the counts of every image), and the
field's table ``idx label predict radius correct [time]``, tab- or comma-separated, in which -1 is
an abstention and settings are not stated.

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

import numpy as np

from rsviz.core.bounds import lower
from rsviz.core.errors import UserError
from rsviz.core.radius import radius_l2
from rsviz.core.spec import Bound, Norm, RunSpec, Votes

FORMAT = "rsviz-log-1"
ABSTAIN = -1
# Own logs print radii to six digits; those that agree so far are a reading of the counts.
_PRINTED = 2e-6
COLUMNS = ("index", "label", "predicted", "radius", "correct", "counts0", "counts", "n", "seconds")


@dataclass(frozen=True, eq=False)
class Log:
    """Certified images, sorted by index, and the settings they were certified with.

    ``predicted_N`` is -1 where the run abstained; there radius is 0 and correct is false.
    ``chosen_N`` and ``counts_NK`` are the class of the n0 votes and the counts of the n fresh ones,
    None where the log does not have them or its radii are not a reading of them alone.
    """

    name: str
    index_N: np.ndarray
    label_N: np.ndarray
    predicted_N: np.ndarray
    radius_N: np.ndarray
    correct_N: np.ndarray
    chosen_N: np.ndarray | None = None
    counts_NK: np.ndarray | None = None
    norm: Norm = Norm.L2
    dataset: str = ""
    split: str = "test"
    method: str = ""
    network: str = ""
    sigma: float | None = None
    n0: int | None = None
    n: int | None = None
    alpha: float | None = None
    bound: Bound = Bound.CLOPPER_PEARSON
    source: str = ""

    def __len__(self) -> int:
        return len(self.index_N)


def read_log(path: Path | str, **settings: Any) -> Log:
    """Read a log of either kind; settings of the field's logs (n, alpha, ...) come as arguments.

    Raises
    ------
    UserError
        The file cannot be read, or holds no log.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The log {path} cannot be read: {error}.") from None
    return parse_log(text, path.stem, source=path.name, **settings)


def own_rows(path: Path | str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the settings of a log of rsviz and its rows, ``detail`` decoded where it has any.

    Raises
    ------
    UserError
        The file cannot be read, or is no log of rsviz.
    """
    path = Path(path)
    read_log(path)  # refuses in words what is not one
    text = path.read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()
    rows: list[dict[str, Any]] = list(csv.DictReader(lines[1:]))
    if not lines[0].startswith("# {"):
        raise UserError(f"{path.name} is no log of rsviz: it states no settings.")
    for r in rows:
        if "detail" in r:
            r["detail"] = json.loads(r["detail"])
    return json.loads(lines[0].removeprefix("# "))["spec"], rows


def parse_log(text: str, name: str, source: str = "", **settings: Any) -> Log:
    """Read the text of a log; see `read_log`. ``name`` is for logs that do not state their own."""
    if text.startswith("# {"):
        return _own(text, name, source)
    return _field(text, name, source, settings)


def thin(log: Log, n: int, generator: np.random.Generator) -> Log:
    """Return the log as if only n votes an image had been drawn and planned.

    A random n of an image's votes, without replacement (multivariate hypergeometric), are exactly
    distributed as the first n are; radii are read from them anew.

    Raises
    ------
    UserError
        The log has no counts to thin, or fewer votes than n.
    """
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
    """Name the images so that equal names mean equal images."""
    index_N, size = log.index_N, len(log)
    steps = set(np.diff(index_N).tolist())
    first, last = int(index_N[0]), int(index_N[-1])
    split = "" if log.split == "test" else f"{log.split}, "
    if steps <= {1}:
        return f"{split}first {size:,}" if first == 0 else f"{split}{first}-{last}"
    if len(steps) == 1 and first == 0:
        return f"{split}every {_ordinal(steps.pop())}, {size:,} images"
    digest = hashlib.sha256(" ".join(map(str, index_N)).encode()).hexdigest()[:6]
    return f"{split}{size:,} images ({digest})"


def _own(text: str, name: str, source: str) -> Log:
    """Read a log of rsviz, leaving out a last line that a kill tore."""
    lines = text[: text.rfind("\n") + 1].splitlines()
    try:
        head = json.loads(lines[0].removeprefix("# "))
        spec = head["spec"]
        if head["format"] != FORMAT:
            raise UserError(f"{name} is a log of another version, {head['format']!r}.")
        rows = _rows(lines[1:], ",", name)
        _check_settings(spec)
        same = ("dataset", "method", "network", "sigma", "n0", "n", "alpha")
        log = Log(
            name=spec.get("name") or name,
            norm=Norm(spec.get("norm", Norm.L2)),
            split=spec.get("split", "test"),
            bound=Bound(spec.get("bound", Bound.CLOPPER_PEARSON)),
            source=source,
            **{key: spec[key] for key in same},
            **_columns(rows, "index", "predicted", name),
        )
        return _with_counts(log, rows)
    except UserError:
        raise
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{name} is not a complete log of rsviz: {error!r}.") from None


def _check_settings(spec: Mapping[str, Any]) -> None:
    """Refuse in words what no run can have been; sigma is null where a method chooses it."""
    sigma = 1.0 if spec["sigma"] is None else spec["sigma"]
    RunSpec("", "", sigma, n0=spec["n0"], n=spec["n"], alpha=spec["alpha"])


def _with_counts(log: Log, rows: Sequence[Mapping[str, str]]) -> Log:
    """Return the log with its counts and the exact radii, where these follow from the counts."""
    rows = sorted(rows, key=lambda row: int(row["index"]))
    if log.sigma is None or not all(row["counts0"] and row["counts"] for row in rows):
        return log
    counts0_NK = np.array([[int(k) for k in row["counts0"].split()] for row in rows])
    counts_NK = np.array([[int(k) for k in row["counts"].split()] for row in rows])
    if np.any(counts_NK.sum(axis=1) != log.n):
        return log
    anew = _reread(replace(log, chosen_N=counts0_NK.argmax(axis=1), counts_NK=counts_NK))
    same = np.abs(anew.radius_N - log.radius_N).max() < _PRINTED
    return anew if same and np.array_equal(anew.predicted_N, log.predicted_N) else log


def _field(text: str, name: str, source: str, settings: Mapping[str, Any]) -> Log:
    """Read a log in the field's own layout."""
    lines = text.splitlines()
    head = lines[0] if lines else ""
    if not {"idx", "label", "predict", "radius", "correct"} <= set(re.split(r"[\t,]", head)):
        raise UserError(
            f"{name} is not a log: its first line must be settings of rsviz, or name the columns "
            "idx, label, predict, radius, correct."
        )
    delimiter = "\t" if "\t" in head else ","
    if not text.endswith("\n") and lines[-1].count(delimiter) < head.count(delimiter):
        lines.pop()  # torn by a kill
    columns = _columns(_rows(lines, delimiter, name), "idx", "predict", name)
    return Log(name=name, source=source, **columns, **settings)


def _rows(lines: Sequence[str], delimiter: str, name: str) -> list[dict[str, str]]:
    rows = [row for row in csv.DictReader(lines, delimiter=delimiter) if any(row.values())]
    if not rows:
        raise UserError(f"The log {name} holds no images yet.")
    return rows


def _columns(
    rows: Sequence[Mapping[str, str]], index: str, predicted: str, name: str
) -> dict[str, Any]:
    """Return the columns both kinds share, sorted by index; abstentions get radius 0."""
    try:
        index_N = np.array([int(row[index]) for row in rows])
        label_N = np.array([int(row["label"]) for row in rows])
        predicted_N = np.array([int(row[predicted]) for row in rows])
        radius_N = np.array([float(row["radius"]) for row in rows])
        correct_N = np.array([int(row["correct"]) == 1 for row in rows])
    except (TypeError, ValueError) as error:
        raise UserError(f"The log {name} has a line that is not numbers: {error}.") from None
    if len(set(index_N)) < len(index_N):
        raise UserError(f"The log {name} lists an image twice.")
    stands_N = predicted_N != ABSTAIN
    if not np.isfinite(radius_N).all() or np.any(radius_N[stands_N] < 0):
        raise UserError(f"The log {name} has a radius that is negative or not a number.")
    order_N = np.argsort(index_N)
    columns = {
        "index_N": index_N,
        "label_N": label_N,
        "predicted_N": predicted_N,
        "radius_N": np.where(stands_N, radius_N, 0.0),
        "correct_N": correct_N & stands_N,
    }
    return {key: value[order_N] for key, value in columns.items()}


def _reread(log: Log) -> Log:
    """Return the log with predictions and radii read from its counts at its n, alpha and bound."""
    assert log.counts_NK is not None and log.chosen_N is not None
    assert log.n is not None and log.alpha is not None and log.sigma is not None
    k_N = np.take_along_axis(log.counts_NK, log.chosen_N[:, None], axis=1)[:, 0]
    p_a_lower = {}
    for k in set(k_N.tolist()):
        votes = Votes("bound", (k, log.n - k), log.n, "complete")
        p_a_lower[k] = lower(votes, k, log.alpha, log.bound)
    predicted_N = np.array(
        [c if p_a_lower[k] > 0.5 else ABSTAIN for c, k in zip(log.chosen_N, k_N, strict=True)]
    )
    radius_N = np.array([radius_l2(log.sigma, p_a_lower[k]) for k in k_N])
    correct_N = predicted_N == log.label_N
    return replace(log, predicted_N=predicted_N, radius_N=radius_N, correct_N=correct_N)


def _part(log: Log, inside_N: np.ndarray, wanted: int, images: str) -> Log:
    held = int(inside_N.sum())
    if held < wanted or held == 0:
        raise UserError(f"{log.name} holds {held:,} of the {wanted:,} images of {images!r}.")
    names = ("index_N", "label_N", "predicted_N", "radius_N", "correct_N", "chosen_N", "counts_NK")
    columns = {name: getattr(log, name) for name in names}
    cut: dict[str, Any] = {
        name: None if value is None else value[inside_N] for name, value in columns.items()
    }
    return replace(log, **cut)


def _ordinal(k: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(k % 10 if k % 100 not in (11, 12, 13) else 0, "th")
    return f"{k}{ending}"
