import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from rsviz.certification import certify
from rsviz.checkpoints import catalog, weights
from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.core.files import sole_writer
from rsviz.core.spec import Bound
from rsviz.data import datasets
from rsviz.networks import classifiers
from rsviz.smoothing import engines
from rsviz.smoothing.engine import Engine
from rsviz.training import ensemble

CARD = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.5}


@pytest.fixture(scope="module")
def small():
    """A narrow network under the name compact, and a few Shapes as every split."""
    whole = datasets.load("shapes", "test")
    few = replace(whole, x_NCHW=whole.x_NCHW[:12], y_N=whole.y_N[:12])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            classifiers.NETWORKS, "compact", lambda classes: classifiers.Compact(classes, 4)
        )
        patch.setattr(datasets, "load", lambda name, split: few)
        yield few


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    """Three networks of random weights and an ensemble of the first two."""
    folder = tmp_path_factory.mktemp("made")
    for seed, name in enumerate("abc"):
        torch.manual_seed(seed)
        net = classifiers.build("compact", "shapes")
        with torch.no_grad():
            net[1].fc.weight.mul_(3)
        weights.save(net, folder / name, CARD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RSVIZ_CHECKPOINTS", str(folder))
        words = ("ensemble", "fit", "a", "b", "--images", 6, "--out", folder / "ab")
        words += ("--weighting", "optimal")
        assert main([str(w) for w in words]) == 0
    return folder


@pytest.fixture
def home(made, tmp_path, monkeypatch):
    """A copy of them that a test may break."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    return tmp_path


def card(folder):
    return json.loads((folder / "card.json").read_text())


def test_the_card_names_the_members_and_the_weights(home):
    found = card(home / "ab")
    assert found["method"] == "ensemble"
    assert found["network"] == "2 x compact"
    assert found["sigma"] == 0.5
    assert [m["name"] for m in found["members"]] == ["a", "b"]
    assert found["members"][0]["sha256"] == card(home / "a")["sha256"]
    assert found["weights"] == found["fit"]["weightings"]["optimal"]
    names = {"optimal", "average", "max-margin", "printed", "least-bound"}
    assert set(found["fit"]["weightings"]) == names and "validation" not in found["fit"]
    (b, c), (_, d) = found["fit"]["quadratic"]
    wanted = min(max((d - c) / (b + d - 2 * c), 0), 1)
    assert found["weights"][0] == pytest.approx(wanted, abs=1e-5)
    assert catalog.find("ab").verified


def test_it_certifies_like_any_checkpoint(home):
    x_CHW = datasets.find_image("shapes/test/3")[0]
    certificate = certify.certify(x_CHW, catalog.find("ab"), n=200)
    assert certificate.method == "ensemble"
    assert certificate.checkpoint_sha256 == catalog.find("ab").sha256
    assert certificate.detail["weights"] == card(home / "ab")["weights"]
    assert "ensemble" in certificate.guarantee


def test_one_pass_writes_the_logs_that_evaluating_each_would(home, capsys):
    words = ["--first", "3", "--n", "200", "--alpha", "0.01"]
    assert main(["ensemble", "score", "ab", *words, "--out", str(home / "logs")]) == 0
    log = home / "ab" / "certified.csv"
    assert main(["evaluate", "--checkpoint", "ab", *words, "--out", str(log)]) == 0
    assert rows(home / "logs" / "optimal.csv") == rows(log)
    assert card(home / "ab")["measured"][0]["images"] == 3
    fit = ("ensemble", "fit", "a", "b", "--images", "6", "--weighting", "max-margin")
    assert main([*fit, "--out", str(home / "wide")]) == 0
    other = home / "wide.csv"
    assert main(["evaluate", "--checkpoint", "wide", *words, "--out", str(other)]) == 0
    assert rows(home / "logs" / "max-margin.csv") == rows(other)
    heads = [json.loads(f.read_text().split("\n")[0][2:]) for f in (home / "logs").glob("*.csv")]
    assert len({h["spec"]["checkpoint_sha256"] for h in heads}) == 5


def rows(file):
    """The lines of a log without seconds, by image."""
    return sorted(line.rsplit(",", 2)[0] for line in file.read_text().splitlines()[2:])


def test_growing_counts_the_first_network_and_the_first_two_by_the_same_noise(home, capsys):
    words = ["--first", "3", "--n", "200", "--alpha", "0.01"]
    out = home / "logs" / "first-2.csv"
    assert main(["ensemble", "grow", "a", "b", *words, "--out", str(out)]) == 0
    alone = home / "alone.csv"
    how = ["--checkpoint", "a", "--precision", "float32"]
    assert main(["evaluate", *how, *words, "--out", str(alone)]) == 0
    assert rows(home / "logs" / "first-1.csv") == rows(alone)
    assert main(["ensemble", "score", "ab", *words, "--out", str(home / "scores")]) == 0
    assert rows(out) == rows(home / "scores" / "average.csv")
    capsys.readouterr()
    assert main(["ensemble", "grow", "a", "b", *words, "--out", str(home / "b.csv")]) == 2
    assert "--out must end in first-2.csv" in capsys.readouterr().err


def test_a_killed_score_goes_on_where_it_stopped(home):
    words = ["ensemble", "score", "ab", "--first", "3", "--n", "100", "--out", str(home / "logs")]
    assert main(words) == 0
    whole = {f.name: rows(f) for f in (home / "logs").iterdir()}
    cut = home / "logs" / "average.csv"
    cut.write_text("\n".join(cut.read_text().splitlines()[:-1]) + "\n1,2,")
    assert main(words) == 0
    assert {f.name: rows(f) for f in (home / "logs").iterdir()} == whole


def test_a_member_that_changed_or_left_is_named(home):
    torch.manual_seed(9)
    weights.save(classifiers.build("compact", "shapes"), home / "b", CARD)
    assert "member b is another network" in catalog.find("ab").problem
    (home / "a" / "weights.safetensors").unlink()
    assert "member a is missing" in catalog.find("ab").problem
    with pytest.raises(UserError, match="member a is missing"):
        weights.load(catalog.find("ab"))


def test_changed_weights_are_found_out(home):
    catalog.write_card(home / "ab", card(home / "ab") | {"weights": [0.5, 0.5]})
    assert "sha256 differs" in catalog.find("ab").problem


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a"], "at least two networks"),
        (["a", "a"], "each named once"),
        (["a", "z"], "no checkpoint 'z'"),
        (["a", "ab"], "ab is an ensemble itself"),
        (["a", "b", "c", "--weighting", "printed"], "for two networks, not 3"),
        (["a", "b", "--floor", "0"], "floor above 0"),
        (["a", "b", "--images", "7"], "--images must be at most 6, half of the 12 training"),
        (["a", "b", "--sigma", "0.5", "--images", "0"], "at least one image"),
    ],
)
def test_what_does_not_fit_together_gets_one_sentence(home, capsys, words, says):
    words = ["ensemble", "fit", *words, "--out", str(home / "new")]
    if "--images" not in words:
        words += ["--images", "2"]
    assert main(words) == 2
    err = capsys.readouterr().err.strip()
    assert says in err.splitlines()[-1]
    assert not (home / "new").exists()


def test_the_images_that_validate_are_none_that_were_fitted():
    assert ensemble.apart(50_000, 200) == (range(0, 50_000, 250), range(125, 50_000, 250))
    assert ensemble.apart(50_000, 200, 400)[1] == range(62, 50_062, 125)[:400]
    assert ensemble.apart(100, 10, 20) == (range(0, 100, 10), range(2, 102, 5)[:20])
    with pytest.raises(UserError, match="cannot be set between"):
        ensemble.apart(50_000, 200, 500)  # 50, 150, 250, ...: the last is fitted on
    with pytest.raises(UserError, match="cannot be set between"):
        ensemble.apart(50_000, 200, 60_000)
    fitting, rest = ensemble.apart(12, 5)
    assert len(fitting) == len(rest) == 5 and not set(fitting) & set(rest) and rest[-1] < 12


def test_a_weighting_is_chosen_only_where_its_gain_is_surely_above_none():
    surely, hardly = np.full(50, 0.1), np.tile([1.0, -0.9], 25)
    average = np.linspace(0, 1, 50)
    won = {"average": average, "a": average + hardly, "b": average - surely}
    gains = ensemble.gains_over_average(won)
    assert gains["a"][0] == pytest.approx(0.05) and gains["a"][1] < 0 < gains["a"][2]
    assert ensemble.choose(gains) == "average"
    gains = ensemble.gains_over_average(won | {"c": average + surely, "d": average + surely / 2})
    assert gains["d"] == pytest.approx((0.05, 0.05, 0.05))
    assert ensemble.choose(gains) == "c"


def test_the_card_of_a_validated_ensemble_holds_what_each_weighting_certified(home, capsys):
    spec = ensemble.FitSpec(("a", "b"), images=6, votes=200)
    found = ensemble.fit(spec, home / "chosen", report=lambda line: None)
    told = found.card.fit["validation"]
    assert told["images"] == "train, 6 images, every 2th from 1" and told["n"] == 200
    assert set(told["acr"]) == set(found.card.fit["weightings"])
    low = {name: low for name, (_, low, _) in told["over the average"].items()}
    assert found.card.weighting == "average" or low[found.card.weighting] > 0
    data = datasets.load("shapes", "train")  # each radius is that of a run of its own
    radii = []
    for i in (1, 3, 5, 7, 9, 11):
        c = certify.certify(data.image(i), found, n=200, bound=Bound.CLOPPER_PEARSON)
        radii.append(c.radius if c.predicted == data.y_N[i] and not c.abstained else 0)
    assert told["acr"][found.card.weighting] == pytest.approx(np.mean(radii), abs=1e-5)


def test_validation_takes_other_images_votes_and_precision(home):
    usual = Engine("torch", "bfloat16")
    engine = usual if engines.absent(usual, "cpu") is None else Engine("torch", "float32")
    words = ["ensemble", "fit", "a", "b", "--images", "3", "--validate", "6", "--n", "50"]
    words += ["--precision", engine.precision]
    assert main([*words, "--out", str(home / "more")]) == 0
    found = catalog.find("more").card.fit
    assert found["images"].startswith("train, 3 images")
    told = found["validation"]
    assert (told["images"], told["n"]) == ("train, 6 images, every 2th from 1", 50)
    assert told["engine"] == str(engine)


def test_a_precision_that_a_member_lacks_is_told_before_anything_is_measured(home, capsys):
    words = ["ensemble", "fit", "a", "b", "--images", "6", "--precision", "int8"]
    assert main([*words, "--out", str(home / "no")]) == 2
    assert "int8" in capsys.readouterr().err
    assert not (home / "no").exists()


def test_members_of_unlike_noise_need_sigma(home, capsys):
    torch.manual_seed(5)
    weights.save(classifiers.build("compact", "shapes"), home / "d", CARD | {"sigma": None})
    words = ["ensemble", "fit", "a", "d", "--images", "2", "--out", str(home / "ad")]
    words += ["--weighting", "average"]
    assert main(words) == 2
    assert "give --sigma" in capsys.readouterr().err
    assert main([*words, "--sigma", "0.25"]) == 0
    assert card(home / "ad")["sigma"] == 0.25


def test_an_ensemble_is_neither_trained_nor_put_elsewhere(home, capsys):
    train = ["train", "gaussian", "--dataset", "shapes", "--sigma", "0.5", "--epochs", "1"]
    assert main([*train, "--start", "ab", "--out", str(home / "x")]) == 2
    assert "train its members instead" in capsys.readouterr().err
    fit = ["ensemble", "fit", "a", "b", "--images", "2"]
    assert main([*fit, "--out", str(home / "deep" / "er")]) == 2
    assert "beside its members" in capsys.readouterr().err


def test_a_second_fit_into_one_folder_is_told_who_writes(home, capsys):
    words = ["ensemble", "fit", "a", "b", "--images", "6", "--out", str(home / "new")]
    with sole_writer(home / "new"):
        assert main(words) == 2
    assert "new is being written by process" in capsys.readouterr().err
    assert not (home / "new").exists()
