"""The command line: python -m rsviz COMMAND; exit code 0, or 2 with one sentence on stderr."""

import argparse
import importlib
import keyword
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from rsviz.core.errors import UserError
from rsviz.core.faults import Kind, is_full, kind_of
from rsviz.core.files import reason, shown

LONGEST = 400  # characters told of what argparse refuses: it may list every method
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

# command: what it does; its module in this folder, named like it, has add_arguments and run
COMMANDS = {
    "checkpoints": "list the trained networks and what they measured",
    "import": "make a checkpoint of a file of weights in a layout of the field",
    "examples": "store certificates of telling images",
    "certify": "certify one image",
    "reread": "read the votes of a certificate again: another alpha or bound, the two-class form",
    "verify": "check a certificate: count its votes again, with its seed and with a fresh one",
    "attack": "attack certified images at multiples of their radius, judged by PREDICT",
    "under-attack": "attack chosen and fixed noise levels alike: what stays right (no certificate)",
    "train": "train a network; killed, the same command resumes",
    "recipes": "list or make the shipped checkpoints",
    "ensemble": "weigh several networks into one, and measure every weighting in one pass",
    "quantize": "make int8 network files of a checkpoint, and measure them",
    "multiscale": "make a cascade of noise levels from trained networks",
    "quantile": "choose the quantile of a routed Dual RS on training images",
    "evaluate": "certify many images into a log; killed, the same command resumes",
    "curves": "certified accuracy against radius, from logs",
    "claims": "judge what papers claim by the logs here",
    "experiments": "list, show or run the experiments that papers leave open",
    "bench": "time every engine beside the field's loop, and the time to a decision",
    "speed": "time voting beside the field's loop and matmul",
    "download": "download CIFAR-10 into RSVIZ_DATA or the cache",
}


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands; only ``command`` is given its arguments.

    Only its module is imported, so that help and a mistyped command need no torch.
    """
    top = _Parser(
        "python -m rsviz",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about in COMMANDS.items():
        added = commands.add_parser(name, help=about, description=about)
        if name == command:
            module = importlib.import_module(f"rsviz.cli.{_module(name)}")
            module.add_arguments(added)
            added.set_defaults(run=module.run)
    return top


def _module(command: str) -> str:
    """Return the module of a command; a Python keyword gets an underscore appended."""
    return command.replace("-", "_") + "_" * keyword.iskeyword(command)


class _Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong with an argument; its subparsers are of the same kind."""

    def error(self, message: str) -> NoReturn:
        told = message if len(message) <= LONGEST else f"{message[:LONGEST]}…"
        self.exit(2, f"{' '.join(told.split())}; see {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    args = parser(next((word for word in words if not word.startswith("-")), None)).parse_args(
        words
    )
    try:
        return args.run(args) or 0
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # of a reader such as head that has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("RSVIZ_TRACEBACK"):
            raise
        if (kind := kind_of(error)) is not None:
            print(_refused(kind, error), file=sys.stderr)
            return 2
        told = shown(f"{type(error).__name__}: {error}")
        print(
            f"rsviz failed unexpectedly ({told}): a defect; RSVIZ_TRACEBACK=1 says where it is.",
            file=sys.stderr,
        )
        return 3
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130


def _refused(kind: Kind, error: Exception) -> str:
    """Say what the machine refused, and what to do."""
    if kind == "memory":
        return (
            "There is not enough memory for this: close what else runs, or use a smaller --batch, "
            "n or network; what was written is whole."
        )
    if kind == "device":
        return (
            f"The device failed ({shown(str(error).partition(chr(10))[0])}); the same command goes "
            "on from what was written, or use another --device."
        )
    assert isinstance(error, OSError)
    where = f"{shown(error.filename)}: " if error.filename else ""
    what = "make room, and the same command goes on" if is_full(error) else "nothing more was done"
    return f"{where}{reason(error)}; {what}."
