import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rsviz.checkpoints import catalog
from rsviz.checkpoints.weights import load, save
from rsviz.core.errors import UserError
from rsviz.networks import classifiers

CARD = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.5}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save(classifiers.build("compact", "shapes"), tmp_path / "good", CARD)
    return tmp_path


def test_a_saved_checkpoint_loads_as_it_is_shipped(folder):
    checkpoint = catalog.find("good", folder)
    assert checkpoint.verified
    weights = load_file(folder / "good" / "weights.safetensors")
    assert weights["1.fc.weight"].dtype == torch.float16
    net = load(checkpoint, ready=False)
    assert torch.equal(net[1].fc.weight, weights["1.fc.weight"].float())
    assert not net.training
    x = torch.rand(4, 3, 32, 32)
    assert torch.allclose(net(x), load(checkpoint)(x), atol=1e-4)


def break_hash(folder):
    state = load_file(folder / "weights.safetensors")
    state["1.fc.bias"] += 1
    save_file(state, folder / "weights.safetensors")


def break_card(folder):
    (folder / "card.json").unlink()


def break_json(folder):
    (folder / "card.json").write_text("[1, 2")


def break_list(folder):
    (folder / "card.json").write_text("7")


def break_entry(folder):
    card = json.loads((folder / "card.json").read_text())
    del card["network"], card["check"]
    (folder / "card.json").write_text(json.dumps(card))


def break_weights(folder):
    (folder / "weights.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (break_hash, "sha256"),
        (break_card, "card.json"),
        (break_json, "JSON"),
        (break_list, "JSON"),
        (break_entry, "network"),
        (break_weights, "weights.safetensors"),
    ],
)
def test_a_bad_checkpoint_is_named_and_the_others_still_load(folder, damage, says):
    save(classifiers.build("compact", "shapes"), folder / "bad", CARD)
    damage(folder / "bad")
    bad, good = catalog.list_checkpoints(folder)
    assert bad.name == "bad"
    assert not bad.verified
    assert says in bad.problem
    assert good.verified
    with pytest.raises(UserError, match="bad cannot be used"):
        load(bad)
    load(good)


def test_wrong_shapes_are_refused_in_words(folder):
    state = load_file(folder / "good" / "weights.safetensors")
    state["1.fc.bias"] = torch.zeros(11)
    save_file(state, folder / "good" / "weights.safetensors")
    card = json.loads((folder / "good" / "card.json").read_text())

    data = (folder / "good" / "weights.safetensors").read_bytes()
    catalog.write_card(folder / "good", card | {"sha256": hashlib.sha256(data).hexdigest()})
    with pytest.raises(UserError, match=r"fc\.bias has shape \(11,\) instead of \(10,\)"):
        load(catalog.find("good", folder))


def test_weights_that_took_the_place_of_those_asked_for_do_not_answer_for_them(folder):
    """A page, or a command, found a checkpoint; before it is loaded, it is trained anew."""
    asked = catalog.find("good", folder)
    save(classifiers.build("compact", "shapes"), folder / "good", CARD)
    with pytest.raises(UserError, match="good was changed meanwhile; ask for it again"):
        load(asked)
    load(catalog.find("good", folder))


def test_an_unknown_name_lists_those_there_are(folder):
    with pytest.raises(UserError, match="good"):
        catalog.find("nothing", folder)
    with pytest.raises(UserError):
        catalog.find("../good", folder)


class KilledError(Exception):
    pass


def killed_at(monkeypatch, calls, method):
    """Let the process 'die' at the given call of a method of Path."""
    real, count = getattr(Path, method), iter(range(100))

    def dies(self, *args):
        if next(count) == calls:
            raise KilledError
        return real(self, *args)

    monkeypatch.setattr(Path, method, dies)


@pytest.mark.parametrize(("method", "calls"), [("replace", 0), ("replace", 1), ("replace", 2)])
@pytest.mark.parametrize("first", [True, False])
def test_a_kill_while_saving_leaves_the_old_checkpoint_or_the_new(
    tmp_path, monkeypatch, method, calls, first
):
    """Renaming the weights, then the card: whichever is not reached, one pair fits."""
    old, new = classifiers.build("compact", "shapes"), classifiers.build("compact", "shapes")
    hashes = {"new": save(new, tmp_path / "elsewhere", CARD).sha256}
    if not first:
        hashes["old"] = save(old, tmp_path / "net", CARD | {"seed": 1}).sha256
    with monkeypatch.context() as patch:
        killed_at(patch, calls, method)
        if calls < 2:
            with pytest.raises(KilledError):
                save(new, tmp_path / "net", CARD | {"seed": 2})
        else:
            save(new, tmp_path / "net", CARD | {"seed": 2})
    found = catalog.find("net", tmp_path)
    if calls == 0:
        if first:
            assert found.problem == "it has no card.json"
        else:
            assert (found.sha256, found.card.seed) == (hashes["old"], 1)
    else:
        assert (found.sha256, found.card.seed, found.problem) == (hashes["new"], 2, None)
        net = load(found, ready=False)
        assert torch.equal(net[1].fc.bias, new[1].fc.bias.half().float())
    save(old, tmp_path / "net", CARD | {"seed": 3})  # and it can be saved again
    assert catalog.find("net", tmp_path).card.seed == 3
    assert not [f for f in (tmp_path / "net").iterdir() if f.name.endswith(".part")]


@pytest.mark.parametrize("again", ["save", "card", "full"])
@pytest.mark.parametrize("calls", range(4))
def test_what_a_kill_left_beside_outlives_the_next_kill(tmp_path, monkeypatch, again, calls):
    """The one card that fits lies beside, where the next one is written, too."""
    save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD | {"seed": 1})
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        killed_at(patch, 1, "replace")
        save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD | {"seed": 2})
    held = catalog.find("net", tmp_path)
    assert held.card.seed == 2 and held.verified
    with monkeypatch.context() as patch, suppress(KilledError, OSError):
        killed_at(patch, calls, "replace")
        if again == "full":
            patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
        if again == "save":
            save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD | {"seed": 3})
        else:
            catalog.write_card(tmp_path / "net", dict(held.stored) | {"seed": 3})
    found = catalog.find("net", tmp_path)
    assert found.verified and found.card.seed in (2, 3)


def test_a_full_disk_while_saving_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    old = save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD)
    with pytest.raises(OSError, match="No space"):
        catalog.write_card(tmp_path / "net", {"broken": 1})
    found = catalog.find("net", tmp_path)
    assert found.verified and found.card == old.card


def test_a_card_of_other_weights_beside_is_not_taken(tmp_path):
    """Weights damaged later must not find a fitting card."""
    save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD)
    (tmp_path / "net" / ".card.json.part").write_text("{}")
    break_hash(tmp_path / "net")
    assert "sha256 differs" in (catalog.find("net", tmp_path).problem or "")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "\x00", "nan"])
def test_a_card_that_is_nonsense_is_named(tmp_path, text):
    save(classifiers.build("compact", "shapes"), tmp_path / "net", CARD)
    (tmp_path / "net" / "card.json").write_text(text)
    assert catalog.find("net", tmp_path).problem


def test_folders_in_the_place_of_files_are_named(tmp_path):
    for name in ("card.json", "weights.safetensors"):
        save(classifiers.build("compact", "shapes"), tmp_path / name, CARD)
        (tmp_path / name / name).unlink()
        (tmp_path / name / name).mkdir()
    assert all(c.problem for c in catalog.list_checkpoints(tmp_path))
