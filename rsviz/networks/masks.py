"""Networks that look at a noisy image and say which pixels matter: m_NCHW -> w_N1HW in [0, 1].

One channel, shared by red, green and blue. A mask network sees only its input.

Shape suffixes: N images, C channels, H height, W width.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from rsviz.core.errors import UserError
from rsviz.data.catalog import STATISTICS
from rsviz.networks.classifiers import Normalize


class MaskUNet(nn.Module):
    """A U-Net with three steps down and up, c-2c-4c-8c channels, and a sigmoid at the end.

    Twice conv-BN-dropout-LeakyReLU at each scale, reflect padding, strided convolutions down,
    nearest neighbours and 1x1 convolutions up, as in ARS (Lyu et al. 2024, arXiv 2406.10427), where
    c = 32 for 32x32 images. ``half`` runs it at half resolution: one value for 2x2 pixels.
    """

    def __init__(self, channels: int = 8, half: bool = True, dropout: float = 0.3) -> None:
        super().__init__()
        c_4 = [channels * 2**i for i in range(4)]
        self.halved = half
        self.down_blocks = nn.ModuleList(
            _twice(a, b, dropout) for a, b in zip([3, *c_4], c_4, strict=False)
        )
        self.downs = nn.ModuleList(
            nn.Conv2d(c, c, 3, 2, 1, padding_mode="reflect") for c in c_4[:-1]
        )
        self.ups = nn.ModuleList(nn.Conv2d(2 * c, c, 1) for c in c_4[:-1])
        self.up_blocks = nn.ModuleList(_twice(2 * c, c, dropout) for c in c_4[:-1])
        self.last = nn.Conv2d(channels, 1, 1)

    def forward(self, m_NCHW: Tensor) -> Tensor:
        """Return the mask w_N1HW in (0, 1); UserError names the sizes that can be halved."""
        step = 16 if self.halved else 8
        if m_NCHW.shape[-2] % step or m_NCHW.shape[-1] % step:
            size = f"{m_NCHW.shape[-2]}x{m_NCHW.shape[-1]}"
            raise UserError(f"This mask network takes sides divisible by {step}, not {size}.")
        x = avg_pool2d(m_NCHW, 2) if self.halved else m_NCHW
        kept: list[Tensor] = []
        for block, down in zip(self.down_blocks, self.downs, strict=False):
            kept.append(block(x))
            x = down(kept[-1])
        x = self.down_blocks[-1](x)
        for i in (2, 1, 0):
            x = self.ups[i](interpolate(x, scale_factor=2.0, mode="nearest"))
            x = self.up_blocks[i](torch.cat([kept[i], x], 1))
        w_N1HW = torch.sigmoid(self.last(x))
        return interpolate(w_N1HW, scale_factor=2.0, mode="nearest") if self.halved else w_N1HW


class StaticMask(nn.Module):
    """One learned mask for every image, clamped to [0, 1]; it does not look at the image."""

    def __init__(self, size: int) -> None:
        super().__init__()
        # Not 1: there the clamp would pass no gradient upwards and weight decay alone would act.
        self.w_1HW = nn.Parameter(torch.full((1, size, size), 0.5))

    def forward(self, m_NCHW: Tensor) -> Tensor:
        """Return the same w_N1HW for every row."""
        return self.w_1HW.clamp(0, 1).expand(len(m_NCHW), -1, -1, -1)


class Split(nn.Module):
    """The first query's share f of the budget, learned in training and then frozen.

    It does not see the image: the budget is fixed only if f is one number for all images.
    """

    def __init__(self, f: float = 0.5) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(f).logit())

    def forward(self) -> Tensor:
        """Return f, in (0, 1), a tensor without dimensions."""
        return torch.sigmoid(self.logit)


def build_mask(dataset: str, channels: int = 8, half: bool = True) -> nn.Sequential:
    """Return a fresh mask network for a data set: Sequential(Normalize, MaskUNet).

    Parameters
    ----------
    channels : c of `MaskUNet`; 8 for a CPU, 32 as in the paper.
    half : run at half resolution; False as in the paper.

    Raises
    ------
    UserError
        The data set is not known.
    """
    if dataset not in STATISTICS:
        raise UserError(f"The data set must be one of {', '.join(STATISTICS)}, not {dataset!r}.")
    return nn.Sequential(Normalize(*STATISTICS[dataset]), MaskUNet(channels, half))


def _twice(channels_in: int, channels: int, dropout: float) -> nn.Sequential:
    """Return conv-BN-dropout-LeakyReLU twice, in one Sequential so that `fold` finds the norms."""
    layers: list[nn.Module] = []
    for a in (channels_in, channels):
        layers += [
            nn.Conv2d(a, channels, 3, 1, 1, bias=False, padding_mode="reflect"),
            nn.BatchNorm2d(channels),
            nn.Dropout2d(dropout),
            nn.LeakyReLU(),
        ]
    return nn.Sequential(*layers)
