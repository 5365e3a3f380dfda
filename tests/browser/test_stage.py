"""A certificate forms inside the window: picture, votes, radius and button, from first to last."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

SHIFTS = """() => {
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value;
  }).observe({type: "layout-shift"});
}"""


def inside(page, *locators):
    """Whether all are in the window as it stands."""
    height = page.viewport_size["height"]
    boxes = [locator.bounding_box() for locator in locators]
    return all(box and box["y"] >= 0 and box["y"] + box["height"] <= height for box in boxes)


@pytest.mark.parametrize("window", [(1440, 800), (390, 844)])
def test_button_votes_and_radius_stay_in_the_window_through_a_run(tab, window):
    page = tab("/certify?image=shapes/test/8&n=50000&seed=21", window)
    main = page.get_by_test_id("stMain")
    verdict = main.get_by_role("heading", name=re.compile("certified within"))
    expect(main.get_by_text("live, stopped after")).to_be_visible()
    button, bars = main.get_by_role("button", name="Certify"), main.locator(".barlayer").first
    expect(bars).to_be_visible()
    assert inside(page, button, verdict, bars)
    page.evaluate(SHIFTS)
    button.click()
    stop, looks = main.get_by_role("button", name="Stop"), 0
    expect(stop).to_be_visible()
    live = main.locator(".rsviz-live-figure .barlayer").first
    expect(live).to_be_visible()
    while stop.is_visible() and looks < 20:
        try:
            assert inside(page, stop, verdict, live)
        except AssertionError:
            if stop.is_visible():  # else the run ended between the two looks
                raise
            break
        looks += 1
        page.wait_for_timeout(200)
    assert looks > 1
    expect(main.get_by_text("live, complete")).to_be_visible(timeout=120_000)
    expect(main.get_by_role("button", name="Again")).to_be_visible()
    assert inside(page, main.get_by_role("button", name="Again"), verdict, bars)
    assert page.evaluate("window.shift") < 0.05


def test_a_link_shows_its_result_unasked(tab):
    page = tab("/certify?image=shapes/test/9&n=2000&seed=22")
    expect(page.get_by_text("live, stopped after")).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("certified within"))).to_be_visible()
