"""Networks of a thousand weights on images of two pixels, trained while one waits.

They are trained by the very losses of `rsviz.methods`; what smoothing makes of them is summed over
a grid, not sampled.

Shape suffixes: N images, G grid nodes a side, R rows, C = 2 pixels, H = W = 1.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import ndtri
from torch import nn

from rsviz.methods import advmacer, gaussian, macer, smoothadv

Floats = NDArray[np.float64]
METHODS = ("Gaussian", "SmoothAdv", "MACER", "AdvMacer")
LOW, HIGH, NODES = -0.75, 1.75, 251  # the grid reaches past the square: noise is not clipped
_STEPS, _EPS = 200, 0.1
# With the weights for real pictures these networks answer one class everywhere: of the points that
# are right, the hinge prizes radii that no point of the other class allows.
_LAM, _GAMMA = 1.0, 1.0
_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "Gaussian": gaussian.loss,
    "SmoothAdv": partial(
        smoothadv.loss, settings=replace(smoothadv.PRESETS[0.5], eps=_EPS, warm_up=1)
    ),
    "MACER": partial(macer.loss, settings=replace(macer.PRESETS[0.25], lam=_LAM, gamma=_GAMMA)),
    "AdvMacer": partial(
        advmacer.loss,
        settings=replace(advmacer.PRESETS[0.5], eps=_EPS, warm_up=1, lam=_LAM, gamma=_GAMMA),
    ),
}


def images(seed: int, count: int = 120) -> tuple[Floats, NDArray[np.int64]]:
    """Return images (N, 2) and classes: 1 in three clumps round the middle, 0 in the middle."""
    random = np.random.default_rng(seed)
    y_N = np.arange(count) % 2
    angle_N = random.integers(0, 3, count) * 2 * np.pi / 3 + random.normal(0, 0.35, count)
    out_N = np.where(y_N == 1, random.normal(0.36, 0.03, count), random.normal(0, 0.09, count))
    x_N2 = 0.5 + out_N[:, None] * np.stack([np.cos(angle_N), np.sin(angle_N)], 1)
    return np.clip(x_N2, 0, 1), y_N


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2, 32),
            nn.Tanh(),
            nn.Linear(32, 32),
            nn.Tanh(),
            nn.Linear(32, 2),
        )

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        return self.layers(4 * (x_NCHW - 0.5))


def train(method: str, sigma: float, seed: int) -> nn.Module:
    """Train a network on `images` at one noise level, by the loss of a method; about a second."""
    x_N2, y_N = images(0)
    x_NCHW = torch.tensor(x_N2, dtype=torch.float32)[:, :, None, None]
    label_N, sigma_N111 = torch.tensor(y_N), torch.full((len(y_N), 1, 1, 1), sigma)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(_STEPS):
        loss = _LOSSES[method](net, x_NCHW, label_N, sigma_N111, generator, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


@dataclass(frozen=True, eq=False)
class Trained:
    """The smoothed network on a grid, p_GG[row, column] of class 1, and its radii at the images.

    ``radius_N`` is sigma PhiInv(p_A) of the true class, negative where the answer is wrong; it is
    what infinitely many votes would certify. ``average`` is their mean, mistakes counting 0.
    """

    p_GG: Floats
    radius_N: Floats
    average: float
    correct: float


@lru_cache(maxsize=32)
def trained(method: str, sigma: float, seed: int = 0) -> Trained:
    """Train, smooth and measure a network; seen again at once."""
    net = train(method, sigma, seed)
    tick_G = np.linspace(LOW, HIGH, NODES)
    column_GG, row_GG = np.meshgrid(tick_G, tick_G)
    grid_R2 = torch.tensor(np.stack([column_GG, row_GG], -1).reshape(-1, 2), dtype=torch.float32)
    with torch.no_grad():
        vote_GG = net(grid_R2[:, :, None, None]).argmax(1).reshape(NODES, NODES).numpy()
    width = sigma * (NODES - 1) / (HIGH - LOW)
    p_GG = gaussian_filter(vote_GG.astype(np.float64), width, mode="nearest", truncate=6)
    x_N2, y_N = images(0)
    at_2N = (x_N2[:, ::-1].T - LOW) * (NODES - 1) / (HIGH - LOW)
    p_N = map_coordinates(p_GG, at_2N, order=1)
    own_N = np.where(y_N == 1, p_N, 1 - p_N)
    radius_N = sigma * ndtri(np.clip(own_N, 1e-9, 1 - 1e-9))
    return Trained(
        p_GG, radius_N, float(np.maximum(radius_N, 0).mean()), float((radius_N > 0).mean())
    )
