"""Mirror: plain smoothing of the classifier of mirrored images; a method in one file.

f'(x) = f(mirror x). Mirroring keeps every distance, so any classifier smoothed so has Cohen's
radius. It is here to show what a method needs to be: this file, and its line in the registry.

Shape suffixes: N images, M noise draws, R = M N rows, C channels, H height, W width, K classes.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from rsviz.core import reading, stopping
from rsviz.core.errors import UserError
from rsviz.core.settings import options_of
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.methods import base, gaussian
from rsviz.networks.inspection import class_count
from rsviz.smoothing.voters import Ask, MethodRun

AXES = {"across": 3, "down": 2}
GUARANTEE = (
    "With probability at least 1 - alpha over the noise drawn here, the smoothed classifier of "
    "mirrored images (infinitely many votes at this sigma) predicts this class for every image "
    "closer than the radius in L2."
)


@dataclass(frozen=True)
class Options:
    """Settings of a run: mirrored left to right (``across``) or top to bottom (``down``)."""

    axis: str = "across"

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise UserError(f"axis must be across or down, but is {self.axis!r}.")


@dataclass(frozen=True)
class Detail:
    """What a certificate keeps beside its class."""

    axis: str


@dataclass(frozen=True)
class MirrorVoter:
    """argmax_c f(mirror(x + sigma e))_c."""

    net: nn.Module
    dim: int

    def __call__(self, x_NCHW: Tensor, sigma_N111: Tensor, *noise_NCHW: Tensor) -> Tensor:
        """Return class_N, one vote a row."""
        (e_NCHW,) = noise_NCHW
        return self.net(torch.addcmul(x_NCHW, sigma_N111, e_NCHW).flip(self.dim)).argmax(1)


def certify(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify one image as plain smoothing does."""
    net, axis = base.network(nets, "classifier"), options_of(Options, spec).axis
    voter, classes = MirrorVoter(net, AXES[axis]), class_count(net)
    select = yield Ask("select", voter, spec.noise, spec.n0, classes)
    until = stopping.until(spec, select.top)
    bound = yield Ask("bound", voter, spec.noise, spec.n, classes, until=until)
    return read({"select": select, "bound": bound}, spec)


def read(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Read a certificate from the votes there are, finished or not."""
    c = reading.read(votes.get("select"), votes.get("bound"), spec, GUARANTEE)
    return replace(c, detail=dict(c.detail) | asdict(Detail(options_of(Options, spec).axis)))


def aim(nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate) -> base.Aim:
    """Return the aim at the classifier, seen in the mirror."""
    plain, dim = base.aim_at_class(nets, spec, c), AXES[options_of(Options, spec).axis]

    def logits_of(x_NCHW: Tensor, noise_RCHW: Tensor) -> Tensor:
        return plain.logits_of(x_NCHW.flip(dim), noise_RCHW.flip(dim))

    return base.Aim(logits_of, plain.nets, plain.answer)


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
) -> Tensor:
    """Return Gaussian's loss on mirrored images."""
    return gaussian.loss(net, x_NCHW.flip(3), y_N, sigma_N111, generator, step)


METHOD = base.Method(
    title="Mirror",
    source="rsviz's own tests",
    certify=certify,
    read=read,
    loss=loss,
    guarantee=GUARANTEE,
    options=Options,
    controls=(base.Control("axis", "Mirrored", tuple(AXES), words={"across": "left to right"}),),
    logged=("axis",),
    aim=aim,
)
