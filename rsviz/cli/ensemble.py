"""``ensemble``: weigh several networks into one, and measure every weighting."""

import argparse
from pathlib import Path

from rsviz.cli.common import (
    add_device,
    add_images,
    command_line,
    device_of,
    usable,
    which_images,
)
from rsviz.cli.printed import print_curve, say
from rsviz.evaluation import measure
from rsviz.evaluation.evaluate import spec_for
from rsviz.smoothing.engine import PRECISIONS, REFERENCE
from rsviz.training import ensemble


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add ``ensemble fit``, ``ensemble score`` and ``ensemble grow``."""
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "find the weights on training images and write a checkpoint"
    fit = actions.add_parser("fit", help=about, description=about)
    fit.add_argument("names", nargs="+", metavar="NAME", help="checkpoints of one data set")
    fit.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    fit.add_argument("--sigma", type=float, help="noise level (default: the members')")
    fit.add_argument(
        "--weighting",
        default=ensemble.VALIDATED,
        choices=ensemble.WEIGHTINGS,
        help="which one the checkpoint votes with (%(default)s: the average, unless another is "
        "above it on training images that were not fitted); optimal, printed: the paper's",
    )
    fit.add_argument(
        "--images",
        type=int,
        default=200,
        help="training images to fit on, and as many to validate on (%(default)s)",
    )
    fit.add_argument(
        "--validate",
        type=int,
        default=0,
        help="other training images to validate on, if not as many",
    )
    fit.add_argument("--n", type=int, default=1_000, help="votes to validate with (%(default)s)")
    fit.add_argument(
        "--floor", type=float, default=0.1, help="least mean margin counted with (%(default)s)"
    )
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=REFERENCE.precision,
        help="in which the validating votes are counted (%(default)s)",
    )
    add_device(fit)
    about = "measure every weighting in one pass"
    score = actions.add_parser("score", help=about, description=about)
    score.add_argument("name", metavar="NAME", help="an ensemble's checkpoint")
    score.add_argument("--sigma", type=float, help="noise level (default: the one fitted at)")
    add_images(score)
    score.add_argument("--out", type=Path, required=True, help="folder of a log each")
    add_device(score)
    about = "measure the first network, the first two, ... in equal parts, in one pass"
    grow = actions.add_parser("grow", help=about, description=about)
    grow.add_argument("names", nargs="+", metavar="NAME", help="checkpoints of one data set")
    grow.add_argument("--sigma", type=float, help="noise level (default: the first network's)")
    add_images(grow)
    grow.add_argument(
        "--out", type=Path, required=True, help="log of all K networks, as FOLDER/first-K.csv"
    )
    add_device(grow)


def run(args: argparse.Namespace) -> None:
    """Run ``ensemble fit``, ``ensemble score`` or ``ensemble grow``."""
    {"fit": _fit, "score": _score, "grow": _grow}[args.action](args)


def _fit(args: argparse.Namespace) -> None:
    found = (args.sigma, args.weighting, args.images, args.floor, args.seed)
    spec = ensemble.FitSpec(tuple(args.names), *found, args.n, args.validate, args.precision)
    for name in args.names:
        usable(name)
    ensemble.fit(spec, args.out, device_of(args.device), command_line(), say)


def _score(args: argparse.Namespace) -> None:
    checkpoint = usable(args.name)
    spec = spec_for(checkpoint, args.sigma, **which_images(args))
    for curve in measure.score(
        checkpoint, spec, args.out, device_of(args.device), command_line(), say
    ):
        print_curve(curve)


def _grow(args: argparse.Namespace) -> None:
    members = [usable(name) for name in args.names]
    ensemble.dataset_of([ensemble.member(name) for name in args.names])
    spec = spec_for(members[0], args.sigma, **which_images(args))
    for curve in measure.grow(members, spec, args.out, device_of(args.device), command_line(), say):
        print_curve(curve)
