"""The smoothing systems: one file each, readable top to bottom, all with the same small surface."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from rsviz.methods import gaussian
from rsviz.spec import Certificate, RunSpec, Votes
from rsviz.training import Loss
from rsviz.voting import MethodRun


@dataclass(frozen=True)
class Method:
    """What a page, the command line, training and evaluation need of a method.

    ``certify`` is the generator that asks for votes, ``read`` turns any votes into a certificate,
    ``loss`` trains; ``guarantee`` is the exact statement proved, ``source`` the paper.
    """

    title: str
    source: str
    certify: Callable[[Tensor, Mapping[str, nn.Module], RunSpec], MethodRun]
    read: Callable[[Mapping[str, Votes], RunSpec], Certificate]
    loss: Loss
    guarantee: str


METHODS: dict[str, Method] = {
    "gaussian": Method(
        title="Gaussian",
        source="Cohen, Rosenfeld and Kolter 2019, arXiv 1902.02918",
        certify=gaussian.certify,
        read=gaussian.read,
        loss=gaussian.loss,
        guarantee=gaussian.GUARANTEE,
    ),
}
