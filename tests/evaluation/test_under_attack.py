"""Fixed and chosen levels under attack: the attack itself, its table, and what is read of it."""

import copy
import json

import pytest
import torch
from torch import nn

from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.evaluation import attack_tables, under_attack, verdicts
from rsviz.evaluation.under_attack import AttackedSpec
from rsviz.networks.selectors import Selector

SMALL = AttackedSpec((0.25,), (0.5,), eps=2.0, steps=4, draws=2, n=20)


@pytest.fixture(scope="module")
def nets():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8))
        selector = Selector(trunk, 8, 0.1, 1.0).eval()
    classifier = weights.load(catalog.find("shapes-gaussian-universal"))
    return {"classifier": classifier, "selector": selector}


def moved(nets, through, eps=2.0):
    data = datasets.load("shapes", "test")
    x_NCHW = torch.stack([data.image(i) for i in range(4)])
    found = under_attack.move(
        nets["classifier"],
        nets["selector"] if through else None,
        x_NCHW,
        data.y_N[:4],
        torch.full((4,), 0.25),
        AttackedSpec(eps=eps, steps=4, draws=2),
        0.25,
        0.5,
        torch.Generator().manual_seed(0),
    )
    return x_NCHW, found


@pytest.mark.parametrize("through", [False, True])
def test_an_attack_uses_its_ball_and_leaves_neither_it_nor_the_pixel_range(nets, through):
    x_NCHW, found_NCHW = moved(nets, through)
    far_N = (found_NCHW - x_NCHW).flatten(1).norm(dim=1)
    assert (far_N <= 2.0 + 1e-4).all() and (far_N > 1.0).all()
    assert 0 <= found_NCHW.min() and found_NCHW.max() <= 1


def test_the_gradient_of_the_attack_on_both_goes_through_the_selector(nets):
    for p in nets["selector"].parameters():
        assert p.requires_grad  # what is checked below is not that it was frozen away
    assert not torch.equal(moved(nets, True)[1], moved(nets, False)[1])


def test_attacked_images_are_right_less_often(nets):
    data = datasets.load("shapes", "test")
    x_NCHW = torch.stack([data.image(i) for i in range(6)])
    rows = list(under_attack.measure(nets, x_NCHW, data.y_N[:6], range(6), SMALL))
    right = {}
    for row in rows:
        right.setdefault((row.setting, row.attack), []).append(row.label == row.predicted)
    assert set(right) == {("sigma 0.25", "none"), ("sigma 0.25", "f")} | {
        ("lambda 0.5", a) for a in attack_tables.ATTACKS
    }
    assert sum(right["sigma 0.25", "f"]) < sum(right["sigma 0.25", "none"])


def write(nets, out, **changes):
    data = datasets.load("shapes", "test")
    spec = AttackedSpec((0.25,), (0.5,), eps=0.5, steps=1, draws=1, n=4, **changes)
    head = {"command": "python -m rsviz under-attack"}
    under_attack.measure_to(nets, data, range(12), spec, head, out, lambda text: None)
    return out.read_text()


def test_images_are_attacked_on_the_device_of_the_networks(nets, tmp_path, monkeypatch):
    seen = []

    def measure(nets, x_NCHW, y_N, index_N, *_):
        seen.extend([x_NCHW.device.type, y_N.device.type])
        return iter(())

    monkeypatch.setattr(under_attack, "measure", measure)
    elsewhere = {name: copy.deepcopy(net).to("meta") for name, net in nets.items()}
    write(elsewhere, tmp_path / "t.csv")
    assert set(seen) == {"meta"}


def test_products_may_be_in_bfloat16_and_the_table_says_so(nets, tmp_path, monkeypatch):
    """One in float32 says what it said before there was a choice."""
    in_bfloat16, real = [], under_attack.measure

    def measure(*given):
        in_bfloat16.append(torch.is_autocast_enabled("cpu"))
        return real(*given)

    monkeypatch.setattr(under_attack, "measure", measure)
    plain, fast = write(nets, tmp_path / "a.csv"), write(nets, tmp_path / "b.csv", dtype="bfloat16")
    assert in_bfloat16 == [False, False, True, True]  # of two batches each
    assert "dtype" not in plain and attack_tables.read(tmp_path / "a.csv").head.spec.dtype == (
        "float32"
    )
    assert attack_tables.read(tmp_path / "b.csv").head.spec.dtype == "bfloat16" and fast != plain
    with pytest.raises(UserError, match="dtype must be float32 or bfloat16"):
        AttackedSpec(dtype="float16")


