"""A visitor's file of weights: used where it fits, refused with the true reason where not."""

import argparse
import io
import pickle
import struct
import tarfile
import time
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as to_safetensors

from rsviz.certification import certify, verify
from rsviz.checkpoints import catalog, foreign, guesses, weights
from rsviz.core.errors import UserError
from rsviz.data import datasets, images
from rsviz.networks import classifiers
from rsviz.networks.normalisation import Normalisation, of_dataset

CASES = Path(__file__).parents[1] / "cases"


def saved(content, old=False):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def trained(network="compact", classes=10):
    """A network with random weights and statistics, and its weights by the network's own names."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = classifiers.build(network, "cifar10", classes)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return net.eval(), dict(net[1].state_dict())


def field_file(network="resnet20", **more):
    net, state = trained(network)
    state = {f"module.1.{key}": value for key, value in state.items()}
    return net, saved({"arch": network, "state_dict": state} | more)


def named(state, prefix):
    return OrderedDict((prefix + key, value) for key, value in state.items())


def answers(found, dataset="cifar10", how=None):
    """The logits of what was read, for a few pictures."""
    own = foreign.own_network(found, dataset, 0.5, how or of_dataset(dataset))
    with torch.no_grad():
        return own.nets["classifier"](pictures())


def pictures():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


NET, STATE = trained()
OTHER = {key: value + 1 for key, value in STATE.items()}
LAYOUTS = {
    "bare": STATE,
    "state_dict": {"epoch": 90, "arch": "cifar_resnet", "state_dict": STATE, "optimizer": {}},
    "net": {"net": STATE, "acc": 93.1, "epoch": 3},
    "model": {"model": STATE},
    "model_state_dict": {"model_state_dict": STATE, "optimizer_state_dict": {"state": {}}},
    "any other name": {"ema_weights": STATE},
    "two deep": {"checkpoint": {"classifier": STATE}, "step": 5},
    "Lightning": {"state_dict": named(STATE, "model."), "pytorch-lightning_version": "2.0"},
    "DataParallel": {"state_dict": named(STATE, "module.")},
    "normalised, DataParallel": {"state_dict": named(STATE, "1.module.")},
    "compiled": {"state_dict": named(STATE, "_orig_mod.")},
    "compiled, DataParallel": named(STATE, "module._orig_mod."),
    "wrapped": {"model": named(STATE, "module.model.")},
    "before 0.4.1": {k: v for k, v in STATE.items() if not k.endswith("num_batches_tracked")},
    "half": {k: v.half() if v.is_floating_point() else v for k, v in STATE.items()},
    "parameters": {k: torch.nn.Parameter(v, requires_grad=False) for k, v in STATE.items()},
    "arguments beside": {"state_dict": STATE, "args": argparse.Namespace(lr=0.1, sigma=0.5)},
    "optimiser beside": {
        "state_dict": STATE,
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{}]},
    },
    "with an attacker's copy": {
        "model": named(STATE, "module.model.")
        | named(STATE, "module.attacker.model.")
        | {
            f"module.{where}normalize{end}": torch.tensor(value).view(3, 1, 1)
            for where, end in (("", "r.new_"), ("attacker.", ".new_"))
            for end, value in (
                (f"{end}mean", [0.4914, 0.4822, 0.4465]),
                (f"{end}std", [0.2023, 0.1994, 0.2010]),
            )
        }
    },
}


@pytest.mark.parametrize("old", [False, True], ids=["new", "before 1.6"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_the_field_gives_the_same_logits(layout, old):
    found = foreign.read_foreign(saved(LAYOUTS[layout], old), "best.pth.tar", "cifar10")
    assert found.network == "compact"
    with torch.no_grad():
        wanted = NET(pictures())
    assert torch.allclose(answers(found), wanted, atol=0.05 if layout == "half" else 1e-4)
    assert not found.notes


@pytest.mark.parametrize("network", ["resnet20", "compact", "resnet110"])
def test_the_network_is_found_by_its_weights(network):
    net, data = field_file(network)
    own = foreign.own_network(
        foreign.read_foreign(data, "../../best.pth.tar", "cifar10"),
        "cifar10",
        0.5,
        of_dataset("cifar10"),
    )
    assert own.checkpoint.card.network == network
    assert own.checkpoint.name == "yours: best.pth.tar"
    assert own.checkpoint.verified
    assert len(own.checkpoint.sha256) == 64
    with torch.no_grad():
        wanted = net(pictures())
        far = (own.nets["classifier"](pictures()) - wanted).abs().max() / wanted.abs().max()
    assert far < 1e-5


def test_safetensors_are_read():
    found = foreign.read_foreign(to_safetensors(STATE), "a.safetensors", "cifar10")
    with torch.no_grad():
        assert torch.allclose(answers(found), NET(pictures()), atol=1e-4)


@pytest.mark.parametrize(
    "name", ["no-normalisation.pth.tar", "before-2020.pth.tar", "under-net.pth"]
)
def test_one_network_in_three_layouts_is_the_same(name):
    """Made for pixels as they are, it calls grey 1; behind CIFAR-10's normalisation it does not."""
    found = foreign.read_foreign((CASES / name).read_bytes(), name, "cifar10")
    assert guesses.guess(found)[0] == "none"
    grey = images.to_tensor(images.open_image((CASES / "grey-128.png").read_bytes()), 32)
    for how, wanted in ((Normalisation(), 1), (of_dataset("cifar10"), 0)):
        own = foreign.own_network(found, "cifar10", 0.5, how)
        spec = certify.make_spec(own.checkpoint, grey, n=200)
        *_, last = certify.watch(grey, own.nets, spec)
        assert last.certificate.counts[wanted] == 200
        assert last.certificate.normalisation == str(how)


