"""A picture's own colour space -> sRGB, so that the network sees the colours its owner sees.

A profile decides over a gamma, and sRGB, said or unsaid, leaves every pixel as it is. Damaged or
meaningless parts of a profile are ignored, as browsers ignore them.

Shape suffixes: H height, W width, C channels.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

SRGB = ImageCms.createProfile("sRGB")
LIKE_SRGB = 2  # levels of 255: two makers' sRGB profiles differ by that much
GAMMA = 1 / 2.2  # what a PNG's gamma of an sRGB picture is
GAMMA_MAX = 10  # more is nonsense
ROWS = 256  # converted at a time, or a large picture would fill the memory
# (x, y) of white, red, green, blue. Pillow names a PNG's cHRM chunk in this order too.
SRGB_XY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
CICP = {  # primaries of ITU-T H.273
    1: SRGB_XY,
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
CICP_SRGB, CICP_HDR = 13, (b"\x10", b"\x12")  # transfer functions
# Grey is read off a ramp, exactly: tables of few steps would darken the shadows of linear light.
_FLAGS = {
    "L": ImageCms.Flags.NOOPTIMIZE,
    "RGB": ImageCms.Flags.HIGHRESPRECALC,
    "CMYK": ImageCms.Flags.HIGHRESPRECALC,
}
# XYZ to cone responses, used to match whites (Bradford; Lindbloom's numbers).
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
Floats = NDArray[np.float64]


def to_srgb(image: Image.Image, info: dict[Any, Any], cicp: bytes = b"") -> Image.Image:
    """Return an L, RGB or CMYK picture without transparency as RGB in sRGB.

    Parameters
    ----------
    info : what the decoder found: ``icc_profile``, ``srgb``, ``gamma``, ``chromaticity``.
    cicp : the four code points of a PNG's cICP chunk, which decide over all of these.
    """
    if len(cicp) == 4 and cicp[0] in CICP and cicp[1] == CICP_SRGB:
        return _from_primaries(image.convert("RGB"), None, CICP[cicp[0]])
    if profile := info.get("icc_profile"):
        return _through_profile(image, profile)
    if "srgb" in info or not 0 < info.get("gamma", 0) <= GAMMA_MAX:
        return image.convert("RGB")
    xy = info.get("chromaticity", SRGB_XY)
    return _from_primaries(image.convert("RGB"), info["gamma"], xy)


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert through an ICC profile, unless it is damaged, of another kind, or as good as sRGB."""
    plain = image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}[source.profile.xcolor_space]
        if mode != image.mode and (mode, image.mode) != ("RGB", "L"):
            return plain
        transform = ImageCms.buildTransform(source, SRGB, mode, "RGB", flags=_FLAGS[mode])
        if mode != "CMYK" and _leaves_as_is(transform, mode):
            return plain
        if mode == "L":
            ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
            seen = ImageCms.applyTransform(ramp, transform) or ramp.convert("RGB")
            return image.point(list(seen.getchannel("G").tobytes())).convert("RGB")
        return ImageCms.applyTransform(image.convert(mode), transform) or plain
    except (ImageCms.PyCMSError, OSError, KeyError, TypeError, ValueError):
        return plain


def _leaves_as_is(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform moves no colour by more than `LIKE_SRGB` levels."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube_HWC = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    probe = Image.fromarray(cube_HWC).convert(mode)
    seen = ImageCms.applyTransform(probe, transform)
    before, after = (np.asarray(p.convert("RGB")).astype(int) for p in (probe, seen or probe))
    return int(np.abs(before - after).max()) <= LIKE_SRGB


def _from_primaries(image: Image.Image, gamma: float | None, xy: Sequence[float]) -> Image.Image:
    """Convert from a gamma (None: sRGB's own curve) and primaries; sRGB's are left as they are."""
    same_curve = gamma is None or abs(gamma / GAMMA - 1) < 0.05
    matrix_CC = None if np.allclose(xy, SRGB_XY, atol=0.002) else _to_srgb_matrix(xy)
    if matrix_CC is None and same_curve:
        return image
    level = np.linspace(0, 1, 256)
    light = _decode(level) if gamma is None else level ** (1 / gamma)
    if matrix_CC is None:
        return image.point((255 * _encode(light)).round().astype(int).tolist() * 3)
    x_HWC, y_HWC = np.asarray(image), np.empty((image.height, image.width, 3), np.uint8)
    written = (255 * _encode(np.linspace(0, 1, 2**16))).round().astype(np.uint8)
    light, scaled_CC = light.astype(np.float32), (matrix_CC.T * (2**16 - 1)).astype(np.float32)
    for top in range(0, len(x_HWC), ROWS):
        light_HWC = np.clip(light[x_HWC[top : top + ROWS]] @ scaled_CC, 0, 2**16 - 1)
        y_HWC[top : top + ROWS] = written[light_HWC.astype(np.uint16)]
    return Image.fromarray(y_HWC)


def _to_srgb_matrix(xy: Sequence[float]) -> Floats | None:
    """Return the matrix from linear light of these primaries to that of sRGB, None for nonsense.

    The whites are matched by Bradford's method, so that grey stays grey.
    """
    try:
        with np.errstate(all="raise"):
            there, here = _to_xyz(xy), _to_xyz(SRGB_XY)
            scale = (_BRADFORD @ here.sum(1)) / (_BRADFORD @ there.sum(1))
            adapt = np.linalg.solve(_BRADFORD, scale[:, None] * _BRADFORD)
            matrix_CC = np.linalg.solve(here, adapt @ there).astype(np.float64)
    except (np.linalg.LinAlgError, ArithmeticError):
        return None
    return matrix_CC if np.isfinite(matrix_CC).all() and np.abs(matrix_CC).max() < 10 else None


def _to_xyz(xy: Sequence[float]) -> Floats:
    """Return the matrix from linear RGB to XYZ whose white has Y = 1."""
    pairs = zip(xy[::2], xy[1::2], strict=True)
    white, *primaries = ((x / y, 1.0, (1 - x - y) / y) for x, y in pairs)
    columns = np.array(primaries).T
    return columns * np.linalg.solve(columns, np.array(white))


def _decode(v: Floats) -> Floats:
    """Return the linear light of sRGB's values in [0, 1] (IEC 61966-2-1)."""
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def _encode(light: Floats) -> Floats:
    """Return sRGB's values of linear light in [0, 1], the inverse of `_decode`."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
