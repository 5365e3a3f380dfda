"""What the network sees of a file is what a real browser shows of it, to a level or two."""

import base64

import numpy as np
import pytest

from rsviz.data import images
from tests import drawn

pytestmark = pytest.mark.browser
READ = """async address => {
  const image = new Image()
  image.src = address
  await image.decode()
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight)
  const context = canvas.getContext("2d", {colorSpace: "srgb"})
  context.fillStyle = "white"
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(image, 0, 0)
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height)
  return [canvas.height, canvas.width, Array.from(pixels.data)]
}"""


@pytest.fixture(scope="module")
def shown(browser):
    """Return a function from a file to the pixels that Chromium shows over white."""
    page = browser.new_page()

    def pixels(data):
        address = "data:image/*;base64," + base64.b64encode(data).decode()
        height, width, flat = page.evaluate(READ, address)
        return np.array(flat).reshape(height, width, 4)[..., :3]

    yield pixels
    page.close()


@pytest.mark.parametrize("name", drawn.stated())
def test_stated_colours_are_seen_as_a_browser_shows_them(shown, name):
    data = drawn.stated()[name]
    seen_HWC = np.asarray(images.open_image(data)).astype(int)
    assert np.abs(seen_HWC - shown(data)).max() <= 2


@pytest.mark.parametrize("name", drawn.as_they_are())
def test_srgb_and_nonsense_are_seen_as_a_browser_shows_them(shown, name):
    data = drawn.as_they_are()[name]
    seen_HWC = np.asarray(images.open_image(data)).astype(int)
    # Primaries and gamma of sRGB, stated by number, are taken for sRGB: a browser's power law
    # without sRGB's straight piece is darker by a few levels.
    assert np.abs(seen_HWC - shown(data)).max() <= (6 if "primaries of sRGB" in name else 1)
