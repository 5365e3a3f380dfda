"""Choose a picture: a gallery of both data sets, an upload or the camera; and how it is cut.

Shape suffixes: C channels, H height, W width.
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from PIL import Image
from torch import Tensor

from rsviz.core.errors import UserError
from rsviz.data import datasets, images, scenes
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.ui.common import crop_box, state
from rsviz.ui.common.address import plain
from rsviz.ui.common.picture_strip import address_of, show_picture
from rsviz.ui.common.pictures import NONE_OF_THESE, Picture, Source
from rsviz.ui.common.sentences import fragment

SOURCES = {"gallery": "Gallery", "upload": "Upload", "camera": "Camera"}
TITLES = {
    "shapes": "Shapes (drawn by rsviz)",
    "cifar10": "CIFAR-10 (small photographs)",
    "svhn": "SVHN (house numbers)",
}
CROPS = {"box": "A square of it", "whole": "Whole, padded"}
THUMBNAILS = 12
NONE = "none of these"


def pick(default: str) -> Source:
    """Ask for a picture and return it; if it cannot be used, say why.

    It begins with the picture in use, if the address does not ask for another: where a page opens
    and where a view of it does, whose controls Streamlit forgot while another was shown.
    """
    if state.ENTERED.get() or "source" not in st.session_state:
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
            on_change=_forget_file,
        )
    elif chosen == "camera":
        file = st.camera_input("Take a picture", key="camera", on_change=_forget_file)
    else:
        return _gallery(default)
    of_file = file is not None and not state.DRAWN.get()
    held = (file.name, file.getvalue()) if file and of_file else state.UPLOADED.get()
    _show_scenes(held is None)
    if held is None:
        st.caption("Until then, a picture of the gallery is used.")
        return _stand_in(default)
    if not of_file:
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


def _forget_file() -> None:
    state.UPLOADED.clear()
    state.DRAWN.clear()


def _show_scenes(opened: bool) -> None:
    """Show photographs that rsviz draws, for who has none at hand."""
    with st.expander("Or one drawn here", icon=":material/palette:", expanded=opened):
        with st.container(horizontal=True, gap="small"):
            for name in scenes.NAMES:
                with st.container(width=96, gap=None):
                    st.image(_scene(name), alt=f"A drawn photograph of: {name}")
                    st.button(
                        name,
                        key=f"scene-{name}",
                        type="tertiary",
                        on_click=_take_scene,
                        args=(name,),
                    )


@st.cache_resource(max_entries=len(scenes.NAMES), show_spinner=False)
def _scene(name: str) -> bytes:
    return scenes.png(name)


def _take_scene(name: str) -> None:
    """Take a drawn photograph as if it were the visitor's file, whose class is known."""
    state.UPLOADED.set((f"{name}.png", _scene(name)))
    state.DRAWN.set(True)
    key = _truth_key(Source(name, data=_scene(name)), CLASSES["cifar10"])
    st.session_state[key] = name


def _truth_key(source: Source, classes: Sequence[str]) -> str:
    return f"truth_{source.digest[:16]}_{'_'.join(classes)}"


def ask_label(source: Source, classes: Sequence[str]) -> Source:
    """Ask which class a file shows, once for all pages; return it with the answer."""
    key = _truth_key(source, classes)
    st.session_state[key] = st.session_state.get(key)  # else another page would begin with none
    told = st.selectbox(
        "Which of these is it?",
        [*classes, NONE],
        None,
        key=key,
        placeholder=f"Which of these {len(classes)} is it?",
        label_visibility="collapsed",
        persist_state="session",
        width=240,
    )
    labels = {NONE: NONE_OF_THESE} | {name: k for k, name in enumerate(classes)}
    return replace(source, label=labels.get(str(told)))


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
    _show_more(source.dataset)
    return source


def find(name: str) -> Source:
    """Return a picture of a data set by name."""
    x_CHW, label = datasets.find_image(name)
    return Source(name, name.split("/")[0], x_CHW, label)


@st.cache_resource(max_entries=512, show_spinner=False)
def _thumbnail(name: str) -> tuple[str, str]:
    """Return the address of a picture of a data set, drawn small, and the name of its class."""
    x_CHW, label = datasets.find_image(name)
    return address_of(images.to_pil(x_CHW, 2), "PNG"), CLASSES[name.split("/")[0]][label]


@fragment
def _show_more(current: str) -> None:
    """Show other pictures once somebody opens them: they are a fifth of what a page sends."""
    opened = st.expander(
        "More pictures", icon=":material/grid_view:", key="more_pictures", on_change="rerun"
    )
    if opened.open:
        with opened:
            _thumbnails(current)


def _thumbnails(current: str) -> None:
    """Show pictures to pick from, each with its true label, and a way to others."""
    names = [name for name in TITLES if datasets.available(name)]
    if len(names) > 1:
        index = names.index(current) if current in names else 0
        dataset = st.radio("Data set", names, index, format_func=TITLES.__getitem__) or names[0]
    else:
        dataset = names[0]
    count = datasets.size_of(dataset, "test")
    first = state.FIRST.get() % count
    with st.container(horizontal=True, gap="small"):
        for i in range(first, min(first + THUMBNAILS, count)):
            name = f"{dataset}/test/{i}"
            address, label = _thumbnail(name)
            with st.container(width=84, gap="xsmall"):
                st.image(address, alt=f"{label}, number {i}")
                if st.button(label, key=f"pick-{name}", on_click=_set_image, args=(name,)):
                    st.rerun()
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
    held = state.CROPS.get().get(of, "centre")
    how = st.segmented_control(
        "Crop",
        list(CROPS),
        default="whole" if held == "whole" else "box",
        format_func=CROPS.__getitem__,
        required=True,
        key=f"crop_{of}",
    )
    args = source.digest, source.data, source.name, size
    crop: images.Crop | images.Box = "whole"
    if how != "whole":
        _, original, _ = _prepared(*args, "centre")
        begun = None if isinstance(held, str) else held
        crop = crop_box.ask(original, of, begun, size) or "centre"
    state.CROPS.set({**state.CROPS.get(), of: crop})
    try:
        x_CHW, original, resampled = _prepared(*args, crop)
    except UserError as error:  # the file was opened before, so only the crop can be wrong
        st.error(f"{plain(str(error), 300)} The centre is shown.")
        crop = "centre"
        x_CHW, original, resampled = _prepared(*args, crop)
    return Picture(x_CHW, source, original, crop, resampled)


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


def show(picture: Picture, classes: Sequence[str]) -> None:
    """Show the original beside what the network sees at its own resolution, pixel by pixel."""
    _, H, W = picture.x_CHW.shape
    seen = images.to_pil(picture.x_CHW, max(1, 256 // W))
    shown = [(seen, f"What the network sees: {W}x{H} pixels")]
    if picture.crop is not None:
        shown.insert(0, (picture.original, "Your picture"))
    width = 144 // len(shown) + 36 * (len(shown) - 1)  # both beside each other
    with st.container(horizontal=True, gap="small"):
        for image, caption in shown:
            with st.container(width=width, gap="xsmall"):
                if image is seen:
                    show_picture(image, width, caption)
                else:  # a visitor's, which may be large
                    st.image(image, width=width, alt=caption)
                st.caption(caption)
    show_label(picture.source, classes)


def show_label(source: Source, classes: Sequence[str]) -> None:
    """Show what a picture really is: by its data set, or as the visitor says."""
    label = source.label
    if label is not None:
        name = NONE if label == NONE_OF_THESE else classes[label]
        told = "True label" if source.dataset else "You say"
        st.caption(f"{told}: **{name}**")
