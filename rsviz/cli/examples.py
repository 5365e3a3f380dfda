"""``examples``: store certificates of telling images."""

import argparse

from rsviz.certification.certify import certify
from rsviz.checkpoints import catalog
from rsviz.cli.common import say
from rsviz.evaluation import measure


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``examples``."""
    command.add_argument("--checkpoint", required=True)


def run(args: argparse.Namespace) -> None:
    """Run ``examples``."""
    measure.make(catalog.find(args.checkpoint), certify, say)
