"""What a session keeps beside its controls: every private entry, declared once, with its writer.

A control's value lies in the session under the control's own key, which is its name in the address.
All else lies under a key declared here, and no other file names one.
"""

from __future__ import annotations  # types below are for readers; torch loads late

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

if TYPE_CHECKING:  # torch is slow to import, and every page needs this file
    from rsviz.checkpoints.foreign import Foreign, Own
    from rsviz.core.tries import Statement
    from rsviz.figures.report import Part
    from rsviz.networks.normalisation import Normalisation
    from rsviz.ui.common.jobs import Session
    from rsviz.ui.common.pictures import Picture

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One private entry of a session.

    Attributes
    ----------
    key : under which it lies in ``st.session_state``.
    default : what `get` returns before anyone wrote it.
    writer : the file under rsviz/ui that writes it; any may read.
    """

    key: str
    default: T
    writer: str

    def get(self) -> T:
        """Return what was written last."""
        value: T = st.session_state.get(self.key, self.default)
        return value

    def set(self, value: T) -> None:
        """Write it."""
        st.session_state[self.key] = value

    def clear(self) -> None:
        """Forget it; `get` returns the default again."""
        st.session_state.pop(self.key, None)

    def of(self, name: str) -> Entry[T]:
        """Return the entry of the same kind for one chart or control."""
        return replace(self, key=f"{self.key}_{name}")


# The frame.
FRAMED: Entry[bool] = Entry("_framed", False, "frame")  # a page is run by app.py just now
PAGE: Entry[str | None] = Entry("_page", None, "frame")  # the page open, as the address names it
ENTERED: Entry[bool] = Entry("_entered", False, "frame")  # this run is the first since it opened

TOUR: Entry[str | None] = Entry("_tour", None, "tour_bar")  # the step shown, while its page is open
HIDDEN: Entry[tuple[str, ...] | None] = Entry("_hidden", None, "class_mode")  # None: no class

COUNTED: Entry[str] = Entry("_counted", "", "certify/claimed")  # votes put into the address here

# What the address asks for, and sentences on what of it is not used.
ASKED: Entry[Mapping[str, str]] = Entry("_asked", {}, "common/address")  # by old names, new here
INFINITE: Entry[tuple[str, ...]] = Entry("_infinite", (), "common/address")  # before running again
DROPPED: Entry[tuple[str, ...]] = Entry("_dropped", (), "common/address")  # the same, while open
REFUSED: Entry[tuple[str, ...]] = Entry("_refused", (), "common/address")  # of `adopt`, while open
UNOFFERED: Entry[str | None] = Entry("_unoffered", None, "common/address")  # of one control
COMPLAINTS: Entry[tuple[str, ...]] = Entry(
    "_complaints", (), "common/run_controls"
)  # until Certify, or another page

# Which network and data set the run controls were last set for: another brings its own.
CHECKPOINT: Entry[str | None] = Entry("_checkpoint", None, "common/run_controls")
CHOSEN: Entry[str | None] = Entry("_chosen", None, "common/run_controls")  # of one page, the last
DEFAULTS: Entry[Mapping[str, Any]] = Entry("_defaults", {}, "common/run_controls")  # by control
DATASET: Entry[str] = Entry("_dataset", "", "common/run_controls")
MASK_NETWORK: Entry[str | None] = Entry("_mask_network", None, "masks/controls")

# A visitor's own network, kept for this tab only.
OWN: Entry[Own | None] = Entry("_own", None, "common/own_network")
OWN_KEY: Entry[tuple[str, str, str, float, Normalisation] | None] = Entry(  # what OWN was built of
    "_own_key", None, "common/own_network"
)
OWN_CLASSES: Entry[Mapping[str, tuple[str, ...]]] = Entry(  # by the name of each network brought
    "_own_classes", {}, "common/own_network"
)
OWN_ACCURACY: Entry[Mapping[tuple[str, str, float], Mapping[Normalisation, float]]] = Entry(
    "_own_accuracy", {}, "common/own_network"
)  # by file, data set and sigma: the share right with each normalisation tried
FOREIGN: Entry[Foreign | None] = Entry("_foreign", None, "common/own_network")  # the file as read
FOREIGN_KEY: Entry[tuple[str, str, str] | None] = Entry(  # hash, name, data set of FOREIGN
    "_foreign_key", None, "common/own_network"
)

# The jobs of each kind, by `sessions.desk`'s name.
DESK: Entry[Session | None] = Entry("_desk", None, "common/sessions")

# What was said of each picture, by its name or the hash of its file.
TRIED: Entry[Mapping[str, tuple[Statement, ...]]] = Entry("_tried", {}, "common/tried")

# Pictures and charts.
PICTURE: Entry[Picture | None] = Entry(
    "_picture", None, "common/picture_picker"
)  # in use, any page
UPLOADED: Entry[tuple[str, bytes] | None] = Entry(  # name and bytes of the visitor's own picture
    "_uploaded", None, "common/picture_picker"
)
STORY: Entry[Mapping[tuple[str, str, Hashable], Part]] = Entry(
    "_story", {}, "common/story"
)  # results by the hash of their picture, the page, and the run
DRAWN: Entry[bool] = Entry("_drawn", False, "common/picture_picker")  # UPLOADED is drawn by rsviz
CROPS: Entry[Mapping[str, str | tuple[float, float, float, float]]] = Entry(
    "_crops", {}, "common/picture_picker"
)  # by the hash of each file
ON_CANVAS: Entry[str] = Entry("_on_canvas", "", "masks/canvas_picker")  # the picture on Masks' last
FIRST: Entry[int] = Entry("_first", 0, "common/picture_picker")  # the first thumbnail shown
SCATTER_DATASET: Entry[str] = Entry("_scatter_dataset", "", "levels/test_set")  # whose dots show
TO_TOP: Entry[str | None] = Entry("_to_top", None, "frame")  # opened above, just now
SLOTS: Entry[Mapping[str, int]] = Entry("_slots", {}, "compare/curves")  # of a colour, by curve
CLICKED: Entry[tuple[str, dict[str, Any] | None]] = Entry(  # of a chart: its axis, and the point
    "_clicked", ("", None), "compare/curve_images"
)
