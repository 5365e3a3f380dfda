"""``under-attack``: attack chosen and fixed noise levels alike."""

import argparse
from dataclasses import replace
from pathlib import Path

from rsviz.checkpoints import weights
from rsviz.cli.common import (
    add_device,
    command_line,
    device_of,
    numbers,
    usable,
)
from rsviz.cli.printed import say
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.evaluation import attack_tables
from rsviz.evaluation.under_attack import SELECTOR, AttackedSpec, measure_to
from rsviz.methods.registry import METHODS
from rsviz.methods.variational import Options
from rsviz.smoothing.torch_engine import PRODUCTS


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``under-attack``."""
    command.add_argument("--checkpoint", required=True, help="one of Variational RS")
    command.add_argument("--split", default="test", choices=["train", "test"])
    command.add_argument("--every", type=int, required=True, help="images 0, K, 2K, ...")
    command.add_argument("--sigmas", default="0.12,0.25,0.5,1", help="fixed (%(default)s)")
    command.add_argument("--lams", default="0,0.2,0.5,1", help="of the selector (%(default)s)")
    command.add_argument("--eps", type=float, default=0.5, help="L2 length (%(default)s)")
    command.add_argument("--steps", type=int, default=20, help="of the ascent (%(default)s)")
    command.add_argument("--draws", type=int, default=16, help="noise per step (%(default)s)")
    command.add_argument("--n", type=int, default=200, help="votes to judge (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--dtype", default="float32", choices=list(PRODUCTS), help="of the products (%(default)s)"
    )
    command.add_argument("--out", type=Path, required=True, help="the table; resumed if there")
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``under-attack``."""
    checkpoint = usable(args.checkpoint)
    if METHODS[checkpoint.card.method].options is not Options:
        raise UserError("under-attack needs a checkpoint of Variational RS.")
    if args.every < 1:
        raise UserError("--every must be at least 1.")
    spec = AttackedSpec(
        numbers("--sigmas", args.sigmas),
        numbers("--lams", args.lams),
        args.eps,
        args.steps,
        args.draws,
        args.n,
        args.seed,
        args.dtype,
    )
    data = datasets.load(checkpoint.card.dataset, args.split)
    head = {"checkpoint_sha256": checkpoint.sha256, "split": args.split, "command": command_line()}
    nets = weights.load_nets(checkpoint, device_of(args.device))
    images = range(0, len(data), args.every)
    settings = replace(SELECTOR, q=float(checkpoint.card.run.get("q", SELECTOR.q)))
    measure_to(nets, data, images, spec, head, args.out, say, settings)
    found = attack_tables.read(args.out)
    print(f"{len(images)} images, L2 attacks of length {spec.eps:g}; right, per cent:")
    for setting in (*found.fixed, *found.chosen):
        shares = [f"{a} {100 * found.of(setting, a).mean():.1f}" for a in attack_tables.ATTACKS]
        print(f"  {setting:12} level {found.sigma[setting]:<5g} {', '.join(shares)}")
