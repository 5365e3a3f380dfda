"""``verify``: check a certificate by counting its votes again."""

import argparse
import json
import secrets
from dataclasses import asdict
from pathlib import Path

from rsviz.certification import verify as checking
from rsviz.checkpoints import catalog
from rsviz.cli.common import add_device, crop_of, device_of, load_image, usable
from rsviz.cli.printed import print_certificate, read_certificate
from rsviz.core.errors import UserError
from rsviz.core.spec import N_MAX
from rsviz.data.catalog import CLASSES, INPUT_SIZE


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``verify``."""
    command.add_argument("certificate", type=Path, help="the certificate, a JSON file")
    command.add_argument("image", help="the image file, or an image of a data set")
    command.add_argument("--checkpoint", help="the weights (default: those the certificate names)")
    command.add_argument(
        "--crop", default="centre", help="centre, whole, or left,top,right,bottom (%(default)s)"
    )
    command.add_argument("--fresh-seed", type=int, help="the other seed (default: drawn at random)")
    command.add_argument(
        "--fresh-n", type=int, default=10_000, help="votes with it, at least (%(default)s)"
    )
    command.add_argument(
        "--challenge",
        type=int,
        metavar="SEED",
        help="the seed you asked its maker to use, before it was made",
    )
    command.add_argument("--json", action="store_true", help="print every check")
    add_device(command)


def run(args: argparse.Namespace) -> int:
    """Run ``verify``; return 0 if everything holds, else 1."""
    c = read_certificate(args.certificate)
    seed = checking.spec_of(c).seed
    if args.fresh_seed is not None and not 0 <= args.fresh_seed < 2**31:
        raise UserError(f"--fresh-seed must be from 0 to {2**31 - 1:,}.")
    if args.challenge is not None and not 0 <= args.challenge < 2**31:
        raise UserError(f"--challenge must be a seed from 0 to {2**31 - 1:,}.")
    if not 1 <= args.fresh_n <= N_MAX:
        raise UserError(f"--fresh-n must be from 1 to {N_MAX:,}, but is {args.fresh_n:,}.")
    checkpoint = usable(args.checkpoint or c.checkpoint.removeprefix(catalog.OWN))
    crop = crop_of(args.crop)
    x_CHW, *_ = load_image(args.image, INPUT_SIZE[checkpoint.card.dataset], crop)
    fresh = args.fresh_seed
    while fresh is None or (args.fresh_seed is None and fresh == seed):
        fresh = secrets.randbelow(2**31 - 1)
    device = device_of(args.device)
    checks = checking.verify(c, x_CHW, checkpoint, fresh, device, args.fresh_n, args.challenge)
    verified = checking.holds(checks)
    # A whole run by the receiver's seed comes first: the votes of the maker's may be the luckiest.
    own = checking.afresh(c, x_CHW, checkpoint, fresh, device) if verified else None
    if args.json:
        told = {
            "verified": verified,
            "fresh_seed": fresh,
            "afresh": own and json.loads(own.to_json()),
            "own_seed": checking.worth(c, args.challenge),
            "checks": [asdict(check) for check in checks],
        }
        print(json.dumps(told, indent=1))
        return 0 if verified else 1
    if own is not None:
        print(f"Counted afresh with seed {fresh}, which its maker could not know:")
        print_certificate(own, CLASSES.get(checkpoint.card.dataset, ()))
        print()
    for check in checks:
        print(f"{'holds  ' if check.holds else 'REFUSED'}  {check.name}: {check.says}")
    said = f"Verified. {checking.worth(c, args.challenge)}"
    print(said if verified else "Refused: do not rely on this certificate.")
    return 0 if verified else 1
