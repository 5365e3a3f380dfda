"""The shipped networks trained for the radius, by their shipped logs."""

import numpy as np

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
