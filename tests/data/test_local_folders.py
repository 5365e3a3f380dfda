import numpy as np
import pytest
import torch
from PIL import Image

from rsviz.core.errors import UserError
from rsviz.data.local_folders import load_celeba, load_folder

ATTRIBUTES = ("Smiling", "Mouth_Slightly_Open", "Young")
OPEN = (1, -1, -1, 1, 1)  # of five faces
PARTITION = (0, 0, 2, 2, 2)  # two to train, three to test


def save(file, colour, size=(178, 218)):
    """A picture of one colour whose left edge is black, lost when its middle square is cut."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour)
    if size[0] > size[1]:
        image.paste((0, 0, 0), (0, 0, (size[0] - size[1]) // 2, size[1]))
    image.save(file)


@pytest.fixture
def celeba(tmp_path, monkeypatch):
    """Five generated faces in torchvision's layout; the true files' hashes are not asked for."""
    from torchvision.datasets import CelebA  # seconds, which only these tests need take

    files = [(a, None, name) for a, _, name in CelebA.file_list]
    monkeypatch.setattr(CelebA, "file_list", files)
    folder = tmp_path / "celeba"
    names = [f"{i:06d}.jpg" for i in range(1, 6)]
    for i, name in enumerate(names):
        save(folder / "img_align_celeba" / name, (40 * i, 100, 200))

    def table(file, rows, head=""):
        text = "\n".join(" ".join(map(str, (n, *row))) for n, row in zip(names, rows, strict=True))
        (folder / file).write_text(head + text + "\n")

    table("list_eval_partition.txt", [(p,) for p in PARTITION])
    table("identity_CelebA.txt", [(i,) for i in range(5)])
    table("list_bbox_celeba.txt", [(0, 0, 9, 9)] * 5, "5\nx y w h\n")
    table("list_landmarks_align_celeba.txt", [(0, 0)] * 5, "5\nx y\n")
    rows = [(-1, mouth, 1) for mouth in OPEN]
    table("list_attr_celeba.txt", rows, f"5\n{' '.join(ATTRIBUTES)} \n")
    return tmp_path


def test_celeba_is_labelled_by_one_attribute(celeba):
    train = load_celeba(celeba, "train", size=32)
    test = load_celeba(celeba, "test", size=32)
    assert train.classes == ("not mouth slightly open", "mouth slightly open")
    assert (len(train), len(test)) == (2, 3)
    assert train.y_N.tolist() == [1, 0]
    assert test.y_N.tolist() == [0, 1, 1]
    assert test.x_NCHW.shape == (3, 3, 32, 32)
    assert test.x_NCHW.dtype == torch.uint8
    assert abs(int(test.x_NCHW[1, 0].float().mean()) - 120) < 4
    assert load_celeba(celeba, "test", "Young", 8).y_N.tolist() == [1, 1, 1]
    assert len(load_celeba(celeba, "test", size=8, images=2)) == 2


def test_celeba_absent_or_asked_wrongly_is_told_in_words(celeba, tmp_path):
    with pytest.raises(UserError, match="CelebA is not in"):
        load_celeba(tmp_path / "nowhere", "test")
    with pytest.raises(UserError, match="no attribute 'Hat'; it has Smiling"):
        load_celeba(celeba, "test", "Hat")
    with pytest.raises(UserError, match="train or test"):
        load_celeba(celeba, "valid")


@pytest.fixture
def folder(tmp_path):
    """Two classes of four pictures to train, wide ones; one each to test, called val."""
    for c, name in enumerate(("cat", "dog")):
        for i in range(4):
            save(tmp_path / "train" / name / f"{i}.png", (100 * c, 30 * i, 7), (60, 40))
        save(tmp_path / "val" / name / "0.png", (10, 20, 30), (20, 20))
    return tmp_path


def test_a_folder_is_read_with_its_classes(folder):
    train = load_folder(folder, "train", 20)
    assert train.classes == ("cat", "dog")
    assert train.y_N.tolist() == [0] * 4 + [1] * 4
    assert train.x_NCHW.shape == (8, 3, 20, 20)
    # Only the middle square is left, at its own colour: the black edge is gone.
    assert np.unique(train.x_NCHW[5, 1].numpy()).tolist() == [30]
    test = load_folder(folder, "test", 32)
    assert test.y_N.tolist() == [0, 1]
    assert test.image(1)[:, 5, 5].tolist() == pytest.approx([10 / 255, 20 / 255, 30 / 255])


def test_some_images_of_a_folder_are_spread_over_its_classes(folder):
    assert load_folder(folder, "train", 8, images=4).y_N.tolist() == [0, 0, 1, 1]
    assert len(load_folder(folder, "train", 8, images=100)) == 8


def test_a_bad_folder_is_told_in_words(folder):
    with pytest.raises(UserError, match="has no folder train"):
        load_folder(folder / "train", "train")
    (folder / "val" / "empty").mkdir()
    with pytest.raises(UserError, match="empty"):
        load_folder(folder, "test")
