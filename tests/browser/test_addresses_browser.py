"""What one sets is written to the address, and what an address sets is shown; in a real browser."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_page_writes_its_state_to_the_address_and_another_tab_reads_it(tab):
    page = tab("/masks?sigma=0.5&n=500")
    expect(page.get_by_text("In plain words:")).to_be_visible(timeout=60_000)
    expect(page).to_have_url(re.compile("sigma=0.5"))
    expect(page).to_have_url(re.compile("n=500"))
    number = page.get_by_role("spinbutton", name="Test canvas")
    number.fill("9")
    number.press("Enter")
    expect(page).to_have_url(re.compile("[?&]canvas=9"))
    query = page.url.partition("?")[2]
    again = tab(f"/masks?{query}")
    expect(again.get_by_role("spinbutton", name="Test canvas")).to_have_value("9", timeout=60_000)
    noise = again.locator(".st-key-sigma").get_by_role("slider")
    expect(noise).to_have_attribute("aria-valuetext", "0.5")


@pytest.mark.parametrize("name", ["masks", "attack", "certify"])
def test_a_hostile_deep_link_gets_sentences_and_the_page(tab, name):
    page = tab(f"/{name}?sigma=abc&n=-5&checkpoint=../../etc&seed=1e999")
    for key in ("sigma", "n", "checkpoint", "seed"):
        expect(page.get_by_text(f"The address asks for {key}=")).to_be_visible()
    expect(page.get_by_text("failed unexpectedly")).to_have_count(0)
    expect(page.get_by_text("In plain words:")).to_be_visible()


LINKS = (
    "https://evil.example/x",
    "www.evil.example",
    "[a](https://evil.example)",
    "<a href=https://evil.example>x</a>",
    "![a](https://evil.example/i.png)",
    "anyone@evil.example",
)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("certify", ("image", "checkpoint", "sigma", "n", "engine", "device")),
        ("compare", ("measured", "published", "view", "images", "seed", "alpha")),
    ],
)
def test_an_address_makes_no_foreign_link_or_picture(tab, name, keys):
    asked = "&".join(f"{k}={quote(v)}" for k, v in zip(keys, LINKS, strict=True))
    page = tab(f"/{name}?{asked}")
    expect(page.get_by_text(re.compile("evil")).first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("In plain words:")).to_be_visible()
    assert page.locator("[data-testid=stAlert]", has_text="evil").count() >= 2
    foreign = (
        "found => found.filter(e => new URL(e.href ?? e.src).origin !== location.origin).length"
    )
    assert page.locator("a[href*=evil], img[src*=evil]").evaluate_all(foreign) == 0
