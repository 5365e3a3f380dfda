"""``curves``: certified accuracy against radius, from logs."""

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rsviz.cli.printed import add_two_sided, print_curve, say
from rsviz.core.errors import UserError
from rsviz.core.files import kept, shown
from rsviz.core.settings import parse
from rsviz.core.spec import Norm
from rsviz.evaluation import curves, logs
from rsviz.evaluation.answers import is_question, read_answers
from rsviz.evaluation.contradictions import contradictions, doubts
from rsviz.evaluation.curves import RADII, RADII_LINF, to_dict
from rsviz.evaluation.logs import STATED, state, unstated

RADIUS_MAX = 1_000  # asked for; no two pictures in [0, 1] of 3x224x224 are 388 apart


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``curves``."""
    command.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="logs of rsviz, or the field's tab-separated ones",
    )
    command.add_argument(
        "--radii", help="comma-separated (0,0.25,0.5,... for L2; fewer grey levels for Linf)"
    )
    command.add_argument(
        "--state",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting that the field's logs do not state: dataset, split, norm, sigma, n, alpha, "
        "method, network; may be repeated",
    )
    command.add_argument("--n", type=int, help="read the counts as if only so many were drawn")
    command.add_argument("--seed", type=int, default=0, help="of that thinning")
    add_two_sided(command)
    command.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> None:
    """Run ``curves``."""
    asked = _radii(args.radii) if args.radii is not None else None
    if args.n is not None and args.n < 1:
        raise UserError(f"--n must be at least 1, but is {args.n}.")
    if args.seed < 0:
        raise UserError(f"--seed must be at least 0, but is {args.seed}.")
    stated, out, answered = _stated(args.state), [], []
    for file in args.files:
        if kept(file).is_file() and is_question(file):
            answered.append(read_answers(file))
            continue
        log = state(logs.read_log(file), **stated)
        if wrong := contradictions(log):
            raise UserError("\n".join(wrong))
        for note in [*(f"{log.name}: {note}" for note in _notes(log)), *doubts(log)]:
            say(note)
        if args.n is not None:
            log = logs.thin(log, args.n, np.random.default_rng(args.seed))
        if args.two_sided:
            log = logs.two_sided(log)
        usual = RADII_LINF if log.norm is Norm.LINF else RADII
        out.append((curves.curve(log, asked or usual), unstated(log)))
    if args.json:
        rows = [to_dict(c) | {"not_stated": u} for c, u in out]
        print(json.dumps(rows + [asdict(a) for a in answered], indent=1))
        return
    for curve, unknown in out:
        print_curve(curve, unknown)
    for answers in answered:
        print(answers.in_words())


def _notes(log: logs.Log) -> list[str]:
    old = logs.unprotected(log)
    return [*log.notes, *([old] if old else [])]


def _radii(text: str) -> list[float]:
    """Return radii given with commas, finite and at least 0."""
    try:
        radii = [float(r) for r in text.split(",")]
    except ValueError:
        radii = [math.nan]
    if not all(0 <= r <= RADIUS_MAX for r in radii):
        raise UserError(
            f"--radii must be numbers from 0 up to {RADIUS_MAX:,} with commas, not {shown(text)!r}."
        )
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
