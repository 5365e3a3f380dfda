"""What a session keeps is declared in one file, and written by the file that it names."""

import ast
import re
from pathlib import Path

import pytest

from rsviz.ui.common import state

ROOT = Path(__file__).parents[3]
FILES = sorted([*(ROOT / "rsviz/ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")])
ENTRIES = {name: e for name, e in vars(state).items() if isinstance(e, state.Entry)}


def private_names(source):
    """Every string of a file that begins as a private key does, f-strings among them."""
    nodes = list(ast.walk(ast.parse(source)))
    tails = {id(part) for n in nodes if isinstance(n, ast.JoinedStr) for part in n.values[1:]}
    strings = [n.value for n in nodes if isinstance(n, ast.Constant) and id(n) not in tails]
    return [s for s in strings if isinstance(s, str) and re.match(r"_[a-z]", s)]


@pytest.mark.parametrize("source", ['st.session_state["_own"]', 'a.get(f"_turns_{key}")'])
def test_a_private_key_is_found(source):
    assert private_names(source)


def test_no_other_file_names_a_private_key():
    found = {f.name: private_names(f.read_text()) for f in FILES if f.name != "state.py"}
    assert {name: keys for name, keys in found.items() if keys} == {}


def test_every_entry_has_a_key_of_its_own():
    keys = [entry.key for entry in ENTRIES.values()]
    assert len(set(keys)) == len(keys) and all(key.startswith("_") for key in keys)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_written_by_the_file_it_names_alone(name):
    writes = re.compile(rf"\bstate\.{name}(\.of\(\w+\))?\.(set|clear)\(")
    found = [f for f in FILES if writes.search(f.read_text())]
    assert found == [ROOT / "rsviz/ui" / f"{ENTRIES[name].writer}.py"]


def test_an_entry_reads_its_default_until_it_is_written(monkeypatch):
    held = {}
    monkeypatch.setattr(state.st, "session_state", held)
    assert state.CLICKED.of("curves").get() == ("", None)
    state.CLICKED.of("curves").set(("L2", {"x": 1}))
    assert state.CLICKED.of("curves").get() == ("L2", {"x": 1})
    assert state.CLICKED.of("radii").get() == ("", None)
    state.CLICKED.of("curves").clear()
    assert held == {}
