"""``evaluate``: certify many images into a log."""

import argparse
from pathlib import Path

from rsviz.cli.common import (
    add_device,
    add_engine,
    add_images,
    add_settings,
    command_line,
    device_of,
    engine_of,
    print_curve,
    run_settings,
    say,
    usable,
    which_images,
)
from rsviz.evaluation.comparison import far_from_trained
from rsviz.evaluation.evaluate import spec_for
from rsviz.evaluation.level_votes import assemble
from rsviz.evaluation.measure import measure, record


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
        "same networks, images and seed, instead of counting them again",
    )
    command.add_argument("--out", type=Path, required=True, help="the log, a CSV file")
    add_device(command)
    add_engine(command)


def run(args: argparse.Namespace) -> None:
    """Run ``evaluate``."""
    checkpoint = usable(args.checkpoint)
    settings = run_settings(checkpoint, args.set)
    engine = str(engine_of(args, checkpoint))
    spec = spec_for(checkpoint, args.sigma, settings=settings, engine=engine, **which_images(args))
    if far := far_from_trained(spec.sigma, checkpoint.card.sigma):
        say(f"{checkpoint.name} is {far}")
    if args.from_logs:
        assemble(checkpoint, spec, args.from_logs, args.out, command_line())
        print_curve(record(checkpoint, spec, args.out, command_line()))
        return
    curve = measure(checkpoint, spec, args.out, device_of(args.device), command_line(), say)
    print_curve(curve)
