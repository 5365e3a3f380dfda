"""Builds the networks of a method that has several, from their description on its card."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from rsviz.core.errors import UserError
from rsviz.data.catalog import STATISTICS
from rsviz.networks.classifiers import NETWORKS, Compact, Normalize, build
from rsviz.networks.masks import StaticMask, build_mask
from rsviz.networks.selectors import Selector

FEATURES = 16  # outputs of a selector's trunk, inputs of its head


def build_part(part: Mapping[str, Any], dataset: str) -> nn.Module:
    """Return a fresh network as a card's ``parts`` describes it; see the functions below.

    Parameters
    ----------
    part : ``network`` and its options: a classifier of `networks.NETWORKS` with ``classes`` (the
        data set's), ``mask-unet`` with ``channels`` and ``half``, ``static-mask`` with ``size``,
        ``selector`` with ``low``, ``high`` and ``width``.

    Raises
    ------
    UserError
        The description is not one of these.
    """
    options = {key: value for key, value in part.items() if key != "network"}
    kind = part.get("network", "")
    try:
        if kind in NETWORKS:
            return build(kind, dataset, **options)
        return _KINDS[kind](dataset, **options)
    except (KeyError, TypeError):
        raise UserError(f"its card describes a part that rsviz does not know: {part}") from None


def _static(_dataset: str, size: int) -> nn.Module:
    return StaticMask(size)


def build_selector(dataset: str, low: float, high: float, width: int = 16) -> Selector:
    """Return a selector of levels in (low, high) whose trunk is a compact net of this width."""
    trunk = nn.Sequential(Normalize(*STATISTICS[dataset]), Compact(FEATURES, width))
    return Selector(trunk, FEATURES, low, high)


_KINDS: dict[str, Callable[..., nn.Module]] = {
    "mask-unet": build_mask,
    "static-mask": _static,
    "selector": build_selector,
}
