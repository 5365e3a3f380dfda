"""The command line: python -m rsviz COMMAND; exit code 0, or 2 with one sentence on stderr."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsviz import commands as do
from rsviz import commands_check as check
from rsviz.arguments import add, add_device, add_images
from rsviz.arguments_train import add_ensemble, add_recipes, add_train
from rsviz.errors import UserError

DESCRIPTION = """\
Certify images by randomized smoothing, train and measure the networks, read accuracy-radius curves.

  python -m rsviz checkpoints
  python -m rsviz certify shapes/test/3 --checkpoint shapes-gaussian-0.5
  python -m rsviz certify photo.jpg --checkpoint cifar10-gaussian-0.5 --n 10000 --json
  python -m rsviz verify certificate.json photo.jpg
  python -m rsviz attack --split test --every 100 --checkpoint shapes-gaussian-0.5
  python -m rsviz evaluate --checkpoint cifar10-gaussian-0.5 --every 20 --n 10000 --out log.csv
  python -m rsviz curves log.csv
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        "python -m rsviz", description=DESCRIPTION, formatter_class=_Formatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_checkpoints(commands)
    _add_certify(commands)
    _add_verify(commands)
    _add_attack(commands)
    _add_under_attack(commands)
    add_train(commands)
    add_recipes(commands)
    add_ensemble(commands)
    _add_evaluate(commands)
    _add_curves(commands)
    claims = add(commands, "claims", "judge what papers claim by the logs here", do.claims)
    claims.add_argument("--json", action="store_true")
    speed = add(commands, "speed", "time voting beside the field's loop and matmul", do.speed)
    speed.add_argument("--checkpoint", required=True)
    speed.add_argument("--seconds", type=float, default=2, help="per timing (%(default)s)")
    add_device(speed)
    add(commands, "download", "download CIFAR-10 into RSVIZ_DATA or the cache", do.download)
    return top


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the examples' line breaks."""


def _add_checkpoints(commands: Any) -> None:
    command = add(
        commands, "checkpoints", "list the trained networks and what they measured", do.checkpoints
    )
    command.add_argument("--json", action="store_true", help="print a JSON list")
    command.add_argument("--markdown", action="store_true", help="print the README's table")
    command = add(commands, "examples", "store certificates of telling images", do.examples)
    command.add_argument("--checkpoint", required=True)


def _add_certify(commands: Any) -> None:
    command = add(commands, "certify", "certify one image", do.certify)
    command.add_argument("image", help="an image file, or an image of a data set: shapes/test/3")
    command.add_argument("--checkpoint", required=True, help="name of a trained network")
    command.add_argument(
        "--sigma",
        type=float,
        help="noise level, in [0, 1] pixel units (default: the one trained at)",
    )
    command.add_argument(
        "--n0", type=int, default=100, help="votes that choose the class (%(default)s)"
    )
    command.add_argument("--n", type=int, default=10_000, help="votes that bound it (%(default)s)")
    command.add_argument(
        "--alpha",
        type=float,
        default=0.001,
        help="probability of a wrong certificate (%(default)s)",
    )
    command.add_argument("--seed", type=int, default=0, help="of the noise (%(default)s)")
    command.add_argument(
        "--bound", default="clopper-pearson", choices=["clopper-pearson", "anytime", "split"]
    )
    command.add_argument(
        "--crop",
        default="centre",
        choices=["centre", "whole"],
        help="what of a file that is not square the network sees (%(default)s)",
    )
    _add_settings(command)
    command.add_argument("--json", action="store_true", help="print the whole certificate")
    add_device(command)


def _add_verify(commands: Any) -> None:
    about = "check a certificate: count its votes again, with its seed and with a fresh one"
    command = add(commands, "verify", about, check.verify)
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
    command.add_argument("--json", action="store_true", help="print every check")
    add_device(command)


def _add_attack(commands: Any) -> None:
    about = "attack certified images at multiples of their radius, judged by PREDICT"
    command = add(commands, "attack", about, check.attack)
    command.add_argument("image", nargs="?", help="an image; or give --split and --every")
    command.add_argument("--checkpoint", required=True)
    command.add_argument("--sigma", type=float, help="noise level (default: the one trained at)")
    command.add_argument("--split", default="test", choices=["train", "test"])
    command.add_argument("--every", type=int, help="attack images 0, K, 2K, ... instead of one")
    command.add_argument("--budgets", default="0.99,1.5,2,3,4", help="multiples (%(default)s)")
    command.add_argument("--norm", default="L2", choices=["L2", "Linf"])
    command.add_argument("--target", default="classifier", choices=["classifier", "selector"])
    command.add_argument("--steps", type=int, default=20, help="of the ascent (%(default)s)")
    command.add_argument("--draws", type=int, default=16, help="noise per step (%(default)s)")
    command.add_argument("--n", type=int, default=2_000, help="votes to certify (%(default)s)")
    command.add_argument("--n-predict", type=int, default=1_000, help="to judge (%(default)s)")
    command.add_argument("--alpha", type=float, default=0.001, help="of each (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    _add_settings(command)
    command.add_argument("--json", action="store_true", help="print every image's verdicts")
    add_device(command)


def _add_under_attack(commands: Any) -> None:
    about = "attack chosen and fixed noise levels alike: what stays right (no certificate)"
    command = add(commands, "under-attack", about, check.under_attack)
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
    command.add_argument("--out", type=Path, required=True, help="the table; resumed if there")
    add_device(command)


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of a run that has any, say split=none of dual; may be repeated",
    )


def _add_evaluate(commands: Any) -> None:
    command = add(
        commands,
        "evaluate",
        "certify many images into a log; killed, the same command resumes",
        do.evaluate,
    )
    command.add_argument("--checkpoint", required=True)
    command.add_argument("--sigma", type=float, help="noise level (default: the one trained at)")
    add_images(command)
    _add_settings(command)
    command.add_argument("--out", type=Path, required=True, help="the log, a CSV file")
    add_device(command)


def _add_curves(commands: Any) -> None:
    command = add(commands, "curves", "certified accuracy against radius, from logs", do.curves)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    args = parser().parse_args(arguments)
    try:
        return args.do(args) or 0
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
