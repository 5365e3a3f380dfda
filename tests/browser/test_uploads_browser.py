"""What an uploader offers to take, it takes, in a real browser, to the last megabyte."""

import io
import re

import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from rsviz.checkpoints import foreign
from rsviz.data import images
from rsviz.networks import classifiers

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)


def network_file(file, size):
    """Write a ResNet-110 and an optimiser's state as large as the file may be."""
    state = {
        f"1.{k}": v for k, v in classifiers.build("resnet110", "shapes")[1].state_dict().items()
    }

    def content(numbers):
        return {"state_dict": state, "optimizer": {"state": {0: {"buffer": torch.zeros(numbers)}}}}

    torch.save(content(0), file)
    torch.save(content((size - file.stat().st_size - 500) // 4), file)
    assert size - 1000 < file.stat().st_size <= size


def uploader(page, label):
    return page.get_by_test_id("stFileUploader").filter(has_text=label).locator("input")


def test_a_network_of_the_size_offered_is_used(tab, tmp_path):
    file = tmp_path / "large.pth.tar"
    network_file(file, foreign.MAX_BYTES)
    page = tab("/certify?image=shapes/test/8&n=100")
    expect(page.get_by_text(re.compile(r"\d votes counted"))).to_be_visible()
    page.get_by_text("Your own network").click()
    expect(page.get_by_text(f"{foreign.MEGABYTES}MB per file")).to_be_visible()
    uploader(page, "Weights as torch.save writes them").set_input_files(file)
    expect(page.get_by_text("large.pth.tar is used: a resnet110")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("In front of it, the mean (0.5, 0.5, 0.5)")).to_be_visible()


def picture_file(file, size):
    """Write a picture with as many bytes behind it as the file may have."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(out, "BMP")
    file.write_bytes(out.getvalue().ljust(size, b"\0"))


def test_a_picture_of_the_size_offered_is_shown_and_a_larger_one_is_not(tab, tmp_path):
    page = tab("/certify?n=100")
    expect(page.get_by_text(re.compile("stored result|live, complete"))).to_be_visible()
    page.get_by_test_id("stButtonGroup").get_by_text("Upload", exact=True).click()
    expect(page.get_by_text(f"{images.MEGABYTES}MB per file")).to_be_visible()
    fits, larger = tmp_path / "fits.bmp", tmp_path / "larger.bmp"
    picture_file(fits, images.MAX_BYTES)
    picture_file(larger, images.MAX_BYTES + 1)
    uploader(page, "A picture from this device").set_input_files(fits)
    expect(page.get_by_text("Your picture", exact=True)).to_be_visible()
    uploader(page, "A picture from this device").set_input_files(larger)
    expect(page.get_by_text(f"File must be {images.MEGABYTES}.0MB or smaller")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
