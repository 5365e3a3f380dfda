"""``certify``: certify one image."""

import argparse
from typing import Any

from rsviz.certification.certify import certify
from rsviz.checkpoints import catalog
from rsviz.cli.common import add_device, add_settings, device_of, load_image, run_settings
from rsviz.core.flags import RESAMPLED, flagged
from rsviz.core.radius import down
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
    command.add_argument("--n", type=int, default=10_000, help="votes that bound it (%(default)s)")
    command.add_argument(
        "--alpha",
        type=float,
        default=0.001,
        help="probability of a wrong certificate (%(default)s)",
    )
    command.add_argument("--seed", type=int, default=0, help="of the noise (%(default)s)")
    command.add_argument(
        "--bound", default="clopper-pearson", choices=["clopper-pearson", "anytime", "split"]
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
    checkpoint = catalog.usable(args.checkpoint)
    dataset = checkpoint.card["dataset"]
    x_CHW, name, resampled = load_image(args.image, INPUT_SIZE[dataset], args.crop)
    certificate = certify(
        x_CHW,
        checkpoint,
        device,
        sigma=args.sigma,
        image=name,
        n0=args.n0,
        n=args.n,
        alpha=args.alpha,
        seed=args.seed,
        bound=args.bound,
        settings=run_settings(checkpoint, args.set),
    )
    if resampled:
        certificate = flagged(certificate, RESAMPLED)
    if args.json:
        print(certificate.to_json())
        return
    classes = CLASSES.get(dataset, ())
    c = certificate
    if c.predicted is None:
        print(f"Abstains: {c.detail.get('why', 'no class was chosen.')}")
        return
    label = classes[c.predicted] if classes else str(c.predicted)
    if c.abstained and METHODS[c.method].chooses_sigma:
        print(f"Abstains: {label} was chosen, but is not certified at any distance.")
    elif c.abstained:
        print(
            f"Abstains: {label} had most of the first {c.n0} votes, but its probability is not "
            f"shown to exceed 1/2 (lower bound {c.p_a_lower:.4f})."
        )
    else:
        print(
            f"{label}, certified within {c.norm} radius {_radius_in_words(c)} "
            f"(p_A > {c.p_a_lower:.4f}, sigma {c.sigma}, n {c.n:,}, alpha {c.alpha})."
        )
    if "why" in c.detail:
        print(c.detail["why"])
    print(c.guarantee)
    print(f"{c.seconds:.1f} s on {c.path}" + (f"; flags: {', '.join(c.flags)}" if c.flags else ""))


def _radius_in_words(c: Any) -> str:
    return down(c.radius, 4) if c.norm == "L2" else f"{down(255 * c.radius, 3)}/255"
