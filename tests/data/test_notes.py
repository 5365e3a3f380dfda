"""Damage in what a file says beside its picture does not cost the picture."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from rsviz.core.errors import UserError
from rsviz.data import images, notes
from tests import drawn

PLAIN = drawn.encode(drawn.colours())
IDAT = PLAIN.index(b"IDAT") - 4
IEND = PLAIN.index(b"IEND") - 4
DAMAGE = {
    "checksum": lambda name, content: drawn.chunk(name, content)[:-4] + b"????",
    "empty": lambda name, content: drawn.chunk(name, b""),
    "cut": lambda name, content: drawn.chunk(name, content[:1]),
    "noise": lambda name, content: drawn.chunk(name, bytes(range(255, 0, -1))),
}
NOTES = {
    b"tEXt": b"Comment\0hello",
    b"zTXt": b"Comment\0\0x\x9c",
    b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0<x/>",
    b"tIME": b"\x07\xe8\1\1\0\0\0",
    b"pHYs": b"\0\0\x0b\x13\0\0\x0b\x13\1",
    b"sBIT": b"\x08\x08\x08",
    b"bKGD": b"\0\0\0\0\0\0",
    b"hIST": b"\0\1",
    b"sPLT": b"name\0\x08",
    b"gAMA": b"\0\0\xb1\x8f",
    b"cHRM": b"\0" * 32,
    b"iCCP": b"name\0\0x\x9c",
    b"sRGB": b"\0",
    b"eXIf": b"MM\0*\0\0\0\x08",
    b"tRNS": b"\0\1\0\1\0\1",
    b"acTL": b"\0\0\0\1\0\0\0\0",
    b"fcTL": b"\0" * 26,
    b"prVt": b"of one program alone",
}


@pytest.mark.filterwarnings("ignore:.*")  # Pillow warns of damaged EXIF
@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", NOTES, ids=bytes.decode)
def test_a_damaged_note_does_not_cost_a_png(name, how):
    chunk = DAMAGE[how](name, NOTES[name])
    if (name, how) == (b"tRNS", "noise"):
        pytest.skip("that is a transparent colour, stated rightly")
    for at in (33, IEND):
        image = images.open_image(PLAIN[:at] + chunk + PLAIN[at:])
        if name not in (b"gAMA", b"acTL", b"fcTL") or how == "checksum":
            assert np.array_equal(np.asarray(image), np.asarray(drawn.colours()))


def test_a_png_that_is_cut_within_its_last_note_is_whole():
    note = drawn.chunk(b"tEXt", b"Comment\0" + b"x" * 90)
    for cut in (b"", b"\0\0", note[:6], note[:50], note[:-1]):
        image = images.open_image(PLAIN[:IEND] + cut)
        assert np.array_equal(np.asarray(image), np.asarray(drawn.colours()))


def test_what_is_cut_within_the_picture_is_still_damaged():
    for data in (PLAIN[: IDAT + 30], PLAIN[:IDAT], PLAIN[:20]):
        with pytest.raises(UserError, match="damaged"):
            images.open_image(data)


def test_a_note_named_like_a_colour_does_not_change_the_picture():
    for key in (b"transparency", b"icc_profile", b"exif", b"default_image", b"srgb"):
        note = drawn.chunk(b"tEXt", key + b"\0255")
        image = images.open_image(drawn.with_chunks(PLAIN, note))
        assert np.array_equal(np.asarray(image), np.asarray(drawn.colours()))


def test_an_animation_begins_with_its_first_frame_not_with_its_stand_in():
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime", "blue")]
    for stand_in, first in ((True, (0, 255, 0)), (False, (255, 0, 0))):
        data = drawn.encode(
            frames[0], save_all=True, append_images=frames[1:], default_image=stand_in
        )
        assert images.open_image(data).getpixel((5, 5)) == first


@pytest.mark.parametrize("name", [b"acTL", b"fcTL", b"fdAT"])
def test_an_animation_with_a_damaged_frame_is_the_picture_that_stands_in(name):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime")]
    data = drawn.encode(frames[0], save_all=True, append_images=frames[1:], default_image=True)
    at = data.index(name) + 6
    spoilt = data[:at] + b"\x99" + data[at + 1 :]
    assert images.open_image(spoilt).getpixel((5, 5)) == (255, 0, 0)


def test_a_profile_of_two_megabytes_is_followed():
    large = drawn.profile(drawn.SWAPPED)
    large = large[:128] + large[128:] + np.random.default_rng(0).bytes(2 * 2**20)
    large = struct.pack(">I", len(large)) + large[4:]
    seen = images.open_image(drawn.encode(Image.new("RGB", (8, 8), "red"), icc_profile=large))
    assert seen.getpixel((3, 3))[1] > 200


SEGMENTS = [
    (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\xff\xff"),
    (0xED, b"Photoshop 3.0\0 8BIM"),
    (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0<broken"),
    (0xEE, b"Adobe\0"),
    (0xE0, b"JFIF\0\1"),
    (0xE2, b"ICC_PROFILE\0"),
    (0xE2, b"ICC_PROFILE\0\1\2abc"),
    (0xE2, b"FPXR\0x"),
    (0xEA, b"anything"),
    (0xFE, b""),
]


@pytest.mark.parametrize(("marker", "content"), SEGMENTS)
def test_a_damaged_note_does_not_cost_a_jpeg(marker, content):
    plain = drawn.encode(drawn.colours(), "JPEG", quality=95)
    segment = b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
    image = images.open_image(plain[:2] + segment + plain[2:])
    assert np.array_equal(np.asarray(image), np.asarray(images.open_image(plain)))


def test_what_decides_the_picture_stays():
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = drawn.profile(drawn.SWAPPED)
    options = {"icc_profile": profile, "exif": exif}
    for format, more in (("JPEG", {"comment": b"no", "quality": 95}), ("PNG", {})):
        data = drawn.encode(drawn.colours(), format, **options, **more)
        kept = Image.open(io.BytesIO(notes.read(data).data))
        assert profile in (kept.info.get("icc_profile"), notes.read(data).profile)
        assert kept.getexif()[0x0112] == 6
        assert "comment" not in kept.info
        assert images.open_image(data).size == (16, 32)


def test_other_files_are_returned_as_they_are():
    for data in (b"", b"GIF89a", notes.PNG[:4], drawn.encode(drawn.colours(), "WEBP")):
        assert notes.read(data).data == data


@pytest.mark.parametrize("start", [notes.PNG, notes.JPEG])
def test_any_bytes_are_walked_through(start):
    generator = np.random.default_rng(0)
    for _ in range(300):
        data = start + generator.bytes(int(generator.integers(0, 60)))
        assert notes.read(data).data.startswith(start[:2])