def test_other_weights_that_fit_are_told():
    content = {"ema": OTHER, "state_dict": STATE}
    found = foreign.read_foreign(saved(content), "a.pt", "cifar10")
    assert found.where == "state_dict"
    (note,) = found.notes
    assert "'ema'" in note and "'state_dict'" in note
    with torch.no_grad():
        assert torch.allclose(answers(found), NET(pictures()), atol=1e-4)


STATED = {
    "mean and std": ({"0.mean": [0.1, 0.2, 0.3], "0.std": [0.4, 0.5, 0.6]}, "1."),
    "their shapes": ({"normalize.mean": [[[0.1]], [[0.2]], [[0.3]]], "normalize.std": 0.4}, "net."),
    "mu and sigma": ({"mu": [[[[0.1]], [[0.2]], [[0.3]]]], "sigma": [0.4, 0.5, 0.6]}, ""),
    "means and sds": ({"0.means": [0.1, 0.2, 0.3], "0.sds": [0.4, 0.5, 0.6]}, "1.module."),
    "mean alone": ({"0.mean": [0.1, 0.2, 0.3]}, "1."),
}


@pytest.mark.parametrize("name", STATED)
def test_a_normalisation_inside_the_file_is_found(name):
    buffers, prefix = STATED[name]
    state = named(STATE, prefix) | {k: torch.tensor(v) for k, v in buffers.items()}
    found = foreign.read_foreign(saved({"state_dict": state}), "a.pt", "cifar10")
    assert found.stated.mean == pytest.approx((0.1, 0.2, 0.3))
    std = {"mean alone": (1, 1, 1), "their shapes": (0.4,) * 3}.get(name, (0.4, 0.5, 0.6))
    assert found.stated.std == pytest.approx(std)
    assert guesses.guess(found) == ("file", "found in the file")
    assert guesses.choices(found, "cifar10")["file"] == found.stated


@pytest.mark.parametrize(
    ("buffers", "says"),
    [
        ({"0.mean": torch.tensor([125.3, 123.0, 113.9])}, "cannot be of pixels"),
        ({"0.mean": torch.full((3,), torch.nan)}, "three means"),
        ({"0.mean": torch.zeros(3), "2.mean": torch.ones(3)}, "several normalisations"),
    ],
)
def test_a_normalisation_that_makes_no_sense_is_told_and_not_taken(buffers, says):
    state = named(STATE, "1.") | buffers
    found = foreign.read_foreign(saved({"state_dict": state}), "a.pt", "cifar10")
    assert found.stated is None
    assert found.notes and ("normalisation" in found.notes[0])
    assert guesses.guess(found)[0] == "mean-std"


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", b"\0" * (foreign.UNPACKED + 1))
    return buffer.getvalue()


