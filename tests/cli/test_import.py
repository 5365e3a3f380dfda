"""``import`` makes a checkpoint of a file, and says what it took for granted."""

import json

import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.cli.main import main
from tests.checkpoints.test_foreign import CASES, STATE, named, saved


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path


def run(capsys, *words):
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


GIVEN = ("--dataset", "shapes", "--sigma", 0.25)


def test_it_becomes_a_checkpoint_that_certifies_and_verifies(folder, capsys):
    code, out, _ = run(capsys, "import", CASES / "under-net.pth", *GIVEN)
    assert code == 0
    assert "a compact for shapes, sigma 0.25" in out
    assert "pixels are taken as they are, from 0 to 1 (guessed" in out
    assert "Right on 300 noisy test images, by normalisation: none" in out
    card = catalog.find("under-net.pth").stored
    assert card["normalisation"] == {"mean": [0, 0, 0], "std": [1, 1, 1]}
    assert card["imported_from"]["file"] == "under-net.pth"
    assert card["command"].startswith("python -m rsviz")
    words = ("shapes/test/3", "--checkpoint", "under-net.pth", "--n", 200, "--json")
    code, out, _ = run(capsys, "certify", *words)
    assert code == 0 and json.loads(out)["normalisation"] == "none"
    (folder / "c.json").write_text(out)
    code, out, _ = run(capsys, "certify", *words[:-1])
    assert "pixels are taken as they are, from 0 to 1, as was stated of it" in out
    code, out, _ = run(capsys, "verify", folder / "c.json", "shapes/test/3", "--fresh-n", 200)
    assert code == 0, out


@pytest.mark.parametrize(
    ("how", "card", "why"),
    [
        ("none", ([0, 0, 0], [1, 1, 1]), "as you said"),
        ("mean", ([0.5, 0.5, 0.5], [1, 1, 1]), "as you said"),
        ("mean-std", ([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]), "as you said"),
        ("0.1,0.2,0.3/0.4", ([0.1, 0.2, 0.3], [0.4, 0.4, 0.4]), "as you said"),
        (None, ([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]), "guessed"),
    ],
)
def test_the_normalisation_is_the_one_stated(folder, capsys, how, card, why):
    (folder / "x.pt").write_bytes(saved({"state_dict": named(STATE, "1.")}))
    more = () if how is None else ("--normalisation", how)
    code, out, _ = run(capsys, "import", folder / "x.pt", *GIVEN, "--name", "net", *more)
    assert code == 0
    assert f"({why}" in out
    stated = catalog.find("net").card.normalisation
    assert (stated["mean"], stated["std"]) == card
    weights.load(catalog.find("net"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--sigma", 0), "--sigma must lie"),
        (("--sigma", "nan"), "--sigma must lie"),
        (("--normalisation", "file"), "states no normalisation"),
        (("--normalisation", "often"), "is no normalisation"),
        (("--name", "../net"), "name of a folder"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(folder, capsys, words, says):
    (folder / "x.pt").write_bytes(saved(STATE))
    code, _, err = run(capsys, "import", folder / "x.pt", *GIVEN, *words)
    assert code == 2 and says in err and err.count("\n") == 1
    assert not list((folder / "checkpoints").iterdir())


def test_files_that_are_none_are_refused(folder, capsys):
    for name in ("nothing.pt", "checkpoints", "/dev/zero"):
        code, _, err = run(capsys, "import", folder / name, *GIVEN)
        assert code == 2 and err.count("\n") == 1


def test_a_checkpoint_is_never_written_over(folder, capsys):
    (folder / "x.pt").write_bytes(saved(STATE))
    assert run(capsys, "import", folder / "x.pt", *GIVEN)[0] == 0
    code, _, err = run(capsys, "import", folder / "x.pt", *GIVEN)
    assert code == 2 and "there already" in err


def test_networks_of_the_field_are_experts_that_routing_chooses_among(folder, capsys, monkeypatch):
    """Files of two layouts, each with a normalisation of its own; the card names both by hash."""
    monkeypatch.setenv("RSVIZ_STATES", str(folder / "states"))
    (folder / "one.pth").write_bytes(saved({"state_dict": named(STATE, "1.")}))
    (folder / "two.pth").write_bytes(saved(named(STATE, "module.")))
    for name, *more in (("one", "--normalisation", "mean-std"), ("two", "--normalisation", "none")):
        assert run(capsys, "import", folder / f"{name}.pth", *GIVEN, *more)[0] == 0
    out = folder / "checkpoints" / "routed"
    how = ("--dataset", "shapes", "--sigma", "0.5", "--epochs", "1", "--no-compile", "--out", out)
    settings = ("levels=0.25,0.5", "experts=one.pth,two.pth", "images=256", "votes=2", "width=4")
    given = [word for setting in settings for word in ("--set", setting)]
    assert run(capsys, "train", "routing", *how, *given)[0] == 0
    parts = catalog.find("routed").card.parts
    assert parts["classifier-0.25"]["sha256"] == catalog.find("one.pth").sha256
    assert parts["classifier-0.5"]["sha256"] == catalog.find("two.pth").sha256
    certify = ("certify", "shapes/test/3", "--checkpoint", "routed", "--n", 200, "--json")
    code, told, _ = run(capsys, *certify)
    assert code == 0 and json.loads(told)["method"] == "routing"
    (folder / "c.json").write_text(told)
    code, told, _ = run(capsys, "verify", folder / "c.json", "shapes/test/3", "--fresh-n", 200)
    assert code == 0, told
