"""What is known of a picture on the Noise levels page: readings of stored votes, or of a run.

Votes are kept, and every knob that only reads them reads them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.evaluation import logs, stored_votes
from rsviz.evaluation.logs import LogHead, LogRow
from rsviz.methods.registry import METHODS
from rsviz.ui.common.jobs import Job

# The method whose votes are those of plain smoothing at each of its levels.
CASCADE = next(name for name, m in METHODS.items() if m.levels and m.levels.settle)


@dataclass(frozen=True)
class Readings:
    """The newest certificate of each chooser, by method, and of levels held fixed.

    ``stored`` is whether the votes are those of a shipped log; ``n`` of each stage.
    ``lacking`` are the choosers whose votes do not reach for the settings of now.
    """

    by_method: Mapping[str, Certificate] = field(default_factory=dict)
    fixed: Mapping[float, Certificate] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    stored: bool = False
    n: int = 0


@st.cache_resource(max_entries=32, show_spinner=False)
def _rows(name: str, sha256: str, file: str) -> tuple[LogHead, dict[int, LogRow]]:
    head, rows = logs.own_rows(catalog.find(name).folder / file)
    return head, {row.index: row for row in rows}


def of_logs(found: Mapping[str, Checkpoint], specs: Mapping[str, RunSpec], image: str) -> Readings:
    """Read what shipped logs hold of a test image, at the settings of now.

    All are of one n, since more votes prove more: that of which most choosers have a log; of
    several such the one asked for, else the largest.
    """
    by_n: dict[int, dict[str, tuple[dict[str, Votes], RunSpec]]] = {}
    dataset, _, number = image.partition("/test/")
    for method, checkpoint in found.items():
        if not number.isdecimal() or checkpoint.card.dataset != dataset:
            continue
        wanted = stored_votes.votes_key(specs[method])
        for m in checkpoint.card.each_once:
            head, rows = _rows(checkpoint.name, checkpoint.sha256, m.log)
            if int(number) in rows and stored_votes.votes_key(stored_votes.run_of(head)) == wanted:
                asked = stored_votes.run_of(head, dict(specs[method].settings))
                own = stored_votes.of_row(head, rows[int(number)]), asked
                by_n.setdefault(head.n, {}).setdefault(method, own)  # float32 first
    if not by_n:
        return Readings(stored=True)
    wished = next(iter(specs.values())).n
    n = max(by_n, key=lambda n: (len(by_n[n]), n == wished, n))
    return _read(by_n[n], stored=True)


def of_job(job: Job, specs: Mapping[str, RunSpec]) -> Readings:
    """Read what a run has counted so far, at the settings of now."""
    if job.latest is None:
        return Readings(n=next(iter(specs.values())).n)
    votes = {
        method: (stored_votes.of_certificate(c), specs[method])
        for method, c in job.latest.by_name.items()
    }
    found = _read(votes, stored=False)
    if not job.active:
        return found
    return Readings(found.by_method, found.fixed, (), False, found.n)


def _read(votes: Mapping[str, tuple[Mapping[str, Votes], RunSpec]], stored: bool) -> Readings:
    by_method = {method: stored_votes.read(*pair) for method, pair in votes.items()}
    fixed = stored_votes.fixed_levels(*votes[CASCADE]) if CASCADE in votes else {}
    cut = tuple(m for m, c in by_method.items() if c.ended != "complete")
    n = max((c.n for c in by_method.values()), default=0)
    return Readings(by_method, fixed, cut, stored, n)