def test_a_table_cut_off_anywhere_is_continued_to_the_same_end(nets, tmp_path):
    out = tmp_path / "t.csv"
    whole = write(nets, out)
    out.write_text(whole[: int(0.95 * len(whole))])  # inside the last batch's rows
    assert write(nets, out) == whole
    with pytest.raises(UserError, match="other settings"):
        write(nets, out, seed=1)


@pytest.mark.gpu
def test_images_go_to_the_gpu_where_the_networks_are(nets, tmp_path):
    on_gpu = {name: copy.deepcopy(net).cuda() for name, net in nets.items()}
    write(on_gpu, tmp_path / "t.csv")
    assert len(attack_tables.read(tmp_path / "t.csv").of("lambda 0.5", "f and h")) == 12


def test_the_table_is_read_as_it_was_written(nets, tmp_path):
    out = tmp_path / "t.csv"
    write(nets, out)
    found = attack_tables.read(out)
    assert (found.fixed, found.chosen) == (("sigma 0.25",), ("lambda 0.5",))
    assert found.sigma["sigma 0.25"] == 0.25
    assert len(found.of("lambda 0.5", "f and h")) == 12
    assert found.of("sigma 0.25", "f and h") is found.of("sigma 0.25", "f")
    out.write_text("\n".join(out.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UserError, match="not a finished table"):
        attack_tables.read(out)


def make_table(folder, right):
    """Write a table of 200 images in which a setting is right on the first ``right`` of them."""
    lines = [",".join(attack_tables.COLUMNS)]
    for (setting, attack), share in right.items():
        for i in range(200):
            lines.append(f"{setting},{attack},{i},0,{int(i >= share)},0.25")
    spec = {"sigmas": [0.25, 1.0], "lams": [0.2], "eps": 0.5, "steps": 3, "draws": 1, "n": 9}
    head = {"images": list(range(200)), "spec": spec | {"seed": 0}, "command": "c"}
    folder.mkdir(parents=True)
    text = "\n".join([f"# {json.dumps(head)}", *lines]) + "\n"
    (folder / attack_tables.FILE).write_text(text)


def test_the_verdict_is_against_the_fixed_level_that_is_best_there(tmp_path):
    right = {("sigma 0.25", "none"): 150, ("sigma 1", "none"): 100}
    right |= {("sigma 0.25", "f"): 20, ("sigma 1", "f"): 60}
    right |= dict.fromkeys([("lambda 0.2", a) for a in attack_tables.ATTACKS], 100)
    make_table(tmp_path / "net", right)
    clean, f, both = verdicts.judge_attacked(tmp_path, "net")
    assert (clean.verdict, clean.rival) == ("contradicted", "sigma 0.25 for all")
    assert (f.verdict, f.rival) == ("holds", "sigma 1 for all")
    assert both.gap == pytest.approx(0.2) and both.claim.measure.endswith("f and h")
    assert verdicts.judge_attacked(tmp_path, "none")[0].verdict == "not measured yet"


def test_a_table_of_more_images_is_judged_beside_the_first_and_not_in_its_stead(tmp_path):
    right = {("sigma 1", a): 40 for a in ("none", "f")}
    right |= dict.fromkeys([("lambda 0.5", a) for a in attack_tables.ATTACKS], 100)
    make_table(tmp_path / "net" / "experiments", right)
    file = tmp_path / "net" / "experiments" / attack_tables.FILE
    file.rename(tmp_path / "net" / attack_tables.MANY)
    how = {"table": attack_tables.MANY, "lam": "lambda 0.5"}
    found = verdicts.judge_attacked(tmp_path, "net", **how)
    assert [f.verdict for f in found] == ["holds"] * 3
    assert "(λ 0.5, 2,500 images, 100 of which had been read)" in found[0].claim.text
    assert {f.claim.seen for f in found} == {False}  # it was written before
    (first, *_) = verdicts.judge_attacked(tmp_path, "net")
    assert first.verdict == "not measured yet" and first.claim.seen


def test_shipped_tables_are_whole_and_of_the_weights_shipped():
    shipped = [c for c in catalog.list_checkpoints() if (c.folder / attack_tables.FILE).is_file()]
    assert shipped
    for c in shipped:
        found = attack_tables.read(c.folder / attack_tables.FILE)
        assert found.head.checkpoint_sha256 == c.sha256
        assert f"--checkpoint {c.name} " in found.head.command
        for setting in (*found.fixed, *found.chosen):
            # An attack may turn single images right, but not many.
            assert found.of(setting, "f").mean() < found.of(setting, "none").mean()
