"""``quantize``: make int8 network files of a checkpoint, and measure them."""

import argparse

from rsviz.cli.common import (
    command_line,
    usable,
)
from rsviz.cli.printed import say
from rsviz.core.errors import UserError
from rsviz.core.spec import RunSpec
from rsviz.training.quantize import IMAGES, measure_beside, quantize


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``quantize``."""
    command.add_argument("name", metavar="CHECKPOINT")
    command.add_argument(
        "--images", type=int, default=IMAGES, help="training images it is fitted on (%(default)s)"
    )
    about = "training images on which it first learns to answer as in float32 though rounded "
    about += "(%(default)s: none)"
    command.add_argument("--tune", type=int, default=0, metavar="IMAGES", help=about)
    command.add_argument(
        "--n", type=int, help="votes an image at most when measuring (default: the float32 log's)"
    )
    command.add_argument(
        "--no-measure", action="store_true", help="leave out its logs, without which none uses it"
    )


def run(args: argparse.Namespace) -> None:
    """Run ``quantize``."""
    checkpoint = usable(args.name)
    if args.images < 1:
        raise UserError("--images must be at least 1.")
    if args.tune < 0:
        raise UserError("--tune must be at least 0.")
    if args.n is not None:
        RunSpec("", "", None, n=args.n)  # it checks n
    checkpoint = quantize(checkpoint, command_line(), say, args.images, args.tune)
    if not args.no_measure:
        measure_beside(checkpoint, say, args.n)
