from dataclasses import replace

import pytest
import torch
from torch import nn

from rsviz.certification import certify
from rsviz.checkpoints import catalog, weights
from rsviz.core import flags
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound
from rsviz.data import datasets
from rsviz.data.images import image_id
from rsviz.evaluation import evaluate, examples
from rsviz.networks import classifiers


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": None}
    return weights.save(classifiers.build("compact", "shapes"), tmp_path / "net", card)


def test_the_certificate_carries_what_repeats_it(checkpoint):
    x_CHW = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    certificate = certify.certify(x_CHW, checkpoint, sigma=0.3, n=200, seed=5, bound=Bound.SPLIT)
    assert certificate.image_sha256 == image_id(x_CHW)
    assert certificate.checkpoint_sha256 == checkpoint.sha256
    assert (certificate.sigma, certificate.n, certificate.seed) == (0.3, 200, 5)
    assert "float32" in certificate.path
    again = certify.certify(x_CHW, checkpoint, sigma=0.3, n=200, seed=5, bound=Bound.SPLIT)
    assert again.counts == certificate.counts
    assert sum(certificate.alpha_split.values()) == pytest.approx(certificate.alpha)


def test_an_image_of_another_size_is_refused_in_words(checkpoint):
    with pytest.raises(UserError, match="3x32x32"):
        certify.certify(torch.rand(3, 16, 16), checkpoint)


def test_a_universal_network_asks_for_its_noise_level(checkpoint):
    with pytest.raises(UserError, match="many noise levels, so say which: give sigma"):
        certify.make_spec(checkpoint, torch.rand(3, 32, 32))
    with pytest.raises(UserError, match="give sigma"):
        evaluate.spec_for(checkpoint, None, n0=10, n=10, alpha=0.1, seed=0, first=1)


def test_a_method_that_chooses_the_noise_has_no_sigma():
    checkpoint = catalog.find("shapes-dual")
    x_CHW = torch.rand(3, 32, 32)
    assert certify.make_spec(checkpoint, x_CHW).sigma is None
    with pytest.raises(UserError, match="Dual RS chooses the noise of each image"):
        certify.make_spec(checkpoint, x_CHW, 0.5)
    spec = evaluate.spec_for(checkpoint, None, n0=10, n=10, alpha=0.1, seed=0, first=1)
    assert spec.sigma is None and spec.run(datasets.load("shapes", "test"), 0).sigma is None
    link = certify.make_spec(checkpoint, x_CHW, image="shapes/test/3").to_query()
    assert "sigma" not in link and link["checkpoint"] == "shapes-dual"


@pytest.mark.parametrize(
    ("sigma", "far"), [(0.5, False), (0.75, False), (0.8, True), (0.33, True), (0.34, False)]
)
def test_noise_far_from_what_was_trained_at_is_flagged(tmp_path, sigma, far):
    net = classifiers.build("compact", "shapes")
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.5}
    checkpoint = weights.save(net, tmp_path / "net", card)
    x_CHW = torch.rand(3, 32, 32)
    spec = certify.make_spec(checkpoint, x_CHW, sigma, flags=(flags.RESAMPLED,))
    assert spec.flags == ((flags.RESAMPLED, flags.FAR_NOISE) if far else (flags.RESAMPLED,))
    c = certify.certify(x_CHW, checkpoint, sigma=sigma, n=100)
    assert (flags.FAR_NOISE in c.flags) == far


def test_plain_smoothing_without_a_noise_level_is_refused(checkpoint):
    x_CHW = torch.rand(3, 32, 32)
    spec = certify.make_spec(checkpoint, x_CHW, 0.5)
    with pytest.raises(UserError, match="states no noise level"):
        list(certify.watch(x_CHW, {"classifier": nn.Linear(1, 2)}, replace(spec, sigma=None)))


def test_stored_examples_are_what_a_run_gives():
    """Recomputes one stored certificate of each shipped Shapes network with examples."""
    checked = 0
    for c in catalog.list_checkpoints():
        if c.card.dataset != "shapes":
            continue
        for example in examples.load(c)[:1]:
            stored = example.certificate
            x_CHW, _ = datasets.find_image(stored.image)
            assert image_id(x_CHW) == stored.image_sha256
            fresh = certify.certify(
                x_CHW,
                c,
                sigma=stored.sigma,
                n0=stored.n0,
                n=stored.n,
                seed=stored.seed,
                bound=stored.bound,
                alpha=stored.alpha,
            )
            if fresh.path == stored.path:
                assert fresh.counts == stored.counts
            # Across kinds of arithmetic rounding may flip a few votes.
            moved = sum(abs(a - b) for a, b in zip(fresh.counts, stored.counts, strict=True))
            assert moved <= 0.002 * stored.n
            checked += 1
    assert checked


def test_examples_of_other_weights_are_not_shown(checkpoint):
    (checkpoint.folder / examples.FILE).write_text("[{}]")
    assert examples.load(checkpoint) == []
