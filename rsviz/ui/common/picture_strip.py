"""Small pictures that come with the page itself: one, or several side by side in one strip.

No file is kept for them, and a browser asks for none.
"""

import base64
import html
import io
from collections.abc import Sequence
from typing import Literal

import streamlit as st
from PIL import Image

WIDEST = 200  # of one picture, in pixels of the screen


def show_strip(pictures: Sequence[tuple[Image.Image, str]]) -> None:
    """Show small pictures, each with its caption, beside each other even on a phone.

    Columns would stack there. Pixels are drawn as squares, whatever size they come to.
    """
    cells = "".join(_cell(image, caption) for image, caption in pictures)
    st.html(
        f'<div style="display:grid;grid-template-columns:repeat({len(pictures)},minmax(0,1fr));'
        f'gap:.5rem;max-width:{WIDEST * len(pictures)}px">{cells}</div>'
    )


def show_picture(picture: Image.Image | str, width: int, alt: str) -> None:
    """Show a small picture, or the one of such an address."""
    address = picture if isinstance(picture, str) else address_of(picture, "JPEG", quality=100)
    st.image(address, width=width, alt=alt)


def address_of(picture: Image.Image, kind: Literal["PNG", "JPEG"], **how: int) -> str:
    """Return an address that holds the whole picture.

    Parameters
    ----------
    how : of PIL, which saves it.
    """
    file = io.BytesIO()
    picture.save(file, kind, **how)
    data = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{data}"


def _cell(image: Image.Image, caption: str) -> str:
    told = html.escape(caption)
    address = address_of(image, "PNG", compress_level=1)
    return (
        '<figure style="margin:0">'
        f'<img src="{address}" alt="{told}" '
        'style="width:100%;image-rendering:pixelated;border-radius:.25rem">'
        '<figcaption style="font-size:.875rem;line-height:1.3;opacity:.75;overflow-wrap:anywhere">'
        f"{told}</figcaption>"
        "</figure>"
    )
