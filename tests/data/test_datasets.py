import numpy as np
import pytest
import torch

from rsviz.core.errors import UserError
from rsviz.data import datasets, labels, shapes


def test_an_image_of_shapes_is_the_drawing():
    x_CHW, label = datasets.find_image("shapes/test/12")
    drawing = shapes.draw(shapes.SEEDS["test"], 12)
    assert torch.equal(x_CHW, datasets.from_pixels(drawing.x_HWC))
    assert label == drawing.label


@pytest.mark.parametrize(
    "name", ["shapes/test/2000", "shapes/test", "mnist/test/1", "shapes/test/-1"]
)
def test_names_that_lead_nowhere_are_refused_in_words(name):
    with pytest.raises(UserError):
        datasets.find_image(name)


def test_missing_cifar_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("RSVIZ_DATA", str(tmp_path))
    datasets.load.cache_clear()
    assert not datasets.available("cifar10")
    with pytest.raises(UserError, match="RSVIZ_DATA"):
        datasets.load("cifar10", "test")


@pytest.mark.cifar
def test_cifar10_is_what_torchvision_reads():
    data = datasets.load("cifar10", "test")
    assert len(data) == 10_000
    assert data.x_NCHW.shape == (10_000, 3, 32, 32)
    assert torch.bincount(data.y_N).tolist() == [1000] * 10
    assert data.classes[int(data.y_N[0])] == "cat"  # the first test image is a cat
    assert data.image(0).max() <= 1
    assert data.image_name(17) == "cifar10/test/17"


@pytest.mark.parametrize("name", ["shapes", "shapes-k48"])
def test_the_validation_images_are_the_last_tenth_of_the_training_images(name):
    whole, fit, held = (datasets.load(name, s) for s in ("train", "fit", "validation"))
    assert (len(fit), len(held)) == (1_800, 200)
    assert torch.equal(torch.cat([fit.x_NCHW, held.x_NCHW]), whole.x_NCHW)
    assert torch.equal(torch.cat([fit.y_N, held.y_N]), whole.y_N)
    assert held.image_name(3) == f"{name}/validation/3"
    x_CHW, label = datasets.find_image(f"{name}/validation/3")
    assert torch.equal(x_CHW, whole.image(1_803))
    assert label == int(whole.y_N[1_803])


def test_a_canvas_of_the_validation_images_is_that_of_the_training_image():
    held, whole = (datasets.find_canvas(f"shapes-k48/{i}") for i in ("validation/3", "train/1803"))
    assert held.box == whole.box
    assert (held.x_CHW == whole.x_CHW).all()


@pytest.mark.parametrize(
    "name",
    [
        "shapes/test/3",
        "shapes/train/1999",
        "shapes-k48/test/7",
        "cifar10/test/9999",
        "cifar10/train/10000",
        "cifar10/validation/0",
    ],
)
def test_pixels_are_those_of_the_image(name):
    if not datasets.available(name.partition("/")[0]):
        pytest.skip("CIFAR-10 is not here")
    assert np.array_equal(datasets.find_pixels(name), datasets.find_image(name)[0].numpy())


@pytest.mark.parametrize("name", ["shapes/test/3", "shapes-k48/validation/3"])
def test_what_is_drawn_is_found_and_counted_without_drawing_the_rest(name, monkeypatch):
    dataset, split, index = name.split("/")
    whole = datasets.load(dataset, split)
    monkeypatch.setattr(datasets, "load", None)
    x_CHW, label = datasets.find_image(name)
    assert torch.equal(x_CHW, whole.image(int(index)))
    assert label == int(whole.y_N[int(index)])
    assert datasets.size_of(dataset, split) == len(whole)
    with pytest.raises(UserError, match=f"images 0 to {len(whole) - 1:,}, not"):
        datasets.find_image(f"{dataset}/{split}/{len(whole)}")


@pytest.mark.parametrize(
    "name",
    ["shapes/test/2000", "shapes/no/3", "shapes/test/-1", "shapes", "cifar10/test/10000", "/", ""],
)
def test_pixels_that_are_nowhere_are_refused_in_words(name):
    with pytest.raises(UserError):
        datasets.find_pixels(name)


@pytest.mark.cifar
def test_a_damaged_file_of_cifar10_gives_no_single_image(tmp_path, monkeypatch):
    whole = labels.data_folder() / labels.FOLDER / "test_batch"
    damaged = bytearray(whole.read_bytes())
    damaged[20_000] ^= 0xFF  # a pixel; the file still reads
    (tmp_path / labels.FOLDER).mkdir()
    (tmp_path / labels.FOLDER / "test_batch").write_bytes(damaged)
    assert labels.cifar10_image("test", 0) is not None
    monkeypatch.setenv("RSVIZ_DATA", str(tmp_path))
    assert labels.cifar10_image("test", 0) is None
