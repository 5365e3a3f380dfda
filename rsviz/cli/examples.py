"""``examples``: store certificates of telling images."""

import argparse
from functools import partial

from rsviz.certification.certify import follow
from rsviz.cli.common import usable
from rsviz.cli.printed import say
from rsviz.evaluation import measure
from rsviz.smoothing.engine import REFERENCE


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``examples``."""
    command.add_argument("--checkpoint", required=True)


def run(args: argparse.Namespace) -> None:
    """Run ``examples``, in float32: far more noise than was trained at is not int8's to judge."""
    measure.make(usable(args.checkpoint), partial(follow, engine=REFERENCE), say)
