"""Attacks on certified images: inside the radius they fail, well outside they succeed."""

import json
import threading
from dataclasses import replace

import pytest
import torch

from rsviz.certification import attack, certify, engine_choice
from rsviz.certification.attack import AttackSpec
from rsviz.checkpoints import catalog, weights
from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.core.spec import Norm, RunSpec
from rsviz.data import datasets, images
from rsviz.evaluation import attack_logs
from rsviz.networks import masks
from tests.conftest import HalfSpace
from tests.helpers import ALWAYS, constant_network, make_selectors

SIGMA = 0.3


def certified(nets, x_CHW, method="gaussian", settings=()):
    spec = RunSpec(images.image_id(x_CHW), "net", SIGMA, method, n0=50, n=2_000, settings=settings)
    *_, last = certify.watch(x_CHW, nets, spec)
    return spec, last.certificate


@pytest.mark.parametrize("norm", list(Norm))
def test_a_half_space_breaks_where_geometry_says(half_space, norm):
    net, x_CHW, distance = half_space
    x_CHW = 0.25 + 0.5 * x_CHW  # away from black and white, so that clamping does not bind
    nets = {"classifier": net}
    net.fc.bias[1] = -float(
        (net.fc.weight[1] @ x_CHW.flatten()) - distance * net.fc.weight[1].norm()
    )
    spec, c = certified(nets, x_CHW)
    assert 0 < c.radius < distance
    d = x_CHW.numel()
    # The least Linf length that crosses the plane is distance ||w||_2 / ||w||_1.
    w = net.fc.weight[1]
    least = distance if norm is Norm.L2 else float(distance * w.norm() / w.abs().sum())
    radius = attack.certified_radius(c, norm, d)
    assert radius < least
    far = 1.5 * least / radius
    how = AttackSpec((0.99, far), norm, draws=4, n=500)
    inside, outside = attack.attack(x_CHW, nets, spec, c, how)
    assert c.predicted == 1
    assert inside.predicted in (1, None)  # close to the plane PREDICT may abstain
    assert (inside.verdict != "broken", outside.verdict) == (True, "broken")
    assert outside.predicted == 0
    assert sum(outside.counts_K) == 500
    for a in (inside, outside):
        assert a.length <= a.eps * (1 + 1e-5)
        assert a.length == pytest.approx(a.eps, rel=1e-3)


def test_the_judge_draws_noise_of_its_own(half_space):
    net, x_CHW, _ = half_space
    nets = {"classifier": net}
    spec, c = certified(nets, x_CHW)
    how = AttackSpec((1.0,), n=2_000)
    _, counts = attack.judge(x_CHW, nets, spec, how)
    assert sum(counts) == sum(c.counts)
    assert counts != c.counts


def test_an_image_at_the_boundary_is_undecided(half_space):
    net, x_CHW, distance = half_space
    w = net.fc.weight[1]
    at_it = x_CHW - (distance * w / w.norm()).view_as(x_CHW)
    spec = RunSpec("", "net", SIGMA)
    predicted, _ = attack.judge(at_it, {"classifier": net}, spec, AttackSpec((1.0,), n=500))
    assert predicted is None


def test_the_selector_can_be_attacked_and_the_whole_method_is_judged(half_space):
    net, x_CHW, distance = half_space
    always = HalfSpace(torch.zeros_like(x_CHW), -9.0)  # class 1, whatever the level
    nets = {"estimator": net, "classifier": always.eval().requires_grad_(False)}
    settings = (("levels", "0.25,0.5"), ("sigma_e", SIGMA))
    spec, c = certified(nets, x_CHW, "dual", settings)
    assert not c.abstained
    how = AttackSpec((2 * distance / c.radius,), draws=4, n=400, target="selector")
    (a,) = attack.attack(x_CHW, nets, spec, c, how)
    assert net(a.x_CHW[None]).argmax(1) == 0  # the level is another one
    assert a.verdict == "holds"  # but both levels name the same class
    with pytest.raises(UserError, match="no selector"):
        list(attack.attack(x_CHW, nets, RunSpec("", "n", SIGMA), c, how))


def test_the_selector_of_variational_rs_can_be_attacked():
    checkpoint, data = catalog.find("shapes-variational"), datasets.load("shapes", "test")
    nets, x_CHW = weights.load_nets(checkpoint), data.image(0)
    spec = certify.make_spec(checkpoint, x_CHW, n=300, settings=(("draws", 200),))
    *_, last = certify.watch(x_CHW, nets, spec)
    c = last.certificate
    how = AttackSpec((8.0,), steps=8, draws=4, n=300, target="selector")
    (a,) = attack.attack(x_CHW, nets, spec, c, how)
    lam_1 = torch.tensor([0.2])
    before, after = (float(nets["selector"](x[None], lam_1)) for x in (x_CHW, a.x_CHW))
    assert abs(after - before) > 0.1  # the level it was led away from
    assert a.length <= a.eps * (1 + 1e-5)


def test_where_no_level_is_certain_no_class_is_counted(half_space):
    net, x_CHW, distance = half_space
    w = net.fc.weight[1]
    at_it = x_CHW - (distance * w / w.norm()).view_as(x_CHW)  # both levels get half the votes
    nets = {"estimator": net, "classifier": net}
    settings = (("levels", "0.25,0.5"), ("sigma_e", SIGMA))
    spec = RunSpec("", "net", SIGMA, "dual", settings=settings)
    how = AttackSpec((1.0,), n=500)
    assert attack.judge(at_it, nets, spec, how) == (None, ())
    answer, counts_K = attack.judge(x_CHW, nets, spec, how)
    assert (answer, sum(counts_K)) == (1, 500)


