"""Every page, opened by its address, on desktop and phone, in both themes."""

import re

import pytest
from playwright.sync_api import expect

from rsviz.ui.page_list import PAGES

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", [page[0] for page in PAGES])
def test_a_page_paints_fits_and_shows_no_error(browser, server, size, name):
    theme = "dark" if size[0] < 500 else "light"
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    said = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{server}/{'' if name == 'home' else name}")
    expect(page.get_by_role("heading", level=1).first).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=60_000)
    expect(page.get_by_text("failed unexpectedly")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    # It is not blank. The heading comes first, so the text below it may still be on its way.
    expect(page.get_by_test_id("stMain")).to_have_text(
        re.compile(r"(\S+\s+){20}"), use_inner_text=True, timeout=60_000
    )
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
    assert said == []
    context.close()


# The links of the header whose middle or end something else covers.
COVERED = """() => [...document.querySelectorAll('[data-testid=stTopNavLink]')].filter((link) => {
  const item = link.closest('.rc-overflow-item'), at = link.getBoundingClientRect();
  if (item && getComputedStyle(item).opacity === '0') return false;  // it is in the menu of more
  const on = (share) => document.elementFromPoint(at.x + share * at.width, at.y + at.height / 2);
  return [.1, .5, .9].some((share) => !link.contains(on(share)));
}).map((link) => link.textContent)"""


def test_the_picture_in_use_covers_no_link_and_leads_back(tab):
    page = tab("/certify?image=shapes/test/8&n=100", size=(1500, 900))
    expect(page.get_by_text(re.compile(r"\d votes counted"))).to_be_visible(timeout=60_000)
    for width in (1500, 1280, 1024, 800):
        page.set_viewport_size({"width": width, "height": 900})
        # A busy machine lays the header out again only after a while.
        page.wait_for_function(f"() => ({COVERED})().length === 0", timeout=20_000)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_test_id("stTopNavLink").get_by_text("Learn").click()
    expect(page.get_by_role("heading", name="Learn").first).to_be_visible(timeout=60_000)
    page.locator(".st-key-chip").get_by_test_id("stPageLink").click()
    expect(page).to_have_url(re.compile("/certify.*image=shapes"))
