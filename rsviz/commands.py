"""What each command of ``python -m rsviz`` does; heavy imports wait until a command needs them."""

import argparse
from typing import Any

from rsviz.core.errors import UserError


def _how_long(args: argparse.Namespace) -> dict[str, Any]:
    """Return n, bound and the rule by which votes end; the defaults depend on the rule."""
    if args.until_radius is not None and args.bound not in (None, "anytime"):
        raise UserError("--until-radius has a bound of its own; leave --bound out.")
    by_rule = args.until_radius is not None or args.precision is not None
    return {
        "n": args.n or (1_000_000 if args.precision is not None else 10_000),
        "bound": args.bound or ("anytime" if by_rule else "clopper-pearson"),
        "until_radius": args.until_radius,
        "precision": args.precision,
    }