def test_an_attack_on_a_static_mask_moves_what_the_mask_shows(half_space):
    net, x_CHW, distance = half_space
    x_CHW = 0.25 + 0.5 * x_CHW
    mask = masks.StaticMask(x_CHW.shape[-1]).eval()
    with torch.no_grad():
        mask.w_1HW.fill_(1.0)
        mask.w_1HW[:, :, 2:] = 0.0  # all but two columns are hidden
        net.fc.weight[1].abs_()
        seen_CHW = x_CHW * mask.w_1HW
        reach = distance / 4  # how far, in L2, the plane is from what is seen
        net.fc.bias[1] = reach * net.fc.weight[1].norm() - net.fc.weight[1] @ seen_CHW.flatten()
    nets = {"classifier": net, "mask": mask}
    spec, c = certified(nets, x_CHW, "static")
    assert (c.predicted, c.norm) == (1, Norm.LINF) and c.radius > 0
    how = AttackSpec((0.99, 20.0), Norm.LINF, draws=4, n=500)
    inside, outside = attack.attack(x_CHW, nets, spec, c, how)
    assert (inside.verdict != "broken", outside.verdict) == (True, "broken")
    moved_CHW = (outside.x_CHW - x_CHW).abs()
    assert moved_CHW[..., :2].min() > 0 and moved_CHW[..., 2:].max() == 0


def test_what_abstains_or_is_cancelled_is_not_attacked(half_space):

    net, x_CHW, _ = half_space
    spec, c = certified({"classifier": net}, x_CHW)
    nets = {"classifier": net}
    with pytest.raises(UserError, match="no radius"):
        list(attack.attack(x_CHW, nets, spec, replace(c, abstained=True), AttackSpec()))
    stop = threading.Event()
    found = []
    for a in attack.attack(x_CHW, nets, spec, c, AttackSpec((1, 2), n=100), cancel=stop):
        found.append(a)
        stop.set()
    assert len(found) == 1


@pytest.mark.parametrize(
    "bad", [{"budgets": ()}, {"budgets": (0.0,)}, {"budgets": (1e9,)}, {"steps": 0}, {"n": 0}]
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(UserError):
        AttackSpec(**bad)


def test_verdicts_are_counted_by_budget():
    rows = attack.tally([(3, "broken"), (0.99, "holds"), (3, "holds"), (3, "undecided")])
    assert [(t.budget, t.attacked, t.broken) for t in rows] == [(0.99, 1, 0), (3, 3, 1)]


def test_one_broken_may_be_chance_and_many_are_not():
    assert not attack.refuted(0, 100, 0.002)
    assert not attack.refuted(1, 100, 0.002)  # happens in 18 % of such runs
    assert attack.refuted(4, 100, 0.002)


def test_the_command_counts_what_broke(tmp_path, monkeypatch, capsys):
    constant_network(tmp_path / "net")
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    words = "attack --split test --every 1000 --checkpoint net --budgets 0.99,3 --steps 2 --draws 2"
    assert main([*words.split(), "--n", "200", "--n-predict", "100", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 2
    assert [(t["budget"], t["holds"], t["broken"]) for t in told["counts"]] == [
        (0.99, 2, 0),
        (3.0, 2, 0),  # it always answers the same
    ]
    assert ALWAYS == 4
    assert main(["attack", "--checkpoint", "net"]) == 2
    assert "one image" in capsys.readouterr().err
    assert main(["attack", "shapes/test/1", "--checkpoint", "net", "--budgets", "far"]) == 2


def test_a_radius_in_the_papers_style_is_attacked_in_place_of_the_sound_one(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(make_selectors(tmp_path, ("variational",))))
    how = ("--budgets", "0.5", "--steps", "1", "--draws", "1", "--n", "100", "--n-predict", "100")
    asked = ("attack", "--checkpoint", "shapes-variational", "--every", "1000", *how)
    log = tmp_path / "log.csv"
    # One draw leaves every level possible, but the paper's reading does not ask for that.
    few = ("--set", "draws=1", "--out", f"{log}")
    assert main([*asked, *few]) == 0
    sound = [row.radius for row in attack_logs.read(log)[1]]
    assert main([*asked, *few, "--paper-style"]) == 2  # the log is of other attacks
    log.unlink()
    assert main([*asked, *few, "--paper-style"]) == 0
    claimed = attack_logs.read(log)[1]
    assert all(row.radius > own and row.verdicts for row, own in zip(claimed, sound, strict=True))
    assert "certify nothing" in capsys.readouterr().out
    constant_network(tmp_path / "net")
    assert main(["attack", "--checkpoint", "net", "--every", "1000", *how, "--paper-style"]) == 2
    assert "no radius in its paper's style" in capsys.readouterr().err


@pytest.mark.slow
def test_shapes_holds_inside_its_radius_and_breaks_at_three_times():
    checkpoint = catalog.find("shapes-gaussian-0.5")
    nets = engine_choice.load(checkpoint)
    how = AttackSpec((0.99, 3.0), alpha=0.001)
    rows = list(
        attack.attack_subset(
            [f"shapes/test/{i}" for i in range(0, 2000, 200)],
            lambda name: datasets.find_image(name)[0],
            nets,
            lambda name, x_CHW: certify.make_spec(
                checkpoint, x_CHW, image=name, n=2_000, alpha=0.001
            ),
            how,
        )
    )
    inside, outside = attack.tally(v for row in rows for v in row.verdicts)
    assert inside.attacked >= 6
    assert inside.broken == 0
    assert outside.broken >= outside.attacked / 2
