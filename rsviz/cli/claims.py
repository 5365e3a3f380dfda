"""``claims``: judge what papers claim by the logs here."""

import argparse
import json

from rsviz.checkpoints import catalog
from rsviz.evaluation import verdicts as claimed
from rsviz.training.recipes import commands_of


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``claims``."""
    command.add_argument("--json", action="store_true", help="print a JSON list")


def run(args: argparse.Namespace) -> None:
    """Run ``claims``."""
    found = claimed.judge_all(catalog.root(), commands_of)
    if args.json:
        print(json.dumps([claimed.to_dict(f) for f in found], indent=1))
    else:
        print("\n".join(claimed.in_lines(found)))
