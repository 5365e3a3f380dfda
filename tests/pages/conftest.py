from functools import partial
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from rsviz.certification.attack import AttackSpec
from rsviz.ui.common import jobs, sessions
from rsviz.ui.common.jobs import Device
from tests.helpers import make_checkpoints, make_rivals, make_selectors

APP = str(Path(__file__).parents[2] / "app.py")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    return make_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    """A network for every page."""
    root = tmp_path_factory.mktemp("every")
    for make in (make_checkpoints, make_rivals, make_selectors):
        make(root)
    return root


class AtOnce:
    """An executor that runs a job where it is submitted."""

    def submit(self, work):
        work()


@pytest.fixture
def line(monkeypatch):
    """Make every device this one, whose runs end before they are shown."""
    device = Device(AtOnce())
    monkeypatch.setattr(jobs, "device", lambda name: device)
    return device


class Navigated(PagesManager):
    """AppTest forgets before every run that the app navigates, which a server does not."""


@pytest.fixture(scope="session", autouse=True)
def scanned():
    """Every AppTest looks through all installed packages for components; once is enough."""
    found = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda: found)
        yield


@pytest.fixture(scope="module", autouse=True)
def connected():
    """No AppTest has a connection that it could lose, a moment after another one's caches went."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions._Presence, "_pause_if_gone", lambda self: None)
        yield


@pytest.fixture
def open_page(made, line, monkeypatch):
    """Return a function that opens Certify with an address."""
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(made))
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    monkeypatch.setattr("streamlit.testing.v1.app_test.PagesManager", Navigated)
    quick = partial(AttackSpec, steps=1, draws=1, n=100)  # the page attacks unasked
    monkeypatch.setattr("rsviz.ui.attack.AttackSpec", quick)

    def open_with(page="certify", **query):
        app = AppTest.from_file(APP, default_timeout=120)
        app.run()  # of Home, which would take the address for its own
        for key, value in query.items():
            app.query_params[key] = value if isinstance(value, list) else str(value)
        return app.switch_page(f"pages/{page}.py").run()

    return open_with
