"""A picture moved away in one direction, step by step, and what noisy copies vote there.

It shows a radius and certifies nothing: inside the certified one no direction can change the
answer, beyond it some do.

Shape suffixes: C channels, H height, W width.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from rsviz.certification.attack import AttackSpec, attack, judge
from rsviz.core.spec import Certificate, RunSpec
from rsviz.data import perturbations

FARTHEST = 3.0  # in certified radii
STEP = 0.25
VOTES = 300  # at each step
DIRECTIONS = ("attack", "random")


def direction(
    name: str, x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate
) -> Tensor:
    """Return a direction (C, H, W) of L2 length 1: towards what an attack finds, or a random one.

    Parameters
    ----------
    name : one of `DIRECTIONS`; the attack may go `FARTHEST` certified radii.

    Raises
    ------
    UserError
        Nothing is certified, so there is no radius to attack at.
    """
    if name == "random":
        return perturbations.directions(x_CHW.shape, spec.seed)["random"]
    (attempt,) = attack(x_CHW, nets, spec, c, AttackSpec((FARTHEST,), seed=spec.seed))
    delta_CHW = attempt.x_CHW - x_CHW
    return delta_CHW / delta_CHW.norm().clamp_min(1e-12)


def votes_at(
    x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec, n: int
) -> tuple[int | None, tuple[int, ...]]:
    """Return PREDICT's class of an image (None: it abstains) and counts_K of its n votes."""
    return judge(x_CHW, nets, spec, AttackSpec((1.0,), n=n, alpha=spec.alpha, seed=spec.seed))


def share_at(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate) -> float:
    """Return what share of `VOTES` fresh votes at an image is for the certified class."""
    assert c.predicted is not None
    _, counts_K = votes_at(x_CHW, nets, spec, VOTES)
    return counts_K[c.predicted] / max(sum(counts_K), 1)


def walk(
    name: str, x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate
) -> tuple[Tensor, dict[float, float]]:
    """Return a direction in half precision, and the share of votes kept at each step along it."""
    half_CHW = direction(name, x_CHW, nets, spec, c).half()
    along_CHW = half_CHW.float()
    fars = [i * STEP for i in range(round(FARTHEST / STEP) + 1)]
    shares = {f: share_at(x_CHW + f * c.radius * along_CHW, nets, spec, c) for f in fars}
    return half_CHW, shares
