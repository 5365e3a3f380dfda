"""Compare in a real browser: a deep link, a legend, and a click that brings images."""

import os

import pytest
from playwright.sync_api import expect

from rsviz import checkpoints, datasets, evaluation

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)


@pytest.fixture
def measured(server, tmp_path_factory):
    """Measure the network of the server on three images, into its own folder."""
    (root,) = tmp_path_factory.getbasetemp().glob("server*/checkpoints")
    net = checkpoints.find("shapes-constant", root)
    settings = {"n0": 10, "n": 100, "alpha": 0.001, "seed": 0, "first": 3}
    spec = evaluation.spec_for(net, 0.5, **settings)
    log, data = net.folder / "certified.csv", datasets.load("shapes", "test")
    evaluation.evaluate(spec, checkpoints.load_nets(net), data, log, report=lambda said: None)
    yield "shapes-constant, σ 0.5"
    os.remove(log)


def test_a_click_on_a_curve_brings_its_images(measured, tab):
    page = tab(f"/compare?measured={measured.replace(' ', '+')}")
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator(".legend")).to_contain_text(measured)
    expect(page.get_by_text("Cohen et al.")).to_have_count(0)  # the link names one curve only
    points = chart.locator(".scatterlayer .trace").first.locator(".point")
    expect(points.first).to_be_visible()
    box = points.first.bounding_box()
    heading = page.get_by_role("heading", name="The images behind the curves")
    for _ in range(5):  # a chart listens a moment after it is drawn
        page.mouse.move(box["x"] + 6, box["y"] + 6)
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(1500)
        if heading.count():
            break
    expect(heading).to_be_visible()
    expect(page.get_by_text("wrong (", exact=False).first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
