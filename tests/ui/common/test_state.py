"""What a session keeps is declared in one file, and written by the file that it names."""

import ast
import re
from pathlib import Path

import pytest

from rsviz.ui.common import state

ROOT = Path(__file__).parents[3]
FILES = sorted([*(ROOT / "rsviz/ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")])
ENTRIES = {name: e for name, e in vars(state).items() if isinstance(e, state.Entry)}


def strings(node):
    """Every string below a node, of an f-string its beginning, and every name of an argument."""
    nodes = list(ast.walk(node))
    tails = {id(part) for n in nodes if isinstance(n, ast.JoinedStr) for part in n.values[1:]}
    for n in nodes:
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in tails:
            yield n.value
        elif isinstance(n, ast.keyword) and n.arg:
            yield n.arg


def private_names(source):
    """Every private key that a file asks the session for, and every declared one it names."""
    tree = ast.parse(source)
    asks = [n for n in ast.walk(tree) if isinstance(n, ast.Subscript | ast.Call)]
    asks = [n for n in asks if "session_state" in ast.unparse(n)]
    asked = {s for n in asks for s in strings(n) if re.match(r"_[a-z]", s)}
    return asked | {s for s in strings(tree) if s in {e.key for e in ENTRIES.values()}}


NAMING = [
    'st.session_state["_own"]',
    'st.session_state.get(f"_clicked_{key}", 1)',
    "st.session_state.update(_checkpoint=1)",
    'held = "_own_classes"',
]


@pytest.mark.parametrize("source", NAMING)
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
