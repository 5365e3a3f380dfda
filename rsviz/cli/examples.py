"""``examples``: store certificates of telling images."""

import argparse

from rsviz.certification.certify import certify
from rsviz.cli.common import (
    usable,
)
from rsviz.cli.printed import say
from rsviz.evaluation import measure


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``examples``."""
    command.add_argument("--checkpoint", required=True)


def run(args: argparse.Namespace) -> None:
    """Run ``examples``."""
    measure.make(usable(args.checkpoint), certify, say)
