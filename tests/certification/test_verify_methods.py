"""Certificates of several networks, or of several stages, are verified like those of one."""

import shutil
from dataclasses import replace

import pytest
import torch
from torch import nn

from rsviz.certification import certify, verify
from rsviz.checkpoints import catalog
from rsviz.cli.main import main
from rsviz.data import datasets
from rsviz.networks import ensembles
from tests.certification.test_verify import certificate_of, recheck
from tests.helpers import make_selectors

SHIPPED = catalog.root()


class HalfSelector(nn.Module):
    """Names a high level on one side of a half-space, a low one on the other."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x_NCHW, lam_N):
        logits_N2 = self.net(x_NCHW)
        return 0.25 + 0.25 * (logits_N2[:, 1] > logits_N2[:, 0])


def nets_of(method, net):
    """The networks of a method, every vote of which is for a side of the half-space."""
    return {
        "dual": {"estimator": net, "classifier": net},
        "variational": {"selector": HalfSelector(net), "classifier": net},
        "multiscale": {"classifier": net},
        "ensemble": {"classifier": ensembles.WeightedSum([net, net], [0.25, 0.75])},
    }[method]


SETTINGS = {
    "dual": (("levels", "0.25,0.5"), ("sigma_e", 0.5)),
    "variational": (("draws", 1000), ("levels", "0.25,0.5"), ("q", 0.5)),
    "multiscale": (("levels", "0.25,0.5"), ("thresholds", "0.5,0.9")),
    "ensemble": (),
}
FRESH = {  # the stages on which a bound rests
    "dual": {"bound", "estimate-bound"},
    "variational": {"selector", "bound-0.25", "bound-0.5"},
    "multiscale": {"bound-0.25", "bound-0.5"},
    "ensemble": {"bound"},
}


@pytest.fixture(params=SETTINGS)
def case(request, half_space):
    net, x_CHW, _ = half_space
    nets = nets_of(request.param, net)
    return certificate_of(nets, x_CHW, request.param, SETTINGS[request.param]), x_CHW, nets


def test_dual_by_the_sweep_verifies_stage_by_stage(half_space):
    net, x_CHW, _ = half_space
    nets = nets_of("dual", net)
    settings = (("levels", "0.25,0.5"), ("quantile", 0.6), ("rule", "sweep"), ("sigma_e", 0.5))
    c = certificate_of(nets, x_CHW, "dual", settings)
    assert c.radius > 0
    found = recheck(type(c).from_json(c.to_json()), x_CHW, nets)
    assert [check.says for check in found.values() if not check.holds] == []
    fresh = {name for name in found if name.startswith("fresh")}
    assert "fresh seed, estimate-bound" in fresh
    assert fresh == {f"fresh seed, {stage}" for stage in c.stages if "bound" in stage}
    for change in ({"radius": c.radius * 1.01}, {"seed": 7}):
        assert not verify.holds(recheck(replace(c, **change), x_CHW, nets).values())
    paper = (("levels", "0.25,0.5"), ("sigma_e", 0.5))
    assert not recheck(replace(c, settings=dict(paper)), x_CHW, nets)["reading"].holds


def test_an_honest_certificate_holds_stage_by_stage(case):
    c, x_CHW, nets = case
    assert c.radius > 0
    found = recheck(type(c).from_json(c.to_json()), x_CHW, nets)
    assert [check.says for check in found.values() if not check.holds] == []
    assert {f"fresh seed, {stage}" for stage in FRESH[c.method]} == {
        name for name in found if name.startswith("fresh")
    }
    for stage in c.stages:
        assert "identical" in found[f"same seed, {stage}"].says


@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"radius": c.radius * 1.01},
        lambda c: {"p_a_lower": c.p_a_lower + 1e-6},
        lambda c: {"sigma": 0.75},
        lambda c: {"alpha": 0.01},
        lambda c: {"detail": {**c.detail, "weights": [1.0, 0.0], "why": "It is so."}},
        lambda c: {"counts": (c.counts[0] - 1, c.counts[1] + 1)},
        lambda c: {"stages": {**c.stages, "bound-9": [0, 10]}},
        lambda c: {"settings": {"depth": 3}},
    ],
    ids="radius p_a_lower sigma alpha detail counts stages settings".split(),
)
def test_what_does_not_follow_from_the_counts_is_refused(case, change):
    c, x_CHW, nets = case
    altered = replace(c, **change(c))
    if c.method == "ensemble" and altered.settings:
        card = catalog.Card(method=c.method, dataset="shapes", network="compact")
        checkpoint = catalog.Checkpoint("net", None, card, c.checkpoint_sha256, None)
        check = verify.verify(altered, x_CHW, checkpoint, 1)[2]
    else:
        check = recheck(altered, x_CHW, nets)["reading"]
    assert not check.holds


def test_another_seed_than_stated_is_caught_in_every_stage(case):
    c, x_CHW, nets = case
    found = recheck(replace(c, seed=7), x_CHW, nets)
    for stage in FRESH[c.method]:
        assert not found[f"same seed, {stage}"].holds, stage


def test_votes_of_another_network_are_caught(case, half_space):
    c, x_CHW, _ = case
    other = nets_of(c.method, half_space[0])
    for net in other.values():
        for layer in net.modules():
            if isinstance(layer, nn.Linear):
                with torch.no_grad():
                    layer.bias[1] += 1.0
    assert not verify.holds(recheck(c, x_CHW, other).values())


HUNTED = {  # how each method may be run for a seed to be lucky, and where that shows
    "dual": ((("levels", "0.05,0.1"), ("sigma_e", 3.0)), "estimate-bound"),
    "variational": ((("draws", 20), ("levels", "0.25,0.5"), ("q", 3.0)), "selector"),
    "multiscale": ((("levels", "2,3"),), "bound-3"),
}


@pytest.mark.parametrize("method", HUNTED)
def test_a_seed_hunted_for_the_level_is_caught_by_a_fresh_one(half_space, method):
    net, x_CHW, _ = half_space
    settings, stage = HUNTED[method]
    nets = nets_of(method, net)
    few = {"n0": 1, "n": 20, "alpha": 0.4}

    def luck(c):
        """The most votes for the upper level, whose probability is .54."""
        return c.stages.get(stage, (0, 0))[1] if c.predicted == 1 else 0

    tried = [certificate_of(nets, x_CHW, method, settings, seed=s, **few) for s in range(2, 60)]
    best = max((c for c in tried if c.radius > 0), key=luck)
    found = recheck(best, x_CHW, nets)
    assert found["reading"].holds and found[f"same seed, {stage}"].holds
    assert not found[f"fresh seed, {stage}"].holds
    assert "hunted" in found[f"fresh seed, {stage}"].says


def say(home, c, x_name, *words):
    (home / "c.json").write_text(c.to_json())
    return main(["verify", str(home / "c.json"), x_name, "--fresh-n", "200", *words])


SHIPS = {
    "cifar10-ensemble-advmacer-2-0.5": "shapes/test/3",  # any picture of its size will do
    "shapes-k48-adaptive-1.0": "shapes-k48/test/0",
    "shapes-dual": "shapes/test/3",
    "shapes-variational": "shapes/test/3",
    "shapes-multiscale": "shapes/test/3",
}


@pytest.mark.parametrize("name", SHIPS)
def test_a_shipped_checkpoint_verifies_and_its_altered_weights_do_not(
    name, tmp_path, monkeypatch, capsys
):
    x_CHW, _ = datasets.find_image(SHIPS[name])
    checkpoint = catalog.find(name)
    c = certify.certify(x_CHW, checkpoint, n0=20, n=100, image=SHIPS[name])
    checks = verify.verify(c, x_CHW, checkpoint, 1, fresh=200)
    assert verify.holds(checks), [check.says for check in checks]
    assert say(tmp_path, c, SHIPS[name]) == 0
    assert say(tmp_path, replace(c, radius=c.radius + 0.01), SHIPS[name]) == 1
    others = [m.name for m in checkpoint.card.members]
    parts = checkpoint.card.parts.values()
    others += [part["checkpoint"] for part in parts if "checkpoint" in part]
    for folder in (name, *others):
        shutil.copytree(SHIPPED / folder, tmp_path / "there" / folder)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "there"))
    assert say(tmp_path, c, SHIPS[name]) == 0
    folder = others[0] if others else name  # what another checkpoint lends counts as well
    weights = tmp_path / "there" / folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    capsys.readouterr()
    assert say(tmp_path, c, SHIPS[name]) == 2
    assert "sha256 differs" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["dual", "variational"])
def test_a_level_chosen_by_networks_of_a_folder_verifies(method, tmp_path, monkeypatch, capsys):
    make_selectors(tmp_path / "there", [method])
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "there"))
    checkpoint = catalog.find(f"shapes-{method}")
    x_CHW, _ = datasets.find_image("shapes/test/3")
    c = certify.certify(x_CHW, checkpoint, n0=20, n=100, image="shapes/test/3")
    assert c.radius > 0
    assert say(tmp_path, c, "shapes/test/3") == 0
    assert say(tmp_path, replace(c, radius=c.radius + 0.01), "shapes/test/3") == 1
    assert "radius is stated" in capsys.readouterr().out
    make_selectors(tmp_path / "there", [method])  # the same again, hence the same hash
    assert say(tmp_path, c, "shapes/test/3") == 0
    assert say(tmp_path, replace(c, checkpoint_sha256="0" * 64), "shapes/test/3") == 1
