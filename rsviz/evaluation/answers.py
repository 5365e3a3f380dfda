"""Logs of one question an image, 'is radius R certified?': what came of it (no torch).

Another protocol than the field's table: votes end as soon as the question is settled, so such a log
says nothing of other radii, and has neither a curve nor an ACR.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rsviz.core.bounds import binomial_interval
from rsviz.core.errors import UserError
from rsviz.core.files import opened, read_bytes, shown
from rsviz.core.spec import Norm
from rsviz.evaluation import row_checks
from rsviz.evaluation.log_tables import decode, read_table, split_lines
from rsviz.evaluation.logs import (
    ABSTAIN,
    LOG_BYTES,
    PASSED,
    Log,
    LogHead,
    head_of,
    read_head,
)

ANSWERS = ("yes", "no certificate", "undecided")


@dataclass(frozen=True)
class Answers:
    """How many images a radius is certified for, and the votes that took.

    ``right`` of the ``yes`` are certified in the class of their label; ``votes`` are those that
    bound the class, of at most n an image.
    """

    name: str
    radius: float
    norm: Norm
    images: int
    yes: int
    right: int
    no: int
    undecided: int
    votes: int
    n: int
    alpha: float

    @property
    def accuracy(self) -> float:
        """The share of all images that are certified at the radius in the class of their label."""
        return self.right / self.images

    def in_words(self) -> str:
        """Return what came of the question, and how many votes the fixed-n protocol takes."""
        at = f"{self.radius:g}" if self.norm is Norm.L2 else f"{255 * self.radius:g}/255 (Linf)"
        low, high = binomial_interval(self.right, self.images)
        mean = self.votes / self.images
        return (
            f"{self.name}: {self.images:,} images, {100 * self.accuracy:.1f} % certified at radius "
            f"{at} and right ({100 * low:.1f} to {100 * high:.1f}), {self.yes - self.right:,} "
            f"certified and wrong, {self.no:,} without a certificate there, {self.undecided:,} "
            f"undecided. {mean:,.0f} votes an image on average; the fixed-n protocol takes "
            f"{self.n:,} ({self.n / mean:.1f} times as many)."
        )


def is_question(path: Path) -> bool:
    """Whether a file is a log of one question an image."""
    with opened(path) as file:
        return file.read(3) == b"# {" and b'"until_radius": ' in file.readline()


def read_answers(path: Path) -> Answers:
    """Read the log of a question.

    Raises
    ------
    UserError
        The file cannot be read, or is no such log.
    """
    spec, log, answer_N = _read(path)
    assert spec.until_radius is not None and log.votes_N is not None
    found = Counter(answer_N)
    return Answers(
        log.name,
        spec.until_radius,
        spec.norm,
        len(log),
        found["yes"],
        int(log.correct_N.sum()),
        found["no certificate"],
        found["undecided"],
        int(log.votes_N.sum()),
        spec.n,
        spec.alpha,
    )


def as_log(path: Path) -> Log:
    """Read the log of a question as one of radii: the one asked for where certified, else none.

    Raises
    ------
    UserError
        The file cannot be read, or is no such log.
    """
    return _read(path)[1]


def asks(path: Path, radius: float) -> bool:
    """Whether a file is a log of the question whether this radius is certified."""
    if not is_question(path):
        return False
    asked = head_of(path).until_radius
    return asked is not None and math.isclose(asked, radius, abs_tol=1e-12)


def _read(path: Path) -> tuple[LogHead, Log, list[str]]:
    """Return the settings of a question, its log by image, and the answers in that order."""
    name = shown(path.stem)
    lines, ended = split_lines(decode(read_bytes(path, LOG_BYTES), name))
    spec = read_head(lines[0], name)
    if row_checks.has_checks(json.loads(lines[0].removeprefix("# ")), (*lines, "")[1], name):
        lines = row_checks.whole_rows(lines, ended, name)
    elif not ended:
        lines = lines[:-1]  # a kill tore the last one
    if spec.until_radius is None:
        raise UserError(f"{name} asks no question of its images; it has a curve.")
    table = read_table(lines[1:], True, name, 2, ("counts", "answer"))
    at = table.at
    try:
        rows = sorted(table.rows, key=lambda row: int(row[at["index"]]))
        index_N, label_N, predicted_N = (
            np.array([int(row[at[column]]) for row in rows])
            for column in ("index", "label", "predicted")
        )
        votes_N = np.array([sum(int(k) for k in row[at["counts"]].split()) for row in rows])
    except ValueError:
        raise UserError(
            f"{name} is not a complete log of rsviz: its classes or counts are none."
        ) from None
    answer_N = [row[at["answer"]] for row in rows]
    if strange := set(answer_N) - set(ANSWERS):
        raise UserError(f"{name} has an answer that is none: {shown(strange.pop())}.")
    yes_N = np.array(answer_N) == "yes"
    log = Log(
        name=spec.name or name,
        index_N=index_N,
        label_N=label_N,
        predicted_N=np.where(yes_N, predicted_N, ABSTAIN),
        radius_N=np.where(yes_N, spec.until_radius, 0.0),
        correct_N=yes_N & (predicted_N == label_N),
        votes_N=votes_N,
        **{name: getattr(spec, name) for name in (*PASSED, "until_radius")},
    )
    return spec, log, answer_N
