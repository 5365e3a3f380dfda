"""A result that an address claims: its votes travel in the link, and are counted again on sight.

The votes of a link prove nothing to who opens it: anyone can write them. So they are marked as
claimed until they have been counted here.
"""

import hashlib

import streamlit as st

from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.methods.registry import METHODS
from rsviz.ui.common import state
from rsviz.ui.common.sessions import Key, Shown

NAME = "counted"  # in the address
RECOUNTED = 10_000  # votes at most that are counted again unasked


def _digest(key: Key) -> str:
    """Return what tells the votes of one run from those of another."""
    spec = key.spec
    run = (key.image, spec.method, spec.checkpoint_sha256, spec.sigma, spec.n0, spec.n, spec.seed)
    return hashlib.sha256(repr((*run, spec.settings)).encode()).hexdigest()[:12]


def _written(counts: tuple[int, ...]) -> str:
    return "-".join(map(str, counts))


def put(key: Key, shown: Shown | None) -> None:
    """Let the address hold the votes of a whole run, and drop those of any other run."""
    c = None if shown is None else shown.certificate
    if c is not None and c.ended == "complete" and c.until_radius is None:
        votes = ".".join((_digest(key), _written(c.counts0), _written(c.counts)))
        if st.query_params.get(NAME) != votes:  # else they are those of a link
            st.query_params[NAME] = votes
            state.COUNTED.set(votes)
    elif NAME in st.query_params and not st.query_params[NAME].startswith(_digest(key)):
        del st.query_params[NAME]


def read(key: Key, spec: RunSpec, classes: int) -> Shown | None:
    """Return what a link claims of this very run, None if that is nothing or not possible.

    Votes that this session counted and put into the address are no claim of a link.
    """
    claimed = st.query_params.get(NAME, "")
    digest, *counts = claimed[:2000].split(".")
    if claimed == state.COUNTED.get():
        return None
    if digest != _digest(key) or len(counts) != 2 or spec.until_radius is not None:
        return None
    try:
        counts0_K, counts_K = (tuple(map(int, text.split("-"))) for text in counts)
    except ValueError:
        return None
    fits = {len(counts0_K), len(counts_K)} == {classes} and min(counts0_K + counts_K) >= 0
    if not fits or (sum(counts0_K), sum(counts_K)) != (spec.n0, spec.n):
        return None
    votes = {
        "select": Votes("select", counts0_K, spec.n0, "complete"),
        "bound": Votes("bound", counts_K, spec.n, "complete"),
    }
    c = METHODS[spec.method].read(votes, spec)
    return Shown(c, (c,), False, claimed=True)


def say(claim: Shown | None, shown: Shown | None) -> None:
    """Say what became of a claim once its votes have been counted here."""
    if claim is None or shown is None or shown.certificate.ended != "complete":
        return
    ours, theirs = shown.certificate, claim.certificate
    if _same(ours, theirs):
        st.caption(
            ":material/done_all: The link claimed these votes; counted here, they are the same. "
            f"Its seed, {ours.seed}, was chosen by who made the link, perhaps among many: New seed "
            "gives votes that nobody could choose."
        )
    else:
        st.warning(
            f"The link claims {_told(theirs)}; counted here it is {_told(ours)}, which is what "
            "stands above. Another device or engine may count a few votes otherwise; many that "
            "differ mean that the link was changed.",
            icon=":material/link_off:",
        )


def _same(ours: Certificate, theirs: Certificate) -> bool:
    return (ours.counts0, ours.counts) == (theirs.counts0, theirs.counts)


def _told(c: Certificate) -> str:
    return f"{max(c.counts):,} of {sum(c.counts):,} votes for the leading class"
