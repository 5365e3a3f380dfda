"""``download``: fetch CIFAR-10 or SVHN."""

import argparse

from rsviz.cli.printed import say
from rsviz.data.datasets import download


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``download``."""
    command.add_argument(
        "dataset",
        nargs="?",
        default="cifar10",
        choices=["cifar10", "svhn"],
        help="which (default: %(default)s); svhn: house numbers, 32x32",
    )


def run(args: argparse.Namespace) -> None:
    """Run ``download``."""
    download(args.dataset, say)
