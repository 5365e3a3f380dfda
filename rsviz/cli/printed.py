"""What commands print: certificates, curves, progress; and the flags they share (no torch)."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsviz.core.errors import UserError
from rsviz.core.files import read_bytes, shown
from rsviz.core.radius import down, rounded_up
from rsviz.core.reading import is_of_one_count
from rsviz.core.spec import Certificate, Norm
from rsviz.networks import normalisation

CERTIFICATE_BYTES = 4 << 20  # those of rsviz have a few kB
TWO_CLASS = (
    "Read in the two-class form: alpha/2 bounds p_A, alpha/2 p_B of the most-voted other class. "
    "It is another protocol than the field's, which bounds p_A alone."
)


def add_two_sided(command: argparse.ArgumentParser) -> None:
    """Add the two-class form as a way to read votes."""
    command.add_argument(
        "--two-sided",
        action="store_true",
        help="read the votes in the two-class form: alpha/2 bounds p_A, alpha/2 the most-voted "
        "other class; another protocol than the field's, and marked as such",
    )


def read_certificate(path: Path) -> Certificate:
    """Return the certificate in a JSON file."""
    try:
        text = read_bytes(path, CERTIFICATE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{shown(path)} cannot be read as text.") from None
    return Certificate.from_json(text)


def print_certificate(c: Certificate, classes: Sequence[str]) -> None:
    """Print what a certificate says, its guarantee, and how its votes were counted."""
    if c.predicted is None:
        print(f"Abstains: {c.detail.get('why', 'no class was chosen.')}")
        print(_where(c))
        return
    label = classes[c.predicted] if classes else str(c.predicted)
    p_b_upper = c.detail.get("p_b_upper")
    other = "" if p_b_upper is None else f", p_B < {rounded_up(p_b_upper, 4):.4f}"
    if c.until_radius is not None:
        print(f"{label.capitalize()}, chosen by {c.n0} votes before these.")
    elif c.abstained and not is_of_one_count(c):
        print(f"Abstains: {label} was chosen, but is not certified at any distance.")
    elif c.abstained and p_b_upper is not None:
        print(
            f"Abstains: {label} had most of the first {c.n0} votes, but is not shown to be more "
            f"probable than the most-voted other class (p_A > {down(c.p_a_lower, 4)}{other})."
        )
    elif c.abstained:
        print(
            f"Abstains: {label} had most of the first {c.n0} votes, but its probability is not "
            f"shown to exceed 1/2 (lower bound {down(c.p_a_lower, 4)})."
        )
    else:
        radius = down(c.radius, 4) if c.norm is Norm.L2 else f"{down(255 * c.radius, 3)}/255"
        print(
            f"{label}, certified within {c.norm} radius {radius} (p_A > {down(c.p_a_lower, 4)}"
            f"{other}, sigma {c.sigma}, n {sum(c.counts):,}, alpha {c.alpha})."
        )
    if p_b_upper is not None:
        print(TWO_CLASS)
    if "why" in c.detail:
        print(c.detail["why"])
    if c.until_radius is None or not c.abstained:
        print(c.guarantee)
    if c.normalisation:
        told = normalisation.in_words(normalisation.parse(c.normalisation))
        print(f"In front of the network, {told}, as was stated of it.")
    print(_where(c))


def _where(c: Certificate) -> str:
    flags = f"; flags: {', '.join(c.flags)}" if c.flags else ""
    return f"{c.seconds:.1f} s on {c.path}{flags}"


def print_curve(curve: Any, unknown: tuple[str, ...] = ()) -> None:
    """Print certified accuracy at each radius, with its interval."""
    digits = 5 if curve.norm == "Linf" else 3
    more = f" (not stated: {', '.join(unknown)})" if unknown else ""
    print(f"{curve.name}: {curve.images} images, ACR {curve.acr:.{digits}f}{more}")
    if curve.two_class:
        print(TWO_CLASS)
    if curve.precision is not None:
        mean = "" if curve.votes is None else f", {curve.votes:,.0f} on average"
        print(
            f"The votes of an image end when its radius is within {curve.precision:g} of what "
            f"infinitely many would certify, or at {curve.n:,}{mean}. It is another protocol than "
            "the field's, whose n is fixed."
        )
    rows = zip(curve.radius_R, curve.accuracy_R, curve.low_R, curve.high_R, strict=True)
    for r, accuracy, low, high in rows:
        at = f"{255 * r:4.1f}/255" if curve.norm == "Linf" else f"{r:5.2f}"
        print(f"  r {at}  {100 * accuracy:5.1f} %   ({100 * low:.1f} to {100 * high:.1f})")


def say(text: str) -> None:
    """Report progress on stderr, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)
