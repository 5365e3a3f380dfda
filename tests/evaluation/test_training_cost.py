import json
import re
from dataclasses import asdict
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from rsviz.checkpoints.catalog import Card
from rsviz.evaluation import curves, training_cost
from rsviz.evaluation.logs import parse_log
from rsviz.figures import claims
from rsviz.methods.registry import METHODS
from rsviz.networks.classifiers import build
from rsviz.networks.inspection import multiply_adds
from tests.evaluation.test_verdicts import STATED, radii, table

MEASURED = {"norm": "L2", "subset": "test, every 20th", "n": 1000, "alpha": 0.001}


def network(root, name, seconds, levels=(0.5,), dataset="cifar10", method="gaussian", **more):
    """A checkpoint's card and logs, whose ACR at the first level is that of seed len(name)."""
    (root / name).mkdir()
    measured = []
    for i, sigma in enumerate(levels):
        won = radii(len(name) + i)
        (root / name / f"{i}.csv").write_text(table(won))
        row = MEASURED | {"sigma": sigma, "acr": float(won.mean()), "log": f"{i}.csv"}
        measured.append(row | more.get("measured", {}))
    start = {"start": more["start"]} if "start" in more else {}
    card = {"seconds": seconds, "method": method, "dataset": dataset, "device": "CPU"} | start
    card |= {"network": "compact", "epochs": more.get("epochs", 1)}
    (root / name / "card.json").write_text(json.dumps(card))
    whole = msgspec.convert(card | {"measured": measured}, Card)
    return SimpleNamespace(name=name, verified=True, card=whole, folder=root / name)


def read(path):
    return parse_log(path.read_text(), path.parent.name, **STATED)


EPOCH = 3 * training_cost.FORWARD["compact"] * 50_000  # of CIFAR-10


def test_a_point_has_the_parents_work_and_minutes_and_the_interval_of_its_log(tmp_path):
    parent = network(tmp_path, "parent", 600)
    child = network(tmp_path, "child", 120, method="macer", start="parent")
    a, b = training_cost.points(tmp_path, [parent, child], read)
    assert (a.minutes, b.minutes, b.method, b.device) == (10, 12, "macer", "CPU")
    assert (a.multiply_adds, b.multiply_adds) == (EPOCH, 2 * EPOCH)
    half = 1.96 * np.std(radii(5)) / np.sqrt(200)
    assert b.acr == pytest.approx(radii(5).mean())
    assert (b.acr - b.low, b.high - b.acr) == pytest.approx((half, half), rel=0.1)
    assert training_cost.points(tmp_path, [child], read) == [b]  # the same interval every time


def test_without_work_there_is_no_point_and_without_a_log_no_interval(tmp_path):
    orphan = network(tmp_path, "orphan", 60, start="gone")
    linf = network(tmp_path, "linf", 60, measured={"norm": "Linf"})
    unread = network(tmp_path, "unread", 60, measured={"log": "none.csv"})
    (point,) = training_cost.points(tmp_path, [orphan, linf, unread], read)
    assert point.name == "unread" and point.low is None and point.high is None
    (bars,) = claims.work([point], {}).data
    assert list(bars.error_y.array) == [0] and "(" not in bars.customdata[0][1]


def test_only_what_was_measured_alike_stands_together(tmp_path):
    cards = [
        network(tmp_path, "a", 60, (0.5, 0.25)),
        network(tmp_path, "b", 60, (0.5,)),
        network(tmp_path, "c", 60, (None,), method="dual"),
        network(tmp_path, "d", 60, (0.5,), measured={"n": 500}),
        network(tmp_path, "e", 60, (0.5,), dataset="shapes"),
    ]
    found = training_cost.alike(training_cost.points(tmp_path, cards, read))
    assert {k: [p.name for p in g] for k, g in found.items()} == {
        "cifar10, σ 0.5, test, every 20th, n 1,000, α 0.001": ["a", "b", "c"],
        "cifar10, σ 0.25": ["a", "c"],
        "cifar10, σ 0.5, test, every 20th, n 500, α 0.001": ["d"],
        "shapes, σ 0.5": ["e"],
    }
    levels = [name.partition(", test")[0] for name in found]
    assert levels == ["cifar10, σ 0.25", *["cifar10, σ 0.5"] * 2, "shapes, σ 0.5"]
    assert "b: ACR" in training_cost.in_words(
        found["cifar10, σ 0.5, test, every 20th, n 1,000, α 0.001"]
    )


