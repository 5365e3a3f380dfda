import numpy as np
import pytest
import torch

from rsviz.core.errors import UserError
from rsviz.data import canvases, catalog, datasets, shape_attributes
from rsviz.networks import classifiers

TEST = shape_attributes.SEEDS["test"]


@pytest.fixture
def few(monkeypatch):
    """Forty images in place of thousands."""
    monkeypatch.setattr(shape_attributes, "SIZES", {"train": 40, "test": 40})
    datasets.load.cache_clear()
    shape_attributes.split.cache_clear()
    yield
    datasets.load.cache_clear()
    shape_attributes.split.cache_clear()


@pytest.mark.parametrize("size", canvases.SIZES)
def test_the_same_seed_and_index_give_the_same_canvas(size):
    one, again = (shape_attributes.place(size, TEST, 3) for _ in range(2))
    assert one.x_CHW.shape == (3, size, size)
    assert np.array_equal(one.x_CHW, again.x_CHW)
    for seed, index in ((TEST, 4), (TEST + 1, 3)):
        assert not np.array_equal(one.x_CHW, shape_attributes.place(size, seed, index).x_CHW)


def test_labels_are_balanced_and_not_told_by_the_number():
    labels = np.array([shape_attributes.label_of(TEST, i) for i in range(2000)])
    assert (labels[::2] + labels[1::2] == 1).all()  # one of each in every pair
    assert abs(labels[::2].mean() - 0.5) < 5 * 0.5 / np.sqrt(1000)
    for every in (10, 20):  # as a measurement picks them
        assert abs(labels[::every].mean() - 0.5) < 5 * 0.5 / np.sqrt(2000 / every)


@pytest.mark.parametrize("size", canvases.SIZES)
def test_nothing_outside_the_mark_depends_on_the_label(size):
    for i in range(40):
        both = [shape_attributes.place(size, TEST, i, label) for label in (0, 1)]
        own = shape_attributes.place(size, TEST, i)
        assert np.array_equal(own.x_CHW, both[shape_attributes.label_of(TEST, i)].x_CHW)
        object_HW = both[0].object_HW
        assert np.array_equal(object_HW, both[1].object_HW)
        assert both[0].box == both[1].box
        assert np.array_equal(*(b.x_CHW[:, ~object_HW] for b in both))
        assert (both[0].x_CHW != both[1].x_CHW).any(0).sum() > 0.2 * object_HW.sum()


def test_the_brightness_of_the_mark_tells_no_label():
    # Ring and bar cover the same area: the same colours, differently arranged.
    gaps = []
    for i in range(200):
        ring, bar = (shape_attributes.place(64, TEST, i, label) for label in (0, 1))
        gaps.append((bar.x_CHW.mean() - ring.x_CHW.mean()) / 255)
        centre = tuple(np.argwhere(ring.object_HW).mean(0).round().astype(int))
        assert (ring.x_CHW[:, *centre] != bar.x_CHW[:, *centre]).any()  # body within the ring
    # The mark's disc is 4 % of the canvas: a tenth more or less of it painted would show.
    assert np.abs(gaps).mean() < 0.02 * 0.04


@pytest.mark.parametrize("size", canvases.SIZES)
def test_the_box_holds_the_mark_which_moves_over_the_body(size):
    middles = []
    for i in range(200):
        placed = shape_attributes.place(size, TEST, i)
        top, left, height, width = placed.box
        rows, columns = np.argwhere(placed.object_HW).T
        assert 0 <= top <= rows.min() and rows.max() < top + height <= size
        assert 0 <= left <= columns.min() and columns.max() < left + width <= size
        assert rows.max() - rows.min() + 1 >= height - 3  # and not much more than the mark
        assert 12 <= rows.max() - rows.min() + 1 <= 18
        middles.append((rows.mean(), columns.mean()))
    spread = np.array(middles).std(0)
    assert (spread > 0.05 * size).all()
    assert abs(np.array(middles).mean(0) - size / 2).max() < 0.05 * size


def test_choices_given_are_used_and_leave_the_rest():
    drawn = shape_attributes.place(64, TEST, 2)
    put = shape_attributes.place(64, TEST, 2, corner=(4, 40))
    assert put.box == (4, 40, *drawn.box[2:])
    beside_HW = ~(drawn.object_HW | put.object_HW)
    assert np.array_equal(drawn.x_CHW[:, beside_HW], put.x_CHW[:, beside_HW])
    for kind in canvases.BACKGROUNDS:
        assert shape_attributes.place(64, TEST, 2, background=kind).background == kind


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 32}, "48 to 512"),
        ({"size": 5000}, "48 to 512"),
        ({"background": "lava"}, "texture"),
        ({"corner": (60, 0)}, "wholly"),
        ({"corner": (0, -1)}, "wholly"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(changes, words):
    with pytest.raises(UserError, match=words):
        shape_attributes.place(**({"size": 64, "seed": 1, "index": 0} | changes))


def test_the_data_set_is_these_canvases(few):
    data = datasets.load("shapes-attribute-k64", "test")
    assert datasets.available(data.name)
    assert data.classes == ("open", "closed")
    assert torch.bincount(data.y_N).tolist() == [20, 20]
    found = datasets.find_canvas("shapes-attribute-k64/test/12")
    assert np.array_equal(found.x_CHW, data.x_NCHW[12].numpy())
    x_CHW, label = datasets.find_image("shapes-attribute-k64/test/12")
    assert torch.equal(x_CHW, data.image(12))
    assert label == shape_attributes.label_of(TEST, 12)
    train = datasets.load("shapes-attribute-k64", "train")
    assert not torch.equal(train.x_NCHW, data.x_NCHW)


@pytest.mark.parametrize("name", ["shapes-attribute", "shapes-attribute-k47"])
def test_other_names_are_refused_in_words(name):
    with pytest.raises(UserError, match="shapes-attribute on canvases"):
        datasets.load(name, "test")


def test_networks_know_the_data_set():
    for k in canvases.SIZES:
        name = f"shapes-attribute-k{k}"
        assert catalog.INPUT_SIZE[name] == k
        net = classifiers.build("compact", name).eval()
        assert net(torch.rand(2, 3, k, k)).shape == (2, len(catalog.CLASSES[name]))
