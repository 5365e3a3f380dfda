"""Every error of a page, or of a part of it that runs again alone, is a sentence."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st

from rsviz.core.errors import UserError
from rsviz.core.faults import kind_of
from rsviz.ui.common.address import plain

P = ParamSpec("P")
FAILED = {  # what a page says, by what the machine refused
    None: "This page failed unexpectedly; reload it. The log of the server says why.",
    "memory": "There is not enough memory for this page just now; reload it in a while.",
    "device": "The device of this server failed; reload the page, or see its log and restart it.",
    "file": "A file of this server cannot be read or written; its log names it. Then reload.",
}


@contextmanager
def told() -> Iterator[None]:
    """Show what goes wrong in the block as a sentence; what the server must look at is logged."""
    try:
        yield
    except UserError as error:
        st.error(plain(str(error), 2_000))
    except Exception as error:
        logging.getLogger("rsviz").exception("a page failed")
        st.error(FAILED[kind_of(error)])


def fragment(part: Callable[P, None]) -> Callable[P, None]:
    """Return a part of a page that runs again alone, as `st.fragment` does, outside the frame."""

    @st.fragment
    @wraps(part)
    def shown(*given: P.args, **named: P.kwargs) -> None:
        with told():
            part(*given, **named)

    return shown
