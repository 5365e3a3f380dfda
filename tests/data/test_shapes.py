import hashlib

import numpy as np
import pytest

from rsviz.core.errors import UserError
from rsviz.data import shapes
from rsviz.data.shapes import CLASSES, Knobs, draw


def test_a_drawing_depends_on_seed_and_index_alone():
    a, b = draw(2, 7), draw(2, 7)
    assert np.array_equal(a.x_HWC, b.x_HWC)
    assert not np.array_equal(a.x_HWC, draw(2, 8).x_HWC)
    assert not np.array_equal(a.x_HWC, draw(1, 7).x_HWC)


def test_pixels_are_multiples_of_1_over_255():
    x_HWC = draw(2, 0).x_HWC
    assert x_HWC.shape == (32, 32, 3)
    assert x_HWC.min() >= 0
    assert x_HWC.max() <= 1
    assert np.abs(255 * x_HWC - np.round(255 * x_HWC)).max() < 1e-4


def test_the_test_split_is_what_draw_draws_and_holds_all_classes_everywhere():
    x_NCHW, y_N = shapes.split("test")
    assert x_NCHW.shape == (2000, 3, 32, 32)
    for i in (0, 1234):
        drawing = draw(shapes.SEEDS["test"], i)
        assert np.array_equal(x_NCHW[i].transpose(1, 2, 0), np.round(255 * drawing.x_HWC))
        assert y_N[i] == drawing.label
    for part in (y_N, y_N[::20]):  # a class must not hide in the subset that is measured
        assert set(part) == set(range(len(CLASSES)))
    assert np.bincount(y_N).min() > 150


def test_the_pixels_are_those_the_shipped_weights_were_trained_and_measured_on():
    x_NCHW, y_N = shapes.split("test")
    digest = hashlib.sha256(x_NCHW.tobytes() + y_N.tobytes()).hexdigest()
    assert digest == "80222a0bb9fe4b9ac0914ebb26d306dec7c6d6241c5883ded5ea0bd28340fa18"


@pytest.mark.parametrize("canvas", [32, 64])
def test_blobs_are_what_a_loop_over_whole_images_paints(canvas):
    back_C, front_C = np.array([0.1, 0.2, 0.3]), np.array([0.9, 0.8, 0.7])
    fast = np.full((canvas, canvas, 3), 0.5)
    slow = fast.copy()
    shapes._add_clutter(np.random.default_rng(0), fast, 200, back_C, front_C)
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:canvas, :canvas]
    for _ in range(200):
        i, j = rng.uniform(0, canvas, 2)
        radius = rng.uniform(1.2, 3.0)
        cover = np.clip(radius - np.hypot(row - i, column - j) + 0.5, 0, 1)[..., None]
        colour = back_C + rng.uniform(0.3, 0.9) * (front_C - back_C) + rng.uniform(-0.15, 0.15, 3)
        slow += cover * (np.clip(colour, 0, 1) - slow)
    assert np.array_equal(fast, slow)


def test_knobs_do_what_their_names_say():
    def mean(of, **knobs):
        return np.mean([of(draw(5, i, Knobs(**knobs))) for i in range(40)])

    assert mean(lambda d: d.mask_HW.sum(), size=1) > 3 * mean(lambda d: d.mask_HW.sum(), size=0)

    def gap(d):
        lightness = d.x_HWC.mean(2)
        return abs(np.median(lightness[d.mask_HW]) - np.median(lightness[~d.mask_HW]))

    assert mean(gap, contrast=1) > 0.5 > 0.25 > mean(gap, contrast=0)

    def roughness(d):
        return d.x_HWC[~d.mask_HW].std(0).mean()

    rough = mean(roughness, texture=1, clutter=0)
    assert rough > 3 * mean(roughness, texture=0, clutter=0)
    clutter = mean(roughness, texture=0, clutter=1)
    assert clutter > 1.5 * mean(roughness, texture=0, clutter=0)


def test_the_mask_covers_an_object_of_the_other_colour():
    for i in range(30):
        drawing = draw(9, i, Knobs(contrast=1, texture=0, clutter=0))
        inside = drawing.x_HWC[drawing.mask_HW].mean(0)
        outside = drawing.x_HWC[~drawing.mask_HW].mean(0)
        assert np.abs(inside - outside).max() > 0.3
        assert 30 < drawing.mask_HW.sum() < 800


def test_the_knobs_used_are_told_and_redraw_the_same_image():
    drawing = draw(3, 4)
    again = draw(3, 4, drawing.knobs)
    assert np.array_equal(drawing.x_HWC, again.x_HWC)
    assert drawing.label == again.label


def test_a_larger_canvas_keeps_the_size_of_the_object():
    small, large = draw(3, 1), draw(3, 1, canvas=64)
    assert large.x_HWC.shape == (64, 64, 3)
    assert large.mask_HW.sum() == pytest.approx(small.mask_HW.sum(), rel=0.15)


def test_knobs_out_of_range_are_refused_in_words():
    with pytest.raises(UserError, match="contrast must lie from 0 to 1"):
        Knobs(contrast=1.5)
