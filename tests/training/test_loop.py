import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from rsviz.checkpoints import catalog
from rsviz.checkpoints.weights import load, save
from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.methods import gaussian
from rsviz.networks import classifiers
from rsviz.training import loop
from rsviz.training.card import seeded_network
from rsviz.training.loop import TrainSpec
from tests.helpers import TINY

SPEC = TrainSpec("gaussian", "shapes", "compact", 0.25, epochs=2, lr=0.1, batch=64)


@pytest.fixture(scope="module")
def data():
    whole = datasets.load("shapes", "test")
    return replace(whole, x_NCHW=whole.x_NCHW[:640], y_N=whole.y_N[:640])


def fresh():
    torch.manual_seed(0)
    return classifiers.build("compact", "shapes")


def train(data, state, spec=SPEC, report=print):
    net = fresh()
    loop.train(net, data, gaussian.loss, spec, state, compiled=False, report=report)
    return net.state_dict()


@pytest.mark.parametrize("warm_up", [0.0, 0.2, 0.4, 1.0])
def test_a_warm_up_of_any_length_trains(data, tmp_path, warm_up):
    spec = replace(SPEC, epochs=1, batch=160, warm_up=warm_up)  # .2 of 5 steps is over at once
    found = train(data, tmp_path / "s.pt", spec)
    assert all(t.isfinite().all() for t in found.values())


def test_the_loss_falls_below_that_of_guessing(data, tmp_path):
    said = []
    train(data, tmp_path / "s.pt", replace(SPEC, epochs=8, sigma=0.1), said.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in said if "loss" in line]
    assert losses[-1] < losses[0]
    assert losses[-1] < 0.75 * math.log(10)


def test_a_killed_run_resumes_to_the_same_weights(data, tmp_path):
    whole = train(data, tmp_path / "whole.pt")

    class KilledError(Exception):
        pass

    def kill(text):
        if text.startswith("epoch 1"):
            raise KilledError

    with pytest.raises(KilledError):
        train(data, tmp_path / "cut.pt", report=kill)
    said = []
    resumed = train(data, tmp_path / "cut.pt", report=said.append)
    assert said[0].startswith("continuing after epoch 1")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_a_state_of_a_training_that_began_with_other_weights_is_refused(data, tmp_path):
    """As where the checkpoint it starts from was trained anew under its name."""
    spec = replace(SPEC, epochs=1)
    train(data, tmp_path / "s.pt", spec)
    other = fresh()
    torch.nn.init.zeros_(other[1].fc.bias)
    with pytest.raises(UserError, match="began with other weights; delete it"):
        loop.train(other, data, gaussian.loss, spec, tmp_path / "s.pt", compiled=False)
    state = torch.load(tmp_path / "s.pt", weights_only=True)
    del state["begun"]  # as states were before
    torch.save(state, tmp_path / "s.pt")
    loop.train(other, data, gaussian.loss, spec, tmp_path / "s.pt", compiled=False)


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_jumps_changes_no_weights_and_tells_no_time_below_none(
    data, tmp_path, monkeypatch, jump
):
    spec = replace(SPEC, network=TINY, epochs=3, batch=320)

    def weights(name, said):
        torch.manual_seed(0)
        net = classifiers.build(TINY, "shapes")
        loop.train(
            net, data, gaussian.loss, spec, tmp_path / name, compiled=False, report=said.append
        )
        return net.state_dict()

    whole, said = weights("whole.pt", []), []
    looks = itertools.count(1)
    jumping = SimpleNamespace(perf_counter=lambda: next(looks) * jump)
    monkeypatch.setattr(clock, "time", jumping)
    found = weights("jumped.pt", said)
    assert all(torch.equal(whole[key], found[key]) for key in whole)
    assert len(said) == 3 and not [text for text in said if "-" in text or "nan" in text]
    assert torch.load(tmp_path / "jumped.pt", weights_only=True)["seconds"] >= 0


def test_a_state_of_other_settings_is_refused(data, tmp_path):
    train(data, tmp_path / "s.pt", replace(SPEC, epochs=1))
    with pytest.raises(UserError, match="other settings"):
        train(data, tmp_path / "s.pt", replace(SPEC, epochs=1, lr=0.2))


def test_augmentation_flips_half_and_shifts_by_at_most_four():
    x = torch.rand(1, 3, 32, 32).expand(200, 3, 32, 32)
    y = loop.augment(x, torch.Generator().manual_seed(0))
    assert y.shape == x.shape
    kinds = torch.unique(y.flatten(1), dim=0)
    assert len(kinds) == 2  # one offset for the batch, flipped or not
    inner = y[:, :, 4:-4, 4:-4].flatten(2)
    padded = torch.nn.functional.pad(x[:1], (4, 4, 4, 4))
    windows = [
        p[..., i + 4 : i + 28, j + 4 : j + 28].flatten(2)
        for p in (padded, torch.nn.functional.pad(x[:1].flip(-1), (4, 4, 4, 4)))
        for i in range(9)
        for j in range(9)
    ]
    assert all(any(torch.equal(row[None], w) for w in windows) for row in inner[:4])
    flipped = sum(torch.equal(row, y[0]) for row in y)
    assert 60 < flipped < 140


