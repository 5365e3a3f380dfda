"""The world of one's own: what the browser draws is what the library says."""

import pytest
from playwright.sync_api import expect

from rsviz.teaching.experiments import own_world
from rsviz.teaching.experiments.own_world import World

pytestmark = pytest.mark.browser


def test_dragging_and_painting_change_the_votes(tab):
    page = tab("/learn?chapter=votes", (1440, 800))
    canvas = page.get_by_role("application", name="Your world")
    canvas.scroll_into_view_if_needed()

    def share():
        """The browser's share of class 1."""
        return float(canvas.get_attribute("data-share"))

    def exact(start, x, y):
        """The library's share of class 1."""
        return own_world.probabilities(World(own_world.starts()[start], x, y, 0.08))[1]

    assert share() == pytest.approx(exact("A spike", 0.25, 0.5), abs=1e-6)
    box = canvas.bounding_box()

    def at(x, y):
        return box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]

    page.mouse.move(*at(0.25, 0.5))
    page.mouse.down()
    page.mouse.move(*at(0.8, 0.75), steps=4)
    page.mouse.up()
    expect(page.get_by_text("noisy copies of your point say blue")).to_be_visible()
    dragged = share()
    assert dragged == pytest.approx(exact("A spike", 0.8, 0.75), abs=1e-3)
    page.mouse.move(*at(0.7, 0.6))  # a stripe of orange beside it
    page.mouse.down()
    page.mouse.move(*at(0.7, 0.95), steps=12)
    page.mouse.up()
    assert share() > dragged + 0.1
    page.get_by_role("button", name="Halves").click()
    canvas.press("ArrowLeft")
    canvas.press("Shift+ArrowLeft")
    assert share() == pytest.approx(exact("Halves", 0.68, 0.75), abs=2e-3)
    expect(page.get_by_text("98.7")).to_be_visible()  # % of all copies say blue
