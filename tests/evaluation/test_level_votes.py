"""Votes of every level from logs: assembled, read again, and the cascade's checkpoint made."""

import json
import shutil
from dataclasses import replace
from functools import partial

import msgspec
import pytest
import torch

from rsviz.certification import certify, verify
from rsviz.checkpoints import catalog, weights
from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.core.spec import Votes
from rsviz.data import datasets
from rsviz.evaluation import examples, level_votes, logs
from rsviz.methods import multiscale
from rsviz.networks import classifiers
from rsviz.networks.from_card import build_part
from rsviz.training import quantile
from tests.evaluation.test_row_checks import without_checks

CARD = {"method": "gaussian", "dataset": "shapes", "network": "compact", "measured": []}
LEVELS = (0.25, 0.5, 1.0)
HOW = ("--first", "5", "--n0", "100", "--n", "200", "--alpha", "0.05")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three narrow experts, logs of each at its level, and a cascade of them on a few Shapes."""
    whole = datasets.load("shapes", "test")
    few = replace(whole, x_NCHW=whole.x_NCHW[:12], y_N=whole.y_N[:12])
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            classifiers.NETWORKS, "compact", lambda classes: classifiers.Compact(classes, 4)
        )
        patch.setattr(datasets, "load", lambda name, split: replace(few, split=split))
        patch.setenv("RSVIZ_CHECKPOINTS", str(folder))
        for seed, level in enumerate(LEVELS):
            torch.manual_seed(seed)
            net = classifiers.build("compact", "shapes")
            with torch.no_grad():  # several classes get votes, and which ones varies
                x_NCHW = torch.stack([few.image(i) for i in range(12)])
                net.eval()[1].fc.bias -= net(x_NCHW + level * torch.randn(x_NCHW.shape)).mean(0)
            weights.save(net, folder / f"expert-{level:g}", CARD | {"sigma": level})
            run(
                "evaluate", "--checkpoint", f"expert-{level:g}", *HOW, "--out", fixed(folder, level)
            )
        names = [f"expert-{level:g}" for level in LEVELS]
        run("multiscale", *names, "--images", "6", "--n", "200", "--out", folder / "cascade")
        yield folder


def run(*words, code=0):
    assert main([str(word) for word in words]) == code


def fixed(folder, level):
    return folder / f"expert-{level:g}" / "certified.csv"


def rows(file):
    """Every row without its seconds, by image: one may be done before another begun earlier."""
    found = [msgspec.structs.replace(r, seconds=0.0) for r in logs.own_rows(file)[1]]
    return sorted(found, key=lambda row: row.index)


@pytest.fixture(scope="module")
def counted(made):
    """The log of every level, as evaluating the cascade counts it."""
    out = made / "cascade" / "certified.csv"
    run("evaluate", "--checkpoint", "cascade", *HOW, "--set", "ask=every", "--out", out)
    return out


def test_a_log_put_together_from_fixed_levels_is_the_one_that_evaluating_writes(
    made, counted, tmp_path, capsys
):
    out = tmp_path / "assembled.csv"
    files = [fixed(made, level) for level in LEVELS]
    words = ("evaluate", "--checkpoint", "cascade", *HOW, "--set", "ask=every")
    run(*words, "--out", out, "--from-logs", *files)
    assert rows(out) == rows(counted)
    a, b = (logs.own_rows(file)[0] for file in (out, counted))
    assert msgspec.structs.replace(a, command=b.command) == b
    run(*words, "--out", out, "--from-logs", *files, code=2)
    assert "is there already" in capsys.readouterr().err


def test_a_cascade_that_asks_only_what_it_needs_gives_the_same_certificates(
    made, counted, tmp_path
):
    run("evaluate", "--checkpoint", "cascade", *HOW, "--out", tmp_path / "needed.csv")
    every, needed = rows(counted), rows(tmp_path / "needed.csv")
    for a, b in zip(every, needed, strict=True):
        assert (a.predicted, a.radius) == (b.predicted, b.radius)
        for name in ("counts0", "counts"):
            assert b.detail[name].items() <= a.detail[name].items()
    assert len({row.radius for row in every}) > 1
    with pytest.raises(UserError, match="ask=every"):
        level_votes.of_log(tmp_path / "needed.csv")


def test_stored_votes_are_read_at_other_thresholds_as_if_run_with_them(made, counted, tmp_path):
    stored = level_votes.of_log(counted)
    assert stored.votes_N == level_votes.of_fixed([fixed(made, s) for s in LEVELS]).votes_N
    changed = 0
    for thresholds in ("0.5,0.5,0.5", "0.5,0.6,0.8"):
        out = tmp_path / f"{thresholds}.csv"
        run(
            "evaluate", "--checkpoint", "cascade", *HOW, "--set", f"thresholds={thresholds}",
            "--out", out,
        )  # fmt: skip
        read = level_votes.certificates(stored, {"thresholds": thresholds})
        log, radius_N = logs.read_log(out), [c.radius for c in read]
        assert log.predicted_N.tolist() == [-1 if c.abstained else c.predicted for c in read]
        assert log.radius_N.tolist() == pytest.approx(radius_N, abs=1e-6)
        changed += sum(radius_N)
    assert changed != 2 * sum(radius_N)


def test_a_killed_evaluation_of_the_cascade_resumes_to_the_same_log(made, counted, tmp_path):
    cut = tmp_path / "cut.csv"
    lines = counted.read_text().splitlines(keepends=True)
    cut.write_text("".join(lines[:4]) + lines[4][:30])
    run("evaluate", "--checkpoint", "cascade", *HOW, "--set", "ask=every", "--out", cut)
    assert rows(cut) == rows(counted)


def altered(file, out, **changes):
    """Write the log of a file with another head."""
    first, rest = without_checks(file.read_text()).split("\n", 1)
    head = json.loads(first.removeprefix("# "))
    head["spec"] |= changes
    out.write_text(f"# {json.dumps(head)}\n{rest}")
    return out


def test_logs_of_int8_make_a_log_of_int8_that_names_each_file(made, tmp_path, monkeypatch):
    path = "cpu AVX2, int8, openvino 2026.4.1, int8.onnx {}, 100 rows, noise sfc64 numpy 2.4.6"
    files = [
        altered(
            fixed(made, level), tmp_path / f"{level}.csv",
            engine="openvino int8", dtype="int8", path=path.format(i * f"{level:g}"[-1]),
        )
        for i, level in zip((12, 13, 14), LEVELS, strict=True)
    ]  # fmt: skip
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "made"))
    shutil.copytree(made, tmp_path / "made")
    out = tmp_path / "made" / "cascade" / "assembled-int8.csv"
    words = ("evaluate", "--checkpoint", "cascade", *HOW, "--set", "ask=every", "--out", out)
    run(*words, "--from-logs", *reversed(files))
    head, _ = logs.own_rows(out)
    three = f"{12 * '5'}, int8.onnx {13 * '5'}, int8.onnx {14 * '1'}"
    assert (head.path, head.dtype) == (path.format(three), "int8")
    card = json.loads((tmp_path / "made" / "cascade" / "card.json").read_text())
    assert [m["log"] for m in card["precisions"]["int8"]["measured"]] == [out.name]
    assert out.name not in [m["log"] for m in card["measured"]]


def test_logs_that_do_not_belong_together_are_refused_in_words(made, tmp_path, capsys):
    files = [fixed(made, level) for level in LEVELS]
    other = tmp_path / "altered.csv"
    out = tmp_path / "out.csv"
    for how, some, said in (
        (HOW, files[:2], "one log for each of its levels"),
        (HOW, [*files, files[0]], "Two of these logs are of the same level"),
        (HOW, [*files[:2], altered(files[2], other, seed=1)], "differ in seed"),
        ((*HOW, "--seed", "3"), files, "another seed"),
        (("--first", "4", *HOW[2:]), files, "another first"),
    ):
        run("evaluate", "--checkpoint", "cascade", *how, "--out", out, "--from-logs", *some, code=2)
        assert said in capsys.readouterr().err
    wrong = altered(files[2], other, checkpoint_sha256="0" * 64)
    run(
        "evaluate", "--checkpoint", "cascade", *HOW, "--out", out,
        "--from-logs", *files[:2], wrong, code=2,
    )  # fmt: skip
    assert "level 1 is of another network" in capsys.readouterr().err
    assert not out.exists()


def test_the_checkpoint_names_its_experts_and_how_its_thresholds_were_chosen(made):
    made_here = catalog.find("cascade")
    assert made_here.problem is None
    card = made_here.card
    assert card.parts == {
        f"classifier-{level:g}": {
            "checkpoint": f"expert-{level:g}",
            "sha256": catalog.find(f"expert-{level:g}").sha256,
        }
        for level in LEVELS
    }
    assert not (made_here.folder / "weights.safetensors").exists()
    head, held = logs.own_rows(made_here.folder / card.fit["log"])
    assert (head.split, len(held)) == ("train", 6)
    acr = card.fit["acr"]
    assert acr[card.run["thresholds"]] == max(acr.values())
    assert len(acr) == 36
    votes = level_votes.of_log(made_here.folder / card.fit["log"])
    read = level_votes.certificates(votes, {"thresholds": "0.5,0.6,0.7"})
    gains = [c.radius * (c.predicted == y) for c, y in zip(read, votes.label_N, strict=True)]
    assert acr["0.5,0.6,0.7"] == pytest.approx(sum(gains) / 6, abs=1e-4)


def test_networks_that_do_not_fit_together_are_refused_in_words(made, tmp_path, capsys):
    for names, out, said in (
        (("expert-1", "expert-1"), made / "x", "each named once"),
        (("expert-1", "cascade"), made / "x", "made of several"),
        (("expert-1",), tmp_path / "x", "beside its networks"),
    ):
        run("multiscale", *names, "--out", out, code=2)
        assert said in capsys.readouterr().err
    assert not (made / "x").exists()


def test_a_shipped_expert_that_changes_makes_the_cascade_unusable(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "there")
    weights_file = tmp_path / "there" / "expert-0.5" / "weights.safetensors"
    data = bytearray(weights_file.read_bytes())
    data[-1] ^= 1
    weights_file.write_bytes(data)
    problem = catalog.find("cascade", tmp_path / "there").problem
    assert "expert-0.5 is another network now" in problem


def test_every_command_takes_a_cascade(made, counted, tmp_path, monkeypatch, capsys):
    few = partial(certify.follow, n=500)
    monkeypatch.setattr("rsviz.cli.examples.follow", few)
    run("examples", "--checkpoint", "cascade")
    stored = examples.load(catalog.find("cascade"))
    assert [e.preset for e in stored][:2] == ["certain", "borderline"]
    chosen_by = logs.head_of(catalog.find("cascade").folder / "certified.csv").seed
    for example in stored:
        c = example.certificate
        assert c.seed != chosen_by
        assert multiscale.read(votes_of(c), verify.spec_of(c)).radius == c.radius
        (tmp_path / "c.json").write_text(c.to_json())
        run("verify", tmp_path / "c.json", c.image, "--fresh-n", "200")
    run("certify", "shapes/test/1", "--checkpoint", "cascade", "--n", "200")
    run("checkpoints")
    run("curves", counted)
    words = ("--checkpoint", "cascade", "--n", "200", "--alpha", "0.05", "--budgets", "0.99,3")
    run("attack", "--every", "4", *words, "--steps", "2", "--draws", "2", "--n-predict", "200")
    assert "none may break" in capsys.readouterr().out


def votes_of(c):
    n = {"select": c.n0, "bound": c.n}
    found = {}
    for stage, counts in c.stages.items():
        planned = n[stage.partition("-")[0]]
        found[stage] = Votes(stage, tuple(counts), planned, "complete")
    return found


SWEEP = ("--set", "rule=sweep", "--set", "ask=every")


@pytest.fixture(scope="module")
def routed(made):
    """An estimator over the same experts, and its log by the paper's rule."""
    parts = {"estimator": {"network": "compact", "classes": 3}}
    torch.manual_seed(7)
    estimator = build_part(parts["estimator"], "shapes")
    with torch.no_grad():  # every level gets votes, and which ones varies
        x_NCHW = torch.stack([datasets.load("shapes", "test").image(i) for i in range(12)])
        estimator.eval()[1].fc.bias -= estimator(x_NCHW + torch.randn(x_NCHW.shape)).mean(0)
    for level in LEVELS:
        expert = catalog.find(f"expert-{level:g}")
        parts[f"classifier-{level:g}"] = {"checkpoint": expert.name, "sha256": expert.sha256}
    card = {"method": "routing", "dataset": "shapes", "network": "several", "sigma": None}
    card |= {"measured": [], "parts": parts, "run": {"sigma_e": 1.0}}
    weights.save_parts({"estimator": estimator}, made / "routed", card)
    run("evaluate", "--checkpoint", "routed", *HOW, "--out", made / "routed" / "certified.csv")
    return made / "routed"


