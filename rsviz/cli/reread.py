"""``reread``: read a certificate's votes again, at another alpha or bound; none are counted."""

import argparse
from pathlib import Path

from rsviz.checkpoints import catalog
from rsviz.cli.printed import add_two_sided, print_certificate, read_certificate
from rsviz.core import reading
from rsviz.core.spec import Bound
from rsviz.data.catalog import CLASSES


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``reread``."""
    command.add_argument("certificate", type=Path, help="the certificate, a JSON file")
    command.add_argument(
        "--alpha", type=float, help="probability of a wrong certificate (default: its own)"
    )
    command.add_argument(
        "--bound", choices=list(map(str, Bound)), help="how votes are read (default: its own)"
    )
    add_two_sided(command)
    command.add_argument("--json", action="store_true", help="print the whole certificate")


def run(args: argparse.Namespace) -> None:
    """Run ``reread``."""
    held = read_certificate(args.certificate)
    bound = None if args.bound is None else Bound(args.bound)
    c = reading.reread(held, args.alpha, bound)
    if args.two_sided:
        c = reading.two_sided(c)
    if args.json:
        print(c.to_json())
        return
    known = {found.name: found for found in catalog.list_checkpoints()}
    found = known.get(c.checkpoint)
    print_certificate(c, CLASSES.get(found.card.dataset, ()) if found else ())
