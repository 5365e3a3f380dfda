"""``curves``: certified accuracy against radius, from logs."""

import argparse
import json
from pathlib import Path

import numpy as np

from rsviz.cli.common import print_curve
from rsviz.core.errors import UserError
from rsviz.evaluation import curves, logs
from rsviz.evaluation.curves import to_dict


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``curves``."""
    command.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="logs of rsviz, or the field's tab-separated ones",
    )
    command.add_argument(
        "--radii",
        default="0,0.25,0.5,0.75,1,1.25,1.5,2,2.5,3",
        help="comma-separated (%(default)s)",
    )
    command.add_argument("--n", type=int, help="read the counts as if only so many were drawn")
    command.add_argument("--seed", type=int, default=0, help="of that thinning")
    command.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> None:
    """Run ``curves``."""
    try:
        radii = [float(r) for r in args.radii.split(",")]
    except ValueError:
        raise UserError(f"--radii must be numbers with commas, not {args.radii!r}.") from None
    out = []
    for file in args.files:
        log = logs.read_log(file)
        if args.n:
            log = logs.thin(log, args.n, np.random.default_rng(args.seed))
        out.append(curves.curve(log, radii))
    if args.json:
        print(json.dumps([to_dict(c) for c in out], indent=1))
        return
    for curve in out:
        print_curve(curve)
