"""The smoothing systems: one file each, readable top to bottom, all with the same small surface."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from rsviz import settings
from rsviz.errors import UserError
from rsviz.methods import (
    adaptive,
    advmacer,
    consistency,
    dual,
    ensemble,
    gaussian,
    macer,
    smoothadv,
    variational,
)
from rsviz.noise_levels import from_spec
from rsviz.spec import Certificate, Norm, RunSpec, Votes
from rsviz.training import Loss, TrainSpec
from rsviz.voting import MethodRun

Certify = Callable[[Tensor, Mapping[str, nn.Module], RunSpec], MethodRun]


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


def _dual(title: str) -> Method:
    """Return Dual RS, by one classifier or routed to several."""
    return Method(
        title,
        "arXiv 2512.01782, ICLR 2026",
        dual.certify,
        dual.read,
        None,
        dual.GUARANTEE,
        options=dual.Options,
        planned=lambda spec: 2 * (spec.n0 + spec.n),
        logged=("level", "estimate", "radius_class"),
        chooses_sigma=True,
        page="levels",
    )


def _linf(title: str, certify: Certify, options: type | None = None) -> Method:
    """Return a method certified in Linf on canvases: ARS or a baseline of it."""
    return Method(
        title,
        "Lyu et al. 2024, arXiv 2406.10427",
        certify,
        adaptive.read,
        None,
        adaptive.GUARANTEE,
        options=options,
        norm=Norm.LINF,
        page="masks",
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
    "dual": _dual("Dual RS"),
    "routing": _dual("Dual RS, routing"),
    "variational": Method(
        title="Variational RS",
        source="Koike-Akino et al. 2024, arXiv 2407.11844; the sound rule is rsviz's own",
        certify=variational.certify,
        read=variational.read,
        loss=None,
        guarantee=variational.GUARANTEE,
        options=variational.Options,
        planned=lambda spec: from_spec(variational.Options, spec).draws + spec.n0 + spec.n,
        logged=("level", "selector", "possible", "interval", "counts"),
        chooses_sigma=True,
        page="levels",
    ),
    "adaptive": _linf("Adaptive RS", adaptive.certify, adaptive.Options),
    "static": _linf("One static mask", adaptive.certify_static),
    "plain-linf": _linf("Gaussian, in Linf", adaptive.certify_plain),
}


def reader(method: Method, x_CHW: Tensor) -> Callable[[Mapping[str, Votes], RunSpec], Certificate]:
    """Return how votes on this image are read: in Linf the number of its entries is needed."""
    return partial(method.read, d=x_CHW.numel()) if method.norm is Norm.LINF else method.read


def loss_for(spec: TrainSpec) -> tuple[Loss, dict[str, float]]:
    """Return the loss a training asks for, and its settings in full, for the card.

    Raises
    ------
    UserError
        A setting is not known to the method, or out of range.
    """
    method = METHODS[spec.method]
    if method.loss is None:
        raise UserError(f"{method.title} is not trained by one loss.")
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
