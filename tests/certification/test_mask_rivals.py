import threading
from dataclasses import replace

import msgspec
import pytest
import torch

from rsviz.certification import certify, mask_rivals
from rsviz.checkpoints import catalog, weights
from tests.helpers import make_rivals


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_rivals(tmp_path_factory.mktemp("rivals"))


@pytest.fixture
def entrants(root):
    x_CHW = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0))
    found = mask_rivals.partners(catalog.find("shapes-k48-adaptive", root))
    return x_CHW, [
        (weights.load_nets(c), certify.make_spec(c, x_CHW, n=300, n0=100)) for c in found.values()
    ]


def test_partners_are_of_the_same_canvases_and_noise(root):
    own = catalog.find("shapes-k48-adaptive", root)
    assert list(mask_rivals.partners(own)) == ["adaptive", "static", "plain-linf"]
    other = replace(own, card=msgspec.structs.replace(own.card, sigma=0.5))
    assert list(mask_rivals.partners(other)) == ["adaptive"]
    assert mask_rivals.partners(other)["adaptive"] is other


def test_a_race_gives_each_method_the_certificate_it_has_alone(entrants):
    x_CHW, runs = entrants
    readings = mask_rivals.by_method(mask_rivals.race(x_CHW, runs, "cpu", threading.Event()))
    assert list(readings) == ["adaptive", "static", "plain-linf"]
    for (nets, spec), told in zip(runs, readings.values(), strict=True):
        *_, alone = certify.watch(x_CHW, nets, spec)
        assert told[-1].counts == alone.certificate.counts
        assert told[-1].radius == alone.certificate.radius > 0
        assert told[-1].norm == "Linf"


def test_methods_take_turns(entrants):
    x_CHW, runs = entrants
    order = [p.certificate.method for p in mask_rivals.race(x_CHW, runs, "cpu", threading.Event())]
    assert order[:6] == ["adaptive", "static", "plain-linf"] * 2


def test_cancelled_each_ends_as_it_stands(entrants):
    x_CHW, runs = entrants
    cancel, last = threading.Event(), {}
    for i, progress in enumerate(mask_rivals.race(x_CHW, runs, "cpu", cancel)):
        last[progress.certificate.method] = progress.certificate
        if i == 5:
            cancel.set()
    assert {c.ended for c in last.values()} == {"stopped"}
    assert all(0 < sum(c.counts) < 300 for c in last.values())
