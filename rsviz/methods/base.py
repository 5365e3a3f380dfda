"""What a method is: its votes, its reading, its loss, its guarantee."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate, Norm, RunSpec
from rsviz.smoothing.voters import MethodRun

Certify = Callable[[Tensor, Mapping[str, nn.Module], RunSpec], MethodRun]

Loss = Callable[[nn.Module, Tensor, Tensor, Tensor, torch.Generator, int], Tensor]


@dataclass(frozen=True)
class Method:
    """What a page, the command line, training and evaluation need of a method.

    ``certify`` is the generator that asks for votes, ``read`` turns any votes into a certificate,
    ``loss`` trains; ``guarantee`` is the exact statement proved, ``source`` the paper. ``presets``
    are the settings of a loss that has any, by sigma: it takes them as its keyword ``settings``. An
    ensemble has no loss: its members are trained, each by its own method.

    ``options`` is the dataclass that ``spec.settings`` fill, None where a run has none; ``planned``
    is how many votes a run will count at least. ``logged`` names what of a certificate's detail a
    log keeps. ``chooses_sigma``: the noise is chosen for each image, and a run's sigma is not used.
    ``page`` shows the method live.
    """

    title: str
    source: str
    certify: Certify
    read: Callable[..., Certificate]
    loss: Loss | None
    guarantee: str
    presets: Mapping[float, Any] = field(default_factory=dict)
    options: type | None = None
    norm: Norm = Norm.L2
    planned: Callable[[RunSpec], int] = lambda spec: spec.n0 + spec.n
    logged: tuple[str, ...] = ()
    chooses_sigma: bool = False
    page: str = "certify"


def network(nets: Mapping[str, nn.Module], name: str) -> nn.Module:
    """Return one network by name; a missing one is refused in words."""
    if name not in nets:
        raise UserError(f"This method needs a network named {name!r}; give it one.")
    return nets[name]
