"""The real app in a real browser. The tests run in this order: the first finds a fresh server."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from rsviz.core import bounds
from rsviz.core.radius import ceiling, down

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)


def press(page, name):
    """Press a button of the page itself: while a script runs, the frame has a Stop of its own."""
    page.get_by_test_id("stMain").get_by_role("button", name=name).first.click()


def choose(page, name):
    """Choose one of a row of buttons."""
    page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()


def radius(page):
    """The metric that shows the certified radius."""
    return page.get_by_test_id("stMetric").filter(has_text="Radius (L2)").first


def show_controls(page):
    """Open the sidebar, which a telephone keeps closed."""
    closed = page.get_by_test_id("stExpandSidebarButton")
    if closed.is_visible():
        closed.click()


def press_shortcut(page):
    """Press Ctrl+Enter until it is heard: the page listens a moment after it is drawn."""
    stop = page.get_by_test_id("stMain").get_by_role("button", name="Stop")
    for _ in range(20):
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1000)
        if stop.count():
            return
    raise AssertionError("Ctrl+Enter does not start a run")


def drag(page, square, right):
    """Drag a square by its middle."""
    square.scroll_into_view_if_needed()
    box = square.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y, steps=4)
    page.mouse.up()


def scrolls_sideways(page):
    return page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")


def test_a_deep_link_is_the_first_thing_a_fresh_server_sees(tab):
    page = tab("/certify?image=shapes/test/8&sigma=0.25&n=1000&seed=2")
    expect(page.get_by_role("heading", name="Certify", exact=True)).to_be_visible()
    expect(page.get_by_text("of 1,100 votes counted")).to_be_visible()  # unasked, a first look
    expect(page.get_by_role("link", name="Learn")).to_be_visible()  # the frame is around it
    expect(page).to_have_title("Certify · rsviz")
    icon = page.locator("link[rel~=icon]").first.get_attribute("href")
    assert not icon.startswith("http") or icon.startswith(page.url.split("/certify")[0])
    assert "sigma=0.25" in page.url and "n=1000" in page.url and "seed=2" in page.url


def drop_picture(page, file):
    """Give a file to the uploader of pictures, not to that of networks."""
    uploader = page.get_by_test_id("stFileUploader").filter(has_text="A picture from this device")
    uploader.locator("input[type=file]").set_input_files(file)


def test_an_uploaded_photograph_is_certified(tab, size, tmp_path):
    photograph = tmp_path / "photograph.jpg"
    Image.radial_gradient("L").resize((300, 200)).convert("RGB").save(photograph)
    page = tab("/certify?n=500", size)
    expect(page.get_by_text("live, complete")).to_be_visible()
    show_controls(page)
    choose(page, "Upload")
    drop_picture(page, photograph)
    expect(page.get_by_text("shows none of these")).to_be_visible()
    expect(page.get_by_text("live, complete")).to_be_visible()
    expected = ceiling(0.5, 500, (1 - bounds.ANYTIME_SHARE) * 0.001)
    expect(radius(page)).to_contain_text(down(expected, 3))
    seen = page.get_by_text("The hash of what the network saw is").last  # an old one fades out
    square = page.locator(".square")  # what it sees: the middle, until somebody drags
    for move in (lambda: drag(page, square, -40), lambda: square.press("ArrowRight")):
        before = seen.inner_text()
        move()
        expect(seen).not_to_have_text(before)
        expect(page.get_by_text("live, complete")).to_be_visible()
    assert not scrolls_sideways(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_text_file_named_png_is_refused_in_one_sentence(tab, tmp_path):
    fake = tmp_path / "fake.png"
    fake.write_text("not a picture")
    page = tab("/certify")
    expect(page.get_by_text("stored result")).to_be_visible()
    choose(page, "Upload")
    drop_picture(page, fake)
    expect(page.get_by_text("fake.png is not a JPEG, PNG, GIF, WebP or BMP")).to_be_visible()
    expect(page.get_by_text("stored result")).to_be_visible()


def test_a_run_moves_and_stop_keeps_what_was_counted(tab, size):
    page = tab("/certify?image=shapes/test/8&n=100000&seed=5", size)
    expect(page.get_by_text("of 100,100 votes counted")).to_be_visible()
    press_shortcut(page)
    expect(page.get_by_text("so far", exact=False).first).to_be_visible()
    before = radius(page).inner_text()
    expect(radius(page)).not_to_have_text(before)
    expect(page.get_by_text(re.compile(r"\d votes/s")).first).to_be_visible()
    press(page, "Stop")
    expect(page.get_by_text("live, stopped")).to_be_visible()
    page.get_by_text("How sure is this?").click()
    expect(page.get_by_text("refused: it holds only at the planned 100,000")).to_be_visible()
    assert re.search(r"\d\.\d{3}", radius(page).inner_text())
    assert not scrolls_sideways(page)


def test_stopping_in_one_tab_leaves_the_other_alone(tab):
    mine = tab("/certify?image=shapes/test/8&n=100000&seed=6")
    theirs = tab("/certify?image=shapes/test/9&n=1000&seed=7")
    for page in (mine, theirs):
        expect(page.get_by_text(re.compile(r"\d votes counted"))).to_be_visible()
        press(page, "Certify")
    expect(theirs.get_by_text("live, complete")).to_be_visible()  # beside one that goes on
    press(mine, "Stop")
    expect(mine.get_by_text("live, stopped")).to_be_visible()


def test_another_picture_stops_the_run_and_has_a_first_look(tab):
    page = tab("/certify?image=shapes/test/8&n=100000&seed=8")
    expect(page.get_by_text(re.compile(r"\d votes counted"))).to_be_visible()
    press(page, "Certify")
    expect(page.get_by_text("so far", exact=False).first).to_be_visible()
    page.get_by_role("textbox", name="Picture of a data set").fill("shapes/test/9")
    page.keyboard.press("Enter")
    expect(page.get_by_text("of 100,100 votes counted")).to_be_visible()
    expect(page.get_by_test_id("stMain").get_by_role("button", name="Stop")).to_have_count(0)
