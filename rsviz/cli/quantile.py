"""``quantile``: choose the sweep's quantile, and sigma_e, of Dual RS on training images."""

import argparse
from math import inf
from pathlib import Path

from rsviz.checkpoints import catalog
from rsviz.cli.common import add_device, command_line, device_of
from rsviz.cli.printed import say
from rsviz.methods import noise_levels
from rsviz.training.quantile import IMAGES, fit


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``quantile``."""
    command.add_argument("name", metavar="NAME", help="a checkpoint of Dual RS, or of routing")
    about = "the votes of training images that a cascade of the same classifiers was fitted by, or "
    about += "those of an earlier choice; without it, all votes are counted here"
    command.add_argument("--votes", type=Path, metavar="LOG", help=about)
    about = "training images to count votes on, about (default: %(default)s)"
    command.add_argument("--images", type=int, default=IMAGES, help=about)
    about = "levels of the estimator's own noise to choose from, with commas between (default: the "
    about += "card's alone)"
    command.add_argument("--sigmas-e", default="", metavar="LEVELS", help=about)
    about = "points of certified accuracy that it may stay behind the best single level at radius "
    about += "0, .25, .5 and 1 (default: any)"
    command.add_argument("--within", type=float, default=inf, metavar="POINTS", help=about)
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``quantile``."""
    checkpoint = catalog.usable(args.name)
    levels = noise_levels.parse(args.sigmas_e, 1, "--sigmas-e") if args.sigmas_e else ()
    device = device_of(args.device)
    found = fit(
        *(checkpoint, args.votes, device, command_line(), say),
        images=args.images,
        sigmas_e=levels,
        within=args.within,
    )
    for sigma_e, acr_by in found.items():
        for name, acr in acr_by.items():
            print(f"  sigma_e {sigma_e:g}  quantile {name}  ACR {acr:.4f}")
