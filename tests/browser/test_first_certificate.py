"""A fresh server and its first visitor: seconds to a certificate, and whom the browser asks."""

import time

import pytest
from playwright.sync_api import expect

from rsviz.checkpoints.catalog import SHIPPED
from tests.browser.conftest import serving

pytestmark = pytest.mark.browser
PATIENCE = 180  # seconds, of a busy machine; a quiet one takes about ten


def test_seconds_from_a_fresh_server_to_the_first_certificate(browser, tmp_path, capsys):
    begun = time.perf_counter()
    with serving(tmp_path, SHIPPED) as address:
        up = time.perf_counter() - begun
        page = browser.new_page()
        elsewhere = []
        page.on(
            "request", lambda r: elsewhere.append(r.url) if is_foreign(r.url, address) else None
        )
        page.goto(f"{address}/certify?image=shapes/test/3&checkpoint=shapes-gaussian-0.5&seed=11")
        live = page.get_by_test_id("stMetric").filter(has_text="Radius (L2)").first
        expect(live).to_be_visible(timeout=1000 * PATIENCE)
        seconds = time.perf_counter() - begun
        page.wait_for_selector(".rsviz-live-figure .barlayer .point path", state="attached")
        page.close()
    with capsys.disabled():
        print(
            f"\nfirst certificate {seconds:.1f} s after the start of a server ({up:.1f} s to hear)"
        )
    assert up < seconds < PATIENCE
    assert elsewhere == []  # not even for an icon


def is_foreign(url, address):
    return not url.startswith((address, "data:", "blob:"))
