"""A picture before and after it is cut to a network's size.

Shape suffixes: C channels, H height, W width.
"""

import hashlib
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from rsviz.core.flags import RESAMPLED
from rsviz.data import images

NONE_OF_THESE = -1  # the label of a picture that shows none of the classes


@dataclass(frozen=True, eq=False)
class Source:
    """A picture before it is cut to a network's size.

    ``dataset`` and ``x_CHW`` are set for an image of a data set, ``data`` for a file. ``label`` is
    the class of an image of a data set, and what the visitor says of a file; None: nobody said.
    """

    name: str
    dataset: str = ""
    x_CHW: Tensor | None = None
    label: int | None = None
    data: bytes = b""

    @property
    def image(self) -> str:
        """The name a RunSpec uses; empty for an upload, which is known by its hash."""
        return self.name if self.dataset else ""

    @property
    def digest(self) -> str:
        """The hash of the file's bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, eq=False)
class Picture:
    """What the network sees, and where it comes from; ``crop`` is None for a data set's image."""

    x_CHW: Tensor
    source: Source
    original: Image.Image
    crop: images.Crop | images.Box | None = None
    resampled: bool = False

    @property
    def name(self) -> str:
        """The name a RunSpec uses; empty for an upload, which is known by its hash."""
        return self.source.image

    @property
    def flags(self) -> tuple[str, ...]:
        """What a certificate of it is marked with."""
        return (RESAMPLED,) * self.resampled