def test_a_sweep_put_together_from_its_experts_logs_is_the_one_evaluating_writes(
    made, routed, tmp_path, capsys
):
    logs_of = [routed / "certified.csv", *(fixed(made, level) for level in LEVELS)]
    counted, joined = tmp_path / "counted.csv", tmp_path / "joined.csv"
    how = ("evaluate", "--checkpoint", "routed", *HOW)
    run(*how, *SWEEP, "--out", counted)
    run(*how, *SWEEP, "--out", joined, "--from-logs", *logs_of)
    assert rows(joined) == rows(counted)
    radii = {row.radius for row in rows(joined)}
    assert len(radii) > 1
    capsys.readouterr()
    for words, files, said in (
        ((), logs_of, "--set rule=sweep --set ask=every"),
        (SWEEP, logs_of[1:], "needs one log of its own"),
        (SWEEP, logs_of[:1], "holds no votes of every level"),
        ((*SWEEP, "--set", "sigma_e=0.5"), logs_of, "another noise on the estimator"),
    ):
        run(*how, *words, "--out", tmp_path / "no.csv", "--from-logs", *files, code=2)
        assert said in capsys.readouterr().err


def test_the_quantile_is_chosen_on_training_images_and_recorded(made, routed, capsys):
    run("quantile", "routed", "--votes", made / "cascade" / "thresholds.csv")
    card = catalog.find("routed").card
    best = card.run["quantile"]
    found = card.fit["acr"]
    assert found[f"{best:g}"] == max(found.values()) and card.fit["images"].startswith("train")
    log = logs.read_log(routed / "quantile.csv")
    assert (log.radius_N * log.correct_N).mean() == pytest.approx(found[f"{best:g}"], abs=1e-4)
    head, _ = logs.own_rows(routed / "quantile.csv")
    assert head.split == "train" and dict(head.settings)["quantile"] == best
    run("quantile", "cascade", "--votes", made / "cascade" / "thresholds.csv", code=2)
    assert "not Dual RS" in capsys.readouterr().err


