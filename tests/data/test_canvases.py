import numpy as np
import pytest
import torch

from rsviz.core.errors import UserError
from rsviz.data import canvases, catalog, datasets, shapes
from rsviz.networks import classifiers


def image(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (3, 32, 32), dtype=np.uint8)


def inside(placed):
    top, left, height, width = placed.box
    return placed.x_CHW[:, top : top + height, left : left + width]


@pytest.mark.parametrize("background", [None, *canvases.BACKGROUNDS])
@pytest.mark.parametrize("size", [32, 48, 96])
def test_the_image_is_pasted_unchanged_and_repeatably(size, background):
    first, again = (canvases.place(image(), size, 1, 7, background) for _ in range(2))
    assert first.x_CHW.shape == (3, size, size)
    assert first.x_CHW.dtype == np.uint8
    assert np.array_equal(first.x_CHW, again.x_CHW)
    assert np.array_equal(inside(first), image())
    assert first.background == (background or first.background)
    assert first.object_HW.sum() == 32 * 32


def test_another_seed_or_index_gives_another_canvas():
    here = canvases.place(image(), 64, 1, 0).x_CHW
    assert not np.array_equal(here, canvases.place(image(), 64, 2, 0).x_CHW)
    assert not np.array_equal(here, canvases.place(image(), 64, 1, 1).x_CHW)


def test_the_background_does_not_depend_on_the_image():
    one, other = (canvases.place(image(seed), 64, 1, 5) for seed in (0, 1))
    assert one.box == other.box
    outside_HW = ~one.object_HW
    assert np.array_equal(one.x_CHW[:, outside_HW], other.x_CHW[:, outside_HW])
    assert not np.array_equal(one.x_CHW, other.x_CHW)


def test_places_reach_every_corner_evenly():
    boxes = np.array([canvases.place(image(), 48, 1, i, "gradient").box[:2] for i in range(600)])
    assert boxes.min() == 0
    assert boxes.max() == 16
    assert abs(boxes.mean(0) - 8).max() < 5 * np.sqrt((17**2 - 1) / 12 / 600)
    assert abs(np.corrcoef(boxes.T)[0, 1]) < 0.2


def test_all_backgrounds_are_drawn_and_none_is_flat():
    drawn = [canvases.place(image(), 64, 1, i) for i in range(60)]
    assert {c.background for c in drawn} == set(canvases.BACKGROUNDS)
    spread = [c.x_CHW[:, ~c.object_HW].std(1).mean() for c in drawn]
    assert min(spread) > 2


def test_giving_the_corner_leaves_the_background():
    free, put = canvases.place(image(), 64, 1, 3), canvases.place(image(), 64, 1, 3, corner=(32, 0))
    assert put.box == (32, 0, 32, 32)
    outside_HW = ~(free.object_HW | put.object_HW)
    assert np.array_equal(free.x_CHW[:, outside_HW], put.x_CHW[:, outside_HW])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 31}, "32 to 512"),
        ({"size": 100_000}, "32 to 512"),
        ({"background": "lava"}, "texture"),
        ({"corner": (40, 0)}, "wholly"),
        ({"corner": (0, -1)}, "wholly"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(changes, words):
    with pytest.raises(UserError, match=words):
        canvases.place(**({"image_CHW": image(), "size": 64, "seed": 1, "index": 0} | changes))


def test_a_data_set_of_canvases_has_the_labels_and_pixels_of_its_base(monkeypatch):
    base = shapes.split("test")
    monkeypatch.setattr(shapes, "split", lambda name: tuple(part[:40] for part in base))
    datasets.load.cache_clear()
    try:
        plain, data = (datasets.load(name, "test") for name in ("shapes", "shapes-k48"))
        assert data.x_NCHW.shape == (40, 3, 48, 48)
        assert torch.equal(data.y_N, plain.y_N)
        assert data.classes == shapes.CLASSES
        found = datasets.find_canvas("shapes-k48/test/12")
        assert np.array_equal(found.x_CHW, data.x_NCHW[12].numpy())
        assert np.array_equal(inside(found), plain.x_NCHW[12].numpy())
        mask_HW = shapes.draw(shapes.SEEDS["test"], 12).mask_HW
        assert found.object_HW.sum() == mask_HW.sum()
        top, left, *_ = found.box
        assert np.array_equal(found.object_HW[top : top + 32, left : left + 32], mask_HW)
        with pytest.raises(UserError, match="no canvas"):
            datasets.find_canvas("shapes/test/3")
    finally:
        datasets.load.cache_clear()


def test_networks_know_the_canvases():
    for k in canvases.SIZES:
        assert catalog.INPUT_SIZE[f"cifar10-k{k}"] == k
        assert catalog.CLASS_COUNT[f"shapes-k{k}"] == len(catalog.CLASSES[f"shapes-k{k}"])
        net = classifiers.build("compact", f"cifar10-k{k}").eval()
        assert net(torch.rand(2, 3, k, k)).shape == (2, 10)


@pytest.mark.parametrize("name", ["shapes-k47", "shapes-k", "shapes-k4 8", "imagenet-k48"])
def test_other_sizes_are_refused_in_words(name):
    with pytest.raises(UserError, match="-k48"):
        datasets.load(name, "test")
