import json
import shutil

import pytest

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
    assert [j.certificate.seed for j in examples.same_image()] == [0, 0]
