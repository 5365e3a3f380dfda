"""Noise levels to choose from, and what a network is taught about them on training images.

Shape suffixes: N images, R rows, C channels, H height, W width, K classes, L noise levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rsviz.core.errors import UserError
from rsviz.core.spec import SIGMA_MAX
from rsviz.methods.base import network

if TYPE_CHECKING:
    from torch import nn


def parse(text: str, least: int = 2, called: str = "levels") -> tuple[float, ...]:
    """Return the levels of ``"0.25,0.5,1"``, in pixel units: at least ``least``, rising.

    Parameters
    ----------
    called : what a refusal names them.

    Raises
    ------
    UserError
        The text is not a rising list of at least so many numbers between 0 and 10.
    """
    try:
        levels = tuple(float(word) for word in text.split(","))
    except ValueError:
        levels = ()
    in_range = all(0 < s < SIGMA_MAX for s in levels)
    if len(levels) < least or list(levels) != sorted(set(levels)) or not in_range:
        count = "two" if least == 2 else "one"
        raise UserError(
            f"{called} must be {count} or more rising numbers between 0 and {SIGMA_MAX:g}, "
            f"separated by commas, but is {text!r}."
        )
    return levels


def classifier_at(nets: Mapping[str, nn.Module], level: float) -> nn.Module:
    """Return the classifier of one level: ``classifier-0.25`` where routed, else ``classifier``.

    Raises
    ------
    UserError
        There is neither.
    """
    name = f"classifier-{level:g}"
    return nets[name] if name in nets else network(nets, "classifier")
