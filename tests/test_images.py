import io
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from rsviz import images
from rsviz.errors import UserError


def encode(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def picture(width=40, height=30):
    """Left half red, right half blue, top row green."""
    x = np.zeros((height, width, 3), np.uint8)
    x[:, : width // 2, 0] = 255
    x[:, width // 2 :, 2] = 255
    x[: height // 5] = (0, 255, 0)
    return Image.fromarray(x)


def close(pixel, expected, within=12):
    return all(abs(a - b) <= within for a, b in zip(pixel, expected, strict=True))


def png_of_declared_size(width, height, rows=b""):
    """A PNG whose header declares a size, with as much data as given."""

    def part(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", zlib.compress(rows, 9))
        + part(b"IEND", b"")
    )


@pytest.mark.parametrize("format", ["PNG", "BMP", "WEBP", "GIF", "JPEG"])
def test_every_format_offered_is_read(format):
    options = {"lossless": True} if format == "WEBP" else {}
    image = images.open_image(encode(picture(), format, **options))
    assert image.mode == "RGB"
    assert image.size == (40, 30)
    assert close(image.getpixel((5, 20)), (255, 0, 0))
    assert close(image.getpixel((35, 20)), (0, 0, 255))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"this is only text, whatever its name says", "not a JPEG"),
        (encode(picture(), "JPEG")[:400], "damaged"),
        (encode(picture(), "PNG")[:60], "damaged"),
        (encode(picture(1, 1), "PNG"), "1x1"),
        (encode(picture(), "TIFF"), "not a JPEG"),
        (png_of_declared_size(13_000, 13_000), "million pixels"),
        (png_of_declared_size(100_000, 100_000), "million pixels"),
        (b"\xff" * (images.MAX_BYTES + 1), "larger than"),
    ],
    ids=["empty", "text", "cut-jpeg", "cut-png", "1x1", "tiff", "bomb", "huge", "heavy"],
)
def test_bad_files_are_refused_in_one_sentence(data, says):
    begun = time.perf_counter()
    with pytest.raises(UserError, match=says) as refusal:
        images.open_image(data, "holiday.png")
    text = str(refusal.value)
    assert text.startswith("holiday.png ")
    assert text.endswith(".")
    assert time.perf_counter() - begun < 2


def test_a_bomb_is_refused_in_bounded_memory():
    code = (
        "import resource, sys; from rsviz import images; from rsviz.errors import UserError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: images.open_image(sys.stdin.buffer.read())\n"
        "except UserError: pass\n"
        "else: sys.exit(3)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    bomb = png_of_declared_size(13_000, 13_000, bytes(13_001 * 13_000))
    assert len(bomb) < 300_000
    done = subprocess.run([sys.executable, "-c", code], input=bomb, capture_output=True, check=True)
    assert int(done.stdout) < 50  # megabytes; decoded it takes 169


def test_a_sixty_megapixel_photograph_is_shown():
    big = encode(Image.new("RGB", (9000, 6700), (200, 30, 30)), "JPEG")
    begun = time.perf_counter()
    image = images.open_image(big)
    assert time.perf_counter() - begun < 3
    assert max(image.size) <= 4500
    assert image.width / image.height == pytest.approx(9000 / 6700, rel=0.01)
    assert close(image.getpixel((100, 100)), (200, 30, 30))


def test_transparency_lies_over_white():
    x = np.zeros((20, 20, 4), np.uint8)
    x[:, 10:] = (255, 0, 0, 255)
    image = images.open_image(encode(Image.fromarray(x, "RGBA"), "PNG"))
    assert image.getpixel((2, 2)) == (255, 255, 255)
    assert image.getpixel((15, 2)) == (255, 0, 0)


def test_a_palette_with_transparency_lies_over_white():
    palette = picture().convert("P")
    index = palette.getpixel((35, 20))
    image = images.open_image(encode(palette, "PNG", transparency=index))
    assert image.getpixel((35, 20)) == (255, 255, 255)
    assert close(image.getpixel((5, 20)), (255, 0, 0), 40)


def test_sixteen_bit_pixels_are_scaled_not_clipped():
    x = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    image = images.open_image(encode(Image.fromarray(x), "PNG"))
    got = np.asarray(image)[..., 0].astype(float)
    assert np.abs(got - x / 257).max() <= 1.01


def test_cmyk_becomes_rgb():
    image = images.open_image(encode(picture().convert("CMYK"), "JPEG", quality=95))
    assert image.mode == "RGB"
    assert close(image.getpixel((5, 20)), (255, 0, 0), 30)


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # shown rotated by 90 degrees clockwise
    image = images.open_image(encode(picture(), "JPEG", exif=exif, quality=95))
    assert image.size == (30, 40)
    assert close(image.getpixel((28, 20)), (0, 255, 0), 40)  # the top row is now on the right
    assert close(image.getpixel((10, 5)), (255, 0, 0), 40)


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation_is_taken(format):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], duration=100)
    assert close(images.open_image(data).getpixel((5, 5)), (255, 0, 0))


def test_crops():
    wide = picture(60, 20)
    assert images.crop(wide, "centre").size == (20, 20)
    whole = images.crop(wide, "whole")
    assert whole.size == (60, 60)
    assert whole.getpixel((3, 30)) == (255, 0, 0)
    assert whole.getpixel((3, 2)) == whole.getpixel((50, 58)) != (255, 0, 0)
    right = images.crop(wide, (0.5, 0.2, 1.0, 1.0))
    assert right.getpixel((15, 15)) == (0, 0, 255)
    for box in ((0.5, 0.5, 0.5, 1.0), (0, 0, 2, 1), "corner"):
        with pytest.raises(UserError):
            images.crop(wide, box)


def test_a_picture_of_the_networks_size_passes_unchanged():
    x_HWC = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    x_CHW = images.to_tensor(Image.fromarray(x_HWC), 32)
    assert x_CHW.dtype == torch.float32
    assert torch.equal(x_CHW, torch.from_numpy(x_HWC).permute(2, 0, 1).float() / 255)
    assert np.array_equal(np.asarray(images.to_pil(x_CHW)), x_HWC)
    assert not images.resampled(Image.fromarray(x_HWC), 32)


def test_shrinking_averages():
    x = np.zeros((64, 64, 3), np.uint8)
    x[::2] = 255
    assert images.to_tensor(Image.fromarray(x), 32).sub(0.5).abs().max() < 0.01
    assert images.resampled(Image.fromarray(x), 32)


def test_image_id_names_pixels_and_shape():
    x = torch.rand(3, 8, 8)
    assert images.image_id(x) == images.image_id(x.clone())
    assert images.image_id(x).startswith("sha256:")
    assert images.image_id(x) != images.image_id(x.reshape(3, 4, 16))
    y = x.clone()
    y[0, 0, 0] += 1e-6
    assert images.image_id(x) != images.image_id(y)


def test_enlarging_keeps_pixels_square():
    big = np.asarray(images.to_pil(torch.rand(3, 4, 4), scale=5))
    assert big.shape == (20, 20, 3)
    assert (big[:5, :5] == big[0, 0]).all()
