"""``experiments``: list, show or run the experiments that papers leave open."""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence

from rsviz.checkpoints import catalog
from rsviz.cli.printed import say
from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.evaluation import experiment_rows as rows
from rsviz.evaluation.experiments import EXPERIMENTS, Experiment, Point, find

REFUTED = 1  # what ``attack`` returns where too many certificates broke; its log is whole


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``experiments``."""
    command.add_argument("action", nargs="?", default="list", choices=["list", "show", "run"])
    command.add_argument("key", nargs="?", help="which; run: all that need no training")
    command.add_argument("--json", action="store_true", help="of show: print JSON")
    command.add_argument(
        "--minutes", type=float, default=60, help="of run: start nothing after (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Run ``experiments``; return 1 if a command of ``run`` failed."""
    if not 0 <= args.minutes < math.inf:
        raise UserError(f"--minutes must be a number from 0 up, but is {args.minutes:g}.")
    chosen = [find(args.key)] if args.key else list(EXPERIMENTS)
    if args.action == "run":
        return _run([e for e in chosen if args.key or not e.trains], args.minutes)
    if args.action == "show":
        _show(chosen, args.json)
        return 0
    for experiment in chosen:
        left = rows.to_measure([experiment], catalog.root())
        logs = len({point.log for point in experiment.points})
        state = rows.state_of(logs - len(left), logs, "log")
        trains = ", training first" if any(point.first for point in left) else ""
        print(f"{experiment.key:16} {state}{trains}\n    {experiment.question}")
    return 0


def _show(chosen: Sequence[Experiment], as_json: bool) -> None:
    found = [rows.result(experiment, catalog.root()) for experiment in chosen]
    if as_json:
        print(json.dumps([rows.to_dict(result) for result in found], indent=1))
    else:
        print("\n\n".join("\n".join(rows.in_lines(result)) for result in found))


def _run(chosen: Sequence[Experiment], minutes: float) -> int:
    """Measure what is missing, a process a command, starting nothing new after ``minutes``."""
    begun = clock.now()
    for point in rows.to_measure(chosen, catalog.root()):
        for command in _commands(point):
            if clock.since(begun) > 60 * minutes:
                say("out of time; the same command goes on from here")
                return 0
            say(" ".join(["python -m rsviz", *command]))
            done = subprocess.run([sys.executable, "-m", "rsviz", *command], check=False)
            if done.returncode not in (0, REFUTED):
                say("that command failed, so the experiments end here")
                return 1
    return 0


def _commands(point: Point) -> list[list[str]]:
    """Return what measures a point: the training it needs, if that is not made, and its log."""
    made = {c.name for c in catalog.list_checkpoints() if not c.problem}
    name = point.log.partition("/")[0]
    commands = [] if name in made else [command.split()[3:-1] for command in point.first]
    training = [[*command, os.path.relpath(catalog.root() / name)] for command in commands]
    return [*training, point.words(os.path.relpath(catalog.root() / point.log))]
