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

from rsviz.core.errors import UserError
from rsviz.data import images


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


def png(width, height, rows=b"", depth=8, kind=0, transparent=()):
    """A PNG whose header declares a size, with as much data as given, written byte by byte."""

    def part(name, data):
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    colour = struct.pack(f">{len(transparent)}H", *transparent)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + (part(b"tRNS", colour) if transparent else b"")
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
        (encode(picture(), "TIFF"), "is a TIFF"),
        (png(5_000_000, 4), "strip of 5000000x4"),
        (png(13_000, 13_000), "million pixels"),
        (png(100_000, 100_000), "million pixels"),
        (b"\xff" * (images.MAX_BYTES + 1), "larger than"),
    ],
    ids=["empty", "text", "cut-jpeg", "cut-png", "1x1", "tiff", "strip", "bomb", "huge", "heavy"],
)
def test_bad_files_are_refused_in_one_sentence(data, says):
    begun = time.perf_counter()
    with pytest.raises(UserError, match=says) as refusal:
        images.open_image(data, "holiday.png")
    text = str(refusal.value)
    assert text.startswith("holiday.png ")
    assert text.endswith(".")
    assert time.perf_counter() - begun < 2


def box(brand, *compatible):
    """The first box of a HEIC or AVIF file."""
    content = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", len(content) + 4) + content + bytes(200)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (box(b"heic", b"mif1", b"heic"), "a HEIC picture, as iPhones take them"),
        (box(b"mif1", b"mif1", b"heic"), "a HEIC picture"),
        (box(b"heix", b"mif1", b"miaf", b"MiHB", b"heix"), "a HEIC picture"),
        (box(b"msf1", b"hevc"), "a HEIC picture"),
        (box(b"avif", b"avif", b"mif1"), "an AVIF picture"),
        (box(b"mif1", b"mif1", b"miaf", b"avif"), "an AVIF picture"),
        (encode(picture(), "TIFF"), "a TIFF"),
        (b"MM\0*" + bytes(100), "a TIFF"),
        (b"\xff\x0a" + bytes(100), "a JPEG XL picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), "a JPEG 2000 picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg/>', "an SVG drawing"),
        (b"8BPS\0\1" + bytes(100), "a Photoshop file"),
        (b"%PDF-1.7\n", "a PDF"),
    ],
)
def test_what_is_a_picture_but_not_read_is_named(data, says):
    with pytest.raises(UserError, match=says) as refusal:
        images.open_image(data, "IMG_0001.HEIC")
    assert "export it as a JPEG or PNG" in str(refusal.value)
    assert str(refusal.value).count(".") == 2  # one sentence, and the file's ending


def test_a_picture_as_large_as_the_uploader_takes_is_read():
    data = encode(picture(), "BMP")
    full = data + bytes(images.MAX_BYTES - len(data))
    assert images.open_image(full).size == (40, 30)
    with pytest.raises(UserError, match="larger than 10 MB"):
        images.open_image(full + b"\0")


