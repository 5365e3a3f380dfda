"""Made-up addresses and damaged uploads on every page: the page, or a sentence; never a fault.

A short run by default; ``RSVIZ_FUZZ=100000 pytest tests/pages/test_fuzzed_pages.py`` is a long one,
of a tenth as many inputs a page and kind.
"""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsviz.ui.page_list import PAGES
from tests.helpers import faults
from tests.pages.test_certify_page import Never
from tests.test_fuzz import MANY, anything

SLOW = 2.0  # seconds of processor for one input
KEYS = """image sigma n n0 seed alpha bound checkpoint device engine source counted two_class
until_radius canvas canvas_source background background_number pasted pasted_number f selector lam
within draws drawn number knob quantile budget attack_norm target view measured published at_radius
pin of chapter noise mode hide tour""".split()
TOLD = """shapes/test/3 cifar10/test/20 shapes-constant 0.5 1e999 nan -1 0 true Linf compose upload
Curves Claims Networks 0-1-2 shapes-dual multiscale ../../etc http://evil.example""".split()
ADDRESS = st.dictionaries(
    st.one_of(st.sampled_from(KEYS), st.text(min_size=1, max_size=8)),
    st.one_of(st.sampled_from(TOLD), st.text(max_size=60), st.integers().map(str)),
    max_size=5,
)
UPLOADS = {  # page: what opens its uploader, and what it takes
    "certify": ({"source": "upload"}, "picture", "a.png"),
    "attack": ({"source": "upload"}, "picture", "a.png"),
    "levels": ({"source": "upload"}, "picture", "a.png"),
    "masks": ({"canvas_source": "compose", "pasted": "upload"}, "picture", "a.png"),
    "compare": ({}, "log", "a.csv"),
}


def fuzz(most):
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=MANY // 10 or most,
        derandomize=not MANY,
        deadline=None,
        suppress_health_check=checks,
    )


@pytest.fixture
def opened(open_page, every_kind, line, monkeypatch):
    """Open a page whose runs wait."""
    line.executor = Never()
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(every_kind))
    return open_page


def check(app, act, line):
    before = time.process_time()
    act(app)
    spent = time.process_time() - before
    for job in line.jobs:
        job.stop()
    assert not app.exception and not [told for told in faults(app) if "unexpectedly" in told]
    assert app.title, "the page is not drawn to its end"
    assert spent < SLOW


@pytest.mark.parametrize("page", [name for name, _, _ in PAGES])
def test_addresses(opened, line, page):
    app = opened(page)

    @fuzz(4)
    @given(ADDRESS)
    def made_up(given_):
        def go(app):
            app.query_params.clear()
            app.query_params.update(given_)
            app.switch_page(f"pages/{page}.py").run()

        check(app, go, line)

    made_up()


@pytest.mark.parametrize("page", UPLOADS)
def test_uploads(opened, line, page):
    shown, kind, name = UPLOADS[page]
    app = opened(page)
    for key, value in shown.items():
        app.segmented_control(key=key).set_value(value).run()

    @fuzz(4)
    @given(anything(kind))
    def damaged(data):
        check(app, lambda app: app.file_uploader[0].set_value((name, data, "")).run(), line)

    damaged()
