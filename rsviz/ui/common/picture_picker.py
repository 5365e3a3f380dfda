"""Choose a picture: a gallery of both data sets, an upload or the camera; and how it is cut.

Shape suffixes: C channels, H height, W width.
"""

import streamlit as st
from PIL import Image
from torch import Tensor

from rsviz.core.errors import UserError
from rsviz.data import datasets, images
from rsviz.data.catalog import INPUT_SIZE
from rsviz.ui.common import state
from rsviz.ui.common.address import plain
from rsviz.ui.common.pictures import Picture, Source

SOURCES = {"gallery": "Gallery", "upload": "Upload", "camera": "Camera"}
TITLES = {"shapes": "Shapes (drawn by rsviz)", "cifar10": "CIFAR-10 (small photographs)"}
CROPS = {"centre": "Centre", "whole": "Whole, padded", "box": "Choose"}
THUMBNAILS = 12


def pick(default: str) -> Source:
    """Ask for a picture and return it; if it cannot be used, say why.

    A page opens with the picture in use, if its address does not ask for another.
    """
    if state.ENTERED.get():
        _begin_with_picture_in_use()
    chosen = st.segmented_control(
        "Picture",
        list(SOURCES),
        default="gallery",
        format_func=SOURCES.__getitem__,
        key="source",
        required=True,
        label_visibility="collapsed",
    )
    if chosen == "upload":
        file = st.file_uploader(
            "A picture from this device (JPEG, PNG, GIF, WebP or BMP)",
            max_upload_size=images.MEGABYTES,
            key="upload",
            on_change=state.UPLOADED.clear,
        )
    elif chosen == "camera":
        file = st.camera_input("Take a picture", key="camera", on_change=state.UPLOADED.clear)
    else:
        return _gallery(default)
    held = state.UPLOADED.get() if file is None else (file.name, file.getvalue())
    if held is None:
        st.caption("Until then, a picture of the gallery is used.")
        return _stand_in(default)
    if file is None:
        st.caption(f"{plain(held[0])} is still in use.")
    source = Source(held[0], data=held[1])
    try:
        _prepared(source.digest, source.data, source.name, 32, "centre")
        state.UPLOADED.set(held)
        return source
    except UserError as error:
        st.error(plain(str(error), 300))
        st.caption("A picture of the gallery stands in.")
        return _stand_in(default)


def _stand_in(default: str) -> Source:
    """Return the picture of the gallery in use, so that choosing a source starts no other run."""
    held = state.PICTURE.get()
    return find(default) if held is None or not held.source.dataset else held.source


def _begin_with_picture_in_use() -> None:
    """Let the controls begin with the picture in use, a file of the visitor's included."""
    held = state.PICTURE.get()
    if "image" in st.query_params:
        st.session_state["source"] = "gallery"
    elif held is not None and held.source.dataset:
        st.session_state.update(source="gallery", image=held.name)
    elif held is not None and state.UPLOADED.get() is not None:
        st.session_state["source"] = "upload"


def _gallery(default: str) -> Source:
    name = st.text_input(
        "Picture of a data set",
        default,
        key="image",
        bind="query-params",
        help="Type any name from shapes/test/0 to shapes/test/1999"
        + (
            ", or cifar10/test/0 to cifar10/test/9999."
            if datasets.available("cifar10")
            else "; CIFAR-10 is not on this machine ('python -m rsviz download' fetches it)."
        ),
    )
    try:
        source = find(str(name).strip())
    except UserError as error:
        st.warning(f"{plain(str(error), 300)} Showing {default} instead.")
        source = find(default)
    with st.expander("More pictures", icon=":material/grid_view:"):
        _thumbnails(source.dataset)
    return source


def find(name: str) -> Source:
    """Return a picture of a data set by name."""
    x_CHW, label = datasets.find_image(name)
    return Source(name, name.split("/")[0], x_CHW, label)


