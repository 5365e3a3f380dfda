"""Choose a canvas: one of the test set, or one composed of a picture, a place and a background.

Shape suffixes: C channels, H height, W width.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsviz.core.errors import UserError
from rsviz.core.flags import RESAMPLED
from rsviz.data import canvases, datasets, images, shape_attributes, shapes
from rsviz.data.canvases import Canvas
from rsviz.ui.common import picture_picker, state
from rsviz.ui.common.address import Between, Takes, plain
from rsviz.ui.common.pictures import Source

KINDS = {"shapes": "A shape", "cifar10": "A CIFAR-10 image", "upload": "An upload"}
FIRST = 680  # the canvas of the first paint: a star on clutter
LAST = 9999  # the number of a background, and of an image of any data set
COMPOSED = 7  # the seed of backgrounds chosen by number, apart from those of the data sets
CONTROLS: dict[str, Takes] = {  # what the address may ask for
    "canvas_source": ("test", "compose"),
    "canvas": Between(0, LAST),
    "background": canvases.BACKGROUNDS,
    "background_number": Between(0, LAST),
    "pasted": tuple(KINDS),
    "pasted_number": Between(0, LAST),
}


@dataclass(frozen=True, eq=False)
class Chosen:
    """A canvas, its name in a RunSpec (empty if composed), its label, and itself at other sizes.

    ``label`` is None where the network knows no class for the picture; ``exact`` says whether the
    object's own outline is known, or only the box of the pasted picture. ``source`` is the picture
    on it, None where that is part of the canvas.
    """

    canvas: Canvas
    name: str
    label: int | None
    exact: bool
    at_size: Callable[[int], Canvas]
    flags: tuple[str, ...] = ()
    source: Source | None = None

    @property
    def own(self) -> Source | None:
        """The visitor's own picture on it, if it is one."""
        return None if self.source is None or self.source.dataset else self.source

    @property
    def x_CHW(self) -> Tensor:
        """The canvas in [0, 1]."""
        return torch.from_numpy(self.canvas.x_CHW).float() / 255

    @property
    def object_HW(self) -> Tensor:
        """Which pixels are the object."""
        return torch.from_numpy(self.canvas.object_HW)


@dataclass(frozen=True, eq=False)
class _Pasted:
    """A small picture to be placed: its pixels, its object if known, and its label."""

    x_CHW: NDArray[np.uint8]
    object_HW: NDArray[np.bool_] | None
    label: int | None
    flags: tuple[str, ...] = ()
    source: Source | None = None


def pick(dataset: str, size: int) -> Chosen:
    """Show the controls and return the canvas they describe, of the size a network takes.

    The page opens with the picture in use, if its address asks for no canvas and the canvas it had
    shows another one; the picture on its canvas is the one in use from then on.
    """
    if state.ENTERED.get() and not set(CONTROLS) & set(st.query_params):
        _begin_with_picture_in_use()
    chosen = _pick(dataset, size)
    state.ON_CANVAS.set("" if chosen.source is None else chosen.source.name)
    if chosen.source is not None:
        picture_picker.use(chosen.source)
    return chosen


def ask_label(chosen: Chosen, classes: Sequence[str]) -> Chosen:
    """Ask which class a visitor's own picture shows."""
    if chosen.own is None:
        return chosen
    source = picture_picker.ask_label(chosen.own, classes)
    return replace(chosen, source=source, label=source.label)


def _begin_with_picture_in_use() -> None:
    held = state.PICTURE.get()
    if held is None or held.source.name == state.ON_CANVAS.get():
        return
    st.session_state["canvas_source"] = "compose"
    if not held.source.dataset:
        st.session_state["pasted"] = "upload"
    elif held.source.dataset in KINDS:
        number = int(held.name.rpartition("/")[2])
        st.session_state.update(pasted=held.source.dataset, pasted_number=number)


