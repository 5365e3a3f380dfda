"""Pictures side by side in one strip, which is as wide as the page and never breaks."""

import base64
import html
import io
from collections.abc import Sequence

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


def _cell(image: Image.Image, caption: str) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    told = html.escape(caption)
    return (
        '<figure style="margin:0">'
        f'<img src="data:image/png;base64,{data}" alt="{told}" '
        'style="width:100%;image-rendering:pixelated;border-radius:.25rem">'
        f'<figcaption style="font-size:.875rem;line-height:1.3;opacity:.75">{told}</figcaption>'
        "</figure>"
    )
