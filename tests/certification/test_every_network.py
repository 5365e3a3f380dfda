import threading
from dataclasses import replace

import msgspec
import pytest
import torch

from rsviz.certification import every_network
from rsviz.checkpoints import weights
from rsviz.checkpoints.catalog import Member, find
from rsviz.core import spec
from rsviz.data import catalog, datasets
from rsviz.evaluation import per_image
from rsviz.evaluation.logs import read_log
from rsviz.ui.compare import network_board
from tests.helpers import ALWAYS, constant_network


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """Two networks that always answer the same, at two noise levels."""
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    for sigma in (1.0, 0.25):
        constant_network(tmp_path / f"shapes-gaussian-{sigma}", sigma=sigma)
    return every_network.contestants("shapes")


def entered(nets, n=200):
    x_CHW = datasets.find_image("shapes/test/5")[0]
    return [every_network.enter(c, x_CHW, "shapes/test/5", n=n) for c in nets]


def load(checkpoint):
    return weights.load_nets(checkpoint)


def test_every_network_lands_at_its_own_noise_one_after_another(nets):
    seen = list(every_network.watch(entered(nets), load))
    assert [r.state for r in seen[0].rows] == ["waiting", "waiting"]
    first, last = seen[-1].rows
    assert (first.title, last.title) == ("Gaussian σ 0.25", "Gaussian σ 1")
    assert seen[-1].complete and not seen[0].complete
    for row in (first, last):
        assert row.stands and row.certificate.predicted == ALWAYS
        assert row.radius == pytest.approx(row.top, rel=1e-6)  # all its votes agree
        assert row.done == row.planned == 300
    assert last.radius == pytest.approx(4 * first.radius)
    waiting = [p for p in seen if p.rows[0].state == "running"]
    assert waiting and all(p.rows[1].state == "waiting" for p in waiting)


@pytest.mark.parametrize("dataset", ["shapes", "cifar10"])
def test_every_shipped_network_with_a_noise_of_its_own_can_enter(dataset):
    names = set()
    for c in every_network.contestants(dataset):
        x_CHW = torch.full((3, 32, 32), 0.5)
        names.add(every_network.enter(c, x_CHW, f"{dataset}/test/5", n=200).row.name)
    assert f"{dataset}-gaussian-0.5" in names and f"{dataset}-multiscale" in names
    assert f"{dataset}-gaussian-universal" not in names


def test_stopped_it_keeps_what_landed_and_goes_on_there(nets):
    cancel, contenders = threading.Event(), entered(nets, n=1000)
    for now in every_network.watch(contenders, load, cancel=cancel):
        if now.rows[1].done >= 300:
            cancel.set()
    assert [r.state for r in now.rows] == ["done", "stopped"]
    assert 0 < now.rows[1].radius < now.rows[1].top and not now.complete
    landed = {contenders[0].spec: now.rows[0]}
    asked = []

    def asked_for(checkpoint):
        asked.append(checkpoint.name)
        return load(checkpoint)

    *_, end = every_network.watch(contenders, asked_for, landed=landed)
    assert asked == ["shapes-gaussian-1.0"] and end.complete
    assert end.rows[0] is now.rows[0]


def test_a_network_that_cannot_run_fails_alone(nets):
    contenders = entered(nets)
    bad = replace(nets[0], problem="its weights are lost")
    contenders[0] = every_network.Contender(bad, contenders[0].x_CHW, contenders[0].spec)
    *_, end = every_network.watch(contenders, load)
    assert [r.state for r in end.rows] == ["failed", "done"]
    assert "lost" in end.rows[0].error
    assert "lost" in network_board.html(end.rows, catalog.CLASSES["shapes"], None, None)


def test_differences_are_told_in_one_norm_only(nets):
    *_, end = every_network.watch(entered(nets), load)
    a, b = end.rows
    assert every_network.against(b, a) == pytest.approx(b.radius - a.radius)
    assert every_network.against(b, replace(a, norm=spec.Norm.LINF)) is None
    assert every_network.against(b, replace(a, certificate=None)) is None
    text = network_board.html(end.rows, catalog.CLASSES["shapes"], ALWAYS, a)
    assert f"{b.radius - a.radius:+.3f}" in text and text.count("✓ right") == 2
    assert network_board.html(end.rows, catalog.CLASSES["shapes"], 0, None).count("✗ wrong") == 2


def test_names_of_networks_cannot_bring_markup(nets):
    row = replace(entered(nets)[0].row, title="<script>alert(1)</script>")
    assert "<script>" not in network_board.html([row], catalog.CLASSES["shapes"], None, None)


def test_a_canvas_network_gets_the_canvas_of_that_name():
    x_CHW = datasets.find_image("shapes/test/5")[0]
    placed_CHW = every_network.on_canvas(x_CHW, 48, 5)
    assert torch.equal(placed_CHW, datasets.find_image("shapes-k48/test/5")[0])


def test_a_log_stands_in_where_it_holds_the_image(nets, tmp_path):
    shipped = find("shapes-gaussian-1.0", weights.Path("checkpoints").resolve())
    log = read_log(shipped.folder / "certified.csv")
    row = per_image.from_log(shipped, log, 0)
    assert row.state == "measured" and row.radius == pytest.approx(log.radius_N[0])
    assert per_image.from_log(shipped, log, 1) is None  # every tenth only


def test_the_summary_counts_classes_and_names_the_farthest(nets):
    *_, end = every_network.watch(entered(nets), load)
    told = every_network.summary(end.rows, catalog.CLASSES["shapes"], ALWAYS)
    assert "2 of 2" in told and "Gaussian σ 1," in told
    assert "Farthest" not in every_network.summary(end.rows, catalog.CLASSES["shapes"], 0)
    assert "No network" in every_network.summary([entered(nets)[0].row], ("a",), None)


def test_the_title_of_an_ensemble_says_its_size_once(nets):
    two = (Member("a"), Member("b"))
    card = msgspec.structs.replace(nets[0].card, method="ensemble", members=two, sigma=0.25)
    named = replace(nets[0], name="shapes-ensemble-mixed-2-0.25", card=card)
    assert every_network.title(named) == "EsbRS of 2 mixed σ 0.25"
