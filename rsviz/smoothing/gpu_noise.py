"""Standard normal noise of many chunks in one launch on a GPU, by Triton.

Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a chunk's seed is
its key, and the place in the chunk the counter; then Box and Muller's formula, as on a CPU.
"""

import math
from collections.abc import Sequence

import torch
import triton
from torch import Tensor
from triton import language as tl

BLOCK = 1024
TURN = tl.constexpr(math.pi * 2.0**-31)


@triton.jit
def _normals(length_bits, angle_bits):
    """Return sqrt(-2 ln u) (cos v, sin v), u in (0, 1] and v in [-pi, pi], each from 32 bits."""
    u = (length_bits.to(tl.uint32, bitcast=True).to(tl.float32) + 0.5) * 2.0**-32
    v = angle_bits.to(tl.int32, bitcast=True).to(tl.float32) * TURN
    length = tl.sqrt(-2.0 * tl.log(u))
    return length * tl.cos(v), length * tl.sin(v)


@triton.jit
def _fill(out, seeds, quarter, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Fill one block of one chunk: four numbers a counter, a quarter of the chunk apart."""
    at, chunk = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1)
    a, b, c, d = tl.randint4x(tl.load(seeds + chunk), at)
    first, second = _normals(a, b)
    third, fourth = _normals(c, d)
    place, inside = out + chunk.to(tl.int64) * 4 * quarter + at, at < quarter
    tl.store(place, first, mask=inside)
    tl.store(place + quarter, second, mask=inside)
    tl.store(place + 2 * quarter, third, mask=inside)
    tl.store(place + 3 * quarter, fourth, mask=inside)


def fill(out: Tensor, seeds_B: Sequence[int]) -> None:
    """Fill a contiguous float32 tensor of B equal chunks, each of 4 m numbers, with N(0, 1).

    Parameters
    ----------
    seeds_B : of 63 bits, one a chunk.
    """
    quarter = out.numel() // len(seeds_B) // 4
    seeds = torch.tensor(seeds_B, dtype=torch.int64)
    if out.is_cuda:  # from pinned memory the launch waits for nothing
        seeds = seeds.pin_memory().to(out.device, non_blocking=True)
    with torch.cuda.device_of(out):
        _fill[(triton.cdiv(quarter, BLOCK), len(seeds_B))](out, seeds, quarter, BLOCK)
