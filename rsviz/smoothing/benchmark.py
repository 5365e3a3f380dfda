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
        matmul = max(matmul, matmul_gops(device, "float32", seconds) or 0.0)
        ours = max(ours, rate(lambda: _vote(ready, x_CHW, device), seconds))
        field = max(
            field, rate(lambda: sum(field_counts(plain, x_CHW, 0.5, 1000, 400, device)), seconds)
        )
    gflops = ours * 2 * multiply_adds(plain, size) / 1e9
    return Speed(ours, field, gflops, matmul)


def _vote(net: nn.Module, x_CHW: Tensor, device: str) -> int:
    """Count votes through the driver; return how many."""
    n = 10 * CHUNK * default_chunks(device, x_CHW.shape[-1])

    def method() -> MethodRun:
        yield Ask("bound", NoisyClassifier(net), 0.5, n, class_count(net))
        return None  # type: ignore[return-value]

    for _ in drive([Request(0, x_CHW, image_id(x_CHW), 0, method)], device):
        pass
    return n


def field_counts(
    net: nn.Module, x_CHW: Tensor, sigma: float, n: int, batch: int, device: str
) -> list[int]:
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
    return counts


def rate(work: Callable[[], int], seconds: float) -> float:
    """Return the rate of ``work``, whose calls return how much they did."""
    work()
    done, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        done += work()
    return done / spent


def matmul_gops(device: str, precision: str, seconds: float) -> float | None:
    """Return the rate of torch's matrix product in a precision; None where torch has none.

    In float32 no network here can exceed it.
    """
    size = 8192 if device.startswith("cuda") else 1024
    a, b = torch.rand(size, size, device=device), torch.rand(size, size, device=device)
    multiply: Callable[[Tensor, Tensor], Tensor] = torch.matmul
    if precision == "int8":
        a, b = ((127 * x).to(torch.int8) for x in (a, b))
        multiply = torch._int_mm
    else:
        a, b = (x.to(getattr(torch, precision)) for x in (a, b))

    def work() -> int:
        for _ in range(4):
            c = multiply(a, b)
        c[0, 0].item()  # waits for a GPU
        return 4

    try:
        return rate(work, seconds) * 2 * size**3 / 1e9
    except (RuntimeError, NotImplementedError):
        return None
