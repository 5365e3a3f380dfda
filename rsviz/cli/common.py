"""What several commands share: arguments, the image, the device, what is printed."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import Any

from rsviz.certification import engine_choice
from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.cli.printed import say
from rsviz.core.errors import UserError
from rsviz.core.files import read_bytes, shown
from rsviz.core.flags import RESAMPLED
from rsviz.core.late import torch
from rsviz.core.progress import Report
from rsviz.core.settings import fill, parse
from rsviz.data import datasets, images, local_folders
from rsviz.data.catalog import CLASSES
from rsviz.methods.registry import METHODS
from rsviz.smoothing import processes
from rsviz.smoothing.engine import LIBRARIES, PRECISIONS, Engine

DATASET = f"{', '.join(CLASSES)}, or folder:PATH for pictures of your own"


def length(text: str) -> float:
    """Return a length written as a number, or as a fraction: .5, 4/255.

    Raises
    ------
    argparse.ArgumentTypeError
        It is neither.
    """
    top, _, bottom = text.partition("/")
    try:
        return float(top) / float(bottom or 1)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is no length; write .5 or 4/255") from None


class _Precision(argparse.Action):
    """--precision NAME is the engine's; --precision SHARE is that of the radius, a way to stop."""

    def __call__(self, parser: Any, namespace: Any, value: Any, option: Any = None) -> None:
        if value in PRECISIONS:
            namespace.arithmetic = value
            return
        try:
            namespace.precision = float(value)
        except ValueError:
            parser.error(f"--precision must be a share, or one of {', '.join(PRECISIONS)}")


def add_stopping(command: argparse.ArgumentParser) -> None:
    """Add the rules that may end votes before n; the engine's arguments add --precision."""
    command.add_argument(
        "--until-radius",
        type=length,
        metavar="R",
        help="stop as soon as it is settled whether this radius is certified; n is the cap",
    )
    add_engine(
        command,
        "or a SHARE: stop when the radius is within this share of what infinitely many votes would "
        "certify; n is the cap, by default 1,000,000",
    )


def add_device(command: argparse.ArgumentParser) -> None:
    """Add the device a command computes on."""
    command.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")


def add_engine(command: argparse.ArgumentParser, share: str = "") -> None:
    """Add which engine counts votes, and how precisely.

    Parameters
    ----------
    share : help for --precision as a share, where a command has that.
    """
    command.add_argument(
        "--engine",
        choices=LIBRARIES,
        help="which library computes the networks that vote (default: the fastest here that keeps "
        "the certified radius)",
    )
    command.add_argument(
        "--precision",
        action=_Precision,
        metavar="PRECISION",
        help=f"in which they are computed: {', '.join(PRECISIONS)} (default: likewise); {share}",
    )
    command.set_defaults(arithmetic=None)


def engine_of(args: argparse.Namespace, checkpoint: Checkpoint) -> Engine:
    """Return the engine that the command line asks for, or the default of a checkpoint."""
    return engine_choice.choose(checkpoint, device_of(args.device), args.engine, args.arithmetic)


