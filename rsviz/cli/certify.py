"""``certify``: certify one image."""

import argparse
from typing import Any

from rsviz.certification.certify import certify
from rsviz.cli.common import (
    add_device,
    add_settings,
    add_stopping,
    device_of,
    engine_of,
    load_image,
    run_settings,
    usable,
)
from rsviz.core.errors import UserError
from rsviz.core.radius import down
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.methods.registry import METHODS
from rsviz.networks.normalisation import in_words, parse


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
        choices=["clopper-pearson", "anytime", "split"],
        help="how votes are read (clopper-pearson; anytime where they end by a rule)",
    )
    command.add_argument(
        "--crop",
        default="centre",
        choices=["centre", "whole"],
        help="what of a file that is not square the network sees (%(default)s)",
    )
    add_settings(command)
    command.add_argument("--json", action="store_true", help="print the whole certificate")
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``certify``."""
    device = device_of(args.device)
    checkpoint = usable(args.checkpoint)
    dataset = checkpoint.card.dataset
    x_CHW, name, flags = load_image(args.image, INPUT_SIZE[dataset], args.crop)
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
        **_how_long(args),
    )
    if args.json:
        print(certificate.to_json())
        return
    classes = CLASSES.get(dataset, ())
    c = certificate
    if c.predicted is None:
        print(f"Abstains: {c.detail.get('why', 'no class was chosen.')}")
        print(_where(c))
        return
    label = classes[c.predicted] if classes else str(c.predicted)
    if c.until_radius is not None:
        print(f"{label.capitalize()}, chosen by {c.n0} votes before these.")
    elif c.abstained and METHODS[c.method].chooses_sigma:
        print(f"Abstains: {label} was chosen, but is not certified at any distance.")
    elif c.abstained:
        print(
            f"Abstains: {label} had most of the first {c.n0} votes, but its probability is not "
            f"shown to exceed 1/2 (lower bound {down(c.p_a_lower, 4)})."
        )
    else:
        print(
            f"{label}, certified within {c.norm} radius {_radius_in_words(c)} "
            f"(p_A > {down(c.p_a_lower, 4)}, sigma {c.sigma}, n {sum(c.counts):,}, "
            f"alpha {c.alpha})."
        )
    if "why" in c.detail:
        print(c.detail["why"])
    if c.until_radius is None or not c.abstained:
        print(c.guarantee)
    if c.normalisation:
        print(f"In front of the network, {in_words(parse(c.normalisation))}, as was stated of it.")
    print(_where(c))


def _how_long(args: argparse.Namespace) -> dict[str, Any]:
    """Return n, bound and the rule by which votes end; the defaults depend on the rule."""
    if args.until_radius is not None and args.bound not in (None, "anytime"):
        raise UserError("--until-radius has a bound of its own; leave --bound out.")
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


def _radius_in_words(c: Any) -> str:
    return down(c.radius, 4) if c.norm == "L2" else f"{down(255 * c.radius, 3)}/255"


def _where(c: Any) -> str:
    flags = f"; flags: {', '.join(c.flags)}" if c.flags else ""
    return f"{c.seconds:.1f} s on {c.path}{flags}"
