"""The commands that hold a certificate against something: ``verify`` and ``attack``."""

import argparse
import json
import secrets
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rsviz.commands import _device, _load_image
from rsviz.errors import UserError


def verify(args: argparse.Namespace) -> int:
    """Run ``verify``; return 0 if everything holds, else 1."""
    from rsviz import checkpoints
    from rsviz import verify as checking
    from rsviz.networks import INPUT_SIZE
    from rsviz.spec import Certificate

    try:
        text = args.certificate.read_text()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{args.certificate} cannot be read as text.") from None
    c = Certificate.from_json(text)
    seed = checking.spec_of(c).seed
    checkpoint = checkpoints.find(args.checkpoint or c.checkpoint)
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    crop = _crop(args.crop)
    x_CHW, _ = _load_image(args.image, INPUT_SIZE[checkpoint.card["dataset"]], crop)
    fresh = args.fresh_seed
    while fresh is None or (args.fresh_seed is None and fresh == seed):
        fresh = secrets.randbelow(2**31 - 1)
    checks = checking.verify(c, x_CHW, checkpoint, fresh, _device(args.device), args.fresh_n)
    verified = checking.holds(checks)
    if args.json:
        rows = [asdict(check) for check in checks]
        print(json.dumps({"verified": verified, "fresh_seed": fresh, "checks": rows}, indent=1))
        return 0 if verified else 1
    for check in checks:
        print(f"{'holds  ' if check.holds else 'REFUSED'}  {check.name}: {check.says}")
    print("Verified." if verified else "Refused: do not rely on this certificate.")
    return 0 if verified else 1


def _crop(text: str) -> Any:
    """Return a crop by name, or a box given as four fractions: left,top,right,bottom."""
    if text in ("centre", "whole"):
        return text
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"--crop must be centre, whole, or left,top,right,bottom, not {text!r}."
        ) from None
    return left, top, right, bottom
