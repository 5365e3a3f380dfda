"""The whole way on Shapes: train from scratch, and what comes out certifies."""

from functools import partial

import pytest
import torch

from rsviz.certification import certify
from rsviz.checkpoints import weights
from rsviz.data import datasets, shapes
from rsviz.methods import gaussian
from rsviz.networks import classifiers
from rsviz.training import loop
from rsviz.training.loop import TrainSpec


@pytest.mark.slow
def test_a_network_trained_on_shapes_certifies(tmp_path, monkeypatch):
    monkeypatch.setitem(shapes.SIZES, "train", 5_000)
    monkeypatch.setattr(shapes, "split", shapes.split.__wrapped__)  # 5,000 are no one else's
    data = datasets.load.__wrapped__("shapes", "train")
    torch.manual_seed(0)
    monkeypatch.setitem(classifiers.NETWORKS, "compact-16", partial(classifiers.Compact, width=16))
    net = classifiers.build("compact-16", "shapes")
    spec = TrainSpec("gaussian", "shapes", "compact-16", 0.25, epochs=4, lr=0.2, batch=128)
    said = []
    loop.train(
        net, data, gaussian.loss, spec, tmp_path / "s.pt", compiled=False, report=said.append
    )
    losses = [float(line.split("loss ")[1].split()[0]) for line in said]
    assert losses[-1] < 0.5 * losses[0]
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact-16", "sigma": 0.25}
    checkpoint = weights.save(net, tmp_path / "net", card)
    test = datasets.load("shapes", "test")
    right = 0
    for i in range(40):
        certificate = certify.certify(test.image(i), checkpoint, n=400)
        right += certificate.predicted == int(test.y_N[i]) and certificate.radius > 0.1
    assert right >= 20  # four would be chance
