"""``speed``: time voting beside the field's loop and matmul."""

import argparse

import torch

from rsviz.checkpoints import weights
from rsviz.cli.common import add_device, device_of, usable
from rsviz.core.errors import UserError
from rsviz.data.catalog import INPUT_SIZE
from rsviz.smoothing import benchmark as timing


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``speed``."""
    command.add_argument("--checkpoint", required=True)
    command.add_argument("--seconds", type=float, default=2, help="per timing (%(default)s)")
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``speed``."""
    device = device_of(args.device)
    if not 0 < args.seconds <= 600:
        raise UserError(f"--seconds must lie between 0 and 600, but is {args.seconds:g}.")
    checkpoint = usable(args.checkpoint)
    plain = weights.load(checkpoint, device, ready=False)
    plain.to(memory_format=torch.contiguous_format)  # as the field's scripts leave it
    s = timing.measure(
        plain,
        weights.load(checkpoint, device),
        INPUT_SIZE[checkpoint.card.dataset],
        device,
        args.seconds,
    )
    print(f"{s.votes_per_second:,.0f} votes/s, {s.gflops:,.0f} GFLOP/s")
    print(
        f"{s.votes_per_second / s.field_votes_per_second:.2f} times the field's loop "
        f"({s.field_votes_per_second:,.0f} votes/s)"
    )
    print(f"{s.gflops / s.matmul_gflops:.2f} of the matmul rate ({s.matmul_gflops:,.0f} GFLOP/s)")
