"""A visitor's file is read in a process of its own, with bounds on its time and memory."""

import io
import os
import pickle
import signal
import time
import zipfile
from dataclasses import fields

import pytest
import torch

from rsviz.checkpoints import foreign, sandbox
from rsviz.core.errors import UserError
from tests.checkpoints.test_foreign import LAYOUTS, REFUSED, STATE, saved

# The forks below are of the process of the tests, which has threads; the helper itself has none.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def same(a, b):
    plain = [f.name for f in fields(foreign.Foreign) if f.name != "state"]
    assert [getattr(a, name) for name in plain] == [getattr(b, name) for name in plain]
    assert set(a.state) == set(b.state)
    assert all(torch.equal(a.state[k], b.state[k]) for k in a.state)
    assert all(a.state[k].dtype == b.state[k].dtype for k in a.state)


def test_what_comes_back_is_what_the_file_holds():
    for layout in list(LAYOUTS)[:3]:
        data = saved(LAYOUTS[layout])
        same(
            sandbox.read_apart(data, "a.pt", "cifar10"),
            foreign.read_foreign(data, "a.pt", "cifar10"),
        )
    stated = saved({"net": STATE | {"mean": torch.full((3,), 0.4), "std": torch.full((3,), 0.2)}})
    found = sandbox.read_apart(stated, "a.pt", "cifar10")
    assert found.stated is not None
    same(found, foreign.read_foreign(stated, "a.pt", "cifar10"))


@pytest.mark.parametrize("name", ["cut", "code", "nothing", "missing", "damaged safetensors"])
def test_a_refusal_is_the_same_sentence(name):
    data, _ = REFUSED[name]
    told = []
    for read in (foreign.read_foreign, sandbox.read_apart):
        with pytest.raises(UserError) as refused:
            read(data, "some/where/file.pt", "cifar10")
        told.append(str(refused.value))
    assert told[0] == told[1]


def in_zip(pickled):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", "3\n")
    return out.getvalue()


@pytest.mark.parametrize("body", [b"N0" * 2_000_000, b"(" * 4_000_000, b"]" * 4_000_000])
def test_a_small_file_of_millions_of_opcodes_is_refused_at_once(body):
    data = in_zip(b"\x80\x02" + body + b".")
    assert len(data) < 40_000
    before = time.process_time()
    with pytest.raises(UserError, match="more than 300,000 entries"):
        foreign.read_foreign(data, "a.pt", "cifar10")
    assert time.process_time() - before < 2


def test_the_bound_on_opcodes_is_where_it_is_said_to_be():
    at_most = b"\x80\x02" + b"N0" * ((foreign.OPCODES - 2) // 2) + b"."
    foreign._check_pickles(at_most, "a.pt", 1)
    with pytest.raises(UserError, match="entries"):
        foreign._check_pickles(b"\x80\x02N0" + at_most[2:], "a.pt", 1)
    several = pickle.dumps(1) * foreign.LEGACY_PICKLES + b"not read"
    foreign._check_pickles(several, "a.pt", foreign.LEGACY_PICKLES)


def test_a_pickle_that_unpacks_to_too_much_is_refused():
    data = in_zip(b"\x80\x02" + b"X" + (20 << 20).to_bytes(4, "little") + b"a" * (20 << 20) + b".")
    with pytest.raises(UserError, match="more than 16 MB beside its numbers"):
        foreign.read_foreign(data, "a.pt", "cifar10")


def burn(*_):
    while True:
        pass


def allocate(*_):
    return {}, bytes(4 << 30)


def crash(*_):
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(*_):
    os._exit(0)


def write(*_):
    with open("written", "w") as file:
        file.write("by the file")


@pytest.mark.parametrize("does", [burn, allocate, crash, leave, write])
def test_whatever_a_file_does_ends_in_a_sentence(monkeypatch, tmp_path, does):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sandbox, "SECONDS", 1)
    monkeypatch.setattr(sandbox, "_answer", does)
    told, data = sandbox._in_a_fork({"name": "a/b.pt", "dataset": "cifar10"}, b"")
    assert told["error"].startswith("b.pt takes more than") and data == b""
    assert not (tmp_path / "written").is_file() or not (tmp_path / "written").read_text()


def test_a_helper_that_was_killed_is_started_anew():
    data = saved(STATE)
    sandbox.read_apart(data, "a.pt", "cifar10")
    process = sandbox._HELPER.process
    process.kill()
    process.wait()
    assert sandbox.read_apart(data, "a.pt", "cifar10").network == "compact"
    assert sandbox._HELPER.process is not process


def test_the_helper_prepares_the_networks_that_a_file_may_hold(monkeypatch):
    """And no other: torchvision, which a ResNet-50 would import, takes seconds."""
    built = []
    monkeypatch.setattr(sandbox, "weight_shapes", lambda network, _: built.append(network))
    asked, end = os.pipe()
    os.close(end)
    sandbox._serve(asked, io.BytesIO())
    os.close(asked)
    assert set(built) == set(foreign.NETWORKS)


def test_nothing_runs_that_a_file_holds(capfd):
    class Harmful:
        def __reduce__(self):
            return (print, ("code ran",))

    with pytest.raises(UserError, match="more than plain weights"):
        sandbox.read_apart(saved({"state_dict": Harmful()}), "evil.pth", "cifar10")
    assert "code ran" not in "".join(capfd.readouterr())
