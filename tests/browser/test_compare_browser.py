"""Compare, driven as a person does: a log of one's own, a click on its curve, another view."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

LOG = Path(__file__).resolve().parents[2] / "checkpoints" / "cifar10-gaussian-0.5" / "certified.csv"
PLOT = "[data-testid=stPlotlyChart] .js-plotly-plot"
# Where the curve of a log lies on the screen, a quarter along; null until it is drawn.
POINT = """() => {
  const plot = document.querySelector('[data-testid=stPlotlyChart] .js-plotly-plot');
  const curve = plot?._fullData?.find(d => d.name?.startsWith('cifar10-gaussian-0.5'));
  if (!curve?.x?.length) return null;
  const {xaxis, yaxis} = plot._fullLayout, at = plot.getBoundingClientRect();
  const i = Math.floor(curve.x.length / 4);
  return [at.left + xaxis._offset + xaxis.l2p(curve.x[i]),
          at.top + yaxis._offset + yaxis.l2p(curve.y[i])];
}"""


def test_a_click_on_the_curve_of_an_own_log_shows_the_images_behind_it(tab, tmp_path):
    own = tmp_path / "mine.csv"
    own.write_text(LOG.read_text())
    page = tab("/compare", (1280, 1000))
    page.get_by_role("button", name="Your logs").click()
    page.locator("input[type=file]").set_input_files(own)
    page.wait_for_function(POINT)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    x, y = page.evaluate(POINT)
    page.mouse.move(x - 5, y)
    page.mouse.move(x, y, steps=3)
    expect(page.locator(f"{PLOT} .hoverlayer text").first).to_be_visible()
    page.mouse.click(x, y)
    expect(page.get_by_text("Images at radius")).to_be_visible()


def test_every_view_has_an_address_and_opens(tab):
    page = tab("/compare?view=Claims")
    expect(page.get_by_role("button", name="How it is judged")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    page.get_by_role("radio", name="Ensembles").click()
    expect(page.get_by_text("Several networks voting as one")).to_be_visible()
    page.wait_for_url("**view=Ensembles**")