def _pick(dataset: str, size: int) -> Chosen:
    source = st.segmented_control(
        "Canvas",
        ["test", "compose"],
        default="test",
        format_func={"test": "Test set", "compose": "Compose"}.__getitem__,
        key="canvas_source",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    if source != "compose":
        return _of_test(dataset, size)
    if dataset.partition("-k")[0] == shape_attributes.BASE:
        return _compose_attribute(size)
    return _compose(dataset, size)


def _of_test(dataset: str, size: int) -> Chosen:
    base = dataset.partition("-k")[0]
    last = datasets.size_of(dataset, "test") - 1
    if (asked := st.session_state.get("canvas", FIRST)) > last:
        st.warning(f"There is no test canvas {asked:,}: the last is {last:,}. {FIRST} is shown.")
        st.session_state["canvas"] = FIRST
    index = int(
        st.number_input(
            f"Test canvas, 0 to {last:,}",
            0,
            last,
            FIRST,
            key="canvas",
            bind="query-params",
            help="The picture, its place and its background follow from this number. The first "
            "shown is one where a mask helps much; others gain less, some nothing.",
        )
    )
    if base == shape_attributes.BASE:
        again = partial(shape_attributes.place, seed=shape_attributes.SEEDS["test"], index=index)
        label = shape_attributes.label_of(shape_attributes.SEEDS["test"], index)
        return Chosen(again(size), f"{dataset}/test/{index}", label, True, again)
    pasted = _of_dataset(base, index, dataset)
    again = partial(_place, pasted, seed=canvases.SEEDS["test"], index=index)
    name = f"{dataset}/test/{index}"
    exact = pasted.object_HW is not None
    return Chosen(again(size), name, pasted.label, exact, again, source=pasted.source)


def _compose(dataset: str, size: int) -> Chosen:
    pasted = _pick_pasted(dataset, size)
    kind = _pick_background()
    _, height, width = pasted.x_CHW.shape
    corner = _pick_place(size, height, width)
    number = st.number_input(
        "Background number", 0, LAST, 0, key="background_number", bind="query-params"
    )
    again = partial(
        _place, pasted, seed=COMPOSED, index=int(number), background=kind, corner=corner
    )
    exact = pasted.object_HW is not None
    return Chosen(again(size), "", pasted.label, exact, again, pasted.flags, pasted.source)


def _compose_attribute(size: int) -> Chosen:
    """Ask for the mark, its place and what lies behind it."""
    label = st.segmented_control(
        "The mark",
        range(len(shape_attributes.CLASSES)),
        default=0,
        format_func=lambda i: shape_attributes.CLASSES[i].capitalize(),
        key="mark",
        required=True,
    )
    kind = _pick_background()
    number = st.number_input(
        "Number of the body", 0, LAST, 0, key="background_number", bind="query-params"
    )
    index = int(number)
    _, _, height, width = shape_attributes.place(size, COMPOSED, index).box
    corner = _pick_place(size, height, width)

    def again(k: int) -> Canvas:
        """Draw it on another size of canvas, a place beyond a smaller one moved inside."""
        _, _, height, width = shape_attributes.place(k, COMPOSED, index).box
        inside = min(corner[0], k - height), min(corner[1], k - width)
        return shape_attributes.place(k, COMPOSED, index, int(label or 0), kind, inside)

    return Chosen(again(size), "", int(label or 0), True, again)


def _pick_background() -> str | None:
    return st.segmented_control(
        "Background",
        canvases.BACKGROUNDS,
        default="clutter",
        format_func=str.capitalize,
        key="background",
        bind="query-params",
        required=True,
    )


def _pick_place(size: int, height: int, width: int) -> tuple[int, int]:
    """Ask for the (top, left) corner of a picture on a canvas."""
    top, left = (
        _place_slider(name, size - side)
        for name, side in (("From the top", height), ("From the left", width))
    )
    return top, left


def _place_slider(name: str, room: int) -> int:
    """Ask for a place; there is nothing to ask where the picture fills the canvas."""
    if not room:
        return 0
    key = f"{name.split()[-1]}_{room}"
    return int(st.slider(f"{name}, pixels", 0, room, room // 2, key=key, bind="query-params"))


def _place(
    pasted: _Pasted,
    size: int,
    seed: int,
    index: int,
    background: str | None = None,
    corner: tuple[int, int] | None = None,
) -> Canvas:
    """Place a picture; a corner beyond a smaller canvas is moved inside."""
    if corner is not None:
        _, height, width = pasted.x_CHW.shape
        corner = min(corner[0], size - height), min(corner[1], size - width)
    return canvases.place(pasted.x_CHW, size, seed, index, background, corner, pasted.object_HW)


def _pick_pasted(dataset: str, size: int) -> _Pasted:
    kinds = [k for k in KINDS if k == "upload" or datasets.available(k)]
    kind = st.segmented_control(
        "What is pasted",
        kinds,
        default=dataset.partition("-k")[0],
        format_func=KINDS.__getitem__,
        key="pasted",
        bind="query-params",
        required=True,
    )
    if kind == "upload":
        return _upload(size)
    last = datasets.size_of(str(kind), "test") - 1
    if st.session_state.get("pasted_number", 0) > last:
        st.session_state["pasted_number"] = last
    index = st.number_input("Its number", 0, last, 3, key="pasted_number", bind="query-params")
    return _of_dataset(str(kind), int(index), dataset)


def _of_dataset(base: str, index: int, dataset: str) -> _Pasted:
    """Return a test image; it has a label only for networks of its own data set."""
    own = dataset.partition("-k")[0] == base
    if base == "shapes":
        drawn = shapes.draw(shapes.SEEDS["test"], index)
        x_CHW = np.round(255 * drawn.x_HWC).astype(np.uint8).transpose(2, 0, 1)
        label = drawn.label if own else None
        return _Pasted(
            x_CHW, drawn.mask_HW, label, source=picture_picker.find(f"shapes/test/{index}")
        )
    data = datasets.load(base, "test")
    label = int(data.y_N[index]) if own else None
    source = picture_picker.find(f"{base}/test/{index}")
    return _Pasted(data.x_NCHW[index].numpy(), None, label, source=source)


def _upload(size: int) -> _Pasted:
    side = int(st.slider("Its size on the canvas, pixels", 8, size, min(32, size), step=4))
    file = st.file_uploader(
        "A picture from this device (JPEG, PNG, GIF, WebP or BMP)",
        max_upload_size=images.MEGABYTES,
        key="upload",
        on_change=state.UPLOADED.clear,
    )
    held = state.UPLOADED.get() if file is None else (file.name, file.getvalue())
    if held is not None:
        try:
            digest = hashlib.sha256(held[1]).hexdigest()
            x_CHW, resampled = _decoded(digest, held[1], held[0], side)
            source = Source(held[0], data=held[1])
            return _Pasted(x_CHW, None, None, (RESAMPLED,) * resampled, source)
        except UserError as error:
            st.error(plain(str(error), 300))
    st.caption("Until there is one, a shape stands in.")
    return _of_dataset("shapes", 3, "shapes")


@st.cache_resource(max_entries=16, show_spinner="Reading the picture")
def _decoded(digest: str, _data: bytes, _name: str, side: int) -> tuple[NDArray[np.uint8], bool]:
    """Decode once, keyed by the hash of the bytes; say whether the pixels are not the file's."""
    image = images.open_image(_data, _name)
    x_CHW = images.to_tensor(image, side, "centre")
    return np.round(255 * x_CHW.numpy()).astype(np.uint8), images.resampled(image, side)
