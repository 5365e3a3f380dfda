"""The tour, run by its own clicks: each step acts on a control of the page, and is ticked."""

import pytest
from playwright.sync_api import expect

from rsviz.teaching import tour
from rsviz.ui.page_list import PAGES

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)


def test_a_guest_is_led_through_every_page_and_out_again(tab, size):
    page = tab("/", size)
    page.get_by_role("link", name="Take the tour").click()
    stops = tour.stops([name for name, _, _ in PAGES])
    for i, stop in enumerate(stops, start=1):
        bar = page.get_by_text(f"Tour, {i} of {len(stops)}.")
        expect(bar).to_be_visible()
        expect(page.get_by_role("heading", level=1).first).to_be_visible()
        assert stop.page == "home" or f"/{stop.page}" in page.url
        act = page.get_by_role("button", name=stop.act)
        act.click()
        expect(page.get_by_role("button", name=f"✓ {stop.act}")).to_be_visible(timeout=240_000)
        expect(page.locator(".rsviz-shown").first).to_be_in_viewport()
        if i < len(stops):
            page.get_by_role("link", name="Next").click()
    end = page.get_by_role("link", name="End the tour")
    expect(end).to_have_count(1)  # the bar of the page before fades out
    end.click()
    expect(page.get_by_text("Tour, ")).to_have_count(0)
    expect(page.get_by_role("link", name="Take the tour")).to_be_visible()