PEAK = """
import sys
import torch  # which to_tensor imports late
from rsviz.data import images
from rsviz.core.errors import UserError

def peak():  # of this process alone, in MB; rusage would start from the parent's peak
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

for path in sys.argv[1:]:
    before = peak()
    with open(path, "rb") as file:
        data = file.read()
    try:
        image = images.open_image(data)
        for how in ("centre", "whole"):
            images.to_tensor(image, 32, how)
        print("shown", peak() - before)
    except UserError:
        print("refused", peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_bombs_are_met_in_bounded_memory(tmp_path):
    square = png(13_000, 13_000, bytes(13_001 * 13_000))
    strip = png(31_000, 640, bytes(31_001 * 640))
    assert len(square) < 300_000
    (tmp_path / "square").write_bytes(square)
    (tmp_path / "strip").write_bytes(strip)
    command = [sys.executable, "-c", PEAK, str(tmp_path / "square"), str(tmp_path / "strip")]
    words = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.split()
    assert words[0::2] == [b"refused", b"shown"]
    assert int(words[1]) < 50  # decoded it takes a gigabyte
    assert int(words[3]) < 400  # padded to a square it would take four gigabytes


def test_a_jpeg_of_endless_scans_is_refused_before_it_is_decoded():
    plain = encode(Image.new("RGB", (4000, 4000)), "JPEG", progressive=True, quality=50)
    images.open_image(plain)
    scan = plain[plain.rfind(b"\xff\xda") : -2]
    begun = time.perf_counter()
    with pytest.raises(UserError, match="too long to decode"):
        images.open_image(plain[:-2] + 20_000 * scan + plain[-2:])  # four minutes, decoded
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("progressive", [False, True])
def test_a_gigapixel_jpeg_is_refused_before_it_is_decoded(progressive):
    small = encode(picture(), "JPEG", progressive=progressive)
    at = small.find(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    for height, width in ((9_100, 9_000), (13_000, 13_000), (60_000, 60_000)):
        declared = small[:at] + struct.pack(">HH", height, width) + small[at + 4 :]
        with pytest.raises(UserError, match=r"million pixels|too long"):
            images.open_image(declared)


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
    x[10:] = (200, 0, 0, 51)  # a fifth
    image = images.open_image(encode(Image.fromarray(x, "RGBA"), "PNG"))
    assert image.getpixel((2, 2)) == (255, 255, 255)
    assert image.getpixel((15, 2)) == (255, 0, 0)
    assert close(image.getpixel((2, 15)), (244, 204, 204), 1)


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


@pytest.mark.parametrize(
    ("depth", "kind", "row", "transparent", "right"),
    [
        (16, 0, struct.pack(">8H", *[1234] * 4, *[1235] * 4), (1234,), (4, 4, 4)),
        (
            16,
            2,
            struct.pack(">24H", *[9, 8, 7] * 4, *[9999, 0, 65535] * 4),
            (9, 8, 7),
            (39, 0, 255),
        ),
        (8, 0, b"\x14" * 4 + b"\xc8" * 4, (20,), (200, 200, 200)),
        (4, 0, b"\x55\x55\xee\xee", (5,), (238, 238, 238)),
        (2, 0, b"\x55\xaa", (1,), (170, 170, 170)),
    ],
)
def test_a_transparent_colour_lies_over_white_at_every_depth(depth, kind, row, transparent, right):
    image = images.open_image(png(8, 8, (b"\0" + row) * 8, depth, kind, transparent))
    assert image.getpixel((1, 1)) == (255, 255, 255)
    assert image.getpixel((6, 1)) == right


def test_cmyk_becomes_rgb():
    image = images.open_image(encode(picture().convert("CMYK"), "JPEG", quality=95))
    assert image.mode == "RGB"
    assert close(image.getpixel((5, 20)), (255, 0, 0), 30)


# What each orientation makes of: red, green above blue, black.
ORIENTED = dict(enumerate("rgbk grkb kbgr bkrg rbgk brkg kgbr gkrb".split(), start=1))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation, format):
    x = np.zeros((32, 64, 3), np.uint8)
    x[:16, :32, 0] = x[:16, 32:, 1] = x[16:, :32, 2] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 95}
    image = images.open_image(encode(Image.fromarray(x), format, exif=exif, **options))
    assert image.size == ((64, 32) if orientation < 5 else (32, 64))
    w, h = image.size
    corners = [image.getpixel((c * w // 4, r * h // 4)) for r in (1, 3) for c in (1, 3)]
    seen = "".join("k" if max(p) < 128 else "rgb"[p.index(max(p))] for p in corners)
    assert seen == ORIENTED[orientation]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_cost_the_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(picture(), "JPEG", exif=exif, quality=95)
    at = data.find(b"Exif\0\0") + 6
    for damage in (at, at + 8):
        image = images.open_image(data[:damage] + b"\xff" * 8 + data[damage + 8 :])
        assert image.size == (40, 30)
        assert close(image.getpixel((5, 20)), (255, 0, 0), 20)


def test_a_long_name_is_shortened_in_the_refusal():
    with pytest.raises(UserError) as refusal:
        images.open_image(b"", "a\n" * 200 + "end.png")
    assert len(str(refusal.value)) < 120
    assert "end.png is empty" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "MPO"])  # MPO: from phones
def test_the_first_of_several_frames_is_taken(format):
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


def test_a_cut_counts_as_resampled():
    image = Image.new("RGB", (32, 32))
    assert images.resampled(image, 32, (0, 0, 0.5, 0.5))
    assert not images.resampled(image, 32, (0.0, 0.0, 1.0, 1.0))
    assert not images.resampled(image, 32, "whole")


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
