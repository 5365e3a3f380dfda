"""One bad folder among the checkpoints takes down no page; it is named, with what is wrong."""

import json

import pytest
import streamlit as st

from rsviz.checkpoints import catalog
from rsviz.evaluation import examples
from rsviz.ui.page_list import PAGES
from tests.helpers import (
    constant_network,
    faults,
    make_checkpoints,
    make_rivals,
    make_selectors,
)

NAMES = [name for name, _, _ in PAGES]
DEEP = "[" * 100_000 + "]" * 100_000
LOG = {"log": "certified.csv", "sigma": 0.5, "images": 10, "n": 1000}


def card(folder, **change):
    made = constant_network(folder)
    catalog.write_card(folder, dict(made.stored) | change)
    return folder


def text(folder, name, content):
    card(folder, measured=[LOG])
    (folder / name).write_text(content)


def in_the_place_of(folder, name):
    card(folder, measured=[LOG])
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()


def parts(folder, parts):
    made = constant_network(folder)
    sha256 = catalog.parts_sha256(parts, catalog.weights_hash(folder))
    catalog.write_card(folder, dict(made.stored) | {"parts": parts, "sha256": sha256})


def members(folder, **change):
    made = constant_network(folder)
    named = [{"name": folder.name, "sha256": made.sha256}] * 2
    sha256 = catalog.ensemble_sha256([made.sha256] * 2, [0.5, 0.5])
    stated = {"members": named, "weights": [0.5, 0.5], "sha256": sha256}
    catalog.write_card(folder, dict(made.stored) | stated | change)


KINDS = {
    "method": lambda f: card(f, method="![x](http://evil.example)"),
    "dataset": lambda f: card(f, dataset="nothing"),
    "network": lambda f: card(f, network="nothing"),
    "deep-card": lambda f: text(f, "card.json", DEEP),
    "deep-settings": lambda f: text(f, "card.json", '{"settings":' + DEEP + "}"),
    "card-folder": lambda f: in_the_place_of(f, "card.json"),
    "weights-folder": lambda f: in_the_place_of(f, "weights.safetensors"),
    "deep-examples": lambda f: text(f, examples.FILE, DEEP),
    "number-examples": lambda f: text(f, examples.FILE, "7"),
    "folder-examples": lambda f: in_the_place_of(f, examples.FILE),
    "folder-log": lambda f: in_the_place_of(f, "certified.csv"),
    "no-log": lambda f: card(f, measured=[LOG]),
    "log-outside": lambda f: card(f, measured=[LOG | {"log": "../../../../etc/passwd"}]),
    "nonsense-log": lambda f: text(f, "certified.csv", "\x00\x01"),
    "sigma-none": lambda f: card(f, sigma=None),
    "sigma-zero": lambda f: card(f, sigma=0.0),
    "run": lambda f: card(f, run={"f": 7.0, "levels": "x"}),
    "parts-nothing": lambda f: parts(f, {"classifier": {}}),
    "parts-unknown": lambda f: parts(f, {"classifier": {"network": "nothing"}}),
    "itself": members,
    "itself-as-part": lambda f: parts(f, {"classifier": {"checkpoint": f.name, "sha256": ""}}),
    "levels-without-parts": lambda f: card(f, method="dual", sigma=None),
    "masks-without-parts": lambda f: card(f, method="adaptive", dataset="shapes-k48"),
    "variational-without-parts": lambda f: card(f, method="variational", sigma=None),
    "multiscale-without-parts": lambda f: card(f, method="multiscale", sigma=None),
    "files": lambda f: card(f, precisions={"int8": {"files": {"x": {"file": "y", "sha256": ""}}}}),
    "fit": lambda f: card(f, fit={"weightings": 7}),
    "seconds": lambda f: card(f, seconds=1e308, measured=[LOG | {"acr": 1e308}]),
    "empty": lambda f: f.mkdir(),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    root = tmp_path_factory.mktemp("good")
    for make in (make_checkpoints, make_rivals, make_selectors):
        make(root)
    for kind, spoil in KINDS.items():
        spoil(root / f"0-bad-{kind}")  # first by name, so that no page can choose them by chance
    (root / "0-a-file").write_text("x")
    (root / "0-a-loop").symlink_to("0-a-loop")
    return root


@pytest.mark.parametrize("page", NAMES)
def test_a_page_opens_beside_bad_folders_of_every_kind(open_page, good, monkeypatch, page, caplog):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(good))
    monkeypatch.setenv("RSVIZ_LOGS", str(good / "logs"))
    st.cache_data.clear()
    app = open_page(page)
    assert not app.exception and "Traceback" not in caplog.text
    assert faults(app) == []


def test_what_is_wrong_is_told(good):
    told = {c.name.removeprefix("0-bad-"): c.problem for c in catalog.list_checkpoints(good)}
    assert "its method, '![x](http://evil.example)', is not known here" == told["method"]
    assert "data set" in told["dataset"]
    for kind in ("deep-card", "card-folder", "weights-folder", "empty", "itself"):
        assert told[kind], kind
    assert json.dumps(told)
