"""TODO: what lives here."""

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
    examples.same_image.cache_clear()
    monkeypatch.setattr(examples, "ROOT", tmp_path)
    with pytest.raises(UserError, match="restore checkpoints"):
        examples.same_image()
    examples.same_image.cache_clear()
