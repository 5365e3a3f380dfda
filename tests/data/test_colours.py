"""The network sees the colours that the owner of a file sees in a browser."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsviz.core.errors import UserError
from rsviz.data import images
from tests import drawn

CASE = Path(__file__).parents[1] / "cases" / "colour-profile.png"


def pixels(data):
    return np.asarray(images.open_image(data)).astype(int)


def test_a_profile_turns_red_into_the_green_that_browsers_show():
    image = images.open_image(CASE.read_bytes(), CASE.name)
    assert image.getpixel((48, 48)) == (35, 231, 35)
    corner = image.getpixel((0, 0))
    assert max(corner) - min(corner) <= 1 and abs(corner[0] - 120) <= 2


@pytest.mark.parametrize("name", drawn.as_they_are())
def test_what_states_srgb_or_nonsense_is_left_as_it_is(name):
    assert np.array_equal(pixels(drawn.as_they_are()[name]), np.asarray(drawn.colours()))


@pytest.mark.parametrize("name", [n for n in drawn.stated() if n.startswith("profile")])
def test_a_profile_is_followed_in_every_format_and_mode(name):
    data = drawn.stated()[name]
    seen = pixels(data)
    if name == "profile of grey":  # linear light: much brighter
        assert seen[8, 0].tolist() == [188, 188, 188]
    elif name == "profile, clear":
        x_HWC = np.array([[(255, 0, 0, 128)]], np.uint8)
        red = Image.fromarray(x_HWC).resize((8, 8))
        got = images.open_image(drawn.encode(red, icc_profile=drawn.profile(drawn.SWAPPED)))
        assert np.abs(np.subtract(got.getpixel((3, 3)), (127, 255, 127))).max() <= 2
    else:
        x_HWC = np.asarray(drawn.colours()).astype(int)
        vivid = (x_HWC[..., 0] == 255) & (x_HWC[..., 1] == 0) & (x_HWC[..., 2] == 0)
        assert vivid.any() and (seen[vivid][:, 1] > 200).all() and (seen[vivid][:, 0] < 60).all()


def srgb(light):
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("value", [0.3, 0.55, 0.7, 1.0])
def test_a_gamma_is_undone(value):
    seen = pixels(drawn.with_chunks(drawn.encode(drawn.greys()), drawn.gamma(value)))
    expected = srgb((np.arange(256) / 255) ** (1 / value)).reshape(16, 16)
    assert np.abs(seen - expected[..., None]).max() <= 1


def test_primaries_move_colours_and_leave_grey():
    plain = Image.fromarray(np.array([[(255, 0, 0), (90, 90, 90)]] * 2, np.uint8)).resize((8, 8), 0)
    chunks = drawn.gamma(0.45455), drawn.primaries(drawn.SWAPPED)
    image = images.open_image(drawn.with_chunks(drawn.encode(plain), *chunks))
    assert image.getpixel((1, 1)) == (0, 255, 0)
    grey = image.getpixel((6, 6))
    assert max(grey) - min(grey) <= 1 and abs(grey[0] - 90) <= 4


def test_large_pictures_are_converted_whole():
    tall = drawn.colours().resize((32, 700), 0)
    chunks = drawn.gamma(1.0), drawn.primaries(drawn.P3)
    seen = pixels(drawn.with_chunks(drawn.encode(tall), *chunks))
    small = pixels(drawn.with_chunks(drawn.encode(drawn.colours()), *chunks))
    assert np.array_equal(
        seen, np.asarray(Image.fromarray(small.astype(np.uint8)).resize((32, 700), 0))
    )


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused_by_name(transfer):
    chunk = drawn.chunk(b"cICP", bytes([9, transfer, 0, 1]))
    with pytest.raises(UserError, match=r"a\.png is an HDR picture"):
        images.open_image(drawn.with_chunks(drawn.encode(drawn.colours()), chunk), "a.png")


def test_a_cmyk_picture_with_a_profile_of_another_kind_is_read():
    ink = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for profile in (drawn.profile(drawn.SWAPPED), drawn.profile(grey=True)):
        data = drawn.encode(ink, "JPEG", quality=100, icc_profile=profile)
        assert images.open_image(data).getpixel((3, 3)) == (0, 255, 255)
