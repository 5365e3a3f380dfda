"""``attack``: attack certified images at multiples of their radius."""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rsviz.certification import certify, engine_choice
from rsviz.certification.attack import AttackSpec, attack_subset, refuted, tally
from rsviz.cli.common import (
    add_device,
    add_engine,
    add_settings,
    command_line,
    device_of,
    engine_of,
    full_name,
    load_image,
    names_image,
    numbers,
    run_settings,
    usable,
)
from rsviz.cli.printed import say
from rsviz.core.errors import UserError
from rsviz.core.files import check_out_file, sole_writer
from rsviz.core.radius import down
from rsviz.core.spec import Norm
from rsviz.data import datasets
from rsviz.data.catalog import INPUT_SIZE
from rsviz.evaluation import attack_logs, row_checks
from rsviz.evaluation.attack_logs import AttackRow


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``attack``."""
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
    command.add_argument(
        "--paper-style",
        action="store_true",
        help="attack the radius that the paper of a method that chooses levels gives, which is no "
        "certificate, instead of the sound one",
    )
    add_settings(command)
    command.add_argument("--json", action="store_true", help="print every image's verdicts")
    command.add_argument(
        "--out", type=Path, help="with --every: the log of it, a CSV file; resumed if there"
    )
    add_device(command)
    add_engine(command)


def run(args: argparse.Namespace) -> int:
    """Run ``attack``; return 1 if more attacks inside the radius succeed than chance allows."""
    checkpoint, how = usable(args.checkpoint), _attack_spec(args)
    if (args.image is None) == (args.every is None):
        raise UserError("Name one image, or give --split and --every, but not both.")
    if args.out is not None and args.every is None:
        raise UserError("--out needs --every: it is the log of many images.")
    dataset, device = checkpoint.card.dataset, device_of(args.device)
    names = [args.image and full_name(args.image)]
    if args.every is not None:
        if args.every < 1:
            raise UserError("--every must be at least 1.")
        length = len(datasets.load(dataset, args.split))
        names = [f"{dataset}/{args.split}/{i}" for i in range(0, length, args.every)]
    settings, flags = run_settings(checkpoint, args.set), {}

    def find(name: str) -> Any:
        x_CHW, _, flags[name] = load_image(name, INPUT_SIZE[dataset], "centre")
        return x_CHW

    def make_spec(name: str, x_CHW: Any) -> Any:
        return certify.make_spec(
            checkpoint,
            x_CHW,
            args.sigma,
            name if names_image(name) else "",
            n=args.n,
            alpha=args.alpha,
            seed=args.seed,
            settings=settings,
            flags=flags[name],
        )

    engine = engine_of(args, checkpoint)
    head = attack_logs.head_of(
        checkpoint.sha256,
        asdict(how),
        {"sigma": args.sigma, "n": args.n, "alpha": args.alpha, "seed": args.seed}
        | ({"paper_style": True} if args.paper_style else {})
        | {"settings": settings, "images": [args.split, args.every], "engine": str(engine)},
        command_line(),
    )
    done, nets = [], engine_choice.load(checkpoint, device, engine)
    with _log(args.out, head) as (held, append):
        left = [name for name in names if name not in held]
        for row in attack_subset(left, find, nets, make_spec, how, device, args.paper_style):
            done.append(row)
            append(row)
            told = ", ".join(f"{b:g}x {v}" for b, v in row.verdicts) or "abstains: not attacked"
            c = row.certificate
            say(
                f"{row.image}: {c.norm} radius {down(c.radius, 3 if c.norm == 'L2' else 5)}: {told}"
                + (f"; flags: {', '.join(c.flags)}" if c.flags else "")
            )
    if args.out is None:
        return _report(args, how, [_row(row) for row in done], done)
    return _report(args, how, attack_logs.read(args.out)[1], done)


@contextmanager
def _log(
    out: Path | None, head: dict[str, Any]
) -> Iterator[tuple[set[str], Callable[[Any], None]]]:
    """Yield the images that a log holds, and what appends one; without a file nothing is kept."""
    if out is None:
        yield set(), lambda row: None
        return
    check_out_file(out)
    with sole_writer(out):
        held = attack_logs.opened(out, head)
        with row_checks.appending(out) as append:
            yield held, lambda row: append(attack_logs.row_of(_row(row)))


def _row(row: Any) -> AttackRow:
    c = row.certificate
    return AttackRow(row.image, -1 if c.abstained else c.predicted, c.radius, row.verdicts)


def _attack_spec(args: argparse.Namespace) -> Any:
    return AttackSpec(
        numbers("--budgets", args.budgets),
        Norm(args.norm),
        args.steps,
        args.draws,
        args.n_predict,
        args.alpha,
        args.seed,
        args.target,
    )


def _report(
    args: argparse.Namespace, how: Any, every: Sequence[AttackRow], done: Sequence[Any]
) -> int:
    """Print the counts; return 1 if PREDICT contradicts more certificates than chance allows.

    Parameters
    ----------
    every : all images, those of a log that went on included; ``done`` those attacked now.
    """
    rows: Any = tally(v for row in every for v in row.verdicts)  # type: ignore[misc]
    inside = [t for t in rows if t.budget < 1 and not args.paper_style]
    surprising = [t for t in inside if refuted(t.broken, t.attacked, 2 * args.alpha)]
    if args.json:
        told = {
            "attack": asdict(how),
            "images": len(every),
            "abstained": sum(row.predicted < 0 for row in every),
            "counts": [asdict(t) for t in rows],
            "each": [
                {
                    "image": row.image,
                    "radius": row.certificate.radius,
                    "norm": row.certificate.norm,
                    "flags": row.certificate.flags,
                    "verdicts": [{"budget": b, "verdict": v} for b, v in row.verdicts],
                }
                for row in done
            ],
        }
        print(json.dumps(told, indent=1))
        return 1 if surprising else 0
    silent = sum(row.predicted < 0 for row in every)
    print(f"{len(every)} images, {silent} abstained and were not attacked; {how.norm} attacks of")
    print(f"{how.steps} steps, {how.draws} draws each, judged by PREDICT, n {how.n:,}:")
    for t in rows:
        print(
            f"  {t.budget:5.2f} x radius: {t.broken:4} of {t.attacked} broken, {t.holds} hold, "
            f"{t.undecided} undecided"
        )
    if args.paper_style:
        print("These radii are read in the paper's style and certify nothing: any may be broken.")
        return 0
    print(
        "Inside the radius none may break, but with probability at most alpha "
        f"({args.alpha:g}) for each certificate and again for each PREDICT."
    )
    print("An attack that fails outside the radius proves nothing: another may succeed.")
    if surprising:
        print("REFUTED: more broke inside the radius than chance allows; something is wrong.")
    return 1 if surprising else 0
