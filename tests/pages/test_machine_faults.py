"""What the machine refuses while the app runs is one sentence, and the next request works."""

import hashlib
import math

import pytest
import streamlit as st
import torch
from safetensors.torch import load_file, save_file

from rsviz.checkpoints import catalog
from rsviz.data import datasets
from rsviz.data.labels import data_folder
from rsviz.networks import classifiers
from rsviz.ui import frame
from rsviz.ui.common import sentences
from rsviz.ui.page_list import PAGES
from tests.helpers import constant_network, faults, make_checkpoints, make_rivals, make_selectors

NAMES = [name for name, _, _ in PAGES]
RUN = {"image": "shapes/test/8", "checkpoint": "shapes-constant", "n": 500}


@pytest.fixture
def refusing(monkeypatch):
    """Build every network so that it can fail."""
    real, held = classifiers.Compact.forward, [None]

    def forward(self, x_NCHW):
        if held[0] is not None:
            raise type(held[0])(*held[0].args)  # a new one: it holds every frame it passed
        return real(self, x_NCHW)

    monkeypatch.setattr(classifiers.Compact, "forward", forward)
    st.cache_resource.clear()
    yield lambda error: held.__setitem__(0, error)
    st.cache_resource.clear()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), "cpu failed"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "not enough memory"),
        (OSError(5, "Input/output error"), "input/output error"),
    ],
)
def test_a_run_whose_device_or_memory_fails_says_so_and_the_next_one_works(
    open_page, refusing, caplog, error, says
):
    app = open_page(**RUN)
    refusing(error)
    app.button(key="certify").click().run()
    assert not app.exception and "Traceback" not in caplog.text
    (told,) = faults(app)
    assert says in told and "unexpectedly" not in told
    refusing(None)
    app.button(key="certify").click().run()
    assert not app.exception and faults(app) == []
    assert app.metric[0].value != "0"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of checkpoints, and one of data, that a test may take away."""
    for make in (make_checkpoints, make_rivals, make_selectors):
        make(tmp_path / "checkpoints")
    data = tmp_path / "data" / "cifar-10-batches-py"
    data.mkdir(parents=True)
    for file in (data_folder() / data.name).iterdir():
        (data / file.name).symlink_to(file.resolve())
    monkeypatch.setenv("RSVIZ_LOGS", str(tmp_path / "logs"))
    yield tmp_path
    datasets.load.cache_clear()
    st.cache_data.clear()


def forget():
    """Let go of all that was read before, as a server does after a while."""
    datasets.load.cache_clear()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.mark.cifar
@pytest.mark.parametrize("page", NAMES)
def test_a_data_folder_that_goes_while_the_app_runs_is_a_sentence(
    open_page, own, monkeypatch, caplog, page
):
    query = {"image": "cifar10/test/8", "checkpoint": "cifar10-constant"}
    monkeypatch.setenv("RSVIZ_DATA", str(own / "data"))
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(own / "checkpoints"))
    app = open_page(page, **query)
    before = faults(app)
    folder = own / "data" / "cifar-10-batches-py"
    folder.rename(own / "gone")
    forget()
    for _ in range(2):
        app.run()
        assert not app.exception and "Traceback" not in caplog.text
        assert not [told for told in faults(app) if "unexpectedly" in told]
    (own / "gone").rename(folder)
    app.run()
    assert not app.exception and faults(app) == before


@pytest.mark.parametrize("page", NAMES)
def test_checkpoints_that_go_while_the_app_runs_are_a_sentence(
    open_page, own, monkeypatch, caplog, page
):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(own / "checkpoints"))
    app = open_page(page)
    assert faults(app) == []
    (own / "checkpoints").rename(own / "gone")
    for _ in range(2):
        app.run()
        assert not app.exception and "Traceback" not in caplog.text
        assert not [told for told in faults(app) if "unexpectedly" in told]
    (own / "gone").rename(own / "checkpoints")
    app.run()
    assert not app.exception and faults(app) == []


def test_a_checkpoint_of_weights_that_are_not_numbers_is_refused_on_the_page(
    open_page, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    made = constant_network(tmp_path / "shapes-constant")
    file = made.folder / "weights.safetensors"
    state = load_file(file)
    state["1.fc.bias"][3] = math.nan
    save_file(state, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    catalog.write_card(made.folder, dict(made.stored) | {"sha256": sha256})
    constant_network(tmp_path / "shapes-other")
    app = open_page(checkpoint="shapes-constant")
    assert not app.exception and "Traceback" not in caplog.text
    (told,) = faults(app)
    assert "1.fc.bias holds values that are not numbers" in told
    assert not app.metric
    app.selectbox(key="checkpoint").set_value("shapes-other").run()
    assert faults(app) == [] and app.metric


@pytest.mark.parametrize(
    ("kind", "error"), {"memory": MemoryError(), "file": OSError(5, "")}.items()
)
def test_a_page_that_the_machine_refuses_says_so_and_opens_again(
    open_page, monkeypatch, kind, error
):
    app = open_page("learn")

    def refuse(*_, **__):
        raise type(error)(*error.args)

    with monkeypatch.context() as patch:
        patch.setattr("rsviz.ui.frame.tell_infinite", refuse)
        app.run()
        assert not app.exception and faults(app) == [sentences.FAILED[kind]]
    app.run()
    assert faults(app) == [] and app.title


@pytest.mark.parametrize("part", ["drop_infinite", "show_words"])
def test_what_goes_wrong_around_a_page_is_a_sentence_too(open_page, monkeypatch, part):
    def breaks(*given):
        raise RuntimeError("a defect")

    monkeypatch.setattr(frame, part, breaks)
    app = open_page("certify", n=100)
    assert not app.exception and [e.value for e in app.error] == [sentences.FAILED[None]]
    assert app.title[0].value == "Certify"
