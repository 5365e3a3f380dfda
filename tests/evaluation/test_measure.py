"""What is measured of a network is recorded on its card, and on no other network's."""

import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.evaluation import measure
from rsviz.evaluation.evaluate import spec_for
from rsviz.networks import classifiers
from tests.helpers import TINY, constant_network

CARD = {"method": "gaussian", "dataset": "shapes", "network": TINY, "sigma": 0.5, "measured": []}


def retrain(folder):
    net = classifiers.build(TINY, "shapes")
    return weights.save(net, folder, CARD)


def test_a_network_trained_anew_meanwhile_gets_none_of_the_old_ones_numbers(tmp_path, monkeypatch):
    old = constant_network(tmp_path / "net")
    spec = spec_for(old, None, every=1_000, n0=10, n=100, alpha=0.001, seed=0)
    measure.measure(old, spec, tmp_path / "net" / "certified.csv", "cpu", "", lambda _: None)
    assert len(catalog.find("net", tmp_path).card.measured) == 1
    new = retrain(tmp_path / "net")
    with pytest.raises(UserError, match="net was changed meanwhile: it was trained anew"):
        measure.record(old, spec, tmp_path / "net" / "certified.csv", "")
    assert catalog.find("net", tmp_path).stored == new.stored
