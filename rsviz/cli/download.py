"""``download``: fetch CIFAR-10."""

import argparse

from rsviz.cli.printed import say
from rsviz.data.datasets import download_cifar10


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``download``: none."""


def run(args: argparse.Namespace) -> None:
    """Run ``download``."""
    download_cifar10(say)
