"""The smoothing systems: one file each, readable top to bottom, all with the same small surface."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from rsviz.core.settings import options_of
from rsviz.core.spec import Certificate, Norm, RunSpec, Votes
from rsviz.methods import (
    adaptive,
    advmacer,
    consistency,
    dual,
    ensemble,
    gaussian,
    macer,
    multiscale,
    smoothadv,
    variational,
)
from rsviz.methods.base import Certify, Method

ON_CANVASES = ("adaptive", "static", "plain-linf")  # the methods made for them


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
        logged=("level", "estimate", "radius_class", "interval", "counts"),
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
        planned=lambda spec: options_of(variational.Options, spec).draws + spec.n0 + spec.n,
        logged=("level", "selector", "possible", "interval", "counts"),
        chooses_sigma=True,
        page="levels",
    ),
    "multiscale": Method(
        title="Multiscale",
        source="Jeong and Shin 2023, arXiv 2310.16779; the certificate is rsviz's own",
        certify=multiscale.certify,
        read=multiscale.read,
        loss=None,
        guarantee=multiscale.GUARANTEE,
        options=multiscale.Options,
        logged=("level", "answers", "decides", "counts0", "counts"),
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
