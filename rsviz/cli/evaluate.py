"""``evaluate``: certify many images into a log, by one process or by those of torchrun."""

import argparse
from pathlib import Path
from typing import Any

from rsviz.cli.common import (
    add_device,
    add_engine,
    add_images,
    add_settings,
    command_line,
    device_of,
    engine_of,
    first_reports,
    length,
    run_settings,
    usable,
    which_images,
)
from rsviz.cli.printed import print_curve, say
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound
from rsviz.evaluation.comparison import far_from_trained
from rsviz.evaluation.curves import Curve
from rsviz.evaluation.evaluate import spec_for
from rsviz.evaluation.level_votes import assemble
from rsviz.evaluation.measure import ask, measure, record
from rsviz.smoothing.processes import here


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``evaluate``."""
    command.add_argument("--checkpoint", required=True)
    command.add_argument("--sigma", type=float, help="noise level (default: the one trained at)")
    add_images(command)
    add_settings(command)
    command.add_argument(
        "--from-logs",
        nargs="+",
        type=Path,
        default=[],
        metavar="LOG",
        help="of Multiscale: take the votes of its levels from these logs of fixed levels, of the "
        "same networks, images and seed, instead of counting them again; or its own log, if "
        "that was asked for every level, to read it at other settings",
    )
    command.add_argument(
        "--until-radius",
        type=length,
        metavar="R",
        help="ask of each image only whether this radius is certified: its votes end as soon as "
        "that is settled, n is the most; another protocol than the field's table",
    )
    command.add_argument("--out", type=Path, required=True, help="the log, a CSV file")
    add_device(command)
    add_engine(
        command,
        "or a SHARE: the votes of an image end when its radius is within this share of what "
        "infinitely many would certify; n is the most, by default 1,000,000; another protocol, too",
    )
    command.set_defaults(n=None)


def run(args: argparse.Namespace) -> None:
    """Run ``evaluate``."""
    checkpoint = usable(args.checkpoint)
    settings = run_settings(checkpoint, args.set)
    asked = _asked(args)
    if args.n is None:
        args.n = 10_000 if args.precision is None else 1_000_000
    spec = spec_for(
        checkpoint,
        args.sigma,
        settings=settings,
        engine=str(engine_of(args, checkpoint)),
        **which_images(args),
        **asked,
    )
    if far := far_from_trained(spec.sigma, checkpoint.card.sigma):
        say(f"{checkpoint.name} is {far}")
    if args.from_logs:
        spec = assemble(checkpoint, spec, args.from_logs, args.out, command_line())
        print_curve(record(checkpoint, spec, args.out, command_line()))
        return
    run = (checkpoint, spec, args.out, device_of(args.device), command_line(), first_reports())
    found = measure(*run) if args.until_radius is None else ask(*run)
    if here().first:
        print_curve(found) if isinstance(found, Curve) else print(found.in_words())


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """Return the rule that may end an image's votes before n, none in the field's protocol."""
    rules = {"until_radius": args.until_radius, "precision": args.precision}
    asked = {name: value for name, value in rules.items() if value is not None}
    if len(asked) > 1:
        raise UserError("Votes end by one rule: choose --until-radius or a share, not both.")
    return asked | {"bound": Bound.ANYTIME} if asked else {}
