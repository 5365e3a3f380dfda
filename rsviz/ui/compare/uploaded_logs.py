"""Logs that a visitor brings: read, named, asked for what they do not state, and checked."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rsviz.checkpoints import catalog
from rsviz.core.errors import UserError
from rsviz.core.spec import Norm
from rsviz.data.catalog import CLASSES, SPLITS
from rsviz.evaluation import comparison
from rsviz.evaluation.comparison import Entry
from rsviz.evaluation.contradictions import contradictions, doubts
from rsviz.evaluation.logs import Log, parse_log, state, unprotected, unstated
from rsviz.ui.common.address import plain

MEGABYTES = 5


@st.cache_resource(max_entries=32, scope="session", show_spinner=False)
def _parse(_data: bytes, name: str, source: str, sha256: str) -> Log:
    return parse_log(_data, name, source)


def pick_logs(told: DeltaGenerator) -> list[Entry]:
    """Show the uploader, and for logs that do not state their settings the questions they leave.

    A log that contradicts what is stated of it is reported and not returned, so that nothing false
    is drawn. Its questions stay, to be answered differently.
    """
    files = st.file_uploader(
        "Logs of rsviz, or tables idx, label, predict, radius, correct",
        accept_multiple_files=True,
        key="logs",
        max_upload_size=MEGABYTES,
        help="They are kept in this browser tab only, and nobody else sees them.",
    )
    logs: dict[str, Log] = {}
    names: dict[str, str] = {}
    for file in files:
        if file.size > MEGABYTES * 10**6:  # a browser refuses it, another client need not
            told.error(f"{plain(file.name)} is larger than {MEGABYTES} MB.")
            continue
        data = file.getvalue()
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 in names:
            st.info(f"{plain(file.name)} is the same log as {plain(names[sha256])}.")
            continue
        names[sha256] = file.name
        try:
            log = _parse(data, Path(file.name).stem[:60], file.name[:80], sha256)
            if unstated(log):
                log = _ask(log, sha256)
            if wrong := contradictions(log):
                for sentence in wrong:
                    told.error(plain(sentence, 400) + " It is not drawn.", icon=":material/block:")
                continue
        except UserError as error:
            told.error(plain(str(error), 400))
            continue
        for note in filter(None, (*log.notes, unprotected(log))):
            st.caption(f":material/info: {plain(log.name)}: {plain(note, 200)}.")
        for sentence in doubts(log):
            told.warning(plain(sentence, 400), icon=":material/question_mark:")
        logs[sha256] = log
    return _named(logs)


def _named(logs: Mapping[str, Log]) -> list[Entry]:
    """Return each log as an entry; logs of the same name are distinguished by their content."""
    given = Counter(log.name[:60] for log in logs.values())
    entries = []
    for sha256, log in logs.items():
        name = f"{log.name[:60]}, yours"
        if given[log.name[:60]] > 1:
            name = f"{name} ({sha256[:4]})"
        trained = _trained(log.checkpoint_sha256)
        entries.append(comparison.from_log(replace(log, name=name), "your log", trained=trained))
    return entries


def _trained(sha256: str) -> float | None:
    """Return the noise that a network was trained at, if it is one of those here."""
    found = catalog.list_checkpoints() if sha256 else []
    return next((c.card.sigma for c in found if c.sha256 == sha256), None)


def _ask(log: Log, sha256: str) -> Log:
    """Return a log with the settings its owner states; what is left blank stays unknown.

    The questions belong to the content of the file, whichever others are added or taken away.
    """
    key = sha256[:16]
    st.caption(
        f"{plain(log.name)} does not state all of its settings. What is left blank stays unknown, "
        "and is marked."
    )
    given: dict[str, object] = {}
    if not log.dataset:
        given["dataset"] = st.selectbox(
            "Data set", list(CLASSES), None, key=f"dataset_{key}", placeholder="unknown"
        )
    if not log.split:
        given["split"] = st.selectbox(
            "Split", SPLITS, None, key=f"split_{key}", placeholder="unknown"
        )
    if log.norm is None:
        given["norm"] = st.selectbox(
            "Norm", [str(n) for n in Norm], None, key=f"norm_{key}", placeholder="unknown"
        )
    if log.sigma is None and log.sigma_N is None:
        given["sigma"] = st.number_input("Sigma", 0.01, 9.99, None, key=f"sigma_{key}")
    if log.n is None:
        given["n"] = st.number_input("n", 1, 10_000_000, None, key=f"n_{key}")
    if log.alpha is None:
        given["alpha"] = st.number_input("alpha", 1e-6, 0.49, None, key=f"alpha_{key}", format="%g")
    if not log.method:
        given["method"] = st.text_input(
            "Method", key=f"method_{key}", max_chars=40, placeholder="unknown"
        )
    if not log.network:
        given["network"] = st.text_input(
            "Network", key=f"network_{key}", max_chars=40, placeholder="unknown"
        )
    return state(log, **given)
