"""Base classifiers; normalisation is always layer 0, so every network takes pixels in [0, 1].

Shape suffixes: N images, C channels, H height, W width, K classes, L members of an
ensemble.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rsviz.core.errors import UserError
from rsviz.data.catalog import CLASS_COUNT, STATISTICS
from rsviz.networks.normalisation import Normalisation, of_dataset


class Normalize(nn.Module):
    """(x - mean) / std per channel, so that noise is added before it, in pixel units."""

    mean_1C11: Tensor
    std_1C11: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        # Not persistent: the field's state dicts do not hold them.
        self.register_buffer("mean_1C11", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std_1C11", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the standardised images."""
        return (x_NCHW - self.mean_1C11) / self.std_1C11


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and a residual connection (He et al. 2016)."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + x), x projected where the shape changes."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class CifarResNet(nn.Module):
    """ResNet of depth 6n+2 for 32x32 images; parameter names are those of the field's files."""

    def __init__(self, depth: int, classes: int) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, 1)
        self.layer2 = _stage(16, 32, blocks, 2)
        self.layer3 = _stage(32, 64, blocks, 2)
        self.fc = nn.Linear(64, classes)
        _he_normal(self)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the logits, (N, K)."""
        x = torch.relu(self.bn1(self.conv1(x_NCHW)))  # N,16,32,32
        x = self.layer3(self.layer2(self.layer1(x)))  # N,64,8,8
        return self.fc(x.mean((2, 3)))


class Compact(nn.Module):
    """The small net that votes fast on a CPU: stride-2 stem, 32-64-128 channels.

    0.48 M weights and 17 M multiply-adds an image of 32x32; each stage is conv-BN-ReLU and one
    residual block. With ``hidden`` units two layers of so many stand before the last: what tells
    how sure the features are is no sum of them.
    """

    def __init__(self, classes: int, width: int = 32, hidden: int = 0) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            _conv_bn_relu(3, width, 4, 2, 1),  # N,32,16,16
            BasicBlock(width, width),
            _conv_bn_relu(width, 2 * width, 3, 2, 1),  # N,64,8,8
            BasicBlock(2 * width, 2 * width),
            _conv_bn_relu(2 * width, 4 * width, 3, 2, 1),  # N,128,4,4
            BasicBlock(4 * width, 4 * width),
        )
        self.fc = _head(4 * width, hidden, classes)
        _he_normal(self)

    def features(self, x_NCHW: Tensor) -> Tensor:
        """Return what the last layers read, (N, F)."""
        features_NF: Tensor = self.stages(x_NCHW).mean((2, 3))
        return features_NF

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the logits, (N, K)."""
        return self.fc(self.features(x_NCHW))


def _head(features: int, hidden: int, classes: int) -> nn.Module:
    if not hidden:
        return nn.Linear(features, classes)
    return nn.Sequential(
        nn.Linear(features, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, classes),
    )


def _conv_bn_relu(channels_in: int, channels: int, size: int, stride: int, pad: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, size, stride, pad, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Module:
    first = BasicBlock(channels_in, channels, stride)
    return nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(blocks - 1)))


def _he_normal(net: nn.Module) -> None:
    for module in net.modules():
        # On the meta device there is nothing to fill, and torch would import its compiler for it.
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _resnet50(classes: int) -> nn.Module:
    # Imported here: torchvision takes a second to import and only ImageNet-sized nets need it.

    from torchvision.models import resnet50  # takes seconds to import

    return resnet50(num_classes=classes)


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "compact": Compact,
    "compact-48": partial(Compact, width=48),  # 1.08 M weights, 38 M multiply-adds
    "compact-64": partial(Compact, width=64),  # 1.91 M weights, 67 M multiply-adds
    "resnet20": lambda classes: CifarResNet(20, classes),
    "resnet110": lambda classes: CifarResNet(110, classes),
    "resnet50": _resnet50,
}
HEADED = ("compact", "compact-48", "compact-64")  # those that take ``hidden``


def build(
    network: str,
    dataset: str,
    classes: int | None = None,
    normalisation: Normalisation | None = None,
    **options: int,
) -> nn.Sequential:
    """Return a fresh network for a data set: Sequential(Normalize, net), pixels in, logits out.

    Parameters
    ----------
    network : one of `NETWORKS`.
    dataset : one of `STATISTICS`.
    classes : number of outputs; None takes the data set's.
    normalisation : in front of the network; None takes the data set's.
    options : of the network itself: ``width`` and ``hidden`` of ``compact``.

    Raises
    ------
    UserError
        Either name is not known.
    """
    if network not in NETWORKS:
        raise UserError(f"The network must be one of {', '.join(NETWORKS)}, but is {network!r}.")
    if dataset not in STATISTICS:
        raise UserError(f"The data set must be one of {', '.join(STATISTICS)}, not {dataset!r}.")
    body = NETWORKS[network](classes or CLASS_COUNT[dataset], **options)
    how = normalisation or of_dataset(dataset)
    return nn.Sequential(Normalize(how.mean, how.std), body)


def widen(narrow: nn.Module, wide: nn.Module) -> None:
    """Copy a network's weights into one of more channels, in place.

    The leading channels of ``wide`` become those of ``narrow`` and do not read the channels added
    beside them, which keep the weights they have and read all, until training says otherwise. Both
    then compute the same (the aim of Net2Net, Chen et al. 2016, arXiv 1511.05641).

    Raises
    ------
    UserError
        They differ in more than the number of channels, or ``wide`` has fewer.
    """
    old, new = narrow.state_dict(), wide.state_dict()
    fit = old.keys() == new.keys() and all(
        a.dim() == new[key].dim()
        and a.shape[2:] == new[key].shape[2:]
        and all(m <= n for m, n in zip(a.shape[:2], new[key].shape[:2], strict=True))
        for key, a in old.items()
    )
    if not fit:
        raise UserError("The network to start from is not a narrower one of the same kind.")
    for key, a in old.items():
        b = new[key]  # shares its memory with the network
        if a.dim() == 1:
            b[: len(a)] = a
        elif a.dim() > 1:
            b[: len(a)] = 0
            b[: len(a), : a.shape[1]] = a


def fold(net: nn.Module) -> nn.Module:
    """Fold each batch norm of a network in eval mode into the convolution before it, in place.

    The function computed is the same up to rounding, with fewer passes over memory.
    """
    for module in net.modules():
        if isinstance(module, BasicBlock | CifarResNet):
            for conv, bn in (("conv1", "bn1"), ("conv2", "bn2")):
                if hasattr(module, conv):
                    fused = fuse_conv_bn_eval(getattr(module, conv), getattr(module, bn))
                    setattr(module, conv, fused)
                    setattr(module, bn, nn.Identity())
        elif isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                first, second = module[i], module[i + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return net
