"""``certify``: certify one image."""

import argparse
from typing import Any

from rsviz.certification.certify import certify
from rsviz.certification.engine_choice import default
from rsviz.cli.common import (
    add_device,
    add_settings,
    add_stopping,
    device_of,
    engine_of,
    load_pixels,
    run_settings,
    usable,
)
from rsviz.cli.printed import add_two_sided, print_certificate
from rsviz.core.errors import UserError
from rsviz.core.reading import two_sided
from rsviz.core.spec import Bound
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.methods.registry import METHODS


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``certify``."""
    command.add_argument("image", help="an image file, or an image of a data set: shapes/test/3")
    command.add_argument("--checkpoint", required=True, help="name of a trained network")
    command.add_argument(
        "--sigma",
        type=float,
        help="noise level, in [0, 1] pixel units (default: the one trained at)",
    )
    command.add_argument(
        "--n0", type=int, default=100, help="votes that choose the class (%(default)s)"
    )
    command.add_argument("--n", type=int, help="votes that bound it (10000)")
    add_stopping(command)
    command.add_argument(
        "--alpha",
        type=float,
        default=0.001,
        help="probability of a wrong certificate (%(default)s)",
    )
    command.add_argument("--seed", type=int, default=0, help="of the noise (%(default)s)")
    command.add_argument(
        "--bound",
        choices=list(map(str, Bound)),
        help="how votes are read (clopper-pearson; anytime where they end by a rule; looks: exact "
        "at every hundred votes up to n, for a run that may be stopped)",
    )
    command.add_argument(
        "--crop",
        default="centre",
        choices=["centre", "whole"],
        help="what of a file that is not square the network sees (%(default)s)",
    )
    add_two_sided(command)
    add_settings(command)
    command.add_argument("--json", action="store_true", help="print the whole certificate")
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``certify``."""
    device = device_of(args.device)
    checkpoint = usable(args.checkpoint)
    dataset, how_long = checkpoint.card.dataset, _how_long(args)
    if args.two_sided and METHODS[checkpoint.card.method].chooses_sigma:
        raise UserError(
            f"{METHODS[checkpoint.card.method].title} reads its radius from several counts, not "
            "from one; leave --two-sided out."
        )
    x_CHW, name, flags = load_pixels(args.image, INPUT_SIZE[dataset], args.crop)
    certificate = certify(
        x_CHW,
        checkpoint,
        device,
        engine_of(args, checkpoint),
        sigma=args.sigma,
        image=name,
        n0=args.n0,
        alpha=args.alpha,
        seed=args.seed,
        flags=flags,
        settings=run_settings(checkpoint, args.set),
        **how_long,
    )
    if args.two_sided:
        certificate = two_sided(certificate)
    if args.json:
        print(certificate.to_json())
        return
    print_certificate(certificate, CLASSES.get(dataset, ()))
    if args.engine is None and args.arithmetic is None and (why := default(checkpoint, device).why):
        print(why)


def _how_long(args: argparse.Namespace) -> dict[str, Any]:
    """Return n, bound and the stopping rule; the defaults depend on the rule."""
    if args.until_radius is not None and args.bound not in (None, "anytime"):
        raise UserError("--until-radius has a bound of its own; leave --bound out.")
    if args.two_sided and (args.until_radius is not None or args.precision is not None):
        raise UserError("Votes that end by a rule are read by it; leave --two-sided out.")
    if args.until_radius is not None and args.precision is not None:
        raise UserError("Votes end by one rule: choose --until-radius or a share, not both.")
    by_rule = args.until_radius is not None or args.precision is not None
    n = 1_000_000 if args.precision is not None else 10_000
    return {
        "n": n if args.n is None else args.n,
        "bound": args.bound or ("anytime" if by_rule else "clopper-pearson"),
        "until_radius": args.until_radius,
        "precision": args.precision,
    }
