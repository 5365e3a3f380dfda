"""Bytes a person uploads -> a checked picture -> the tensor a network sees.

Only five decoders are ever tried, and the size is checked before any pixel is decoded. What the
network sees is what a browser shows: colours are brought to sRGB, through a profile where there is
one.

Shape suffixes: C channels, H height, W width.
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from rsviz.core.errors import UserError
from rsviz.core.late import torch
from rsviz.data import notes
from rsviz.data.colours import CICP_HDR, to_srgb

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
MEGABYTES = 10  # as an uploader counts them, 10^6 bytes each
MAX_BYTES = MEGABYTES * 10**6
MAX_PIXELS = 20_000_000
MAX_JPEG_PIXELS = 80_000_000  # declared; decoded at a fraction
MAX_JPEG_WORK = (
    10**9
)  # pixels times scans, about a second; an ordinary photograph has 1 to 10 scans
MAX_PADDED_SIDE = 4096
MIN_SIDE = 4
MAX_STRETCH = 50  # long side over short side; what shows a longer strip shrinks it to nothing
_JPEG_SCAN = re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e][\x01-\x04]")
_TURNS = {  # what EXIF's orientation asks for
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The first bytes of pictures that are not read here, and what they are called.
_OTHERS = (
    (rb"....ftyp.{0,40}avi[fs]", "an AVIF picture", ""),
    (
        rb"....ftyp.{0,40}(hei[cxms]|hev[cxms]|mif1|msf1)",
        "a HEIC picture, as iPhones take them",
        " (in the iPhone's settings: Camera, Formats, Most Compatible)",
    ),
    (rb"(II\*\0|MM\0\*)", "a TIFF or raw picture", ""),
    (rb"(\xff\x0a|\0\0\0\x0cJXL )", "a JPEG XL picture", ""),
    (rb"(\0\0\0\x0cjP  |\xff\x4f\xff\x51)", "a JPEG 2000 picture", ""),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg", "an SVG drawing", ""),
    (rb"8BPS", "a Photoshop file", ""),
    (rb"%PDF", "a PDF", ""),
)
Crop = Literal["centre", "whole"]
Box = tuple[float, float, float, float]


def open_image(data: bytes, name: str = "") -> Image.Image:
    """Decode an uploaded file into an upright RGB picture over white.

    The first frame of an animation is taken, EXIF rotation is applied, colours are brought to sRGB,
    16-bit pixels are scaled to 8. A JPEG of 20 to 80 million pixels is decoded at a half, quarter
    or eighth of its size.

    Raises
    ------
    UserError
        The file is empty, too large, small or thin, too slow to decode, damaged, or no picture.
    """
    what = _shorten(name) or "This file"
    if not data:
        raise UserError(f"{what} is empty; choose another picture.")
    if len(data) > MAX_BYTES:
        raise UserError(f"{what} is larger than {MEGABYTES} MB; choose a smaller picture.")
    picture = notes.read(data)
    if picture.cicp[1:2] in CICP_HDR:
        raise UserError(f"{what} is an HDR picture, which is not read here; export it without HDR.")
    try:
        image = Image.open(io.BytesIO(picture.data), formats=FORMATS)
        _check_scans(image, data, what)
        _check_size(image, what)
        return _upright_rgb(image, picture)
    except UserError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(_too_many_pixels(what)) from None
    except Image.UnidentifiedImageError:
        raise UserError(_unidentified(data, what)) from None
    except Exception:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise UserError(f"{what} is damaged and cannot be read; choose another file.") from None


def _shorten(name: str) -> str:
    """Return a file's name fit for a sentence: printable, its start and its ending."""
    name = "".join(c for c in name if c.isprintable())
    return name if len(name) <= 60 else f"{name[:44]}…{name[-15:]}"


def _unidentified(data: bytes, what: str) -> str:
    for start, kind, more in _OTHERS:
        if re.match(start, data[:1024], re.DOTALL):
            return f"{what} is {kind}, which is not read here; export it as a JPEG or PNG{more}."
    if data.startswith((notes.PNG, notes.JPEG, b"GIF8")):
        return f"{what} is damaged and cannot be read; choose another file."
    return f"{what} is not a JPEG, PNG, GIF, WebP or BMP picture; choose another file."


def _too_many_pixels(what: str) -> str:
    return f"{what} has more than {MAX_PIXELS // 10**6} million pixels; choose a smaller picture."


def _check_size(image: Image.Image, what: str) -> None:
    """Refuse a picture by its declared size; let a large JPEG decode at a fraction of it."""
    if MAX_PIXELS < image.width * image.height <= MAX_JPEG_PIXELS:
        image.draft("RGB", (1024, 1024))  # only JPEG can; the size shrinks to the scale chosen
    if image.width * image.height > MAX_PIXELS:
        raise UserError(_too_many_pixels(what))
    if min(image.size) < MIN_SIDE:
        raise UserError(
            f"{what} is {image.width}x{image.height} pixels; choose a picture of at least "
            f"{MIN_SIDE}x{MIN_SIDE}."
        )
    if max(image.size) > MAX_STRETCH * min(image.size):
        raise UserError(
            f"{what} is a strip of {image.width}x{image.height} pixels; choose a picture whose "
            f"long side is at most {MAX_STRETCH} times its short side."
        )