def test_the_quantile_can_be_kept_near_the_best_single_level(made, routed, capsys):
    votes = made / "cascade" / "thresholds.csv"
    run("quantile", "routed", "--votes", votes, "--within", "100")
    card = catalog.find("routed").card
    acr, behind = card.fit["acr"], card.fit["behind"]
    assert acr[f"{card.run['quantile']:g}"] == max(acr.values()) and card.fit["within"] == 100
    run("quantile", "routed", "--votes", votes, "--within", "0")  # none is so near: the nearest
    nearest = catalog.find("routed").card.run["quantile"]
    assert behind[f"{nearest:g}"] == min(behind.values())
    capsys.readouterr()
    run("quantile", "routed", "--votes", votes, "--within", "-1", code=2)
    assert "at least 0" in capsys.readouterr().err


def test_without_a_cascade_all_votes_are_counted_for_the_quantile(
    made, routed, tmp_path, monkeypatch
):
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    monkeypatch.setattr(quantile, "VOTES", 200)
    run("quantile", "routed", "--images", "6")
    card = catalog.find("routed").card
    assert card.fit["images"] == "train, 6 images, every 2th"
    own = tmp_path / "own.csv"  # a run at that quantile writes the very log
    how = ("--split", "train", "--every", "2", "--n0", "100", "--n", "200", "--alpha", "0.001")
    run("evaluate", "--checkpoint", "routed", *how, *SWEEP, "--out", own)
    assert rows(own) == rows(routed / "quantile.csv")
    before = card.fit["acr"]
    run("quantile", "routed", "--votes", own)  # a log of its own holds all votes
    assert catalog.find("routed").card.fit["acr"] == before
    how = ("--split", "test", *how[2:])
    run("evaluate", "--checkpoint", "routed", *how, *SWEEP, "--out", tmp_path / "test.csv")
    run("quantile", "routed", "--votes", tmp_path / "test.csv", code=2)


