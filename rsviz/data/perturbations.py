"""Changes of an image of one exact L2 length, to make a radius visible.

Shape suffixes: C channels, H height, W width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def directions(shape_CHW: Sequence[int], seed: int = 0) -> dict[str, Tensor]:
    """Return a few directions of L2 length 1, each (C, H, W), by name."""
    C, H, W = shape_CHW
    generator = torch.Generator().manual_seed(seed)
    white_CHW = torch.randn(C, H, W, generator=generator)
    coarse_1C44 = torch.randn(1, C, 4, 4, generator=generator)
    smooth_CHW = torch.nn.functional.interpolate(coarse_1C44, (H, W), mode="bicubic")[0]
    row_H, column_W = torch.arange(H), torch.arange(W)
    checker_HW = 1.0 - 2.0 * ((row_H[:, None] + column_W[None, :]) % 2)
    square_CHW = torch.zeros(C, H, W)
    square_CHW[:, H // 2 - H // 8 : H // 2 + H // 8, W // 2 - W // 8 : W // 2 + W // 8] = 1.0
    found = {
        "random": white_CHW,
        "smooth": smooth_CHW,
        "checkerboard": checker_HW.expand(C, H, W),
        "brighter everywhere": torch.ones(C, H, W),
        "a bright square": square_CHW,
    }
    return {name: d_CHW / d_CHW.norm() for name, d_CHW in found.items()}


def clipped_share(x_CHW: Tensor) -> float:
    """Return the share of entries outside [0, 1], which a screen cannot show."""
    return float(((x_CHW < 0) | (x_CHW > 1)).float().mean())
