"""Noise levels to choose from, and what a network is taught about them on training images.

Shape suffixes: N images, R rows, C channels, H height, W width, K classes, L noise levels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from rsviz.bounds import clopper_pearson_lower
from rsviz.certify import radius_l2
from rsviz.errors import UserError
from rsviz.networks import class_count
from rsviz.settings import fill
from rsviz.spec import SIGMA_MAX, RunSpec

Risk = Literal["strong", "weak", "none"]
T = TypeVar("T")


def parse(text: str) -> tuple[float, ...]:
    """Return the levels of ``"0.25,0.5,1"``, in pixel units: at least two, rising.

    Raises
    ------
    UserError
        The text is not a rising list of at least two numbers between 0 and 10.
    """
    try:
        levels = tuple(float(word) for word in text.split(","))
    except ValueError:
        levels = ()
    in_range = all(0 < s < SIGMA_MAX for s in levels)
    if len(levels) < 2 or list(levels) != sorted(set(levels)) or not in_range:
        raise UserError(
            f"levels must be two or more rising numbers between 0 and {SIGMA_MAX:g}, separated by "
            f"commas, but is {text!r}."
        )
    return levels


def from_spec(kind: type[T], spec: RunSpec) -> T:
    """Return a dataclass of options, each with a default, filled from ``spec.settings``.

    Raises
    ------
    UserError
        A name is not one of its fields, or a value is a word where a number belongs.
    """
    return fill(kind, spec.settings)


def network(nets: Mapping[str, nn.Module], name: str) -> nn.Module:
    """Return one network by name; a missing one is refused in words."""
    if name not in nets:
        raise UserError(f"This method needs a network named {name!r}; give it one.")
    return nets[name]


def classifier_at(nets: Mapping[str, nn.Module], level: float) -> nn.Module:
    """Return the classifier of one level: ``classifier-0.25`` where routed, else ``classifier``.

    Raises
    ------
    UserError
        There is neither.
    """
    name = f"classifier-{level:g}"
    return nets[name] if name in nets else network(nets, "classifier")


def count_votes(
    net: nn.Module,
    x_NCHW: Tensor,
    sigma: float,
    votes: int,
    generator: torch.Generator,
    rows: int = 1000,
) -> Tensor:
    """Return counts_NK of ``votes`` noisy copies of each image, ``rows`` of them at a time.

    Parameters
    ----------
    net : in eval mode, pixels to logits.
    x_NCHW : images in [0, 1]; sigma the noise level, in pixel units.
    """
    counts_NK = torch.zeros(len(x_NCHW), class_count(net), dtype=torch.int64)
    with torch.inference_mode():
        for start in range(0, len(x_NCHW) * votes, rows):
            stop = min(start + rows, len(x_NCHW) * votes)
            owner_R = torch.arange(start, stop) // votes
            x_RCHW = x_NCHW[owner_R]
            noise_RCHW = torch.randn(x_RCHW.shape, generator=generator, device=x_RCHW.device)
            class_R = net(x_RCHW + sigma * noise_RCHW).argmax(1).cpu()
            counts_NK.index_put_((owner_R, class_R), torch.ones_like(class_R), accumulate=True)
    return counts_NK


def label_radii(correct_N: Tensor, votes: int, level: float, alpha: float = 0.05) -> Tensor:
    """Return radius_N = level PhiInv(Clopper-Pearson of the votes for the label), 0 if p <= 1/2.

    It is a label to learn from and certifies nothing: the class is the true one, not one chosen on
    votes of their own. alpha is a choice made here; the paper says only how many votes it uses.
    """
    table = [radius_l2(level, clopper_pearson_lower(k, votes, alpha)) for k in range(votes + 1)]
    return torch.tensor(table)[correct_N]


def label_table(
    nets: Mapping[str, nn.Module],
    x_NCHW: Tensor,
    y_N: Tensor,
    level_L: tuple[float, ...],
    votes: int,
    generator: torch.Generator,
) -> Tensor:
    """Return radius_NL of training images: `label_radii` of each level's own classifier.

    Parameters
    ----------
    nets : ``classifier``, or one ``classifier-<level>`` for each level, in eval mode.
    """
    columns = []
    for level in level_L:
        counts_NK = count_votes(classifier_at(nets, level), x_NCHW, level, votes, generator)
        columns.append(label_radii(counts_NK.gather(1, y_N.cpu()[:, None])[:, 0], votes, level))
    return torch.stack(columns, 1)


def choose_levels(
    estimator: nn.Module,
    x_NCHW: Tensor,
    sigma_e: float,
    level_L: tuple[float, ...],
    votes: int,
    generator: torch.Generator,
) -> Tensor:
    """Return level_N, the level that most noisy copies of each image vote for."""
    counts_NL = count_votes(estimator, x_NCHW, sigma_e, votes, generator)
    return torch.tensor(level_L)[counts_NL.argmax(1)]


@dataclass(frozen=True, eq=False)
class Targets:
    """What the estimator learns about each image: soft_NL, weight_N (0: left out), risk_N."""

    soft_NL: Tensor
    weight_N: Tensor
    risk_N: Tensor


def soft_targets(radius_NL: Tensor, temperature: float = 1.0) -> Tensor:
    """Return soft_NL, the softmax over levels of radius / temperature (the paper: 1)."""
    return (radius_NL / temperature).softmax(1)


def share_weights(radius_NL: Tensor) -> Tensor:
    """Return weight_N = 1 / (L share of the image's best level), 0 where every radius is 0.

    Shares are among images with a radius, so the mean weight of those is 1 when every level is the
    best of some. The paper's weight is 1 / share; the factor L only rescales the loss.
    """
    kept_N = radius_NL.amax(1) > 0
    best_N = radius_NL.argmax(1)
    L = radius_NL.shape[1]
    count_L = torch.bincount(best_N[kept_N], minlength=L).clamp(min=1)
    return kept_N * (int(kept_N.sum()) / (L * count_L[best_N]))


def risk_weights(radius_NL: Tensor, risk: Risk) -> Tensor:
    """Return risk_N >= 0 of mean 1, by which the consistency term of each image is weighed.

    ``strong`` is the radius at the largest level over its mean, ``weak`` that at the smallest,
    ``none`` is 1. The paper ties its weight to these radii; its exact form is not known here, so
    this is a choice.
    """
    if risk == "none":
        return torch.ones(len(radius_NL))
    if risk not in ("strong", "weak"):
        raise UserError(f"risk must be strong, weak or none, but is {risk!r}.")
    radius_N = radius_NL[:, -1 if risk == "strong" else 0]
    mean = float(radius_N.mean())
    return radius_N / mean if mean > 0 else torch.zeros(len(radius_N))


def make_targets(radius_NL: Tensor, risk: Risk = "strong", temperature: float = 1.0) -> Targets:
    """Return the targets that the radii of training images make."""
    soft_NL = soft_targets(radius_NL, temperature)
    return Targets(soft_NL, share_weights(radius_NL), risk_weights(radius_NL, risk))


def geometric_grid(low: float, high: float, count: int) -> str:
    """Return ``count`` levels from low to high in equal ratios, as settings hold them."""
    if not (0 < low < high < SIGMA_MAX and count >= 2 and math.isfinite(high)):
        raise UserError(f"A grid needs 0 < low < high < {SIGMA_MAX:g} and at least two levels.")
    return ",".join(f"{s:.6g}" for s in np.geomspace(low, high, count))