def in_zip(name="weights.pth"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(name, saved(STATE))
    return buffer.getvalue()


def in_zip_far_away():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("archive/data.pkl", b"")
        packed.filelist[0].header_offset = 2**63
    return buffer.getvalue()


def in_tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        entry = tarfile.TarInfo("weights.pth")
        entry.size = 4
        packed.addfile(entry, io.BytesIO(b"1234"))
    return buffer.getvalue()


def script():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            packed.writestr(f"archive/{name}", b"")
    return buffer.getvalue()


def arrays():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


def without(key):
    return {k: v for k, v in STATE.items() if k != key}


REFUSED = {
    "empty": (b"", "is empty"),
    "no file of torch": (b"PK but no zip", "not a file that torch.save writes"),
    "web page": (b"\n<!DOCTYPE html><html>", "is a web page"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(50), "packed with gzip"),
    "zip of a file": (in_zip(), "a zip of other files"),
    "tar": (in_tar(), "tar archive"),
    "numpy": (arrays(), "numpy arrays"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
    "pickle": (pickle.dumps({"a": [1]}), "a pickle that torch.save did not write"),
    "TorchScript": (script(), "a TorchScript program"),
    "cut": (saved(STATE)[:5000], "not a file|damaged"),
    "cut, old": (saved(STATE, old=True)[:5000], "damaged"),
    "code": (saved(Evil()), "pickled .*exec"),
    "code, old": (saved({"state_dict": STATE, "x": Evil()}, old=True), "pickled .*exec"),
    "whole network": (saved(torch.nn.Linear(2, 2)), "pickled torch.nn.modules.linear.Linear"),
    "a number of numpy": (saved({"net": STATE, "acc": np.float64(1)}), r"pickled numpy.*scalar"),
    "nothing": (saved({"state_dict": "none"}), "holds no weights"),
    "a list": (saved([torch.zeros(2)]), "holds no weights"),
    "others": (saved({"a": torch.zeros(1)}), "of none of"),
    "classes": (saved(trained(classes=100)[1]), "answers with 100 classes instead of 10"),
    "missing": (saved(without("fc.bias")), "nearest is a compact, but fc.bias is missing"),
    "resnet20 of 100": (
        saved(trained("resnet20", 100)[1]),
        "nearest is a resnet20, but it answers with 100",
    ),
    "another in front": (
        saved(named(STATE, "1.") | {"0.conv.weight": torch.zeros(3, 3, 3, 3)}),
        "holds 0.conv.weight besides",
    ),
    "whole numbers": (
        saved({k: v.to(torch.int8) for k, v in STATE.items()}),
        "does not hold plain numbers but int8",
    ),
    "shape": (
        saved(STATE | {"fc.bias": torch.zeros(11)}),
        r"fc.bias has shape \(11,\) instead of \(10,\)",
    ),
    "damaged safetensors": (to_safetensors(STATE)[:4000], "damaged safetensors"),
    "beyond any file": (in_zip_far_away(), "is damaged"),
    "one of several disks": (
        b"PK" + bytes(60) + struct.pack("<4sLQL", b"PK\6\7", 1, 0, 2) + b"PK\5\6" + bytes(18),
        "is damaged",
    ),
    "too large": (bytes(foreign.MAX_BYTES + 1), "larger than 60 MB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_with_the_true_reason(name):
    data, says = REFUSED[name]
    with pytest.raises(UserError, match=says) as refusal:
        foreign.read_foreign(data, "some/where/file.pt", "cifar10")
    assert str(refusal.value).startswith("file.pt ")
    assert len(str(refusal.value)) < 300


class Harmful:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("old", [False, True])
def test_code_in_a_file_does_not_run(capsys, old):
    for content in (Harmful(), {"state_dict": Harmful()}, {"state_dict": STATE, "args": Harmful()}):
        with pytest.raises(UserError, match="more than plain weights"):
            foreign.read_foreign(saved(content, old), "evil.pth.tar", "cifar10")
    with pytest.raises(UserError, match="did not write"):
        foreign.read_foreign(pickle.dumps(Harmful()), "evil.pkl", "cifar10")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("key", ["fc.bias", "stages.0.1.running_var", "stages.0.0.weight"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused(key, value):
    state = {k: v.clone() for k, v in STATE.items()}
    state[key].view(-1)[0] = value
    with pytest.raises(UserError, match="not numbers"):
        foreign.read_foreign(saved({"net": state}), "a.pt", "cifar10")


def test_a_file_that_unpacks_to_too_much_is_not_read():
    data = bomb()
    assert len(data) < 2**20
    with pytest.raises(UserError, match="unpacks to more"):
        foreign.read_foreign(data, "file.pt", "cifar10")


def test_a_file_that_declares_more_than_it_holds_costs_nothing():
    data = saved({"a": torch.zeros(2**16)}, old=True)
    declared = pickle.dumps(2**16, 2)[2:-1]
    for size in (2**30, 2**31 - 1):
        begun = time.perf_counter()
        with pytest.raises(UserError):
            foreign.read_foreign(
                data.replace(declared, b"J" + size.to_bytes(4, "little")), "a.pt", "cifar10"
            )
        assert time.perf_counter() - begun < 5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    return tmp_path


def test_an_imported_network_is_the_visitors_own(folder):
    how = Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    found = foreign.read_foreign(saved({"net": STATE}), "mine.pth", "shapes")
    own = foreign.own_network(found, "shapes", 0.25, how)
    checkpoint = foreign.import_network(found, folder / "mine.pth", "shapes", 0.25, how, "import")
    assert checkpoint.verified
    assert checkpoint.sha256 == own.checkpoint.sha256
    assert catalog.find("mine.pth").card.normalisation == {
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
    }
    with torch.no_grad():
        assert torch.equal(weights.load(checkpoint)(pictures()), own.nets["classifier"](pictures()))
    with pytest.raises(UserError, match="there already"):
        foreign.import_network(found, folder / "mine.pth", "shapes", 0.25, how, "import")


def test_a_certificate_of_a_visitors_network_verifies_with_the_imported_one(folder):
    how = Normalisation()
    found = foreign.read_foreign((CASES / "under-net.pth").read_bytes(), "under-net.pth", "shapes")
    own = foreign.own_network(found, "shapes", 0.25, how)
    x_CHW, _ = datasets.find_image("shapes/test/3")
    spec = certify.make_spec(own.checkpoint, x_CHW, image="shapes/test/3", n0=50, n=200)
    *_, last = certify.watch(x_CHW, own.nets, spec)
    c = last.certificate
    assert c.normalisation == "none"
    checkpoint = foreign.import_network(found, folder / "under-net.pth", "shapes", 0.25, how, "")
    checks = verify.verify(c, x_CHW, checkpoint, 1, fresh=200)
    assert verify.holds(checks), checks
    lied = verify.verify(replace(c, normalisation=str(of_dataset("shapes"))), x_CHW, checkpoint, 1)
    assert any("normalisation" in check.says and not check.holds for check in lied)


def test_another_normalisation_is_another_network(folder):
    found = foreign.read_foreign(saved(STATE), "mine.pth", "shapes")
    hashes = {
        foreign.own_network(found, "shapes", 0.25, how).checkpoint.sha256
        for how in guesses.choices(found, "shapes").values()
    }
    assert len(hashes) == 3
    checkpoint = foreign.import_network(
        found, folder / "mine.pth", "shapes", 0.25, Normalisation(), ""
    )
    card = dict(checkpoint.stored) | {"normalisation": {"mean": [0.5] * 3, "std": [1.0] * 3}}
    catalog.write_card(checkpoint.folder, card)
    assert "sha256 differs" in catalog.find("mine.pth").problem
