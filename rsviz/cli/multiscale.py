"""``multiscale``: make a cascade of levels from trained networks."""

import argparse
from pathlib import Path

from rsviz.cli.common import (
    add_device,
    command_line,
    device_of,
    usable,
)
from rsviz.cli.printed import say
from rsviz.training.multiscale import LevelsSpec, fit


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``multiscale``."""
    about = "one universal network, or an expert for each level: checkpoints of one data set"
    command.add_argument("names", nargs="+", metavar="NAME", help=about)
    command.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    command.add_argument(
        "--levels", default="0.25,0.5,1", help="of a universal network (%(default)s)"
    )
    command.add_argument(
        "--images", type=int, default=200, help="training images for thresholds (%(default)s)"
    )
    command.add_argument("--n", type=int, default=400, help="votes at each level (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``multiscale``."""
    spec = LevelsSpec(tuple(args.names), args.levels, args.images, args.n, args.seed)
    for name in args.names:
        usable(name)
    fit(spec, args.out, device_of(args.device), command_line(), say)
