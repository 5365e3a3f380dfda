"""The smoothing systems: one file each, readable top to bottom, all with the same small surface."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from rsviz import settings
from rsviz.errors import UserError
from rsviz.methods import advmacer, consistency, ensemble, gaussian, macer, smoothadv
from rsviz.spec import Certificate, RunSpec, Votes
from rsviz.training import Loss, TrainSpec
from rsviz.voting import MethodRun


@dataclass(frozen=True)
class Method:
    """What a page, the command line, training and evaluation need of a method.

    ``certify`` is the generator that asks for votes, ``read`` turns any votes into a certificate,
    ``loss`` trains; ``guarantee`` is the exact statement proved, ``source`` the paper. ``presets``
    are the settings of a loss that has any, by sigma: it takes them as its keyword ``settings``. An
    ensemble has no loss: its members are trained, each by its own method.
    """

    title: str
    source: str
    certify: Callable[[Tensor, Mapping[str, nn.Module], RunSpec], MethodRun]
    read: Callable[[Mapping[str, Votes], RunSpec], Certificate]
    loss: Loss | None
    guarantee: str
    presets: Mapping[float, Any] = field(default_factory=dict)


def _trained(title: str, source: str, how: Any) -> Method:
    """Return a method that differs from Gaussian in its training only."""
    return Method(
        title,
        source,
        gaussian.certify,
        gaussian.read,
        how.loss,
        gaussian.GUARANTEE,
        how.PRESETS,
    )


METHODS: dict[str, Method] = {
    "gaussian": Method(
        title="Gaussian",
        source="Cohen, Rosenfeld and Kolter 2019, arXiv 1902.02918",
        certify=gaussian.certify,
        read=gaussian.read,
        loss=gaussian.loss,
        guarantee=gaussian.GUARANTEE,
    ),
    "smoothadv": _trained("SmoothAdv", "Salman et al. 2019, arXiv 1906.04584", smoothadv),
    "macer": _trained("MACER", "Zhai et al. 2020, arXiv 2001.02378", macer),
    "advmacer": _trained("AdvMacer", "ICDM 2023, arXiv 2310.07780", advmacer),
    "consistency": _trained("Consistency", "Jeong and Shin 2020, arXiv 2006.04062", consistency),
    "ensemble": Method(
        title="EsbRS",
        source="ICDM 2023, arXiv 2310.07780",
        certify=ensemble.certify,
        read=ensemble.read,
        loss=None,
        guarantee=ensemble.GUARANTEE,
    ),
}


def loss_for(spec: TrainSpec) -> tuple[Loss, dict[str, float]]:
    """Return the loss a training asks for, and its settings in full, for the card.

    Raises
    ------
    UserError
        A setting is not known to the method, or out of range.
    """
    method = METHODS[spec.method]
    if method.loss is None:
        raise UserError(f"{method.title} is not trained; fit it with 'python -m rsviz ensemble'.")
    if not method.presets:
        if spec.settings:
            name = spec.settings[0][0]
            raise UserError(f"There is no setting {name!r}: {method.title}'s loss has none.")
        return method.loss, {}
    try:
        chosen = settings.choose(method.presets, spec.sigma, spec.settings)
    except UserError as error:
        raise UserError(f"{method.title}: {error}") from None
    loss: Callable[..., Tensor] = method.loss
    return partial(loss, settings=chosen), asdict(chosen)
