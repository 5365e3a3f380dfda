"""A list of checkpoints is read again exactly when one of its files has changed."""

import json
import shutil

from rsviz.checkpoints import catalog
from tests.helpers import constant_network


def problems(root):
    return {c.name: c.problem for c in catalog.list_checkpoints(root)}


def test_a_list_is_read_once_and_follows_every_change(tmp_path, monkeypatch):
    constant_network(tmp_path / "a")
    constant_network(tmp_path / "b")
    assert problems(tmp_path) == {"a": None, "b": None}
    read = []
    inspect = catalog.inspect
    monkeypatch.setattr(catalog, "inspect", lambda f: read.append(f.name) or inspect(f))
    first = catalog.list_checkpoints(tmp_path)
    assert read == [] and first == catalog.list_checkpoints(tmp_path)
    first.clear()  # a caller's own list
    assert len(catalog.list_checkpoints(tmp_path)) == 2

    card = tmp_path / "a" / catalog.CARD
    text = card.read_text()
    card.write_text(text.replace('"shapes"', '"shapez"'))  # as long as before
    assert "changed since" in problems(tmp_path)["a"] and read == ["a", "b"]
    card.write_text(text)
    weights = tmp_path / "b" / catalog.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert problems(tmp_path)["a"] is None and "sha256 differs" in problems(tmp_path)["b"]
    shutil.rmtree(tmp_path / "b")
    assert problems(tmp_path) == {"a": None}
    (tmp_path / "c").mkdir()
    assert problems(tmp_path) == {"a": None, "c": "it has no card.json"}
    (tmp_path / "c" / catalog.CARD).write_text(json.dumps({}))
    assert problems(tmp_path)["c"].startswith("its card lacks")


def test_a_folder_of_logs_alone_is_no_checkpoint_until_a_file_of_one_is_there(tmp_path):
    constant_network(tmp_path / "a")
    logs = tmp_path / "measured"
    (logs / "experiments").mkdir(parents=True)
    (logs / "certified.csv").write_text("")
    assert problems(tmp_path) == {"a": None}
    (tmp_path / "weighed" / "weightings").mkdir(parents=True)  # of an ensemble
    assert problems(tmp_path) == {"a": None}
    (logs / "certified-n10000.csv.gz").write_bytes(b"")  # packed
    found, weighed = catalog.of_logs_alone(tmp_path)
    assert weighed.name == "weighed" and not weighed.verified
    assert found.name == "measured" and not found.verified and "not kept" in found.problem
    shutil.copy(tmp_path / "a" / catalog.WEIGHTS, logs)
    assert problems(tmp_path) == {"a": None, "measured": "it has no card.json"}
    assert [c.name for c in catalog.of_logs_alone(tmp_path)] == ["weighed"]


def test_a_page_looks_at_a_folder_once_and_the_next_page_again(tmp_path, monkeypatch):
    constant_network(tmp_path / "a")
    looks = []
    look = catalog._look
    monkeypatch.setattr(catalog, "_look", lambda folder: looks.append(folder) or look(folder))
    with catalog.listed_once():
        catalog.list_checkpoints(tmp_path).clear()  # a caller's own list
        shutil.rmtree(tmp_path / "a")
        with catalog.listed_once():
            assert problems(tmp_path) == {"a": None}
        assert problems(tmp_path) == {"a": None} and looks == [tmp_path]
    assert problems(tmp_path) == {}
    with catalog.listed_once():
        assert problems(tmp_path) == {} and len(looks) == 3


def test_a_page_that_waited_lists_what_another_listed_meanwhile(tmp_path, monkeypatch):
    constant_network(tmp_path / "a")
    looks = []
    look = catalog._look
    monkeypatch.setattr(catalog, "_look", lambda folder: looks.append(folder) or look(folder))
    asked = catalog.moment()
    with catalog.listed_once():
        assert problems(tmp_path) == {"a": None}
    with catalog.listed_once(asked):
        assert problems(tmp_path) == {"a": None} and len(looks) == 1
    shutil.rmtree(tmp_path / "a")
    with catalog.listed_once(catalog.moment()):
        assert problems(tmp_path) == {} and len(looks) == 2
