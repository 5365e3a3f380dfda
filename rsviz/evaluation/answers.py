"""Logs of one question an image, 'is radius R certified?': what came of it (no torch).

Another protocol than the field's table: votes end as soon as the question is settled, so such a log
says nothing of other radii, and has neither a curve nor an ACR.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rsviz.core.bounds import binomial_interval
from rsviz.core.errors import UserError
from rsviz.core.files import read_bytes, shown
from rsviz.core.spec import Norm
from rsviz.evaluation import row_checks
from rsviz.evaluation.log_tables import decode, read_table, split_lines
from rsviz.evaluation.logs import LOG_BYTES, read_head

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
    with path.open("rb") as file:
        return file.read(3) == b"# {" and b'"until_radius": ' in file.readline()


def read_answers(path: Path) -> Answers:
    """Read the log of a question.

    Raises
    ------
    UserError
        The file cannot be read, or is no such log.
    """
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
    answer, label, predicted, counts = (
        [row[table.at[column]] for row in table.rows]
        for column in ("answer", "label", "predicted", "counts")
    )
    found = Counter(answer)
    if strange := set(found) - set(ANSWERS):
        raise UserError(f"{name} has an answer that is none: {shown(strange.pop())}.")
    try:
        votes = sum(int(k) for count in counts for k in count.split())
    except ValueError:
        raise UserError(f"{name} is not a complete log of rsviz: its counts are none.") from None
    right = sum(a == "yes" and p == y for a, p, y in zip(answer, predicted, label, strict=True))
    return Answers(
        spec.name or name,
        spec.until_radius,
        spec.norm,
        len(table.rows),
        found["yes"],
        right,
        found["no certificate"],
        found["undecided"],
        votes,
        spec.n,
        spec.alpha,
    )
