import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from rsviz.checkpoints import catalog, weights
from rsviz.cli.main import COMMANDS, main
from rsviz.data import datasets
from rsviz.networks import classifiers


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of checkpoints with one network of random weights."""
    torch.manual_seed(0)
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.5}
    weights.save(classifiers.build("compact", "shapes"), tmp_path / "net", card)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    return tmp_path


def run(capsys, *words):
    code = main([str(w) for w in words])
    out, err = capsys.readouterr()
    return code, out, err


def test_certify_prints_a_certificate(home, capsys):
    words = ("certify", "shapes/test/3", "--checkpoint", "net", "--n", 300, "--json")
    code, out, _ = run(capsys, *words)
    assert code == 0
    certificate = json.loads(out)
    wanted = (
        "predicted abstained norm radius sigma counts n0 n alpha p_a_lower seed method checkpoint "
        "device dtype path guarantee flags seconds"
    )
    assert set(wanted.split()) <= set(certificate)
    assert sum(certificate["counts"]) == 300
    assert len(certificate["counts"]) == 10
    assert certificate["checkpoint_sha256"] == catalog.find("net").sha256
    _, again, _ = run(capsys, *words)
    own = {"seconds": 0, "check": ""}
    assert json.loads(again) | own == certificate | own
    _, other, _ = run(capsys, *words, "--seed", 1)
    assert json.loads(other)["counts"] != certificate["counts"]


def test_certify_reads_a_file(home, capsys, tmp_path):

    Image.new("RGB", (100, 60), "teal").save(tmp_path / "p.png")
    code, out, _ = run(
        capsys, "certify", tmp_path / "p.png", "--checkpoint", "net", "--n", 100, "--alpha", 0.01
    )
    assert code == 0
    assert "Abstains" in out or "certified within" in out


@pytest.mark.parametrize(
    ("size", "crop", "flagged"),
    [
        ((32, 32), "centre", False),
        ((32, 32), "whole", False),
        ((100, 60), "centre", True),
        ((32, 31), "whole", True),
        ((64, 64), "centre", True),
        ((31, 31), "centre", True),
    ],
)
def test_a_file_that_was_resized_or_cut_is_flagged(home, capsys, tmp_path, size, crop, flagged):

    Image.radial_gradient("L").resize(size).convert("RGB").save(tmp_path / "p.png")
    words = ("certify", tmp_path / "p.png", "--checkpoint", "net", "--n", 100, "--crop", crop)
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert ("image resampled" in out) == flagged
    _, out, _ = run(capsys, *words, "--json")
    assert ("image resampled" in json.loads(out)["flags"]) == flagged
    (tmp_path / "c.json").write_text(out)
    code, out, _ = run(
        capsys, "verify", tmp_path / "c.json", tmp_path / "p.png", "--crop", crop, "--fresh-n", 100
    )
    assert code == 0, out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--n", 0], "n must be"),
        (["--alpha", 0.7], "alpha must lie"),
        (["--sigma", -1], "sigma must lie"),
        (["--seed", -1], "seed must be"),
        (["--device", "tpu"], "--device must be"),
    ],
)
def test_settings_out_of_range_get_one_sentence_and_code_2(home, capsys, words, says):
    code, out, err = run(capsys, "certify", "shapes/test/3", "--checkpoint", "net", *words)
    assert code == 2
    assert out == ""
    assert says in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("nowhere.png", "cannot be read"),
        ("shapes/test/99999", "images 0 to 1,999"),
        ("shapes/test/x", "not an image"),
        ("shapes/valid/1", "no data set"),
    ],
)
def test_images_that_are_not_there_get_one_sentence(home, capsys, image, says):
    code, _, err = run(capsys, "certify", image, "--checkpoint", "net")
    assert code == 2
    assert says in err


def test_an_unknown_checkpoint_gets_one_sentence(home, capsys):
    code, _, err = run(capsys, "certify", "shapes/test/3", "--checkpoint", "nothing")
    assert code == 2
    assert "there are: net" in err


def test_checkpoints_says_where_there_is_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    code, out, _ = run(capsys, "checkpoints")
    assert code == 0 and "There is no checkpoint in" in out and "recipes run" in out
    assert json.loads(run(capsys, "checkpoints", "--json")[1]) == []


def test_checkpoints_lists_good_and_bad(home, capsys):
    (home / "broken").mkdir()
    code, out, _ = run(capsys, "checkpoints", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert rows["net"]["verified"]
    assert not rows["broken"]["verified"]
    assert set(rows["net"]) >= {"name", "dataset", "method", "network", "sigma", "sha256"}


def test_evaluate_records_in_the_card_and_curves_read_it(home, capsys):
    log = home / "net" / "certified.csv"
    words = ("--first", 4, "--n", 200, "--alpha", 0.01, "--out", log)
    code, out, _ = run(capsys, "evaluate", "--checkpoint", "net", *words)
    assert code == 0
    assert "ACR" in out
    _, out, _ = run(capsys, "checkpoints", "--json")
    (measured,) = json.loads(out)[0]["measured"]
    assert measured["n"] == 200
    assert measured["images"] == 4
    assert measured["norm"] == "L2"
    code, out, _ = run(capsys, "curves", log, "--json")
    (curve,) = json.loads(out)
    assert curve["acr"] == pytest.approx(measured["acr"], abs=1e-4)
    assert curve["accuracy"]["0.25"] == pytest.approx(measured["accuracy"]["0.25"], abs=1e-4)
    code, out, _ = run(capsys, "curves", log, "--json", "--n", 100)
    assert json.loads(out)[0]["n"] == 100
    code, _, err = run(capsys, "curves", log, "--n", 500)
    assert code == 2
    assert err.strip().endswith(".")


def test_curves_read_the_fields_logs(home, capsys):
    file = home / "field.tsv"
    file.write_text(
        "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
        "0\t3\t3\t0.5\t1\t0:00:14\n20\t1\t-1\t0.0\t0\t0:00:14\n40\t2\t3\t0.9\t0\t0:00:14\n"
    )
    code, out, _ = run(capsys, "curves", file, "--json", "--radii", "0,0.4,0.6")
    (curve,) = json.loads(out)
    assert code == 0
    assert curve["acr"] == pytest.approx(0.5 / 3)
    assert curve["accuracy"] == pytest.approx({"0": 1 / 3, "0.4": 1 / 3, "0.6": 0})


def test_only_networks_that_never_saw_the_validation_images_are_measured_on_them(
    home, capsys, monkeypatch
):

    whole = datasets.load("shapes", "train")
    few = replace(whole, x_NCHW=whole.x_NCHW[:320], y_N=whole.y_N[:320])
    asked = []

    def small(name, split):
        asked.append(split)
        return few if split == "train" else datasets._part(few, split)

    monkeypatch.setattr(datasets, "load", small)
    words = ("--dataset", "shapes", "--sigma", 0.25, "--epochs", 1, "--lr", 0.05, "--no-compile")
    words += ("--split", "fit")
    code, _, err = run(capsys, "train", "gaussian", *words, "--start", "net", "--out", home / "no")
    assert code == 2
    assert "net has seen the validation images" in err
    code, _, err = run(capsys, "train", "static", *words, "--out", home / "no")
    assert code == 2
    assert "trains on all training images" in err
    assert not asked
    for start in ((), ("--start", "fitted")):
        name = "next" if start else "fitted"
        code, _, _ = run(capsys, "train", "gaussian", *words, *start, "--out", home / name)
        assert code == 0
    assert asked == ["fit", "fit"]
    how = ("--split", "validation", "--every", 16, "--n0", 10, "--n", 100)
    for name, works in (("next", True), ("net", False)):
        out = home / f"{name}.csv"
        code, _, err = run(capsys, "evaluate", "--checkpoint", name, *how, "--out", out)
        assert (code == 0) == works == out.exists()
        assert works or "has seen the validation images" in err
    assert len((home / "next.csv").read_text().splitlines()) == 2 + 2  # images 0 and 16 of 32


def test_training_writes_a_checkpoint_that_certifies(home, capsys, monkeypatch):

    whole = datasets.load("shapes", "test")
    small = replace(whole, x_NCHW=whole.x_NCHW[:256], y_N=whole.y_N[:256])
    monkeypatch.setattr(datasets, "load", lambda name, split: small)
    words = ("--dataset", "shapes", "--sigma", 0.25, "--epochs", 1, "--lr", 0.05, "--no-compile")
    code, _, err = run(capsys, "train", "gaussian", *words, "--out", home / "new")
    assert code == 0
    assert "images/s" in err
    card = json.loads((home / "new" / "card.json").read_text())
    assert card["sigma"] == 0.25
    assert card["epochs"] == 1
    assert catalog.find("new").verified
    code, _, err = run(
        capsys, "train", "gaussian", *words, "--start", "new", "--out", home / "tuned"
    )
    assert code == 0
    code, _, err = run(
        capsys,
        "train",
        "gaussian",
        "--dataset",
        "shapes",
        "--sigma",
        "loud",
        "--epochs",
        1,
        "--out",
        home / "x",
    )
    assert code == 2
    assert "loud" in err


def test_settings_of_a_loss_are_set_by_name(home, capsys, monkeypatch):

    whole = datasets.load("shapes", "test")
    small = replace(whole, x_NCHW=whole.x_NCHW[:32], y_N=whole.y_N[:32])
    monkeypatch.setattr(datasets, "load", lambda name, split: small)
    words = ("--dataset", "shapes", "--sigma", 0.5, "--epochs", 1, "--batch", 16, "--no-compile")
    some = ("--set", "draws=1", "--set", "steps=1")
    code, _, _ = run(capsys, "train", "advmacer", *words, *some, "--out", home / "am")
    assert code == 0
    card = json.loads((home / "am" / "card.json").read_text())
    assert (card["method"], card["settings"]["draws"], card["settings"]["lam"]) == (
        "advmacer",
        1,
        12,
    )
    code, _, err = run(capsys, "train", "macer", *words, "--set", "steps=1", "--out", home / "x")
    assert code == 2
    assert "there are: draws, lam, gamma, beta" in err
    code, _, _ = run(capsys, "certify", "shapes/test/3", "--checkpoint", "am", "--n", 100)
    assert code == 0


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    for command in ("checkpoints", "certify", "train", "recipes", "ensemble", "evaluate", "curves"):
        assert command in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_takes(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0 and "--help" in capsys.readouterr().out


def test_the_two_class_form_of_an_image_a_certificate_and_a_log(home, capsys):
    words = ("certify", "shapes/test/3", "--checkpoint", "net", "--n", 300, "--alpha", 0.01)
    _, out, _ = run(capsys, *words, "--two-sided", "--json")
    two = json.loads(out)
    assert two["detail"]["p_b_upper"] < 1 and sum(two["alpha_split"].values()) == 0.01
    file = home / "one.json"
    _, out, _ = run(capsys, *words, "--json")
    file.write_text(out)
    _, out, _ = run(capsys, "reread", file, "--two-sided", "--json")
    timed = {"seconds": 0, "check": ""}
    assert json.loads(out) | timed == two | timed
    for told in (run(capsys, *words, "--two-sided"), run(capsys, "reread", file, "--two-sided")):
        assert told[0] == 0 and "another protocol than the field's" in told[1]
        assert "p_B <" in told[1]
    file.write_text(json.dumps(two))
    code, out, _ = run(capsys, "verify", file, "shapes/test/3", "--fresh-n", 500)
    assert code == 0 and "1 - p_b_upper" in out
    log = home / "log.csv"
    run(capsys, "evaluate", "--checkpoint", "net", "--first", 3, "--n", 200, "--out", log)
    code, out, _ = run(capsys, "curves", log, "--two-sided")
    assert code == 0 and "net, two-class: 3 images" in out and "another protocol" in out
    _, out, _ = run(capsys, "curves", log, "--two-sided", "--json")
    assert json.loads(out)[0]["two_class"] and json.loads(out)[0]["name"] == "net, two-class"


def test_a_certificate_is_read_again_at_another_alpha_and_bound(home, capsys):
    words = ("certify", "shapes/test/3", "--checkpoint", "net", "--n", 300, "--json")
    file = home / "one.json"
    file.write_text(run(capsys, *words)[1])
    _, out, _ = run(capsys, "reread", file, "--alpha", 0.05, "--bound", "anytime", "--json")
    _, direct, _ = run(capsys, *words, "--alpha", 0.05, "--bound", "anytime")
    timed = {"seconds": 0, "check": ""}
    assert json.loads(out) | timed == json.loads(direct) | timed
    assert run(capsys, "reread", file)[0] == 0
    code, _, err = run(capsys, "reread", file, "--alpha", 0.9)
    assert code == 2 and "alpha must lie" in err


@pytest.mark.parametrize("rule", ["--until-radius", "--precision"])
def test_votes_that_end_by_a_rule_have_no_two_class_form(home, capsys, rule):
    words = ("certify", "shapes/test/3", "--checkpoint", "net", "--two-sided", rule, 0.1)
    code, _, err = run(capsys, *words)
    assert code == 2 and "leave --two-sided out" in err


def test_a_data_set_is_asked_one_question(home, capsys):
    log = home / "asked.csv"
    words = ("evaluate", "--checkpoint", "net", "--first", 3, "--until-radius", 0.1, "--out", log)
    code, out, _ = run(capsys, *words, "--n", 400)
    assert code == 0 and "net: 3 images" in out and "the fixed-n protocol takes 400" in out
    assert run(capsys, "curves", log)[1] == out
    (row,) = json.loads(run(capsys, "curves", log, "--json")[1])
    assert (
        row["radius"] == 0.1
        and row["yes"] + row["no"] + row["undecided"] == 3
        and row["votes"] <= 1_200
    )
    code, _, err = run(capsys, *words[:-1], home / "far.csv", "--until-radius", 4)
    assert code == 2 and "raise n" in err and not (home / "far.csv").exists()
    code, _, err = run(capsys, *words, "--precision", 0.02)
    assert code == 2 and "one rule" in err


def test_the_votes_of_a_data_set_end_at_a_precision(home, capsys):
    log = home / "near.csv"
    words = ("evaluate", "--checkpoint", "net", "--first", 3, "--precision", 0.3, "--out", log)
    code, out, _ = run(capsys, *words, "--n", 400)
    assert code == 0 and "within 0.3 of what infinitely many would certify, or at 400" in out
    (row,) = json.loads(run(capsys, "curves", log, "--json")[1])
    assert (row["precision"], row["n"]) == (0.3, 400) and row["votes"] <= 400
    code, _, err = run(capsys, "curves", log, "--two-sided")
    assert code == 2 and "ended by a precision" in err
