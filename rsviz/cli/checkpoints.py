"""``checkpoints``: list the trained networks and what they measured."""

import argparse
import json
from typing import Any

from rsviz.checkpoints.catalog import list_checkpoints


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``checkpoints``."""
    command.add_argument("--json", action="store_true", help="print a JSON list")
    command.add_argument("--markdown", action="store_true", help="print the README's table")


def run(args: argparse.Namespace) -> None:
    """Run ``checkpoints``."""
    rows = [
        {
            "name": c.name,
            "dataset": c.card.get("dataset"),
            "method": c.card.get("method"),
            "network": c.card.get("network"),
            "sigma": c.card.get("sigma"),
            "sha256": c.sha256,
            "verified": c.verified,
            "problem": c.problem,
            "measured": c.card.get("measured", []),
        }
        for c in list_checkpoints()
    ]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    if args.markdown:
        print(markdown_table(rows))
        return
    for row in rows:
        print(row["name"] + ("" if row["verified"] else f"  CANNOT BE USED: {row['problem']}"))
        for m in row["measured"]:
            accuracy = "  ".join(f"{r}: {100 * a:.1f}%" for r, a in m["accuracy"].items())
            print(
                f"  sigma {m['sigma']}  n {m['n']:,}  {m['subset']}  ACR {m['acr']:.3f}  {accuracy}"
            )


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Return the README's table of checkpoints: one line a measurement, in percent."""
    radii = ("0", "0.25", "0.5", "0.75", "1", "1.5")
    head = ["checkpoint", "sigma", "images", "n", "ACR", *(f"r = {r}" for r in radii)]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in rows:
        for m in sorted(row["measured"], key=lambda m: (m["n"], m["sigma"] or 0)):
            if m["norm"] != "L2":
                continue
            sigma = "chosen" if m["sigma"] is None else f"{m['sigma']:g}"
            cells = [f"`{row['name']}`", sigma, f"{m['images']}", f"{m['n']:,}"]
            cells += [f"{m['acr']:.3f}", *(f"{100 * m['accuracy'][r]:.1f}" for r in radii)]
            lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)
