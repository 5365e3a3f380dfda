"""Arguments that several commands have."""

import argparse
from collections.abc import Callable
from typing import Any


def add(
    commands: Any, name: str, about: str, action: Callable[..., int | None]
) -> argparse.ArgumentParser:
    """Return the parser of a new command, which runs ``action``."""
    command = commands.add_parser(name, help=about, description=about)
    command.set_defaults(do=action)
    return command


def add_device(command: argparse.ArgumentParser) -> None:
    """Add the device a command computes on."""
    command.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")


def add_images(command: argparse.ArgumentParser) -> None:
    """Add which images are certified and how."""
    command.add_argument("--split", default="test", choices=["train", "test"])
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--every", type=int, help="images 0, K, 2K, ...")
    which.add_argument("--first", type=int, help="images 0 to M-1")
    command.add_argument("--n0", type=int, default=100)
    command.add_argument("--n", type=int, default=10_000)
    command.add_argument("--alpha", type=float, default=0.001)
    command.add_argument("--seed", type=int, default=0)
