"""How fast votes are counted here: beside the field's loop, and the machine's own matmul rate.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rsviz.data.images import image_id
from rsviz.networks.inspection import class_count, multiply_adds
from rsviz.smoothing.driver import default_chunks, drive
from rsviz.smoothing.noise import CHUNK
from rsviz.smoothing.voters import Ask, MethodRun, NoisyClassifier, Request


@dataclass(frozen=True)
class Speed:
    """Votes a second of rsviz and of the field's loop, and the arithmetic rates behind them."""

    votes_per_second: float
    field_votes_per_second: float
    gflops: float
    matmul_gflops: float


def measure(plain: nn.Module, ready: nn.Module, size: int, device: str, seconds: float) -> Speed:
    """Time voting, the field's loop and a matmul, interleaved, and keep the best of three of each.

    Parameters
    ----------
    plain, ready : the same network as trained, and made ready for voting (`checkpoints.load`).
    seconds : for each of the nine timings.
    """
    x_CHW = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    ours, field, matmul = 0.0, 0.0, 0.0
    for _ in range(3):
        matmul = max(matmul, _matmul_gflops(device, seconds))
        ours = max(ours, _rate(lambda: _vote(ready, x_CHW, device), seconds))
        field = max(field, _rate(lambda: field_loop(plain, x_CHW, 0.5, 1000, 400, device), seconds))
    gflops = ours * 2 * multiply_adds(plain, size) / 1e9
    return Speed(ours, field, gflops, matmul)


def _vote(net: nn.Module, x_CHW: Tensor, device: str) -> int:
    """Count votes through the driver; return how many."""
    n = 10 * CHUNK * default_chunks(device)

    def method() -> MethodRun:
        yield Ask("bound", NoisyClassifier(net), 0.5, n, class_count(net))
        return None  # type: ignore[return-value]

    for _ in drive([Request(0, x_CHW, image_id(x_CHW), 0, method)], device):
        pass
    return n


def field_loop(net: nn.Module, x_CHW: Tensor, sigma: float, n: int, batch: int, device: str) -> int:
    """Count votes the way the field's scripts do: repeat, add noise, argmax, a loop over votes."""
    counts = [0] * class_count(net)
    with torch.no_grad():
        left = n
        while left > 0:
            size = min(batch, left)
            left -= size
            x_NCHW = x_CHW.to(device).repeat((size, 1, 1, 1))
            noise_NCHW = torch.randn_like(x_NCHW) * sigma
            for c in net(x_NCHW + noise_NCHW).argmax(1).cpu().numpy():
                counts[c] += 1
    return sum(counts)


def _rate(work: Callable[[], int], seconds: float) -> float:
    work()
    done, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        done += work()
    return done / spent


def _matmul_gflops(device: str, seconds: float) -> float:
    """Return the rate of a float32 matrix product, which no network here can exceed."""
    size = 8192 if device.startswith("cuda") else 1024
    a, b = torch.rand(size, size, device=device), torch.rand(size, size, device=device)

    def work() -> int:
        for _ in range(4):
            c = a @ b
        c[0, 0].item()  # waits for a GPU
        return 4

    return _rate(work, seconds) * 2 * size**3 / 1e9
