"""Methods of several networks, from a checkpoint on disk to a certificate, a log and a command."""

import csv
import json
from dataclasses import replace

import pytest
import torch

from rsviz.certification import certify
from rsviz.checkpoints import catalog, weights
from rsviz.cli import main
from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate, Norm
from rsviz.data import datasets
from rsviz.evaluation import evaluate, logs, measure
from rsviz.networks.from_card import build_part

COMPACT = {"network": "compact"}
ESTIMATOR = COMPACT | {"classes": 3}
SELECTOR = {"network": "selector", "low": 0.2, "high": 1.0, "width": 4}
MASK = {"network": "mask-unet", "channels": 4, "half": True}
KINDS = {  # method: data set, sigma, parts, a setting of its runs
    "dual": ("shapes", None, {"estimator": ESTIMATOR, "classifier": COMPACT}, "split=none"),
    "variational": ("shapes", None, {"selector": SELECTOR, "classifier": COMPACT}, "draws=200"),
    "adaptive": ("shapes-k48", 0.5, {"classifier": COMPACT, "mask": MASK}, "f=0.4"),
}


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    torch.manual_seed(0)
    for method, (dataset, sigma, parts, _) in KINDS.items():
        nets = {name: build_part(part, dataset) for name, part in parts.items()}
        for name in ("classifier", "estimator"):  # sure of one class, so that nothing abstains
            if name in nets:
                torch.nn.init.constant_(nets[name][1].fc.bias[1], 50.0)
        card = {"method": method, "dataset": dataset, "network": "several", "sigma": sigma}
        weights.save_parts(nets, tmp_path / method, card | {"parts": parts})


def image(method):
    return datasets.find_image(f"{KINDS[method][0]}/test/0")[0]


@pytest.mark.parametrize("method", KINDS)
def test_one_image_is_certified_from_the_folder(method):
    c = certify.certify(image(method), catalog.find(method), n=300)
    assert c.predicted == 1 and not c.abstained and c.radius > 0 and c.method == method
    assert c.norm is (Norm.LINF if method == "adaptive" else Norm.L2)
    assert Certificate.from_json(c.to_json()).radius == c.radius
    again = certify.certify(image(method), catalog.find(method), n=300)
    assert again.counts == c.counts


@pytest.mark.parametrize("method", KINDS)
def test_votes_planned_are_never_fewer_than_counted(method):
    spec = certify.make_spec(catalog.find(method), image(method), n=300)
    nets = weights.load_nets(catalog.find(method))
    readings = list(certify.watch(image(method), nets, spec))
    assert all(p.done <= p.planned for p in readings)
    assert readings[-1].done == readings[-1].planned
    assert readings[0].planned > 300


@pytest.mark.parametrize("method", KINDS)
def test_an_evaluation_keeps_what_was_decided_and_resumes(method, tmp_path):
    checkpoint = catalog.find(method)
    spec = evaluate.spec_for(checkpoint, None, first=3, n0=50, n=200, alpha=0.01, seed=0)
    out = checkpoint.folder / "certified.csv"
    curve = measure.measure(checkpoint, spec, out, "cpu", "command", lambda _: None)
    whole = out.read_text()
    assert curve.images == 3 and curve.sigma == KINDS[method][1]
    if method != "adaptive":
        detail = [json.loads(row["detail"]) for row in rows(out)]
        assert all(d["level"] in (0.25, 0.5, 1.0, 0.35, 0.71, 0.12, 0.18) for d in detail)
        assert logs.read_log(out).counts_NK is None  # not a reading of the class's votes alone
    else:
        assert 0 < logs.read_log(out).radius_N.max() < 0.05
    out.write_text(whole[: whole.rstrip().rfind("\n") + 5])
    nets = weights.load_nets(checkpoint)
    evaluate.evaluate(spec, nets, datasets.load(spec.dataset, "test"), out, report=lambda _: None)
    strip = [{k: v for k, v in row.items() if k not in ("seconds", "check")} for row in rows(out)]
    out.write_text(whole)
    assert strip == [
        {k: v for k, v in row.items() if k not in ("seconds", "check")} for row in rows(out)
    ]
    (measured,) = json.loads((checkpoint.folder / "card.json").read_text())["measured"]
    assert measured["sigma"] == KINDS[method][1] and measured["images"] == 3


def rows(file):
    return list(csv.DictReader(file.read_text().splitlines()[1:]))


@pytest.mark.parametrize("method", KINDS)
def test_settings_reach_the_run_from_the_command_line(method, capsys):
    dataset, _, _, setting = KINDS[method]
    base = ["certify", f"{dataset}/test/0", "--checkpoint", method, "--n", "200", "--json"]
    plain, changed = (
        (main.main([*base, *more]), json.loads(capsys.readouterr().out))[1]
        for more in ([], ["--set", setting])
    )
    assert plain != changed
    assert main.main([*base, "--set", "depth=3"]) == 2
    assert "no setting 'depth'" in capsys.readouterr().err


def test_in_words_the_command_says_norm_and_reason(capsys):
    for method, words in (("adaptive", "Linf radius"), ("dual", "decides")):
        image_name = f"{KINDS[method][0]}/test/0"
        main.main(["certify", image_name, "--checkpoint", method, "--n", "200"])
        assert words in capsys.readouterr().out


def test_an_abstaining_estimator_is_a_sentence_and_a_row(capsys, tmp_path):
    base = ["--checkpoint", "dual", "--n", "1"]  # one vote proves nothing at this alpha
    assert main.main(["certify", "shapes/test/0", *base]) == 0
    assert capsys.readouterr().out.startswith("Abstains: The estimator abstains")
    out = tmp_path / "log.csv"
    assert main.main(["evaluate", *base, "--first", "2", "--out", str(out)]) == 0
    assert [(row["predicted"], row["counts"]) for row in rows(out)] == [("-1", "")] * 2
    assert logs.read_log(out).radius_N.tolist() == [0, 0]


def test_a_level_cannot_be_given_to_a_method_that_chooses_it():
    with pytest.raises(UserError, match="chooses the noise"):
        evaluate.spec_for(catalog.find("dual"), 0.5, first=1, n0=10, n=100, alpha=0.1, seed=0)


def test_early_logs_without_settings_resume(tmp_path):
    checkpoint = catalog.find("adaptive")
    spec = evaluate.spec_for(checkpoint, None, first=1, n0=10, n=100, alpha=0.1, seed=0)
    out = tmp_path / "log.csv"
    evaluate.open_log(out, spec, "cpu", "")
    out.write_text(out.read_text().replace(', "settings": []', ""))
    assert evaluate.open_log(out, spec, "cpu", "") == set()
    with pytest.raises(UserError, match="another settings"):
        evaluate.open_log(out, replace(spec, settings=(("f", 0.3),)), "cpu", "")
