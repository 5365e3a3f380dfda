"""SVHN, read from small files made here in its own format, as the set itself may not be there."""

import hashlib

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision.datasets import SVHN

from rsviz.checkpoints import catalog
from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.evaluation.logs import read_log
from rsviz.training import loop
from tests.helpers import TINY

SIZES = {"train": 300, "test": 40}


@pytest.fixture
def svhn(tmp_path, monkeypatch):
    """Files of digits drawn as bars of that brightness; the label of a 0 is 10, as in SVHN."""
    folder = tmp_path / "data"
    folder.mkdir()
    split_list = {}
    for split, size in SIZES.items():
        digit_N = np.arange(size) % 10
        x_HWCN = np.zeros((32, 32, 3, size), np.uint8)
        x_HWCN[:, :8] = (20 * digit_N + 10).astype(np.uint8)  # on the left
        file = folder / f"{split}_32x32.mat"
        savemat(file, {"X": x_HWCN, "y": np.where(digit_N == 0, 10, digit_N)[:, None]})
        md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        split_list[split] = ["http://nowhere.example", file.name, md5]
    monkeypatch.setattr(SVHN, "split_list", split_list)
    monkeypatch.setenv("RSVIZ_DATA", str(folder))
    datasets.load.cache_clear()
    yield folder
    datasets.load.cache_clear()


def test_images_and_labels_are_those_of_the_files(svhn):
    data = datasets.load("svhn", "test")
    assert datasets.available("svhn") and data.x_NCHW.shape == (40, 3, 32, 32)
    assert data.y_N.tolist() == [i % 10 for i in range(40)]  # the 10 of a file is the digit 0
    assert data.classes[int(data.y_N[17])] == "7"
    x_CHW, label = datasets.find_image("svhn/test/17")
    assert label == 7 and torch.equal(x_CHW, data.image(17))
    assert x_CHW[:, :, :8].unique().tolist() == pytest.approx([150 / 255])
    assert x_CHW[:, :, 8:].max() == 0  # neither turned nor mirrored
    assert len(datasets.load("svhn", "fit")) == 270
    assert len(datasets.load("svhn", "validation")) == 30


def test_where_it_is_not_or_is_damaged_a_sentence_says_what_to_do(svhn, tmp_path, monkeypatch):
    (svhn / "test_32x32.mat").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"SVHN .* damaged .* 'python -m rsviz download svhn'"):
        datasets.load("svhn", "test")
    monkeypatch.setenv("RSVIZ_DATA", str(tmp_path))
    datasets.load.cache_clear()
    assert not datasets.available("svhn")
    with pytest.raises(UserError, match=r"SVHN is not in .* holds train_32x32.mat and test_32x32"):
        datasets.load("svhn", "test")
    with pytest.raises(UserError, match="svhn-k48"):
        datasets.load("svhn-k48", "test")


def test_a_network_is_trained_and_measured_on_it(svhn, tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    how = ("--dataset", "svhn", "--network", TINY, "--sigma", "0.25", "--epochs", "1")
    out = tmp_path / "checkpoints" / "digits"
    assert (
        main(["train", "gaussian", *how, "--batch", "100", "--no-compile", "--out", f"{out}"]) == 0
    )
    assert catalog.find("digits").card.dataset == "svhn"
    log = tmp_path / "log.csv"
    asked = ("--checkpoint", "digits", "--every", "10", "--n0", "10", "--n", "20")
    assert main(["evaluate", *asked, "--out", f"{log}"]) == 0
    assert read_log(log).label_N.tolist() == [0, 0, 0, 0]
    assert main(["certify", "svhn/test/3", "--checkpoint", "digits", "--n", "20"]) == 0


def test_digits_are_not_mirrored_in_training_but_all_else_is():
    x_NCHW = torch.zeros(64, 3, 8, 8)
    x_NCHW[..., 0] = 1.0
    seen = {}
    for mirrored in (False, True):
        generator = torch.Generator().manual_seed(0)
        seen[mirrored] = loop.augment(x_NCHW, generator, pad=0, mirrored=mirrored)
    assert torch.equal(seen[False], x_NCHW)
    assert 0 < seen[True][..., -1].mean() < 1


def test_a_training_on_digits_mirrors_none(svhn, tmp_path, monkeypatch):
    asked = []
    own = loop.augment

    def spied(*args, **how):
        asked.append(how["mirrored"])
        return own(*args, **how)

    monkeypatch.setattr(loop, "augment", spied)
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    for dataset in ("svhn", "shapes"):
        how = ("--dataset", dataset, "--network", TINY, "--sigma", "0.25", "--epochs", "1")
        out = tmp_path / dataset
        args = ["train", "gaussian", *how, "--batch", "300", "--no-compile", "--out", f"{out}"]
        assert main(args) == 0
    assert asked[0] is False and set(asked[1:]) == {True}
