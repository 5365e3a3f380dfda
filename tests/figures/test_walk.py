import io

import numpy as np
import pytest
from PIL import Image

from rsviz.figures import walk
from rsviz.figures.style import GREEN, RED, channels

ROW = [walk.Stop(np.full((3, 4, 4), 0.5, np.float32), far, 1 - far / 4) for far in (0.0, 0.5, 2.0)]


@pytest.mark.parametrize(("stop", "colour"), [(ROW[1], GREEN), (ROW[2], RED)])
def test_a_frame_is_green_inside_the_radius_and_red_beyond(stop, colour):
    drawn = walk.frame(stop)
    assert drawn.getpixel((0, 0)) == channels(colour)
    assert drawn.getpixel((walk.EDGE + 9, walk.EDGE + 9)) == (128, 128, 128)
    assert f"{stop.share:.0%}" in stop.words
    bar = [drawn.getpixel((walk.SIDE + 3 * walk.EDGE + 5, y)) for y in range(walk.SIDE)]
    full = sum(pixel == channels(colour) for pixel in bar) / walk.SIDE
    assert full == pytest.approx(stop.share, abs=0.06)


def test_a_strip_has_a_row_for_each_direction_and_a_film_a_frame_for_each_step():
    strip = Image.open(io.BytesIO(walk.strip([ROW, ROW])))
    width, height = walk.frame(ROW[0]).size
    height += walk.FOOT
    assert (strip.format, strip.size) == ("PNG", (3 * width, 2 * height))
    film = Image.open(io.BytesIO(walk.film([ROW, ROW])))
    assert (film.format, film.n_frames, film.size) == ("GIF", 4, (width, 2 * height))
