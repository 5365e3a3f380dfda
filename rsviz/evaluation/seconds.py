"""Tables of seconds: what a certificate of one image takes by each of several networks (no torch).

Line 1 is ``# `` and a JSON object with the networks, the run, the machine and the command; then a
CSV table with a row an image and a column a network. Only ratios within one table mean anything,
and those of a machine that did nothing else: the head says which share of its work was others'.

Shape suffixes: N images, M networks.
"""

import csv
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from rsviz.core.errors import UserError
from rsviz.core.files import read_bytes, shown
from rsviz.core.records import Count, read_record
from rsviz.evaluation.log_tables import decode

FORMAT = "rsviz-seconds-1"
MOST_BYTES = 10**6
QUIET = 0.05  # of the machine's work may be others', where its seconds are still believed


class SecondsHead(msgspec.Struct, frozen=True):
    """What the first line of a table states; ``others`` is None where no one could tell."""

    networks: tuple[str, ...]
    sha256: tuple[str, ...]
    dataset: str
    n: Count
    others: float | None
    command: str


@dataclass(frozen=True, eq=False)
class Seconds:
    """A table: its head, the images, and the seconds of each by each network."""

    head: SecondsHead
    index_N: NDArray[np.int64]
    seconds_NM: NDArray[np.float64]

    def times(self, name: str, beside: str) -> NDArray[np.float64]:
        """Return the seconds by one network over the mean of another's, (N,)."""
        a, b = (self.head.networks.index(network) for network in (name, beside))
        times_N: NDArray[np.float64] = self.seconds_NM[:, a] / self.seconds_NM[:, b].mean()
        return times_N


def text_of(table: Seconds) -> str:
    """Return a table as its file holds it."""
    head = {"format": FORMAT, **msgspec.to_builtins(table.head)}
    lines = [f"# {json.dumps(head)}", ",".join(("index", *table.head.networks))]
    for index, seconds_M in zip(table.index_N, table.seconds_NM, strict=True):
        lines.append(",".join([str(index), *(f"{s:.6f}" for s in seconds_M)]))
    return "\n".join(lines) + "\n"


def read(file: Path) -> Seconds:
    """Return a table from its file.

    Raises
    ------
    UserError
        It is none.
    """
    lines = decode(read_bytes(file, MOST_BYTES), shown(file)).splitlines()
    what = f"{shown(file)} is no table of seconds"
    try:
        told = json.loads(lines[0].removeprefix("# "))
        head = read_record(told, SecondsHead, what)
        rows = np.array([[float(v) for v in row] for row in csv.reader(lines[2:])])
        if told["format"] != FORMAT or not len(rows) or not (rows[:, 1:] > 0).all():
            raise ValueError
        if lines[1] != ",".join(("index", *head.networks)) or len(rows[0]) != len(head.sha256) + 1:
            raise ValueError
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise UserError(f"{what}; choose another file.") from None
    return Seconds(head, rows[:, 0].astype(np.int64), rows[:, 1:])


class Neighbours:
    """Which share of this machine's processors others took since this was made."""

    def __init__(self) -> None:
        self.begun = (time.monotonic(), _busy(), time.process_time())

    def share(self) -> float | None:
        """Return it, of all its processors' time; None where the system does not tell."""
        now = (time.monotonic(), _busy(), time.process_time())
        (wall_0, busy_0, own_0), (wall, busy, own) = self.begun, now
        if busy is None or busy_0 is None:
            return None
        others = (busy - busy_0) - (own - own_0)
        return max(0.0, others / ((os.cpu_count() or 1) * max(wall - wall_0, 1e-9)))


def _busy() -> float | None:
    """Return the seconds that all processors have worked since the machine started."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _idle, _waiting, *rest = map(int, words)
        return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
