"""A fresh server on a free port of this machine, and a Chromium to drive it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.helpers import make_checkpoints, make_rivals, make_selectors

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = "browser" in os.environ.get("RSVIZ_REQUIRE", "").split(",")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
ARGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
).split()


@pytest.fixture(scope="session")
def browser():
    """Chromium; without one these tests are skipped, unless RSVIZ_REQUIRE names them."""
    if CHROMIUM is None:
        reason = "there is no chromium on this machine"
        pytest.fail(reason) if REQUIRED else pytest.skip(reason)

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        chromium.new_context = partial(_still, chromium.new_context)
        yield chromium
        chromium.close()


STILL = """addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent = "*, *::before, *::after { animation: none !important }";
  document.head.append(style);
});"""


def _still(new_context, **options):
    """Open a window whose pages do not pulse while they load: without a GPU that takes a core."""
    context = new_context(**options)
    context.add_init_script(STILL)
    return context


@pytest.fixture(scope="session")
def server(tmp_path_factory, browser):
    """Start the app on a free port; return its address before anybody has opened it."""
    folder = tmp_path_factory.mktemp("server")
    checkpoints = make_rivals(make_checkpoints(folder / "checkpoints", "compact"), "compact")
    make_selectors(checkpoints, ("dual", "multiscale"))
    with serving(folder, checkpoints) as address:
        yield address


def free_port():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


@contextmanager
def serving(folder, checkpoints, port=None):
    """Start the app with these checkpoints, its log in a folder; give its address once it hears."""
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    environment = os.environ | {"RSVIZ_CHECKPOINTS": str(checkpoints), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        (folder / "pid").write_text(str(process.pid))
        try:
            _wait(f"http://localhost:{port}/_stcore/health", process)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _wait(address, process):
    for _ in range(240):
        assert process.poll() is None, "the server ended before it was ready"
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the server did not become ready")


@pytest.fixture(params=["desktop", "phone"])
def size(request):
    """The width and height of a window."""
    return {"desktop": (1280, 900), "phone": (390, 844)}[request.param]


@pytest.fixture
def tab(browser, server):
    """Return a function that opens a tab at an address of the app; all are closed at the end."""
    contexts = []

    def open_tab(address, size=(1280, 900), script=""):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        contexts.append(context)
        context.add_init_script(script)  # runs in the page before its own
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(server + address)
        return page

    yield open_tab
    for context in contexts:
        context.close()
