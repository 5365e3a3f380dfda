"""``quantile``: choose the quantile of the sweep of a routed Dual RS on training images."""

import argparse
from pathlib import Path

from rsviz.checkpoints import catalog
from rsviz.cli.common import add_device, command_line, device_of
from rsviz.cli.printed import say
from rsviz.training.quantile import fit


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``quantile``."""
    command.add_argument("name", metavar="NAME", help="a checkpoint of Dual RS with experts")
    about = "the votes of training images that a cascade of the same experts was fitted by"
    command.add_argument("--votes", type=Path, required=True, metavar="LOG", help=about)
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``quantile``."""
    checkpoint = catalog.usable(args.name)
    for name, acr in fit(
        checkpoint, args.votes, device_of(args.device), command_line(), say
    ).items():
        print(f"  quantile {name}  ACR {acr:.4f}")
