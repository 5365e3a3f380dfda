"""Logs that a visitor brings: read, named, and asked for the settings they do not state."""

import hashlib
from dataclasses import replace
from pathlib import Path

import streamlit as st

from rsviz.core.errors import UserError
from rsviz.core.spec import Norm
from rsviz.data import catalog
from rsviz.evaluation import comparison
from rsviz.evaluation.comparison import Entry
from rsviz.evaluation.logs import Log, parse_log


@st.cache_resource(max_entries=32, scope="session", show_spinner=False)
def _parse(_text: str, name: str, source: str, sha256: str) -> Log:
    return parse_log(_text, name, source)


def pick_logs() -> list[Entry]:
    """Show the uploader, and for logs that do not state their settings the questions they leave."""
    files = st.file_uploader(
        "Logs of rsviz, or tables idx, label, predict, radius, correct",
        accept_multiple_files=True,
        key="logs",
        max_upload_size=5,
        help="They are kept for this browser tab only and shown to nobody else.",
    )
    entries: list[Entry] = []
    for i, file in enumerate(files):
        try:
            sha256 = hashlib.sha256(file.getvalue()).hexdigest()
            text = file.getvalue().decode("utf-8")
            log = _parse(text, Path(file.name).stem, file.name, sha256)
        except UnicodeDecodeError:
            st.error(f"{file.name} is not a text file; upload a log as CSV or TSV.")
            continue
        except UserError as error:
            st.error(str(error))
            continue
        if log.n is None:
            log = _ask(log, i)
        taken = {e.name for e in entries}
        name = f"{log.name}, yours" + (f" ({i + 1})" if f"{log.name}, yours" in taken else "")
        entries.append(comparison.from_log(replace(log, name=name), "your log", log.name))
    return entries


def _ask(log: Log, i: int) -> Log:
    """Return a log of the field's layout with the settings its owner states; blanks are unknown."""
    st.caption(f"{log.name} does not state its settings. What is left blank counts as unknown.")
    dataset = st.selectbox(
        "Data set", list(catalog.PIXELS), index=None, key=f"dataset_{i}", placeholder="unknown"
    )
    norm = st.selectbox("Norm", [str(n) for n in Norm], key=f"norm_{i}")
    sigma = st.number_input("Sigma", 0.01, 10.0, None, key=f"sigma_{i}")
    n = st.number_input("n", 1, 10_000_000, None, key=f"n_{i}")
    alpha = st.number_input("alpha", 1e-6, 0.5, None, key=f"alpha_{i}", format="%g")
    return replace(
        log, dataset=dataset or "", norm=Norm(norm or "L2"), sigma=sigma, n=n, alpha=alpha
    )
