import errno
from pathlib import Path

import pytest
import streamlit as st
import torch
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from rsviz.core.errors import UserError
from rsviz.ui.common import sentences

UI = Path(sentences.__file__).parents[1]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (UserError("n must be smaller."), "n must be smaller."),
        (torch.OutOfMemoryError("CUDA out of memory"), "not enough memory for this page"),
        (torch.AcceleratorError("CUDA error: launch failure"), "The device of this server failed"),
        (OSError(errno.EIO, "Input/output error"), "A file of this server"),
        (ZeroDivisionError(), "failed unexpectedly"),
    ],
)
def test_what_goes_wrong_in_a_part_of_a_page_is_one_sentence(monkeypatch, error, says):
    """A part that runs again alone runs outside the frame of its page."""
    said = []
    monkeypatch.setattr(st, "error", said.append)
    with sentences.told():
        raise error
    assert len(said) == 1 and says in said[0]


def test_what_streamlit_raises_to_run_again_is_no_error(monkeypatch):
    monkeypatch.setattr(st, "error", lambda _: pytest.fail("told"))
    with pytest.raises(RerunException), sentences.told():
        raise RerunException(RerunData())


def test_every_part_that_runs_again_alone_tells_its_errors():
    for file in UI.rglob("*.py"):
        text = file.read_text()
        assert text.count("st.fragment") == 0 or "with told():" in text, file.name
