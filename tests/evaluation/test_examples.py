import json
import shutil

import numpy as np
import pytest

from rsviz.checkpoints import catalog
from rsviz.core import bounds, live_bounds
from rsviz.core.errors import UserError
from rsviz.core.radius import radius_l2
from rsviz.data import shapes
from rsviz.evaluation import examples


def test_one_image_is_certified_rightly_and_at_too_much_noise_wrongly():
    own, noisy = examples.same_image()
    assert own.certificate.image == noisy.certificate.image
    assert noisy.sigma == 4 * own.sigma == 2.0
    assert own.correct
    assert not noisy.correct and not noisy.certificate.abstained
    assert noisy.certificate.radius > own.certificate.radius > 0


def test_the_label_is_that_of_the_image_drawn_and_the_radius_that_of_the_bound():
    for judged in examples.same_image():
        assert shapes.draw(shapes.SEEDS["test"], judged.index).label == judged.label
        certificate = judged.certificate
        radius = radius_l2(certificate.sigma, certificate.p_a_lower)
        assert certificate.radius == pytest.approx(radius)


def test_files_that_are_missing_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(examples, "SHIPPED", tmp_path)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    with pytest.raises(UserError, match="restore checkpoints"):
        examples.same_image()


def test_another_folder_of_checkpoints_comes_first(monkeypatch, tmp_path):
    shutil.copytree(examples.SHIPPED / examples.NETWORK, tmp_path / examples.NETWORK)
    file = tmp_path / examples.NETWORK / examples.FILE
    rows = json.loads(file.read_text())
    for row in rows:
        row["certificate"]["seed"] = 77
    file.write_text(json.dumps(rows))
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    assert [j.certificate.seed for j in examples.same_image()] == [77, 77]
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "nowhere"))
    assert [j.certificate.seed for j in examples.same_image()] == [1, 1]


def test_a_stored_run_keeps_how_it_formed_and_an_old_file_can_still_be_read(tmp_path):
    folder = shutil.copytree(examples.SHIPPED / examples.NETWORK, tmp_path / examples.NETWORK)
    (certain, *_) = examples.load(catalog.inspect(folder))
    c = certain.certificate
    line = live_bounds.trace(certain.readings, c.alpha, c.bound)
    assert certain.readings[-1] == c and len(line.votes_T) > 20
    assert line.votes_T[0] < 500 and line.votes_T[-1] == c.n
    assert line.low_T[0] < line.low_T[-1] == c.radius
    for moment in certain.readings[5:7]:  # the bound stored is the one that votes give
        assert moment.radius == pytest.approx(radius_l2(c.sigma, moment.p_a_lower))
        k, n = moment.counts[c.predicted], sum(moment.counts)
        assert moment.p_a_lower == pytest.approx(bounds.anytime_lower(k, n, 0.2 * c.alpha))
    rows = [
        {k: v for k, v in row.items() if k != "moments"}
        for row in json.loads((folder / examples.FILE).read_text())
    ]
    (folder / examples.FILE).write_text(json.dumps(rows))
    (old, *_) = examples.load(catalog.inspect(folder))
    assert old.certificate == c and old.readings == (c,)


def walk(**changed):
    """What is stored of a walk, with changes."""
    direction = np.linspace(-1, 1, 12).astype(np.float16)
    return examples.walk_row(direction, {0.0: 1.0, 0.25: 0.5}) | changed


def test_a_walk_is_read_as_it_was_stored(tmp_path):
    folder = shutil.copytree(examples.SHIPPED / examples.NETWORK, tmp_path / examples.NETWORK)
    rows = json.loads((folder / examples.FILE).read_text())
    rows[0]["walks"] = {"attack": walk()}
    (folder / examples.FILE).write_text(examples.text_of(rows))
    found = examples.load(catalog.inspect(folder))[0].walks["attack"]
    assert np.array_equal(found.direction, np.linspace(-1, 1, 12).astype(np.float16))
    assert found.shares == {0.0: 1.0, 0.25: 0.5}


@pytest.mark.parametrize(
    "wrong",
    [{"direction": "?"}, {"direction": "AAAA"}, {"shares": {"0": 2}}, {"shares": {"a": 1}}],
)
def test_what_is_no_walk_leaves_no_examples(tmp_path, wrong):
    folder = shutil.copytree(examples.SHIPPED / examples.NETWORK, tmp_path / examples.NETWORK)
    rows = json.loads((folder / examples.FILE).read_text())
    rows[0]["walks"] = {"attack": walk(**wrong)}
    (folder / examples.FILE).write_text(examples.text_of(rows))
    assert examples.load(catalog.inspect(folder)) == []


def test_a_shipped_walk_keeps_all_votes_at_the_image_and_fewer_far_out():
    for example in examples.load(catalog.find(examples.NETWORK, examples.SHIPPED)):
        c, found = example.certificate, example.walks
        assert bool(found) == (not c.abstained)
        for kept in found.values():
            assert np.linalg.norm(kept.direction) == pytest.approx(1, abs=1e-3)
            assert kept.shares[0.0] == pytest.approx(max(c.counts) / c.n, abs=0.12)
        if found:
            assert found["attack"].shares[3.0] <= found["random"].shares[3.0] + 0.1
