from dataclasses import replace

import pytest
import torch

from rsviz.certification import certify, verify
from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.data import canvases, datasets, shapes
from rsviz.evaluation import evaluate, measure
from rsviz.methods import adaptive
from rsviz.methods.registry import METHODS
from rsviz.networks.masks import StaticMask
from rsviz.training import card, loop, train
from rsviz.training.adaptive import Settings, fresh_nets, make
from tests.helpers import constant_network


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Thirty-two canvases in place of thousands, and folders of the test's own."""
    drawn = [shapes.draw(1, i) for i in range(32)]
    x_NCHW = torch.stack([(255 * torch.from_numpy(d.x_HWC)).round().byte() for d in drawn])
    placed = canvases.place_all(x_NCHW.permute(0, 3, 1, 2).numpy(), 48, 3)
    labels = torch.tensor([d.label for d in drawn])
    data = datasets.Dataset("shapes-k48", "train", shapes.CLASSES, torch.from_numpy(placed), labels)
    monkeypatch.setattr(datasets, "load", lambda name, split: data)
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "made"))
    return tmp_path / "made", data


def spec(method, **changes):
    first = loop.TrainSpec(method, "shapes-k48", "compact", 1.0, 1, lr=0.05, batch=4)
    return replace(first, **changes)


@pytest.mark.parametrize("method", ["adaptive", "static", "plain-linf"])
def test_each_method_is_made_and_can_be_measured(few, tmp_path, method):
    root, _ = few
    settings = (("channels", 4.0),)
    made = train.train_checkpoint(
        spec(method, settings=settings), root / method, "cpu", "the command", report=lambda _: None
    )
    assert made.verified
    assert made.card.method == method
    assert made.card.command == "the command"
    assert made.card.train_images == 32
    nets = weights.load_nets(made)
    assert set(nets) == ({"classifier"} if method == "plain-linf" else {"classifier", "mask"})
    how = evaluate.spec_for(made, None, first=2, n0=10, n=100, alpha=0.001, seed=0)
    log = root / method / "certified.csv"
    curve = measure.measure(made, how, log, "cpu", "measured", lambda _: None)
    assert (curve.norm, curve.images) == ("Linf", 2)
    assert catalog.find(method).card.measured[0].norm == "Linf"


