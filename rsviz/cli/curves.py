"""``curves``: certified accuracy against radius, from logs."""

import argparse
import json
from pathlib import Path

import numpy as np

from rsviz.cli.common import print_curve, say
from rsviz.commands import _radii, _stated
from rsviz.core.errors import UserError
from rsviz.core.spec import Norm
from rsviz.evaluation import curves as evaluation_curves
from rsviz.evaluation import logs
from rsviz.evaluation.contradictions import contradictions
from rsviz.evaluation.curves import RADII, RADII_LINF, to_dict
from rsviz.evaluation.logs import state, unstated


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
        "--radii", help="comma-separated (0,0.25,0.5,... for L2; fewer grey levels for Linf)"
    )
    command.add_argument(
        "--state",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting that the field's logs do not state: dataset, split, norm, sigma, n, alpha, "
        "method, network; may be repeated",
    )
    command.add_argument("--n", type=int, help="read the counts as if only so many were drawn")
    command.add_argument("--seed", type=int, default=0, help="of that thinning")
    command.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> None:
    """Run ``curves``."""
    asked = _radii(args.radii) if args.radii is not None else None
    if args.n is not None and args.n < 1:
        raise UserError(f"--n must be at least 1, but is {args.n}.")
    if args.seed < 0:
        raise UserError(f"--seed must be at least 0, but is {args.seed}.")
    stated, out = _stated(args.state), []
    for file in args.files:
        log = state(logs.read_log(file), **stated)
        if wrong := contradictions(log):
            raise UserError("\n".join(wrong))
        for note in log.notes:
            say(f"{log.name}: {note}")
        if args.n is not None:
            log = logs.thin(log, args.n, np.random.default_rng(args.seed))
        usual = RADII_LINF if log.norm is Norm.LINF else RADII
        out.append((evaluation_curves.curve(log, asked or usual), unstated(log)))
    if args.json:
        print(json.dumps([to_dict(c) | {"not_stated": u} for c, u in out], indent=1))
        return
    for curve, unknown in out:
        print_curve(curve, unknown)