def test_the_figure_has_a_point_and_a_bar_a_network_and_a_name_a_method(tmp_path):
    cards = [
        network(tmp_path, "x", 300),
        network(tmp_path, "yy", 600, method="macer"),
        network(tmp_path, "zzz", 900, method="macer", epochs=3),
        network(tmp_path, "free", 60, (None,), method="dual"),
    ]
    points = training_cost.points(tmp_path, cards, read)
    one, two, three = claims.work(points, {"macer": "MACER", "dual": "Dual RS"}).data
    assert [t.name for t in (one, two, three)] == ["gaussian", "MACER", "Dual RS, chooses σ"]
    assert list(two.x) == [EPOCH, 3 * EPOCH]
    assert list(two.y) == pytest.approx([radii(2).mean(), radii(3).mean()])
    top = np.add(two.y, two.error_y.array)
    assert top.tolist() == pytest.approx([p.high for p in points[1:3]])
    bottom = np.subtract(two.y, two.error_y.arrayminus)
    assert bottom.tolist() == pytest.approx([p.low for p in points[1:3]])
    assert len({t.marker.color for t in (one, two, three)}) == 3
    assert len({t.marker.symbol for t in (one, two, three)}) == 3


def test_an_interval_of_acr_counts_wrong_answers_as_nothing():
    wrong = re.compile(r"\t1\t1\t(\S+)\t1\n")  # 100 of them for another class than their own
    won = wrong.sub(r"\t1\t2\t\1\t0\n", table(radii(0)), 100)
    log = parse_log(won, "half", **STATED)
    low, high = curves.acr_interval(log, np.random.default_rng(0))
    assert low < curves.acr(log) < high and high < radii(0).mean()


def test_forward_passes_cost_what_the_networks_say():
    for name, cost in training_cost.FORWARD.items():
        assert multiply_adds(build(name, "cifar10"), 32) == cost


@pytest.mark.parametrize("name", ["gaussian", "smoothadv", "macer", "advmacer", "consistency"])
def test_the_work_of_an_image_is_what_its_loss_asks_the_network(name):
    rows = 0

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(12, 4)

        def forward(self, x_NCHW):
            nonlocal rows
            rows += len(x_NCHW)
            return self.linear(x_NCHW.flatten(1))

    method = METHODS[name]
    settings = method.presets[0.5] if method.presets else None
    given = {} if settings is None else {"settings": settings}
    x_NCHW, y_N = torch.rand(3, 3, 2, 2), torch.tensor([0, 1, 2])
    generator = torch.Generator().manual_seed(0)
    method.loss(Counted(), x_NCHW, y_N, torch.full((3, 1, 1, 1), 0.5), generator, 9999, **given)
    asked = {} if settings is None else asdict(settings)
    assert rows == 3 * asked.get("draws", 1) * (asked.get("steps", 0) + 1)


def test_work_counts_parents_once_and_nothing_it_does_not_know(tmp_path):
    start = {"dataset": "cifar10", "network": "compact", "epochs": 40}
    cards = {
        "start": start,
        "x": start | {"epochs": 2, "start": "start", "settings": {"draws": 2, "steps": 2}},
        "both": {"members": [{"name": "start"}, {"name": "x"}]},
        "several": start | {"parts": {"estimator": {}}},
        "other": start | {"network": "vit"},
    }
    for name, card in cards.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(json.dumps(card))
    work = {name: training_cost.training_work(tmp_path, name) for name in cards}
    assert work["several"] is None and work["other"] is None
    assert work["start"].updates == 40 * 196
    assert work["x"].updates == 42 * 196 and work["both"] == work["x"]
    each = 3 * training_cost.FORWARD["compact"] * 50_000
    assert work["x"].multiply_adds == each * (40 + 2 * 6)
    assert str(work["x"]).startswith("8,232 updates and 1.3e+14")
