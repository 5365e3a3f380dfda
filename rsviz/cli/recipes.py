"""``recipes``: list or make the shipped checkpoints."""

import argparse
import math

from rsviz.checkpoints import catalog
from rsviz.cli.common import (
    add_device,
    device_of,
)
from rsviz.cli.printed import say
from rsviz.core.errors import UserError
from rsviz.core.spec import RunSpec
from rsviz.training.recipes import RECIPES
from rsviz.training.run_recipes import run_recipes


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add ``recipes``."""
    command.add_argument("action", choices=["list", "run"])
    command.add_argument(
        "--minutes", type=float, default=60, help="start nothing after (%(default)s)"
    )
    command.add_argument("--n", type=int, default=2_000, help="votes when measuring (%(default)s)")
    command.add_argument(
        "--only", default="", help="the recipe of this name, or those that contain it"
    )
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``recipes``."""
    if not 0 <= args.minutes < math.inf:
        raise UserError(f"--minutes must be a number from 0 up, but is {args.minutes:g}.")
    RunSpec("", "", None, n=args.n)  # it checks n
    chosen = [r for r in RECIPES if args.only == r.name] or [
        r for r in RECIPES if args.only in r.name
    ]
    if not chosen:
        raise UserError(
            f"No recipe's name contains {args.only!r}; 'python -m rsviz recipes list' names all."
        )
    if args.action == "run":
        run_recipes(chosen, args.minutes, args.n, device_of(args.device), say)
        return
    made = {c.name for c in catalog.list_checkpoints() if c.verified}
    for recipe in chosen:
        state = "made" if recipe.name in made else f"about {recipe.minutes:.0f} min"
        print(f"{recipe.name:32} {state}\n    {recipe.train_command()}")
