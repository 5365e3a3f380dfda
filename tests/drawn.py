"""Pictures whose colours are stated in every way a file can: profiles and chunks, byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = (0.3127, 0.3290)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
# (x, y) of red, green, blue.
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
SWAPPED = ((0.30, 0.60), (0.64, 0.33), (0.15, 0.06))  # red is green, and green red


def profile(primaries=SRGB, gamma=2.2, grey=False):
    """An ICC profile (version 2.1) of these primaries under D65, or of grey, with a plain gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    tags = [(b"desc", b"desc\0\0\0\0" + struct.pack(">I", 6) + b"drawn\0" + bytes(78))]
    tags += [(b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", _xyz(D50))]
    if grey:
        tags.append((b"kTRC", curve))
    else:
        for letter, column in zip(b"rgb", _to_d50(primaries).T, strict=True):
            tags.append((bytes([letter]) + b"XYZ", _xyz(column)))
            tags.append((bytes([letter]) + b"TRC", curve))
    table, body, first = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags:
        table += name + struct.pack(">II", first + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI", first + len(body), b"none", 0x02100000) + b"mntr"
    head += (b"GRAY" if grey else b"RGB ") + b"XYZ " + struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    head += b"acsp" + bytes(28) + _xyz(D50)[8:]
    return head.ljust(128, b"\0") + table + body


def _xyz(v):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(x * 65536)) for x in v)


def _to_d50(primaries):
    """Linear light to XYZ under D50, as a profile states it."""
    white, *columns = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in (D65, *primaries))
    there = np.array(columns).T
    there = there * np.linalg.solve(there, white)
    scale = (BRADFORD @ D50) / (BRADFORD @ white)
    return np.linalg.solve(BRADFORD, scale[:, None] * BRADFORD) @ there


def encode(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def chunk(name, content):
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def gamma(value):
    return chunk(b"gAMA", struct.pack(">I", round(1e5 * value)))


def primaries(xy, white=D65):
    flat = [round(1e5 * v) for pair in (white, *xy) for v in pair]
    return chunk(b"cHRM", struct.pack(">8I", *flat))


def with_chunks(data, *chunks):
    """A PNG with more chunks behind its head."""
    return data[:33] + b"".join(chunks) + data[33:]


def colours():
    """Eight levels of each colour, all mixed: 32x16 pixels."""
    steps = np.linspace(0, 255, 8).round().astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), -1).reshape(16, 32, 3))


def greys():
    """Every level of grey: 16x16 pixels."""
    return Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))


def half_clear():
    """`colours`, each pixel as clear as its place says."""
    image = colours()
    image.putalpha(greys().resize((32, 16)))
    return image


def stated():
    """Files by what they state: each is another picture to who passes over it."""
    plain, swapped = colours(), profile(SWAPPED)
    return {
        "profile": encode(plain, icc_profile=swapped),
        "wide profile": encode(plain, icc_profile=profile(P3)),
        "linear profile": encode(plain, icc_profile=profile(gamma=1.0)),
        "profile, clear": encode(half_clear(), icc_profile=swapped),
        "profile, palette": encode(plain.quantize(64), icc_profile=swapped),
        "profile, WebP": encode(plain, "WEBP", lossless=True, icc_profile=swapped),
        "profile, JPEG": encode(plain, "JPEG", quality=100, subsampling=0, icc_profile=swapped),
        "profile of grey": encode(greys(), icc_profile=profile(gamma=1.0, grey=True)),
        "gamma 1": with_chunks(encode(plain), gamma(1.0)),
        "gamma 0.3, grey": with_chunks(encode(greys()), gamma(0.3)),
        "gamma 1, clear": with_chunks(encode(half_clear()), gamma(1.0)),
        "gamma 1, palette": with_chunks(encode(plain.quantize(64)), gamma(1.0)),
        "gamma and primaries": with_chunks(encode(plain), gamma(0.45455), primaries(P3)),
        "gamma 1 and primaries": with_chunks(encode(plain), gamma(1.0), primaries(P3)),
        "cICP": with_chunks(encode(plain), chunk(b"cICP", bytes([12, 13, 0, 1]))),
        "profile over gamma": with_chunks(encode(plain, icc_profile=swapped), gamma(1.0)),
    }


def as_they_are():
    """Files that state sRGB, or nothing that makes sense: no pixel of them may change."""
    plain = encode(colours())
    return {
        "nothing": plain,
        "sRGB profile": encode(colours(), icc_profile=_maker_srgb()),
        "sRGB": with_chunks(plain, chunk(b"sRGB", b"\0"), gamma(1.0)),
        "gamma of sRGB": with_chunks(plain, gamma(0.45455)),
        "gamma and primaries of sRGB": with_chunks(plain, gamma(0.45455), primaries(SRGB)),
        "primaries alone": with_chunks(plain, primaries(SWAPPED)),
        "no gamma": with_chunks(plain, gamma(0)),
        "no primaries": with_chunks(plain, gamma(0.45455), chunk(b"cHRM", bytes(32))),
        "damaged profile": encode(colours(), icc_profile=b"nonsense" * 40),
        "cut profile": encode(colours(), icc_profile=profile(SWAPPED)[:200]),
        "profile of grey on colours": encode(colours(), icc_profile=profile(grey=True)),
        "damaged gamma": with_chunks(plain, gamma(1.0)[:-1] + b"?"),
        "damaged profile chunk": _spoilt(encode(colours(), icc_profile=profile(SWAPPED)), b"iCCP"),
        "gamma in a note": with_chunks(plain, chunk(b"tEXt", b"gamma\x001.0")),
        "cICP of sRGB over a profile": with_chunks(
            encode(colours(), icc_profile=profile(SWAPPED)), chunk(b"cICP", bytes([1, 13, 0, 1]))
        ),
    }


def _maker_srgb():

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _spoilt(data, name):
    """A PNG whose chunk of this name has a wrong checksum."""
    at = data.index(name)
    end = at + 4 + struct.unpack(">I", data[at - 4 : at])[0]
    return data[:end] + b"????" + data[end + 4 :]
