"""What is measured of a network is recorded on its card, and on no other network's."""

import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.evaluation import curves, logs, measure
from rsviz.evaluation.evaluate import spec_for
from rsviz.networks import classifiers
from tests.helpers import TINY, constant_network

CARD = {"method": "gaussian", "dataset": "shapes", "network": TINY, "sigma": 0.5, "measured": []}


def retrain(folder):
    net = classifiers.build(TINY, "shapes")
    return weights.save(net, folder, CARD)


@pytest.mark.parametrize(("every", "said"), [(2, "2nd"), (3, "3rd"), (10, "10th"), (11, "11th")])
def test_the_images_are_told_by_an_ordinal(tmp_path, every, said):
    net = constant_network(tmp_path / "net")
    spec = spec_for(net, None, every=every, n0=10, n=100, alpha=0.001, seed=0)
    log = catalog.SHIPPED / "shapes-gaussian-0.5" / "certified.csv"  # of whichever images
    curve = curves.curve(logs.read_log(log), measure.RADII)
    measure._record(net, spec, curve, "certified.csv", "")
    (told,) = catalog.find("net", tmp_path).card.measured
    assert told.subset == f"test, every {said}"


def test_a_network_trained_anew_meanwhile_gets_none_of_the_old_ones_numbers(tmp_path, monkeypatch):
    old = constant_network(tmp_path / "net")
    spec = spec_for(old, None, every=1_000, n0=10, n=100, alpha=0.001, seed=0)
    measure.measure(old, spec, tmp_path / "net" / "certified.csv", "cpu", "", lambda _: None)
    (told,) = catalog.find("net", tmp_path).card.measured
    assert told.subset == "test, every 1000th"
    new = retrain(tmp_path / "net")
    with pytest.raises(UserError, match="net was changed meanwhile: it was trained anew"):
        measure.record(old, spec, tmp_path / "net" / "certified.csv", "")
    assert catalog.find("net", tmp_path).stored == new.stored
