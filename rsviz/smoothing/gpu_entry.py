"""Noisy copies as the patches that a network's first convolution reads, in one launch, by Triton.

With three channels in, that convolution is slow on tensor cores; as a product of patches and
weights it is not. What is done on the way, x + sigma e and the normalisation, costs nothing more.

Shape suffixes: N rows of a batch, C the 3 colours, H height, W width, P numbers of a patch.
"""

import triton
from torch import Tensor
from torch.cuda import device_of
from triton import language as tl

from rsviz.smoothing.fused import Stem

NUMBERS = 4096  # that one program writes


@triton.jit
def _enter(  # type: ignore[no-untyped-def]
    out,
    x,
    x_row,
    sigma,
    sigma_row,
    e,
    scale,
    H,
    W,
    HO,
    WO,
    total,
    size: tl.constexpr,
    stride: tl.constexpr,
    pad: tl.constexpr,
    P: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write a block of patches: (x + sigma e - mean) / std in float32, 0 beside the image."""
    place = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK))[:, None]
    number = tl.arange(0, WIDE)[None, :]
    row, at = place // (HO * WO), place % (HO * WO)
    tap, colour = number // 3, number % 3
    h = at // WO * stride + tap // size - pad
    w = at % WO * stride + tap % size - pad
    here = (place < total) & (tap < size * size) & (h >= 0) & (h < H) & (w >= 0) & (w < W)
    pixel = (h * W + w) * 3 + colour
    noise = tl.load(e + row.to(tl.int64) * (H * W * 3) + pixel, mask=here, other=0.0)
    image = tl.load(x + row.to(tl.int64) * x_row + pixel, mask=here, other=0.0)
    level = tl.load(sigma + row * sigma_row, mask=place < total, other=0.0)
    mean, std = tl.load(scale + colour), tl.load(scale + 3 + colour)
    value = tl.where(here, (image + level * noise - mean) / std, 0.0)
    to = out + place.to(tl.int64) * P + number
    tl.store(to, value.to(out.dtype.element_ty), mask=(place < total) & (number < P))


def enter(
    out_NPHW: Tensor,
    x_NCHW: Tensor,
    sigma_N111: Tensor,
    e_NCHW: Tensor,
    scale_2C: Tensor,
    stem: Stem,
) -> None:
    """Fill out_NPHW with the patches of (x + sigma e - mean) / std, one a place of the output.

    Parameters
    ----------
    out_NPHW : channels last in memory; so the others will be where they are not.
    x_NCHW, sigma_N111 : may be one row, expanded.
    scale_2C : means and stds, float32.
    """
    N, P, HO, WO = out_NPHW.shape
    _, _, H, W = e_NCHW.shape
    (x, x_row), (sigma, sigma_row) = _rows(x_NCHW), _rows(sigma_N111)
    wide = triton.next_power_of_2(P)
    block = max(1, NUMBERS // wide)
    with device_of(out_NPHW):
        _enter[(triton.cdiv(N * HO * WO, block),)](
            out_NPHW, x, x_row, sigma, sigma_row, _rows(e_NCHW)[0], scale_2C,
            H, W, HO, WO, N * HO * WO, stem.size, stem.stride, stem.pad, P, wide, block,
        )  # fmt: skip


def _rows(x_NCHW: Tensor) -> tuple[Tensor, int]:
    """Return rows channels last in memory, and how far apart they begin: 0 where all are one."""
    one = len(x_NCHW) == 1 or x_NCHW.stride(0) == 0
    rows = (x_NCHW[:1] if one else x_NCHW).permute(0, 2, 3, 1).contiguous()
    return rows, 0 if one else rows.stride(0)
