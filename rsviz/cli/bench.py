"""``bench``: time every engine beside the field's loop, and what that gives."""

import argparse
import json
from typing import Any

from rsviz.cli.common import (
    add_device,
    device_of,
)
from rsviz.cli.printed import say
from rsviz.core.errors import UserError
from rsviz.evaluation.bench import NETWORKS, bench


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bench``."""
    command.add_argument("--seconds", type=float, default=2, help="per timing (%(default)s)")
    command.add_argument(
        "--images", type=int, default=100, help="decisions are timed on; 0: none (%(default)s)"
    )
    command.add_argument(
        "--network", action="append", choices=list(NETWORKS), help="only this one; may be repeated"
    )
    command.add_argument("--json", action="store_true")
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``bench``."""
    if not 0 < args.seconds <= 600:
        raise UserError(f"--seconds must lie between 0 and 600, but is {args.seconds:g}.")
    if not 0 <= args.images <= 1000:
        raise UserError(f"--images must lie between 0 and 1,000, but is {args.images}.")
    names = tuple(args.network or NETWORKS)
    told = bench(device_of(args.device), args.seconds, args.images, names, say)
    print(json.dumps(told, indent=1) if args.json else "\n".join(_lines(told)))


def _lines(told: dict[str, Any]) -> list[str]:
    """Return the lines of the README's table and the figures below it."""
    lines = ["| network | engine | votes/s | times the field's loop | share of matmul |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for name, found in told["networks"].items():
        lines.append(
            f"| {name} | the field's loop | {found['field_votes_per_second']:,.0f} | 1 | |"
        )
        for engine, rate in found["engines"].items():
            share = "" if rate["matmul_share"] is None else f"{rate['matmul_share']:.2f}"
            votes, ratio = rate["votes_per_second"], rate["ratio"]
            lines.append(f"| {name} | {engine} | {votes:,.0f} | {ratio:.2f} | {share} |")
    first = told["first_certificate_seconds"]
    lines += [
        "",
        f"By default: {told['default_engine']}. {told['why_not_faster']}".rstrip(),
        f"First certificate: {first['cold']:.1f} s from a new process, {first['warm']:.2f} s where "
        f"networks are loaded; peak memory {told['peak_memory_mb']:,.0f} MB.",
    ]
    if "decision" in told:
        d = told["decision"]
        lines.append(
            f"'Is radius r certified?', {d['questions']} questions: {d['ratio']:.0f} times less "
            f"time than the field's loop at n 10,000 for each; {d['undecided']} undecided, "
            f"{d['contradictions']} contradictions."
        )
    return lines
