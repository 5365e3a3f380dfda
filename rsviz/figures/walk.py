"""Pictures of a walk away from an image: frames with the votes under them, a strip, a film.

Shape suffixes: C channels, H height, W width.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rsviz.figures.style import BACKGROUNDS, GREEN, GREY, RED, channels, ink

# Of a frame, in pixels: its picture, its border, the bar of its votes, its words.
SIDE, EDGE, BAR, FOOT = 128, 6, 12, 40
PAUSE = 500  # milliseconds a frame of a film


@dataclass(frozen=True, eq=False)
class Stop:
    """An image on the way: how far away, in certified radii, and what share votes as before."""

    x_CHW: NDArray[np.float32]
    far: float
    share: float

    @property
    def colour(self) -> str:
        """Green where the certificate holds, red where it says nothing."""
        return GREEN if self.far < 1 else RED

    @property
    def words(self) -> str:
        """What stands below it."""
        where = "proved" if self.far < 1 else "not proved"
        return f"{self.far:g} R, {where};\n{self.share:.0%} of the votes"


def frame(stop: Stop) -> Image.Image:
    """Return an image within a border that says whether the certificate holds, and its votes.

    The bar beside it is as full as the share of votes that the class keeps.
    """
    pixels_HWC = np.round(255 * np.clip(stop.x_CHW, 0, 1)).astype(np.uint8).transpose(1, 2, 0)
    picture = Image.fromarray(pixels_HWC).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    paper = BACKGROUNDS["light"]
    width, height = SIDE + BAR + 3 * EDGE, SIDE + 2 * EDGE
    drawn = Image.new("RGB", (width, height), channels(paper))
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((0, 0, SIDE + 2 * EDGE - 1, height - 1), fill=channels(stop.colour))
    drawn.paste(picture, (EDGE, EDGE))
    left, right = SIDE + 3 * EDGE, SIDE + 3 * EDGE + BAR - 1
    empty = EDGE + round((1 - stop.share) * SIDE)  # votes drain from the top
    draw.rectangle((left, EDGE, right, EDGE + SIDE - 1), outline=channels(GREY))
    if stop.share > 0:
        draw.rectangle((left, empty, right, EDGE + SIDE - 1), fill=channels(stop.colour))
    return drawn


def _with_words(stop: Stop) -> Image.Image:
    """Return a frame with its words below it, for files, which have no caption."""
    framed, paper = frame(stop), BACKGROUNDS["light"]
    drawn = Image.new("RGB", (framed.width, framed.height + FOOT), channels(paper))
    drawn.paste(framed)
    at, font = (EDGE, framed.height + 1), ImageFont.load_default(13)
    ImageDraw.Draw(drawn).multiline_text(at, stop.words, channels(ink(paper)), font, spacing=2)
    return drawn


def strip(rows: Sequence[Sequence[Stop]]) -> bytes:
    """Return a PNG: one row of frames for each direction."""
    frames = [[_with_words(stop) for stop in row] for row in rows]
    width, height = frames[0][0].size
    drawn = Image.new("RGB", (width * len(frames[0]), height * len(frames)), "white")
    for j, row in enumerate(frames):
        for i, one in enumerate(row):
            drawn.paste(one, (i * width, j * height))
    file = io.BytesIO()
    drawn.save(file, "PNG")
    return file.getvalue()


def film(rows: Sequence[Sequence[Stop]]) -> bytes:
    """Return a GIF that walks all directions side by side, there and back."""
    there = [strip([[stop] for stop in stops]) for stops in zip(*rows, strict=True)]
    frames = [Image.open(io.BytesIO(data)) for data in [*there, *there[-2:0:-1]]]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=PAUSE, loop=0)
    return file.getvalue()
