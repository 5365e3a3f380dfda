"""``checkpoints``: list the trained networks and what they measured."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from rsviz.checkpoints.catalog import Checkpoint, Measured, first_seed, list_checkpoints, root
from rsviz.core.errors import UserError

MOST = 10_000  # the most votes that nearly every method was counted at


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``checkpoints``."""
    command.add_argument("--json", action="store_true", help="print a JSON list")
    command.add_argument(
        "--markdown", action="store_true", help="print a table of what was measured"
    )
    command.add_argument(
        "--best",
        action="store_true",
        help="of that table, the best of each method and noise level, as the README has it",
    )


def run(args: argparse.Namespace) -> None:
    """Run ``checkpoints``."""
    if args.best and not args.markdown:
        raise UserError("--best shortens the table of --markdown; name both.")
    found = list_checkpoints()
    if args.json:
        print(json.dumps([_row(c) for c in found], indent=1))
        return
    if args.markdown:
        print(markdown_table(found, args.best))
        return
    if not found:
        print(f"There is no checkpoint in {root()}; 'python -m rsviz recipes run' makes them.")
    for c in found:
        print(c.name + (f"  CANNOT BE USED: {c.problem}" if c.problem else ""))
        for m in c.card.measured:
            accuracy = "  ".join(f"{r}: {100 * a:.1f}%" for r, a in m.accuracy.items())
            print(f"  sigma {m.sigma}  n {m.n:,}  {m.subset}  ACR {m.acr:.3f}  {accuracy}")


def _row(c: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint as JSON has it; what was measured is as its card stores it."""
    said = ("dataset", "method", "network", "sigma")
    return {
        "name": c.name,
        **{key: c.stored.get(key) for key in said},
        "sha256": c.sha256,
        "verified": c.verified,
        "problem": c.problem,
        "measured": c.stored.get("measured", []),
    }


def markdown_table(found: Sequence[Checkpoint], best: bool = False) -> str:
    """Return a table of what was measured in L2, one line a measurement, in percent.

    Of other precisions than float32 those that no measurement in float32 is beside. ``best`` leaves
    of each data set, method and noise level the line of the highest ACR, of the measurements with
    the most votes, up to `MOST`.
    """
    radii = ("0", "0.25", "0.5", "0.75", "1", "1.5")
    head = ["checkpoint", "sigma", "images", "n", "ACR", *(f"r = {r}" for r in radii)]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    rows = [
        (c, m)
        for c in found
        for m in sorted(c.card.each_once, key=lambda m: (m.n, m.sigma or 0))
        if m.norm == "L2"
    ]
    for c, m in _best(rows) if best else rows:
        at = ["chosen", *m.ending.split("-")] if m.sigma is None else [f"{m.sigma:g}"]
        sigma = ", ".join(filter(None, (*at, m.precision)))
        cells = [f"`{c.name}`", sigma, f"{m.images:,}", f"{m.n:,}"]
        cells += [f"{m.acr:.3f}", *(f"{100 * m.accuracy[r]:.1f}" for r in radii)]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _best(rows: Sequence[tuple[Checkpoint, Measured]]) -> list[tuple[Checkpoint, Measured]]:
    """Return the row of the most votes up to `MOST`, and of those of the highest ACR, of each kind.

    Of trainings that differ in their seed alone the first stands for all.
    """
    names = {c.name for c, _ in rows}
    rows = [
        (c, m)
        for c, m in rows
        if m.n <= MOST and ((first := first_seed(c.name)) == c.name or first not in names)
    ]
    best: dict[tuple[str, str, float | None], Measured] = {}
    for c, m in rows:
        kind = (c.card.dataset, c.card.method, m.sigma)
        if kind not in best or (m.n, m.acr) > (best[kind].n, best[kind].acr):
            best[kind] = m
    return [(c, m) for c, m in rows if best[c.card.dataset, c.card.method, m.sigma] is m]