def add_images(command: argparse.ArgumentParser) -> None:
    """Add which images are certified and how."""
    command.add_argument("--split", default="test", choices=["train", "test", "fit", "validation"])
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--every", type=int, help="images 0, K, 2K, ...")
    which.add_argument("--first", type=int, help="images 0 to M-1")
    command.add_argument("--n0", type=int, default=100)
    command.add_argument("--n", type=int, default=10_000)
    command.add_argument("--alpha", type=float, default=0.001)
    command.add_argument("--seed", type=int, default=0)


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add the settings of a run."""
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of a run that has any, say split=none of dual; may be repeated",
    )


def usable(name: str) -> Checkpoint:
    """Return a checkpoint by name, its own pictures made known where they are of this machine."""
    try:
        dataset = catalog.read_card(catalog.root() / Path(name).name).dataset
    except (UserError, OSError):  # what is wrong with it is said below
        dataset = ""
    if local_folders.is_local(dataset):
        local_folders.use(dataset)
    return catalog.usable(name)


def dataset_named(name: str) -> str:
    """Return the data set of ``--dataset``: one by its name, or ``folder:PATH``."""
    try:
        if local_folders.is_local(name):
            return local_folders.use(name)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if name not in CLASSES:
        raise argparse.ArgumentTypeError(
            f"invalid choice: there is no data set {shown(name)!r}; choose from {DATASET}"
        )
    return name


def full_name(image: str) -> str:
    """Return the full name of an image of ``folder:PATH``; any other name as it is."""
    if not local_folders.is_local(image) or image.count("/") < 2:
        return image
    dataset, split, index = image.rsplit("/", 2)
    return f"{local_folders.use(dataset)}/{split}/{index}"


def names_image(name: str) -> bool:
    """Whether a name is that of an image of a data set, and not of a file."""
    return datasets.dataset_of(name) in CLASSES or name.split("/")[0] in CLASSES


def load_image(name: str, size: int, crop: Any) -> tuple[Any, str, tuple[str, ...]]:
    """Return (x_CHW, name, flags) as `load_pixels` does, x_CHW as a tensor of torch."""
    x_CHW, name, flags = load_pixels(name, size, crop)
    return torch.from_numpy(x_CHW), name, flags


def load_pixels(name: str, size: int, crop: Any) -> tuple[Any, str, tuple[str, ...]]:
    """Return (x_CHW, name, flags) of a data set's image or of a file, which has no name."""
    if not os.path.exists(name):
        name = full_name(name)
        if names_image(name):
            return datasets.find_pixels(name), name, ()
    image = images.open_image(read_bytes(name, images.MAX_BYTES), name)
    flags = (RESAMPLED,) if images.resampled(image, size, crop) else ()
    return images.to_pixels(image, size, crop), "", flags


def run_settings(checkpoint: Any, words: list[str]) -> tuple[tuple[str, float | str], ...]:
    """Return the settings of a run: those of the card, changed as the command line says."""
    method, given = METHODS[checkpoint.card.method], parse(words)
    if method.options is None and given:
        raise UserError(f"There is no setting {given[0][0]!r}: {method.title} has none.")
    if method.options is not None:
        fill(method.options, given)
    return tuple(sorted((dict(checkpoint.card.run) | dict(given)).items()))


def which_images(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments that say which images are certified and how."""
    names = ("split", "every", "first", "n0", "n", "alpha", "seed")
    return {name: getattr(args, name) for name in names}


def device_of(name: str) -> str:
    """Return the device named on the command line, or refuse it in a sentence.

    Of the processes that torchrun starts on a machine each gets a GPU of its own.
    """
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("There is no CUDA device here; leave --device out to use the CPU.")
    if name != "cpu" and not name.startswith("cuda"):
        raise UserError(f"--device must be cpu or cuda, not {name!r}.")
    workers = processes.here()
    return f"cuda:{workers.local}" if name == "cuda" and workers.count > 1 else name


def first_reports() -> Report:
    """Return how progress is told: of the processes that share a run, by the first alone."""
    return say if processes.here().first else lambda line: None


def command_line() -> str:
    """Return the command being run, as a card or log records it."""
    return " ".join(["python -m rsviz", *sys.argv[1:]])


def crop_of(text: str) -> Any:
    """Return a crop by name, or a box given as four fractions: left,top,right,bottom."""
    if text in ("centre", "whole"):
        return text
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"--crop must be centre, whole, or left,top,right,bottom, not {shown(text)!r}."
        ) from None
    return left, top, right, bottom


def numbers(option: str, text: str) -> tuple[float, ...]:
    """Return the numbers of an option that takes several, with commas."""
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(number) for number in found):
        raise UserError(f"{option} must be numbers with commas, not {shown(text)!r}.")
    return found