def test_the_estimators_noise_is_chosen_with_the_quantile(routed, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    monkeypatch.setattr(quantile, "VOTES", 200)
    run("quantile", "routed", "--images", "6", "--sigmas-e", "0.3,1,2")
    said = capsys.readouterr().out
    card = catalog.find("routed").card
    by_noise = card.fit["sigma_e"]
    assert list(by_noise) == ["0.3", "1", "2"]
    assert by_noise[f"{card.run['sigma_e']:g}"] == max(by_noise.values())
    assert max(card.fit["acr"].values()) == max(by_noise.values())
    assert said.count("sigma_e 0.3  quantile") == len(quantile.GRID)
    how = ("--split", "train", "--every", "2", "--n0", "100", "--n", "200", "--alpha", "0.001")
    for name in by_noise:  # what each would have given is what a run at it gives
        at = ("--set", f"sigma_e={name}", "--set", f"quantile={card.run['quantile']}")
        own = tmp_path / f"own-{name}.csv"
        run("evaluate", "--checkpoint", "routed", *how, *SWEEP, *at, "--out", own)
        log = logs.read_log(own)
        acr = (log.radius_N * log.correct_N).mean()
        assert f"sigma_e {name}  quantile {card.run['quantile']:g}  ACR {acr:.4f}" in said
        if float(name) == card.run["sigma_e"]:
            assert rows(own) == rows(routed / "quantile.csv")
    run("quantile", "routed", "--images", "6", "--sigmas-e", "1,0.5", code=2)
    assert "--sigmas-e must be one or more rising numbers" in capsys.readouterr().err
    run("quantile", "routed", "--images", "6", "--sigmas-e", "2")  # one is a choice of quantile
    assert catalog.read_card(routed).run["sigma_e"] == 2


def test_votes_for_the_level_counted_elsewhere_are_said_to_be(routed, tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    monkeypatch.setattr(quantile, "VOTES", 200)
    run("quantile", "routed", "--images", "6")
    there = altered(routed / "quantile.csv", tmp_path / "there.csv", path="a GPU, float32")
    run("quantile", "routed", "--votes", there, "--sigmas-e", "0.2,0.4")  # neither is the log's
    head, _ = logs.own_rows(routed / "quantile.csv")
    assert head.path.startswith("a GPU, float32; estimate-bound: cpu ")
    assert dict(head.settings)["sigma_e"] in (0.2, 0.4)


def test_a_log_of_every_level_is_read_at_another_quantile_as_if_run_with_it(routed, tmp_path):
    how = ("evaluate", "--checkpoint", "routed", *HOW, "--set", "rule=sweep", "--set", "ask=every")
    first = tmp_path / "first.csv"
    run(*how, "--set", "quantile=0.5", "--out", first)
    for number, quantile_ in enumerate((0.2, 0.8)):
        again, counted = tmp_path / f"again-{number}.csv", tmp_path / f"counted-{number}.csv"
        at = (*how, "--set", f"quantile={quantile_}")
        run(*at, "--from-logs", first, "--out", again)
        run(*at, "--out", counted)
        assert rows(again) == rows(counted)
    one_level = ("--set", "levels=0.25,1", "--set", "quantile=0.8")
    run(*how, *one_level, "--from-logs", first, "--out", tmp_path / "other.csv", code=2)
