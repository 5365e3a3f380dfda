"""The shipped networks trained for the radius, by their shipped logs."""

import numpy as np

from rsviz import checkpoints, curves


def logged(name):
    checkpoint = checkpoints.find(name)
    return curves.read_log(checkpoint.folder / checkpoint.card["measured"][0]["log"])


def test_a_radius_trained_shapes_network_beats_its_gaussian_parent():
    child = checkpoints.find("shapes-smoothadv-0.5")
    gap, low, high = curves.paired_bootstrap(
        logged(child.name), logged(child.card["start"]), np.random.default_rng(0)
    )
    assert child.card["start"] == "shapes-gaussian-0.5"
    assert 0 < low < gap < high
