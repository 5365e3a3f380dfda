"""The logs that are here: of the networks in the checkpoints folder, and evaluated in the app."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import WEIGHTINGS_FOLDER
from rsviz.core.errors import UserError
from rsviz.core.files import kept_in, version
from rsviz.evaluation import comparison
from rsviz.evaluation.comparison import Entry
from rsviz.evaluation.contradictions import contradictions
from rsviz.evaluation.evaluate import log_folder
from rsviz.evaluation.logs import ordinal, read_log
from rsviz.methods.registry import is_plain


@st.cache_resource(max_entries=256, show_spinner="Reading the logs")
def _read(
    path: str, checkpoint: str, changed: tuple[int, ...] | None, trained: float | None = None
) -> Entry:
    log = read_log(Path(path))
    if wrong := contradictions(log):
        raise UserError(" ".join(wrong))
    sigma = "" if log.sigma is None else f", σ {log.sigma:g}"
    name, file = f"{checkpoint}{sigma}", Path(path).name
    if Path(path).parent.name == WEIGHTINGS_FOLDER:
        name, file = f"{name}, {Path(path).stem}", f"{WEIGHTINGS_FOLDER}/{file}"
    elif how := _how(Path(path).stem):
        name = f"{name}, {how}"
    log = replace(log, name=name, source=f"checkpoints/{checkpoint}/{file}")
    return comparison.from_log(log, "measured here", checkpoint, trained=trained)


def _how(stem: str) -> str:
    """Return what a file's name says beside the noise: ``int8`` of ``certified-0.25-int8``."""
    words = stem.split("-")[1:] if stem.startswith("certified") else []
    return ", ".join(_in_words(word) for word in words if not word.replace(".", "").isdecimal())


def _in_words(word: str) -> str:
    """Return ``n 10,000`` for n10000 and ``every 2nd`` for every2."""
    if word[:1] == "n" and word[1:].isdecimal():
        return f"n {int(word[1:]):,}"
    if word.startswith("every") and word[5:].isdecimal():
        return f"every {ordinal(int(word[5:]))}"
    return word


def measured() -> tuple[dict[str, Entry], list[str]]:
    """Return the measured logs of all checkpoints by name, and a sentence for each unreadable one.

    A name holds the noise level, since one network may be measured at several, of an ensemble the
    weighting, and otherwise what its file's name adds, as int8.
    """
    found: dict[str, Entry] = {}
    refused = []
    for c in [*catalog.list_checkpoints(), *catalog.of_logs_alone()]:
        for path in [
            *kept_in(c.folder, "certified*.csv"),
            *kept_in(c.folder / WEIGHTINGS_FOLDER, "*.csv"),
        ]:
            try:
                entry = _read(str(path), c.name, version(path), c.card.sigma)
                if path.parent == c.folder and c.verified:
                    _check_weights(entry, c.sha256)
            except (UserError, OSError) as error:
                refused.append(f"{c.name}: {error}")
                continue
            if entry.name in found:
                entry = comparison.renamed(entry, f"{entry.name} ({path.stem})")
            found[entry.name] = entry
    return found | _evaluated(), refused


def _check_weights(entry: Entry, sha256: str) -> None:
    """Refuse a log of other weights than those that lie beside it, as after a new training."""
    theirs = entry.log.checkpoint_sha256 if entry.log else ""
    if theirs and theirs != sha256:
        raise UserError(
            f"{entry.name} was measured with other weights than those here; evaluate it again."
        )


def _evaluated() -> dict[str, Entry]:
    """Return the logs of evaluations started in the app, finished or not."""
    found = {}
    for path in sorted(log_folder().glob("*.csv")):
        with suppress(UserError, OSError):  # one that holds no image yet
            name, _, digest = path.stem.rpartition("-")
            entry = _read(str(path), name, version(path))
            log = replace(entry.log, source=path.name) if entry.log else None
            n = f", n {entry.curve.n:,}, evaluated here ({digest[:4]})"
            found[entry.name + n] = comparison.renamed(replace(entry, log=log), entry.name + n)
    return found


def default_names(found: dict[str, Entry]) -> list[str]:
    """Return what is shown first: Gaussian networks at their own noise, of CIFAR-10 if there is.

    Of several, those measured with the most votes.
    """
    if not found:
        return []

    def rank(name: str) -> tuple[bool, bool, bool, int]:
        c = found[name].curve
        own = c.sigma is not None and found[name].checkpoint.endswith(f"-{c.sigma}")
        own = own and name == f"{found[name].checkpoint}, σ {c.sigma:g}"
        return (c.dataset != "cifar10", not is_plain(c.method), not own, -(c.n or 0))

    ranked = sorted(found, key=rank)
    return [n for n in ranked if rank(n) == rank(ranked[0])][:3]
