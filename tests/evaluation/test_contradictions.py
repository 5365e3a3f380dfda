"""Logs as people send them: what comes of each, and what cannot be true is said, never drawn."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.core.spec import Norm
from rsviz.data import datasets, shapes
from rsviz.data.labels import data_folder, labels
from rsviz.evaluation import comparison, curves, logs
from rsviz.evaluation.contradictions import contradictions, doubts
from rsviz.evaluation.logs import Log, read_log, state

CASES = Path(__file__).parents[1] / "cases"


def read(name, **settings):
    return read_log(CASES / name, **settings)


def test_a_running_total_is_read_as_what_each_image_is():
    log = read("running-total.tsv", norm="L2")
    assert len(log) == 20 and log.correct_N.sum() == 15
    assert curves.accuracy_at(log, 0.0) == 0.75
    assert curves.acr(log) == pytest.approx(0.334, abs=5e-4)
    assert any("right so far" in note for note in log.notes)


def test_the_adaptive_authors_layout_is_read_in_linf():
    log = read("linf-radius.tsv")
    assert (len(log), log.norm) == (20, Norm.LINF)
    assert int(log.correct_N.sum()) == 15 and int((log.predicted_N < 0).sum()) == 1
    assert curves.acr(log) == pytest.approx(0.00557, abs=5e-6)
    assert log.radius_N[log.predicted_N < 0].tolist() == [0.0]


def test_a_last_line_without_an_end_is_whole():
    log = read("no-final-newline.csv")
    text = (CASES / "no-final-newline.csv").read_text()
    assert not text.endswith("\n")
    assert len(log) == 4 and curves.acr(log) == pytest.approx(0.654, abs=5e-4)


def test_a_byte_order_mark_is_no_part_of_a_name():
    log = read("byte-order-mark.csv")
    assert len(log) == 20 and curves.acr(log) == pytest.approx(0.334, abs=5e-4)


def test_radii_above_what_the_settings_can_certify_are_told():
    log = read("beyond-ceiling.tsv", norm="L2", sigma=0.25, n=1_000, alpha=0.001)
    (sentence,) = contradictions(log)
    assert "16 of its 30 radii are larger than 0.616, the most that sigma 0.25, n 1,000" in sentence
    assert contradictions(replace(log, sigma=0.5)) == []
    assert contradictions(replace(log, sigma=None)) == []
    assert "4 of its 30 radii are larger than 0.953" in contradictions(replace(log, n=100_000))[0]


def test_a_radius_printed_to_three_digits_may_lie_just_above():
    log = read("beyond-ceiling.tsv", norm="L2", sigma=0.25, n=1_000, alpha=0.001)
    top = 0.61583
    assert contradictions(replace(log, radius_N=np.full(30, 0.616))) == []
    assert contradictions(replace(log, radius_N=np.full(30, top * 1.006)))


def test_a_ceiling_of_linf_needs_the_size_of_the_images():
    log = read("linf-radius.tsv", sigma=0.25, n=1_000, alpha=0.001)
    assert contradictions(log) == []  # unknown
    sentences = contradictions(replace(log, dataset="imagenet"))
    assert any("larger than" in s for s in sentences)


def test_a_radius_no_two_pictures_have_is_told_at_once():
    before = time.process_time()
    for text in ("1500000", "1000000000.0", "1e300", "389"):
        log = logs.parse_log(
            (CASES / "huge-radius.tsv").read_text().replace("1000000000.0", text), "huge"
        )
        assert any("no two pictures" in s for s in contradictions(log))
        assert len(comparison.from_log(log, "your log").curve.radius_R) < 2_100
    log = read("huge-radius.tsv", dataset="shapes", norm="L2")
    assert "3x32x32 in [0, 1] are further apart than 55.426 in L2" in contradictions(log)[0]
    linf = replace(log, norm=Norm.LINF, radius_N=np.full(20, 1.5))
    assert "further apart than 1 in Linf" in contradictions(linf)[0]
    assert time.process_time() - before < 2


@pytest.mark.cifar
def test_labels_of_another_split_are_told():
    log = read("other-split.tsv", dataset="cifar10")
    (sentence,) = contradictions(log)
    assert "not those of the cifar10 test images (56 of 500 agree)" in sentence
    assert "those of the train images, so state that split" in sentence
    assert contradictions(replace(log, split="train")) == []
    (sentence,) = contradictions(replace(log, split="test"))
    assert "56 of 500" in sentence


@pytest.mark.parametrize("rows", [1, 4, 9, 10, 60])
def test_labels_of_few_rows_are_doubted_and_of_more_refused(rows):
    log = read("first.tsv", dataset="shapes", split="test")
    own = labels("shapes", "test")[log.index_N]
    columns = ("index_N", "label_N", "predicted_N", "radius_N", "correct_N")
    other = replace(log, label_N=(own + 1) % 10)
    cut = replace(other, **{name: getattr(other, name)[:rows] for name in columns})
    few, refused = doubts(cut), contradictions(cut)
    assert (len(few), len(refused)) == ((1, 0) if rows < 10 else (0, 1))
    assert f"(0 of {rows} agree)" in (few or refused)[0]
    assert doubts(replace(cut, label_N=own[:rows])) == []


@pytest.mark.cifar
def test_a_log_of_made_up_labels_is_drawn_with_a_word_when_it_is_short(capsys):
    assert main(["curves", str(CASES / "no-final-newline.csv")]) == 0
    out, err = capsys.readouterr()
    assert "4 images, ACR 0.654" in out and "0 of 4 agree" in err and "cannot settle" in err


@pytest.mark.cifar
def test_a_log_of_another_split_is_not_of_the_same_images():
    a = read("other-split.tsv", dataset="cifar10", split="train", norm="L2")
    b = replace(a, split="test", label_N=labels("cifar10", "test")[a.index_N])
    assert not curves.same_images(a, b) and not curves.same_images(a, replace(a, split=""))
    assert curves.same_images(a, a)
    with pytest.raises(UserError, match="not of the same images"):
        curves.paired_bootstrap(a, b, np.random.default_rng(0), 10)
    entries = [comparison.from_log(log, "your log") for log in (b, replace(a, name="a"))]
    assert "split" in comparison.marks(entries)["a"]


def test_an_image_the_data_set_does_not_have_is_told():
    log = read("first.tsv", dataset="shapes", split="test")
    far = replace(log, index_N=np.r_[log.index_N[:-1], 99_999])
    assert "lists image 99,999, but shapes/test has images 0 to 1,999" in contradictions(far)[0]


def test_labels_without_images_are_those_of_the_images():
    for name in ("shapes", "shapes-k48"):
        y_N = labels(name, "test")
        assert y_N is not None and y_N[:50].tolist() == [
            shapes.draw(shapes.SEEDS["test"], i).label for i in range(50)
        ]
    assert labels("imagenet", "test") is None and labels("shapes", "") is None


@pytest.mark.cifar
@pytest.mark.parametrize("split", ["train", "test"])
def test_cifars_labels_without_images_are_those_of_the_images(split):
    assert np.array_equal(labels("cifar10", split), datasets.load("cifar10", split).y_N.numpy())


def test_a_damaged_data_folder_has_no_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_DATA", str(tmp_path))
    (tmp_path / "cifar-10-batches-py").mkdir()
    ran = tmp_path / "ran"
    for data in (b"", b"junk", f"cos\nsystem\n(S'touch {ran}'\ntR.".encode()):
        (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(data)
        assert labels("cifar10", "test") is None
    assert not ran.exists()


@pytest.mark.cifar
def test_a_data_folder_that_comes_back_has_labels_again(tmp_path, monkeypatch):
    batch = data_folder() / "cifar-10-batches-py" / "test_batch"
    monkeypatch.setenv("RSVIZ_DATA", str(tmp_path))
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert labels("cifar10", "test") is None
    (tmp_path / "cifar-10-batches-py" / "test_batch").symlink_to(batch)
    assert len(labels("cifar10", "test")) == 10_000


def test_shipped_logs_contradict_nothing():
    root = Path(__file__).resolve().parents[2] / "checkpoints"
    files = [*root.glob("*/certified*.csv"), *root.glob("*/weightings/*.csv")]
    assert len(files) > 40
    for file in files:
        log = read_log(file)
        assert (contradictions(log), log.notes, logs.unstated(log)) == ([], (), ()), file


def test_what_a_log_states_is_not_overruled_and_nonsense_is_refused():
    own = read("no-final-newline.csv")
    assert state(own, sigma=9.0, n=5, dataset="shapes") == own or (
        state(own, sigma=9.0, n=5).sigma == own.sigma
    )
    log = read("first.tsv")
    assert logs.unstated(log) == ("data set", "split", "norm", "sigma", "n", "alpha")
    for bad in ({"n": -1}, {"alpha": 2.0}, {"sigma": 99.0}, {"split": "val"}, {"norm": "L7"}):
        with pytest.raises(UserError):
            state(log, **bad)
    with pytest.raises(UserError, match="no setting 'colour'"):
        state(log, colour="red")
    assert isinstance(log, Log) and log.norm is None