def _thumbnails(current: str) -> None:
    """Show pictures to pick from, each with its true label, and a way to others."""
    names = [name for name in TITLES if datasets.available(name)]
    if len(names) > 1:
        index = names.index(current) if current in names else 0
        dataset = st.radio("Data set", names, index, format_func=TITLES.__getitem__) or names[0]
    else:
        dataset = names[0]
    data = datasets.load(dataset, "test")
    first = state.FIRST.get() % len(data)
    with st.container(horizontal=True, gap="small"):
        for i in range(first, min(first + THUMBNAILS, len(data))):
            label = data.classes[int(data.y_N[i])]
            with st.container(width=84, gap="xsmall"):
                st.image(images.to_pil(data.image(i), 2), alt=f"{label}, number {i}")
                name = data.image_name(i)
                st.button(label, key=f"pick-{name}", on_click=_set_image, args=(name,))
    st.button("Others", icon=":material/refresh:", on_click=_turn, args=(first + THUMBNAILS,))


def _set_image(name: str) -> None:
    st.session_state["image"] = name


def _turn(first: int) -> None:
    state.FIRST.set(first)


def cut(source: Source, size: int) -> Picture:
    """Return what a network of this input size sees of a picture; it is the one in use now."""
    picture = _cut(source, size)
    state.PICTURE.set(picture)
    return picture


def use(source: Source) -> None:
    """Make a picture the one in use, a file cut to its centre, on a page with its own controls."""
    if source.x_CHW is not None:
        state.PICTURE.set(Picture(source.x_CHW, source, images.to_pil(source.x_CHW, 8)))
        return
    args = source.digest, source.data, source.name, INPUT_SIZE["cifar10"]
    x_CHW, original, resampled = _prepared(*args, "centre")
    state.PICTURE.set(Picture(x_CHW, source, original, "centre", resampled))
    state.UPLOADED.set((source.name, source.data))


def _cut(source: Source, size: int) -> Picture:
    """Cut a picture to a network's size, asking how to crop a file."""
    if source.x_CHW is not None:
        return Picture(source.x_CHW, source, images.to_pil(source.x_CHW, 8))
    of = source.digest[:16]  # a crop is of this file: the next one starts at its centre
    how = st.segmented_control(
        "Crop",
        list(CROPS),
        default="centre",
        format_func=CROPS.__getitem__,
        required=True,
        key=f"crop_{of}",
    )
    crop: images.Crop | images.Box = "centre"
    if how == "box":
        crop = _box(of)
    elif how == "whole":
        crop = "whole"
    args = source.digest, source.data, source.name, size
    try:
        x_CHW, original, resampled = _prepared(*args, crop)
    except UserError as error:  # the file was opened before, so only the crop can be wrong
        st.error(f"{plain(str(error), 300)} The centre is shown.")
        crop = "centre"
        x_CHW, original, resampled = _prepared(*args, crop)
    return Picture(x_CHW, source, original, crop, resampled)


def _box(of: str) -> images.Box:
    """Ask for a crop as fractions of width and height of a file, named by its hash."""
    left, right = st.slider("From left to right, per cent", 0, 100, (10, 90), key=f"across_{of}")
    top, bottom = st.slider("From top to bottom, per cent", 0, 100, (10, 90), key=f"down_{of}")
    return left / 100, top / 100, right / 100, bottom / 100


@st.cache_resource(max_entries=32, show_spinner="Reading the picture")
def _prepared(
    digest: str, _data: bytes, _name: str, size: int, crop: images.Crop | images.Box
) -> tuple[Tensor, Image.Image, bool]:
    """Decode once, keyed by the hash of the bytes; the picture kept for display is small."""
    image = images.open_image(_data, _name)
    x_CHW = images.to_tensor(image, size, crop)
    resampled = images.resampled(image, size, crop)
    image.thumbnail((512, 512))
    return x_CHW, image, resampled


def show(picture: Picture, classes: tuple[str, ...]) -> None:
    """Show the original beside what the network sees at its own resolution, pixel by pixel."""
    _, H, W = picture.x_CHW.shape
    seen = images.to_pil(picture.x_CHW, max(1, 256 // W))
    shown = [(seen, f"What the network sees: {W}x{H} pixels")]
    if picture.crop is not None:
        shown.insert(0, (picture.original, "Your picture"))
    width = 144
    with st.container(horizontal=True, gap="small"):
        for image, caption in shown:
            with st.container(width=width, gap="xsmall"):
                st.image(image, width=width, alt=caption)
                st.caption(caption)
    if picture.source.label is not None:
        st.caption(f"True label: **{classes[picture.source.label]}**")