def test_three_looks_are_trained_measured_certified_verified_and_attacked(few):
    root, data = few
    settings = (("channels", 4.0), ("steps", 3.0))
    made = train.train_checkpoint(
        spec("adaptive", settings=settings, lr=0.5),
        *(root / "three", "cpu", ""),
        report=lambda _: None,
    )
    assert list(made.card.parts) == ["classifier", "mask", "mask-2"]
    assert made.card.parts["mask-2"] == made.card.parts["mask"]
    assert made.card.settings["steps"] == 3
    nets = weights.load_nets(made)
    first, second = (nets[name].state_dict() for name in ("mask", "mask-2"))
    begun = fresh_nets(spec("adaptive"), Settings(channels=4, steps=3))["mask-2"].state_dict()
    last = "1.last.weight"
    assert not torch.equal(first[last], second[last])  # two networks,
    assert not torch.equal(second[last], begun[last])  # and the second one learned
    how = evaluate.spec_for(made, None, first=2, n0=10, n=100, alpha=0.001, seed=0)
    curve = measure.measure(made, how, root / "three" / "a.csv", "cpu", "m", lambda _: None)
    assert (curve.norm, curve.images) == ("Linf", 2)
    x_CHW = data.image(0)
    c = certify.certify(x_CHW, made, n=200, n0=20)
    assert c.detail["d"] == 3 * 48 * 48
    checks = verify.verify(c, x_CHW, made, fresh_seed=7, fresh=200)
    assert all(check.holds for check in checks), checks
    aim = METHODS["adaptive"].aim(nets, certify.make_spec(made, x_CHW), c)
    noise = torch.randn(4, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    leaf = x_CHW[None].clone().requires_grad_(True)
    aim.logits_of(leaf, noise).sum().backward()
    assert leaf.grad.abs().sum() > 0


def test_what_is_saved_is_what_was_trained(few):
    root, _ = few
    made = make(spec("adaptive"), root / "a", "cpu", "", report=lambda _: None)
    nets = weights.load_nets(made, ready=False)
    state = torch.load(card.state_folder() / "a.pt", weights_only=True)["net"]
    for name, net in nets.items():
        for key, value in net.state_dict().items():
            trained = state[f"{name}.{key}"]
            assert torch.allclose(value.float(), trained.float(), rtol=1e-3, atol=1e-4), key


def test_a_killed_training_goes_on_to_the_same_networks(few, monkeypatch):
    root, _ = few

    def stop(epochs_left=[1]):  # noqa: B006 (counts over calls)
        if not epochs_left:
            raise KeyboardInterrupt
        epochs_left.pop()

    whole = make(spec("adaptive", epochs=2), root / "whole", "cpu", "", report=lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        make(spec("adaptive", epochs=2), root / "cut", "cpu", "", report=lambda _: stop())
    cut = make(spec("adaptive", epochs=2), root / "cut", "cpu", "", report=lambda _: None)
    assert whole.sha256 == cut.sha256


def test_all_three_start_from_the_same_classifier(few):
    root, _ = few
    constant_network(root / "start", network="compact")
    begun = [
        fresh_nets(spec(m, start="start"), Settings()) for m in ("adaptive", "static", "plain-linf")
    ]
    first = begun[0]["classifier"].state_dict()
    for nets in begun[1:]:
        for key, value in nets["classifier"].state_dict().items():
            assert torch.equal(value, first[key])
    given = weights.load(catalog.find("start"), ready=False).state_dict()
    assert torch.equal(first["1.fc.bias"], given["1.fc.bias"])
    assert isinstance(begun[1]["mask"], StaticMask)
    assert begun[1]["mask"].w_1HW.shape == (1, 48, 48)


def test_a_start_of_other_classes_gives_all_but_the_last_layer(few):
    root, _ = few
    constant_network(root / "start", network="compact")
    given = weights.load(catalog.find("start"), ready=False).state_dict()
    attribute = spec("adaptive", dataset="shapes-attribute-k64")
    fresh, begun = (
        fresh_nets(replace(attribute, start=start), Settings())["classifier"].state_dict()
        for start in ("", "start")
    )
    assert begun["1.fc.bias"].shape == (2,)
    for key, value in begun.items():
        assert torch.equal(value, (fresh if key.startswith("1.fc.") else given)[key]), key
    assert not torch.equal(begun["1.fc.weight"], given["1.fc.weight"][:2])


def test_settings_reach_the_networks_and_the_images(few):
    root, data = few
    nets = fresh_nets(spec("adaptive"), Settings(channels=4, half=0, dropout=0.2))
    drops = {m.p for m in nets.modules() if isinstance(m, torch.nn.Dropout2d)}
    assert drops == {0.2}
    assert sum(p.numel() for p in nets["mask"].parameters()) == 31_577
    settings = (("channels", 4.0), ("images", 24.0))
    made = make(spec("adaptive", settings=settings), root / "b", "cpu", "", report=lambda _: None)
    assert made.card.train_images == 24
    assert made.card.parts["mask"] == {"network": "mask-unet", "channels": 4, "half": True}
    assert len(data) == 32


def test_a_learned_split_moves_is_recorded_and_is_what_a_certificate_spends(few):
    root, data = few
    settings = (("channels", 4.0), ("learn_split", 1.0))
    made = make(
        spec("adaptive", settings=settings, lr=0.5, epochs=2),
        *(root / "s", "cpu", ""),
        report=lambda _: None,
    )
    f = made.card.run["f"]
    state = torch.load(card.state_folder() / "s.pt", weights_only=True)["net"]
    assert f == pytest.approx(float(torch.sigmoid(state["split.logit"])), abs=5e-5)
    assert 0 < f < 1
    assert f != 0.5  # where it began: a gradient reached it
    nets = weights.load_nets(made)
    assert set(nets) == {"classifier", "mask"}  # frozen: a number on the card, no network
    x_CHW = data.image(0)
    run_spec = certify.make_spec(made, x_CHW, n=100, n0=10)
    assert adaptive.voter_of(nets, run_spec).shares_K == (f, 1 - f)
    first, second = adaptive.first_votes(x_CHW, nets, run_spec, 4).answers
    assert first.s_N111.flatten().tolist() == pytest.approx([made.card.sigma / f**0.5] * 4)
    level = second.w_N1HW.square().mean((1, 2, 3)).sqrt() * (1 / (1 - f)) ** 0.5
    assert torch.allclose(second.s_N111.flatten(), level, rtol=1e-5)
    assert dict(certify.certify(x_CHW, made, n=100, n0=10).settings) == {"f": f}
    # Another split can still be asked for.
    assert dict(certify.make_spec(made, x_CHW, settings=(("f", 0.5),)).settings) == {"f": 0.5}


def test_a_learned_split_starts_where_it_is_told(few):
    nets = fresh_nets(spec("adaptive"), Settings(f=0.3, learn_split=1))
    assert nets["split"]().item() == pytest.approx(0.3)
    for method, learn in (("adaptive", 0), ("static", 1)):
        assert "split" not in fresh_nets(spec(method), Settings(learn_split=learn))


def test_a_chosen_split_is_what_runs_use(few):
    root, data = few
    settings = (("channels", 4.0), ("f", 0.3))
    made = make(spec("adaptive", settings=settings), root / "f", "cpu", "", report=lambda _: None)
    assert dict(certify.make_spec(made, data.image(0)).settings) == {"f": 0.3}
    how = evaluate.spec_for(made, None, first=2, n0=10, n=100, alpha=0.001, seed=0)
    assert dict(how.settings) == {"f": 0.3}


@pytest.mark.parametrize(
    "bad", [("f", 1.0), ("channels", 0.5), ("dropout", 1.0), ("speed", 1.0), ("steps", 1.0)]
)
def test_bad_settings_are_refused_in_words(few, bad):
    with pytest.raises(UserError, match=bad[0]):
        make(spec("adaptive", settings=(bad,)), few[0] / "c", "cpu", "", report=lambda _: None)
