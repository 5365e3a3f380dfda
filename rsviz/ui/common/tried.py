"""Every statement that this session made of one picture, whatever its crop, network or noise."""

from dataclasses import replace

from rsviz.core import tries
from rsviz.core.flags import flagged
from rsviz.core.spec import Certificate
from rsviz.ui.common import state
from rsviz.ui.common.pictures import Source

MOST = 1000  # statements kept of one picture


def _known_as(source: Source) -> str:
    return source.name if source.dataset else source.digest


def record(source: Source, c: Certificate) -> None:
    """Remember a statement that is shown of a picture."""
    held, own = state.TRIED.get(), tries.statement(c)
    name = _known_as(source)
    before = held.get(name, ())
    if own not in before and len(before) < MOST:
        state.TRIED.set({**held, name: (*before, own)})


def told(source: Source, *certificates: Certificate) -> list[Certificate]:
    """Remember the statements that are shown of a picture together, and return them marked."""
    for c in certificates:
        record(source, c)
    return [mark(source, c) for c in certificates]


def mark(source: Source, c: Certificate) -> Certificate:
    """Return the certificate with what a claim over all statements of its picture is worth."""
    others = state.TRIED.get().get(_known_as(source), ())
    found = tries.together(tries.statement(c), others)
    return flagged(replace(c, tries=found), *tries.flags_of(found)) if found.runs > 1 else c
