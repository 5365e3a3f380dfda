"""The app where only /tmp and its logs can be written, as in the container of .deploy."""

import re
import urllib.request
from pathlib import Path

import pytest

from tests.browser.conftest import ROOT, serving
from tests.browser.test_connection_browser import button

pytestmark = pytest.mark.browser
OPENVINOS_OWN = str(Path.home() / "intel")  # statistics that it keeps, and does without
FROZEN = """
import os, sys
def refuse(event, given):
    path, writes = "", False
    if event == "open":
        path, writes = given[0], isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
    elif event == "os.mkdir":
        path, writes = given[0], not os.path.exists(given[0])
    elif event in ("os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link"):
        path, writes = given[0], True
    if writes and isinstance(path, (str, bytes)):
        path = os.path.abspath(os.fsdecode(path))
        if not path.startswith(("/tmp/", "/dev/", "/proc/", os.environ["ALLOWED"])):
            with open(os.environ["ALLOWED"] + "/refused", "a") as log:
                log.write(path + "\\n")
            raise OSError(30, "Read-only file system", path)
sys.addaudithook(refuse)
"""


def test_the_app_works_where_nothing_but_tmp_and_its_logs_can_be_written(
    browser, tmp_path, monkeypatch
):
    """Home and the project are read-only, as in the container: a certificate forms all the same."""
    dockerfile = (ROOT / ".deploy" / "Dockerfile").read_text()
    (tmp_path / "sitecustomize.py").write_text(FROZEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("ALLOWED", str(tmp_path))
    monkeypatch.setenv("RSVIZ_LOGS", str(tmp_path / "logs"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    with serving(tmp_path, ROOT / "checkpoints") as address:
        path = re.search(r"127\.0\.0\.1:8501(/\S+?)'", dockerfile)[1]
        assert urllib.request.urlopen(address + path).read() == b"ok"
        page = browser.new_context().new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{address}/certify?image=shapes/test/3&n=2000")
        button(page, "Certify").dispatch_event("click")
        page.get_by_text("live, complete").first.wait_for()  # before the server ends
    refused = tmp_path / "refused"
    paths = refused.read_text().split() if refused.exists() else []
    assert [p for p in paths if not p.startswith(OPENVINOS_OWN)] == []
    assert "Traceback" not in (tmp_path / "log").read_text()
