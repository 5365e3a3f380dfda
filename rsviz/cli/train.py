"""``train``: train a network, by one process or by those of torchrun."""

import argparse
from pathlib import Path

from rsviz.cli.common import (
    DATASET,
    add_device,
    command_line,
    dataset_named,
    device_of,
    first_reports,
)
from rsviz.core.errors import UserError
from rsviz.core.settings import parse
from rsviz.methods.registry import METHODS
from rsviz.networks.classifiers import NETWORKS
from rsviz.training.loop import TrainSpec
from rsviz.training.train import MAKERS, train_checkpoint


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add ``train``."""
    command.add_argument("method", choices=[m for m in METHODS if METHODS[m].loss or m in MAKERS])
    command.add_argument("--dataset", required=True, type=dataset_named, help=DATASET)
    command.add_argument(
        "--split",
        default="train",
        choices=["train", "fit"],
        help="fit leaves out the last tenth, the split named validation, on which settings are "
        "chosen (default: %(default)s)",
    )
    command.add_argument("--sigma", required=True, help="a number, or uniform: U(0, 1) per image")
    command.add_argument("--network", default="compact", choices=list(NETWORKS))
    command.add_argument("--epochs", type=int, required=True)
    command.add_argument("--lr", type=float, default=0.4, help="peak of the one-cycle rate")
    command.add_argument("--batch", type=int, default=256)
    command.add_argument(
        "--dtype",
        default="float32",
        choices=["float32", "bfloat16"],
        help="of convolutions while training; bfloat16 was 1.7 times faster on one processor and "
        "slower on another that has it, so time an epoch of each (default: %(default)s)",
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--start", default="", help="checkpoint whose weights training starts from"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the method's loss, say draws=2; may be repeated",
    )
    command.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    command.add_argument("--no-compile", action="store_true", help="without torch.compile")
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``train``."""
    try:
        sigma = args.sigma if args.sigma == "uniform" else float(args.sigma)
    except ValueError:
        raise UserError(f"--sigma must be a number or uniform, not {args.sigma!r}.") from None
    spec = TrainSpec(
        args.method,
        args.dataset,
        args.network,
        sigma,
        args.epochs,
        lr=args.lr,
        batch=args.batch,
        seed=args.seed,
        start=args.start,
        settings=parse(args.set),
        dtype=args.dtype,
        split=args.split,
    )
    train_checkpoint(
        spec,
        args.out,
        device_of(args.device),
        command_line(),
        not args.no_compile,
        first_reports(),
    )
