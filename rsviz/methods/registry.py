"""The smoothing systems: one file each, readable top to bottom, all with the same small surface."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rsviz.checkpoints.catalog import Card, check_cards_by
from rsviz.core.errors import UserError
from rsviz.core.files import shown
from rsviz.core.settings import options_of
from rsviz.core.spec import Bound, Certificate, Norm, RunSpec, Votes
from rsviz.methods import (
    adaptive,
    advconsistency,
    advmacer,
    consistency,
    dual,
    ensemble,
    gaussian,
    macer,
    multiscale,
    smoothadv,
    sun,
    variational,
)
from rsviz.methods.base import Certify, Method, Weigh

if TYPE_CHECKING:
    from torch import Tensor


def _trained(title: str, source: str, how: Any, weigh: Weigh | None = None) -> Method:
    """Return a method that differs from Gaussian in its training only."""
    return Method(
        title,
        source,
        gaussian.certify,
        gaussian.read,
        how.loss,
        gaussian.GUARANTEE,
        how.PRESETS,
        weigh,
    )


def _dual(title: str, short: str, about: str, experts: bool = False) -> Method:
    """Return Dual RS, by one classifier or routed to several."""
    return Method(
        title,
        "arXiv 2512.01782, ICLR 2026",
        dual.certify,
        dual.read,
        None,
        dual.GUARANTEE,
        options=dual.Options,
        controls=dual.CONTROLS,
        planned=dual.planned,
        logged=("level", "estimate", "radius_class", "interval", "counts"),
        predict=dual.predict,
        aim=dual.aim,
        claims=dual.claims,
        chooses_sigma=True,
        levels=replace(dual.LEVELS, experts=experts),
        needs=("estimator",),
        page="levels",
        short=short,
        about=f"A small network, itself smoothed, **votes for a level**; {about}",
    )


def _linf(title: str, short: str, certify: Certify, **more: Any) -> Method:
    """Return a method certified in Linf on canvases: ARS or a baseline of it."""
    return Method(
        title,
        "Lyu et al. 2024, arXiv 2406.10427",
        certify,
        adaptive.read,
        None,
        adaptive.GUARANTEE,
        norm=Norm.LINF,
        page="masks",
        short=short,
        on_canvases=True,
        **more,
    )


METHODS: dict[str, Method] = {
    "gaussian": Method(
        title="Gaussian",
        source="Cohen, Rosenfeld and Kolter 2019, arXiv 1902.02918",
        certify=gaussian.certify,
        read=gaussian.read,
        loss=gaussian.loss,
        guarantee=gaussian.GUARANTEE,
        plain=True,
    ),
    "smoothadv": _trained("SmoothAdv", "Salman et al. 2019, arXiv 1906.04584", smoothadv),
    "macer": _trained("MACER", "Zhai et al. 2020, arXiv 2001.02378", macer),
    "advmacer": _trained("AdvMacer", "ICDM 2023, arXiv 2310.07780", advmacer),
    "consistency": _trained("Consistency", "Jeong and Shin 2020, arXiv 2006.04062", consistency),
    "advconsistency": _trained(
        "SmoothAdv + Consistency", "Jeong and Shin 2020, arXiv 2006.04062", advconsistency
    ),
    "sun": _trained("Drop and reweigh", "Sun et al. 2025, arXiv 2410.06895", sun, sun.weigh),
    "ensemble": Method(
        title="EsbRS",
        source="ICDM 2023, arXiv 2310.07780",
        certify=ensemble.certify,
        read=ensemble.read,
        loss=None,
        guarantee=ensemble.GUARANTEE,
    ),
    "dual": _dual(
        "Dual RS",
        "Dual RS",
        "one classifier, smoothed at that level, votes for the class.",
    ),
    "routing": _dual(
        "Dual RS, routing",
        "Routing",
        "each level has a classifier of its own, an expert trained at it.",
        experts=True,
    ),
    "variational": Method(
        title="Variational RS",
        source="Koike-Akino et al. 2024, arXiv 2407.11844; the sound rule is rsviz's own",
        certify=variational.certify,
        read=variational.read,
        loss=None,
        guarantee=variational.GUARANTEE,
        options=variational.Options,
        controls=variational.CONTROLS,
        planned=lambda spec: options_of(variational.Options, spec).draws + spec.n0 + spec.n,
        logged=("level", "selector", "possible", "interval", "counts"),
        predict=variational.predict,
        claims=variational.claims,
        chooses_sigma=True,
        levels=variational.LEVELS,
        needs=("selector",),
        heuristic=variational.paper_style,
        page="levels",
        about="A small network names any level; its draws are rounded to a grid, and the level is "
        "their **median**. lambda pulls it towards more noise.",
    ),
    "multiscale": Method(
        title="Multiscale",
        source="Jeong and Shin 2023, arXiv 2310.16779; the certificate is rsviz's own",
        certify=multiscale.certify,
        read=multiscale.read,
        loss=None,
        guarantee=multiscale.GUARANTEE,
        options=multiscale.Options,
        controls=multiscale.CONTROLS,
        logged=("level", "answers", "decides", "counts0", "counts"),
        predict=multiscale.predict,
        claims=multiscale.claims,
        aim=multiscale.aim,
        chooses_sigma=True,
        levels=multiscale.LEVELS,
        page="levels",
        about="Nobody chooses: the levels are asked **from the most noise down**, and the first at "
        "which a class exceeds its threshold answers. No training is needed.",
    ),
    "adaptive": _linf(
        "Adaptive RS",
        "Adaptive mask (ARS)",
        adaptive.certify,
        options=adaptive.Options,
        aim=adaptive.aim,
        needs=("mask",),
        rivals=("plain-linf", "static"),
    ),
    "static": _linf(
        "One static mask",
        "One static mask",
        adaptive.certify_static,
        aim=adaptive.aim_static,
        needs=("mask",),
    ),
    "plain-linf": _linf("Gaussian, in Linf", "No mask: plain smoothing", adaptive.certify_plain),
}


def amiss(card: Card) -> str:
    """Say why no method can run what a card describes, empty if one can."""
    method = METHODS.get(card.method)
    if method is None:
        return f"its method, {shown(card.method)!r}, is not known here"
    lacking = [name for name in method.needs if name not in card.parts]
    return f"{method.title} needs a network {lacking[0]!r} among its parts" if lacking else ""


check_cards_by(amiss)


def on_canvases() -> list[str]:
    """Return the names of the methods made for small objects on canvases."""
    return [name for name, method in METHODS.items() if method.on_canvases]


def is_plain(name: str) -> bool:
    """Whether a method, known or not, is plain smoothing and training."""
    return name in METHODS and METHODS[name].plain


def check_stopping(method: Method, spec: RunSpec) -> RunSpec:
    """Return the run, or refuse a rule or bound that is for one count, where a method has several.

    Raises
    ------
    UserError
        The method chooses the noise of each image, so that one count does not settle its radius.
    """
    rule = spec.until_radius is not None or spec.precision is not None
    if rule and method.chooses_sigma:
        raise UserError(
            f"{method.title} reads its radius from several counts, so no one of them can end early "
            "by a radius or a precision; leave that out, or take one noise level for all images."
        )
    if spec.bound is Bound.LOOKS and method.chooses_sigma:
        raise UserError(
            f"{method.title} reads its radius from several counts, for which the bound at looks is "
            "too slow; choose another --bound."
        )
    return spec


def reader(method: Method, x_CHW: Tensor) -> Callable[[Mapping[str, Votes], RunSpec], Certificate]:
    """Return how votes on this image are read: in Linf the number of its entries is needed."""
    return (
        partial(method.read, d=math.prod(x_CHW.shape)) if method.norm is Norm.LINF else method.read
    )