def _check_scans(image: Image.Image, data: bytes, what: str) -> None:
    """Refuse a JPEG whose scans, of a few bytes each, would keep the decoder busy for minutes."""
    scans = len(_JPEG_SCAN.findall(data)) if image.format in ("JPEG", "MPO") else 0
    if image.width * image.height * scans > MAX_JPEG_WORK:
        raise UserError(f"{what} would take too long to decode; save it anew as a plain JPEG.")


def _upright_rgb(image: Image.Image, picture: notes.Picture) -> Image.Image:
    _scale_transparent_colour(image)
    image.seek(0)
    image.load()
    info = dict(image.info) | ({"icc_profile": picture.profile} if picture.profile else {})
    if (turn := _TURNS.get(_orientation(image))) is not None:
        image = image.transpose(turn)
    if image.mode.startswith("I"):  # 16 bits of grey: convert() would clip them
        image = _eight_bits(image)
    if image.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in image.info:
        plain = image.mode in ("L", "RGB", "CMYK")
        return to_srgb(image if plain else image.convert("RGB"), info, picture.cicp)
    grey = image.mode in ("1", "L", "LA", "La")
    image = image.convert("RGBA")
    colour = image.getchannel("R") if grey else image.convert("RGB")
    over_white = to_srgb(colour, info, picture.cicp)
    over_white.putalpha(image.getchannel("A"))
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, over_white).convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged metadata is not a reason to refuse a picture
        return 1


def _scale_transparent_colour(image: Image.Image) -> None:
    """Bring a PNG's transparent colour from the file's depth to the 8 bits of decoded pixels."""
    tiles = getattr(image, "tile", None)
    colour, depth = image.info.get("transparency"), tiles[0][3] if tiles else ""
    if depth == "RGB;16B" and isinstance(colour, tuple):
        image.info["transparency"] = tuple(c >> 8 for c in colour)
    if depth in ("L;2", "L;4") and isinstance(colour, int):
        image.info["transparency"] = colour * (85 if depth == "L;2" else 17)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; pixels of exactly the transparent colour become transparent."""
    x_HW = np.asarray(image)
    grey_HW = (x_HW >> 8).astype(np.uint8)
    if "transparency" not in image.info:
        return Image.fromarray(grey_HW)
    alpha_HW = np.uint8(255) * (x_HW != image.info["transparency"])
    return Image.fromarray(np.dstack([grey_HW, alpha_HW]))


def crop(image: Image.Image, how: Crop | Box) -> Image.Image:
    """Cut a picture to a square.

    ``centre`` takes the largest square in its middle, ``whole`` pads it with its mean colour; a box
    (left, top, right, bottom), as fractions of width and height, is cut and then padded. What is
    padded is first brought to at most 4096 pixels a side, or a thin strip would fill the memory.
    """
    if how == "centre":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return image.crop((left, top, left + side, top + side))
    if how != "whole":
        image = image.crop(_pixels(image, how))
    if max(image.size) > MAX_PADDED_SIDE:
        image = image.copy()  # thumbnail works in place
        image.thumbnail((MAX_PADDED_SIDE, MAX_PADDED_SIDE), Image.Resampling.BOX)
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
    """Return x_CHW as `to_pixels` does, as a tensor of torch."""
    return torch.from_numpy(to_pixels(image, size, how))


def to_pixels(image: Image.Image, size: int, how: Crop | Box = "centre") -> np.ndarray:
    """Return x_CHW, float32 multiples of 1/255 in [0, 1]: the square crop at the network's size."""
    square = crop(image, how)
    if square.size != (size, size):
        square = square.resize(
            (size, size), Image.Resampling.BOX if square.width > size else Image.Resampling.BICUBIC
        )
    return np.asarray(square).transpose(2, 0, 1).astype(np.float32) / np.float32(255)


def resampled(image: Image.Image, size: int, how: Crop | Box = "centre") -> bool:
    """Return whether the network sees other pixels than the picture has: resized, cut or padded."""
    return image.size != (size, size) or how not in ("centre", "whole", (0, 0, 1, 1))


def image_id(x_CHW: Tensor | np.ndarray) -> str:
    """Return ``sha256:`` and the hash of the image's shape and float32 values."""
    if not isinstance(x_CHW, np.ndarray):
        x_CHW = x_CHW.detach().cpu().float().numpy()
    digest = hashlib.sha256(repr(tuple(x_CHW.shape)).encode())
    digest.update(x_CHW.astype(np.float32).tobytes())
    return f"sha256:{digest.hexdigest()}"


def to_pil(x_CHW: Tensor, scale: int = 1) -> Image.Image:
    """Return a tensor as a picture, clipped to [0, 1], each pixel a scale x scale square."""
    x_HWC = x_CHW.detach().cpu().float().clamp(0, 1).permute(1, 2, 0).numpy()
    picture = Image.fromarray(np.round(255 * x_HWC).astype(np.uint8))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
