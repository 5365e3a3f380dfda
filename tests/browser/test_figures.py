"""Figures in a real browser: legible in both themes, and without a flicker while they move."""

import re

import pytest
from playwright.sync_api import expect

from rsviz.figures.style import BACKGROUNDS, contrast
from rsviz.ui.common import live_figure

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

# The colour of every text of every figure and every coloured term of a formula, and of the page.
# Text on a bar is left out: it is read against the bar.
COLOURS = """() => {
  const hex = c => '#' + c.match(/[\\d.]+/g).slice(0, 3)
    .map(v => Math.round(v).toString(16).padStart(2, '0')).join('');
  const texts = [...document.querySelectorAll('.js-plotly-plot text:not(.bartext-inside)')];
  const terms = [...document.querySelectorAll('.katex span[style*="color"]')];
  return {
    page: hex(getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor),
    figures: texts.filter(t => t.textContent.trim())
      .map(t => [t.textContent, hex(getComputedStyle(t).fill)]),
    formulas: terms.map(t => [t.textContent, hex(getComputedStyle(t).color)]),
  };
}"""
# Counts frames in which the votes are not drawn, the elements they are drawn in, and what they say.
WATCH = """() => {
  const seen = window.seen = {frames: 0, blank: 0, roots: new Set(), said: new Set()};
  const look = () => {
    const root = document.querySelector('.rsviz-live-figure[aria-label^="Votes by class"]');
    const bars = [...(root?.querySelectorAll('.barlayer .point path') ?? [])];
    seen.frames += 1;
    seen.blank += !bars.some(p => p.getBoundingClientRect().width > 0);
    seen.roots.add(root);
    seen.said.add(root?.querySelector('.barlayer')?.textContent);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""

# Makes a browser so busy that the code of a live figure runs only when `release` is called.
BUSY = """
const released = window.released = new Promise((done) => { window.release = done; });
window.Blob = class extends Blob {
  constructor(parts, options) {
    const live = parts?.[0]?.includes?.("rsviz-live-figure");
    super(live ? ["await window.released;", ...parts] : parts, options);
  }
};
"""
# Makes all pauses of a page short, and counts them.
HURRY = """
window.pauses = 0;
window.setTimeout = (then, pause, ...given) => {
  window.pauses += 1;
  queueMicrotask(() => then(...given));
};
"""


@pytest.mark.parametrize("theme", list(BACKGROUNDS))
def test_the_text_of_figures_and_formulas_can_be_read(browser, server, theme):
    context = browser.new_context(color_scheme=theme, viewport={"width": 1280, "height": 1600})
    page = context.new_page()
    page.goto(f"{server}/learn?chapter=votes")
    drawn = f"(found => found.figures.length > 10 && found.formulas.length > 1)(({COLOURS})())"
    page.wait_for_function(drawn, timeout=120_000)
    found = page.evaluate(COLOURS)
    assert found["page"].upper() == BACKGROUNDS[theme]
    for text, colour in found["figures"] + found["formulas"]:
        assert contrast(colour, found["page"]) >= 4.5, (text, colour)
    context.close()


def test_the_votes_are_never_blank_before_while_and_after_they_come_in(tab):
    page = tab("/certify?image=shapes/test/8&n=100000&seed=11")
    main = page.get_by_test_id("stMain")
    expect(page.get_by_text(re.compile(r"\d votes counted"))).to_be_visible()
    page.wait_for_selector(".rsviz-live-figure .barlayer .point path", state="attached")
    page.evaluate(WATCH)
    main.get_by_role("button", name="Certify").first.click()
    page.wait_for_function("window.seen.said.size >= 4", timeout=60_000)
    main.get_by_role("button", name="Stop").click()  # it still ran
    expect(page.get_by_text("live, stopped")).to_be_visible()
    expect(main.get_by_role("button", name="Certify")).to_be_visible()
    seen = page.evaluate("({...window.seen, roots: window.seen.roots.size})")
    assert (seen["blank"], seen["roots"]) == (0, 1) and seen["frames"] > 4
    buttons = page.locator(".rsviz-live-figure .modebar-btn")
    assert {b.get_attribute("data-title") for b in buttons.all()} == {"Download plot as a PNG"}


def test_a_figure_shows_the_last_votes_in_a_browser_that_was_busy_until_then(tab):
    page = tab("/certify?image=shapes/test/8&n=1000&seed=12", script=BUSY)
    expect(page.get_by_text(re.compile(r"\d votes counted"))).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("button", name="Certify").first.click()
    expect(page.get_by_text("live, complete")).to_be_visible()
    page.evaluate("release()")
    last = ".rsviz-live-figure[aria-label='Votes by class: star 1,000.'] .barlayer .point path"
    page.wait_for_selector(last, state="attached", timeout=10_000)


def test_the_library_is_asked_for_until_it_is_here_and_where_it_is_by_then(tab):
    page = tab("/_stcore/health")
    answers = iter(("<p>The server begins anew.</p>", "window.Plotly = {};"))
    page.route("**/gone.js", lambda route: route.fulfill(status=404))
    page.route("**/new.js", lambda r: r.fulfill(body=next(answers), content_type="text/javascript"))
    page.evaluate(f"() => {{{HURRY} {live_figure._LIBRARY} window.library = library;}}")
    page.evaluate("() => { library('/gone.js').then((plotly) => { window.came = plotly; }); }")
    page.wait_for_function("window.pauses > 50", timeout=10_000)
    page.evaluate("() => { library('/new.js'); }")
    page.wait_for_function("window.came", timeout=10_000)
