"""Bytes a person uploads -> a checked picture -> the tensor a network sees.

Only five decoders are ever tried, and the size is checked before any pixel is decoded.
Shape suffixes: C channels, H height, W width.
"""

import hashlib
import io
import warnings
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from rsviz.errors import UserError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
MAX_BYTES = 10_000_000
MAX_PIXELS = 20_000_000
MIN_SIDE = 4
Crop = Literal["centre", "whole"]
Box = tuple[float, float, float, float]


def open_image(data: bytes, name: str = "") -> Image.Image:
    """Decode an uploaded file into an upright RGB picture over white.

    The first frame of an animation is taken, EXIF rotation is applied, 16-bit pixels are scaled to
    8. A JPEG too large to decode whole is decoded at a half, quarter or eighth of its size.

    Raises
    ------
    UserError
        The file is empty, too large, too small, damaged, or no picture.
    """
    what = name or "This file"
    if not data:
        raise UserError(f"{what} is empty; choose another picture.")
    if len(data) > MAX_BYTES:
        raise UserError(f"{what} is larger than {MAX_BYTES // 10**6} MB; choose a smaller picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", Image.DecompressionBombWarning
            )  # sizes are checked here
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(image, what)
            return _upright_rgb(image)
    except UserError:
        raise
    except Image.DecompressionBombError:
        raise UserError(_too_many_pixels(what)) from None
    except Image.UnidentifiedImageError:
        raise UserError(
            f"{what} is not a JPEG, PNG, GIF, WebP or BMP picture; choose another file."
        ) from None
    except Exception:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise UserError(f"{what} is damaged and cannot be read; choose another file.") from None


def _too_many_pixels(what: str) -> str:
    return f"{what} has more than {MAX_PIXELS // 10**6} million pixels; choose a smaller picture."


def _check_size(image: Image.Image, what: str) -> None:
    """Refuse a picture by its declared size; let a large JPEG decode at a fraction of it."""
    if image.width * image.height > MAX_PIXELS:
        image.draft("RGB", (1024, 1024))  # only JPEG can; the size shrinks to the scale chosen
    if image.width * image.height > MAX_PIXELS:
        raise UserError(_too_many_pixels(what))
    if min(image.size) < MIN_SIDE:
        raise UserError(
            f"{what} is {image.width}x{image.height} pixels; choose a picture of at least "
            f"{MIN_SIDE}x{MIN_SIDE}."
        )


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.seek(0)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):  # convert() would clip instead of scale
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def crop(image: Image.Image, how: Crop | Box) -> Image.Image:
    """Cut a picture to a square.

    ``centre`` takes the largest square in its middle, ``whole`` pads it with its mean colour; a box
    (left, top, right, bottom), as fractions of width and height, is cut and then padded.
    """
    if how == "centre":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return image.crop((left, top, left + side, top + side))
    if how != "whole":
        image = image.crop(_pixels(image, how))
    side = max(image.size)
    mean = np.asarray(image.resize((1, 1), Image.Resampling.BOX))[0, 0]
    square = Image.new("RGB", (side, side), tuple(int(c) for c in mean))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def _pixels(image: Image.Image, box: Crop | Box) -> tuple[int, int, int, int]:
    if isinstance(box, str) or len(box) != 4 or not all(0 <= f <= 1 for f in box):
        raise UserError("A crop is centre, whole, or four fractions from 0 to 1.")
    scale = (image.width, image.height) * 2
    left, top, right, bottom = (round(f * s) for f, s in zip(box, scale, strict=True))
    if right - left < 1 or bottom - top < 1:
        raise UserError("This crop is empty; make it larger.")
    return left, top, right, bottom


def to_tensor(image: Image.Image, size: int, how: Crop | Box = "centre") -> Tensor:
    """Return x_CHW, float32 multiples of 1/255 in [0, 1]: the square crop at the network's size."""
    square = crop(image, how)
    if square.size != (size, size):
        square = square.resize(
            (size, size), Image.Resampling.BOX if square.width > size else Image.Resampling.BICUBIC
        )
    return torch.from_numpy(np.asarray(square).transpose(2, 0, 1).copy()).float() / 255


def resampled(image: Image.Image, size: int) -> bool:
    """Return whether the network sees other pixels than the picture has."""
    return image.size != (size, size)


def image_id(x_CHW: Tensor) -> str:
    """Return ``sha256:`` and the hash of the tensor's shape and float32 values."""
    x_CHW = x_CHW.detach().cpu().float().contiguous()
    digest = hashlib.sha256(repr(tuple(x_CHW.shape)).encode())
    digest.update(x_CHW.numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def to_pil(x_CHW: Tensor, scale: int = 1) -> Image.Image:
    """Return a tensor as a picture, clipped to [0, 1], each pixel a scale x scale square."""
    x_HWC = x_CHW.detach().cpu().float().clamp(0, 1).permute(1, 2, 0).numpy()
    picture = Image.fromarray(np.round(255 * x_HWC).astype(np.uint8))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
