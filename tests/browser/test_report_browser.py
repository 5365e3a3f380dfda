"""A report opens offline, draws its figures, and runs no script but its own."""

import torch

from rsviz.core.reading import read
from rsviz.core.spec import RunSpec, Votes
from rsviz.figures import certificate, report


def test_a_report_draws_and_runs_nothing_that_was_put_into_it(browser, tmp_path):
    spec = RunSpec("i", "net", 0.5, n=1000)
    votes = [
        Votes("select", (100, 0), 100, "complete"),
        Votes("bound", (990, 10), 1000, "complete"),
    ]
    c = read(*votes, spec, "A promise.")
    bars = certificate.vote_bars(c.counts, ("a", "b"), c.predicted)
    text = report.report(c, torch.rand(3, 8, 8), ("a", "b"), [("Votes", bars), ("Again", bars)])
    evil = '<script>window.evil=1</script><img src="x" onerror="window.evil=1">'
    file = tmp_path / "report.html"
    file.write_text(text.replace("</body>", f"{evil}</body>"), encoding="utf-8")
    page, refused = browser.new_page(), []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(file.as_uri())
    page.wait_for_selector("#figure-1 svg.main-svg")
    assert page.locator("#figure-0 svg.main-svg").count() > 0
    assert page.locator('.modebar-btn[data-title*="Share"]').count() == 0  # it would upload it
    assert page.evaluate("window.evil") is None
    assert any("Content Security Policy" in text for text in refused)
    page.close()
