import hashlib
import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from rsviz.checkpoints import catalog, foreign
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
    del card["network"]
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


def test_an_unknown_name_lists_those_there_are(folder):
    with pytest.raises(UserError, match="good"):
        catalog.find("nothing", folder)
    with pytest.raises(UserError):
        catalog.find("../good", folder)


class Harmful:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_pickle_with_code_is_refused_and_does_not_run(tmp_path, capsys):
    file = tmp_path / "evil.pth.tar"
    torch.save({"arch": "x", "state_dict": Harmful()}, file)
    with pytest.raises(UserError, match="plain weights"):
        foreign.read_foreign(file, "resnet20", "cifar10")
    bare = tmp_path / "evil.pkl"
    bare.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(UserError, match="plain weights"):
        foreign.read_foreign(bare, "resnet20", "cifar10")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("prefix", ["1.", "module.", "1.module.", "module.1.", ""])
def test_the_fields_layouts_load(tmp_path, prefix):
    torch.manual_seed(1)
    net = classifiers.build("resnet20", "cifar10").eval()
    state = {prefix + key: value for key, value in net[1].state_dict().items()}
    torch.save({"arch": "cifar_resnet20", "state_dict": state}, tmp_path / "c.pth.tar")
    loaded = foreign.read_foreign(tmp_path / "c.pth.tar", "resnet20", "cifar10")
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(net(x), loaded(x))


def test_a_foreign_file_that_does_not_fit_names_what(tmp_path):
    net = classifiers.build("resnet20", "cifar10")
    torch.save({"state_dict": net.state_dict()}, tmp_path / "c.pth.tar")
    with pytest.raises(UserError, match="missing"):
        foreign.read_foreign(tmp_path / "c.pth.tar", "resnet110", "cifar10")
