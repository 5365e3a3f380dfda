"""``bench``: time every engine beside the field's loop, or networks beside each other."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from rsviz.cli.common import add_device, command_line, device_of
from rsviz.cli.printed import say
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_file, shown, write_whole
from rsviz.evaluation.bench import NETWORKS, Side, bench, beside
from rsviz.evaluation.curves import bootstrap
from rsviz.evaluation.seconds import text_of
from rsviz.smoothing.engine import PRECISIONS


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
    command.add_argument(
        "--certify",
        nargs="+",
        metavar="NAME",
        help="time whole certificates by these checkpoints instead, in turn on the same images: "
        "ratios to the first",
    )
    command.add_argument(
        "--every",
        type=int,
        default=500,
        help="of --certify: test images 0, K, 2K, ... (%(default)s)",
    )
    command.add_argument("--n", type=int, default=10_000, help="of --certify: votes (%(default)s)")
    command.add_argument("--precision", choices=PRECISIONS, help="of --certify: of all networks")
    command.add_argument("--out", type=Path, help="of --certify: the table, a new CSV file")
    add_device(command)


def run(args: argparse.Namespace) -> None:
    """Run ``bench``."""
    if args.certify:
        _certify(args)
        return
    if not 0 < args.seconds <= 600:
        raise UserError(f"--seconds must lie between 0 and 600, but is {args.seconds:g}.")
    if not 0 <= args.images <= 1000:
        raise UserError(f"--images must lie between 0 and 1,000, but is {args.images}.")
    names = tuple(args.network or NETWORKS)
    told = bench(device_of(args.device), args.seconds, args.images, names, say)
    print(json.dumps(told, indent=1) if args.json else "\n".join(_lines(told)))


def _certify(args: argparse.Namespace) -> None:
    """Time certificates side by side, print the ratios and keep every image's seconds."""
    if args.out is not None:
        check_out_file(args.out)
        if args.out.exists():
            raise UserError(f"{shown(args.out)} is there already; choose another --out.")
    side = Side(args.every, args.n, args.precision, command_line())
    table = beside(args.certify, side, device_of(args.device), say)
    first = table.head.networks[0]
    for name, seconds_N in zip(table.head.networks, table.seconds_NM.T, strict=True):
        times, low, high = bootstrap(table.times(name, first), np.random.default_rng(0))
        print(
            f"{name}: {seconds_N.mean():.2f} s an image, {times:.2f} times {first} "
            f"({low:.2f} to {high:.2f})"
        )
    if table.head.others is not None:
        print(
            f"Others took {100 * table.head.others:.0f} % of this machine's processors meanwhile."
        )
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(args.out, text_of(table))
        print(f"wrote {args.out}")


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
