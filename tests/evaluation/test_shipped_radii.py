"""The shipped networks trained for the radius, by their shipped logs."""

import numpy as np
import pytest

from rsviz.checkpoints import catalog
from rsviz.evaluation import curves, logs


def logged(name):
    checkpoint = catalog.find(name)
    return logs.read_log(checkpoint.folder / checkpoint.card.measured[0].log)


def test_a_radius_trained_shapes_network_beats_its_gaussian_parent():
    child = catalog.find("shapes-smoothadv-0.5")
    gap, low, high = curves.paired_bootstrap(
        logged(child.name), logged(child.card.start), np.random.default_rng(0)
    )
    assert child.card.start == "shapes-gaussian-0.5"
    assert 0 < low < gap < high


@pytest.mark.parametrize(
    ("name", "one_sided", "two_class"),
    [
        ("cifar10-gaussian-0.25", 0.342, 0.347),
        ("cifar10-gaussian-0.5", 0.452, 0.475),
        ("cifar10-gaussian-1.0", 0.497, 0.560),
        ("cifar10-smoothadv-1.0", 0.589, 0.622),
        ("cifar10-macer-1.0", 0.606, 0.631),
        ("cifar10-advmacer-1.0", 0.649, 0.657),
    ],
)
def test_the_two_class_form_lifts_the_acr_of_the_same_votes(name, one_sided, two_class):
    log = logs.read_log(catalog.SHIPPED / name / "certified.csv")
    assert curves.acr(log) == pytest.approx(one_sided, abs=1e-3)
    assert curves.acr(logs.two_sided(log)) == pytest.approx(two_class, abs=1e-3)