def test_uniform_sigma_is_drawn_per_image():
    generator = torch.Generator().manual_seed(0)
    sigma = loop.draw_sigma("uniform", 2000, generator)
    assert sigma.shape == (2000, 1, 1, 1)
    assert 0 <= sigma.min() < 0.01 < 0.99 < sigma.max() < 1
    assert torch.equal(loop.draw_sigma(0.5, 3, generator), torch.full((3, 1, 1, 1), 0.5))


def test_the_gaussian_loss_adds_noise_of_each_images_own_sigma():
    seen = []

    class Probe(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return torch.zeros(len(x), 10)

    x = torch.zeros(2, 3, 64, 64)
    sigma = torch.tensor([0.25, 1.0]).view(2, 1, 1, 1)
    value = gaussian.loss(
        Probe(), x, torch.tensor([1, 2]), sigma, torch.Generator().manual_seed(0), 0
    )
    assert value.item() == pytest.approx(math.log(10))
    assert seen[0][0].std().item() == pytest.approx(0.25, rel=0.03)
    assert seen[0][1].std().item() == pytest.approx(1.0, rel=0.03)


def test_bad_settings_are_refused_in_words():
    for change in ({"epochs": 0}, {"sigma": -1.0}, {"sigma": "loud"}):
        with pytest.raises(UserError):
            replace(SPEC, **change)


def test_a_state_from_before_there_were_settings_still_resumes(data, tmp_path):
    train(data, tmp_path / "s.pt")
    state = torch.load(tmp_path / "s.pt", weights_only=True)
    del state["spec"]["settings"]
    torch.save(state, tmp_path / "s.pt")
    said = []
    train(data, tmp_path / "s.pt", report=said.append)
    assert said == ["continuing after epoch 2 of 2"]
    with pytest.raises(UserError, match="other settings"):
        train(data, tmp_path / "s.pt", replace(SPEC, settings=(("draws", 2.0),)))


def test_settings_survive_the_state_file(data, tmp_path):
    spec = replace(SPEC, settings=(("draws", 2.0), ("eps", 0.5)))
    train(data, tmp_path / "s.pt", spec)
    said = []
    train(data, tmp_path / "s.pt", spec, said.append)
    assert said == ["continuing after epoch 2 of 2"]


def test_bfloat16_training_learns_as_float32_does_and_keeps_float32_weights(data, tmp_path):
    losses = {}
    for dtype in ("float32", "bfloat16"):
        said = []
        spec = replace(SPEC, epochs=4, sigma=0.1, dtype=dtype)
        weights = train(data, tmp_path / f"{dtype}.pt", spec, said.append)
        assert {w.dtype for w in weights.values() if w.is_floating_point()} == {torch.float32}
        losses[dtype] = [float(line.split("loss ")[1].split()[0]) for line in said]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
    assert losses["bfloat16"] != losses["float32"]


def test_of_several_networks_each_is_trained_in_the_lower_dtype(data, tmp_path):
    seen = []

    def loss(nets, x_NCHW, y_N, sigma_N111, generator, step):
        logits_NK = nets["a"](x_NCHW)
        seen.append((logits_NK.dtype, torch.equal(logits_NK, logits_NK.bfloat16().float())))
        return torch.nn.functional.cross_entropy(logits_NK, y_N)

    nets = torch.nn.ModuleDict({"a": fresh()})
    spec = replace(SPEC, epochs=1, dtype="bfloat16")
    loop.train(nets, data, loss, spec, tmp_path / "s.pt", compiled=False, report=lambda _: None)
    assert set(seen) == {(torch.float32, True)}


def test_an_unknown_dtype_is_refused():
    with pytest.raises(UserError, match="dtype must be one of"):
        replace(SPEC, dtype="int8")


def test_training_starts_from_a_narrower_checkpoint_widened(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.25}
    save(fresh(), tmp_path / "narrow", card)
    narrow = load(catalog.find("narrow"), ready=False)
    x = torch.rand(4, 3, 32, 32)
    for network in ("compact", "compact-48"):
        net = seeded_network(replace(SPEC, start="narrow", network=network)).eval()
        assert torch.allclose(net(x), narrow(x), atol=1e-4)
    assert net[1].fc.in_features == 192
    with pytest.raises(UserError, match="narrower"):
        seeded_network(replace(SPEC, start="narrow", network="resnet20"))
