"""What a mask does, as numbers and maps for display; certificates do not use them.

Shape suffixes: N draws, C channels, H height, W width, K queries; d = CHW entries.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from rsviz.core.spec import RunSpec
from rsviz.data.canvases import Canvas
from rsviz.data.images import image_id
from rsviz.methods import adaptive
from rsviz.smoothing.estimates import log_mean_softmax
from rsviz.smoothing.noise import chunk, chunk_name
from rsviz.smoothing.queries import Answer, ask, combine, kept


def spread(w_N1HW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean mask and its standard deviation over draws, each (H, W)."""
    return w_N1HW.mean((0, 1)), w_N1HW[:, 0].std(0, correction=0)


def separation(w_N1HW: Tensor, object_HW: Tensor) -> Tensor:
    """Return, for each mask, how often a pixel of the object weighs more than one beside it, (N,).

    P(w_in > w_out) + P(w_in = w_out)/2 over all pairs of one pixel in the object and one outside:
    1 for a mask that finds the object, 1/2 by chance (Mann and Whitney's U over its maximum).
    """
    inside, outside = int(object_HW.sum()), int((~object_HW).sum())
    rank_NHW = torch.from_numpy(rankdata(w_N1HW[:, 0].flatten(1).cpu().numpy(), axis=1))
    total_N = rank_NHW[:, object_HW.flatten()].sum(1)
    return (total_N - inside * (inside + 1) / 2) / (inside * outside)


def visible(radius: float, variance_1HW: Tensor) -> Tensor:
    """Return r/sd_HW: by how many standard deviations a change of size r moves a pixel.

    sd is that of the combined input, a mask held fixed; a change of x moves its mean one to one.
    """
    return radius / variance_1HW[0].sqrt()


def pull(
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    spec: RunSpec,
    label: int,
    draws: int = 16,
    device: str = "cpu",
) -> Tensor:
    """Return how strongly each pixel pulls on the class: sum_c |d log zhat_label / d x_c|, (H, W).

    zhat is the mean softmax over ``draws`` votes with noise of their own, as an attacker would
    estimate it; the gradient goes through all queries and masks. To first order a change of
    size r in Linf moves log zhat by at most r times the sum of this map. It shows one attacker's
    view; it is not an attack and not a bound.
    """
    voter = adaptive.voter_of(nets, spec)
    leaf_CHW = x_CHW.to(device).detach().requires_grad_(True)
    with torch.enable_grad():
        answers = _asked(leaf_CHW, voter, spec, draws)
        logits_N1K = voter.classifier(combine(answers)[0])[:, None]
        (grad_CHW,) = torch.autograd.grad(log_mean_softmax(logits_N1K)[0, label], leaf_CHW)
    return grad_CHW.abs().sum(0).cpu()


def kept_on(
    canvases: Sequence[Canvas], nets: Mapping[str, nn.Module], spec: RunSpec, draws: int = 16
) -> list[tuple[float, float]]:
    """Return (`queries.kept`, `separation`) on each canvas, the mean over draws of the mask."""
    voter, found = adaptive.voter_of(nets, spec), []
    for c in canvases:
        x_CHW, object_HW = torch.from_numpy(c.x_CHW).float() / 255, torch.from_numpy(c.object_HW)
        with torch.inference_mode():
            w_N1HW = _asked(x_CHW, voter, spec, draws)[-1].w_N1HW
        found.append(
            (float(kept(w_N1HW, object_HW).mean()), float(separation(w_N1HW, object_HW).mean()))
        )
    return found


def _asked(x_CHW: Tensor, voter: adaptive.AdaptiveVoter, spec: RunSpec, draws: int) -> list[Answer]:
    """Return the answers to a few votes that no certificate counts."""
    (C, H, W), device = x_CHW.shape, str(x_CHW.device)
    hashed = image_id(x_CHW.detach())
    names = [chunk_name(spec.seed, hashed, "view", q, 0) for q in range(voter.queries)]
    noise = [chunk((C, H, W), name, device)[:draws] for name in names]
    x_NCHW = x_CHW.expand(draws, *x_CHW.shape)
    sigma_N111 = torch.full((draws, 1, 1, 1), spec.noise, device=x_CHW.device)
    return ask(x_NCHW, sigma_N111, noise, voter.masks, voter.shares_K, voter.kappa_max)


def budget(radius: float, sigma: float, d: int, f: float) -> tuple[float, float, float]:
    """Return (mu_1, mu_2, mu): how far an Linf change of size r moves query 1, the others, all.

    In standard deviations of the noise, the largest there can be: mu = r sqrt(d)/sigma,
    mu_1 = sqrt(f) mu, mu_2 = sqrt(1 - f) mu, whatever the masks and however many queries.
    """
    mu = radius * math.sqrt(d) / sigma
    return math.sqrt(f) * mu, math.sqrt(1 - f) * mu, mu
