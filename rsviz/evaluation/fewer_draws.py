"""Variational RS read again from a log: with fewer draws of the selector, and at other D."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rsviz.core.errors import UserError
from rsviz.core.files import shown
from rsviz.core.settings import options_of
from rsviz.evaluation import stored_votes
from rsviz.evaluation.logs import own_rows
from rsviz.methods import variational
from rsviz.methods.registry import METHODS

DRAWS = (10, 30, 100, 300, 1000)
BUDGETS = (0.05, 0.15, 0.25)


@dataclass(frozen=True)
class Reread:
    """ACR with so many draws Nh, at a budget D; ``lacking`` images would ask for more votes.

    These are read from the votes there are, so that their radii may be larger in a run.
    """

    draws: int
    budget: float
    acr: float
    lacking: int


def reread(
    file: Path,
    draws: Sequence[int] = DRAWS,
    budgets: Sequence[float] = BUDGETS,
) -> list[Reread]:
    """Return what a log of Variational RS gives at each number of draws and each budget.

    Draws beyond those of the log are left out of the answer.

    Raises
    ------
    UserError
        It is no such log.
    """
    head, rows = own_rows(file)
    method = METHODS.get(head.method)
    if method is None or method.options is not variational.Options:
        raise UserError(f"{shown(file.name)} is not a log of Variational RS.")
    held = options_of(variational.Options, stored_votes.run_of(head)).draws
    stored = [stored_votes.of_row(head, row) for row in rows]
    found = []
    for n in (n for n in draws if n <= held):
        for budget in budgets:
            run = stored_votes.run_of(head, {"draws": n, "budget": budget})
            read = [stored_votes.read(votes, run) for votes in stored]
            gain = [c.radius * (c.predicted == r.label) for c, r in zip(read, rows, strict=True)]
            lacking = sum(c.ended != "complete" for c in read)
            found.append(Reread(n, budget, float(np.mean(gain)), lacking))
    return found
