"""The command of experiments: lists, shows, runs what is missing and nothing twice."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from rsviz.checkpoints import catalog
from rsviz.cli import experiments as command
from rsviz.cli.main import main
from rsviz.evaluation.experiments import ACR, EXPERIMENTS, Experiment, Point
from tests.helpers import constant_network

NAME = "shapes-constant"


def point(x, **more):
    arguments = ("evaluate", "--checkpoint", NAME, "--sigma", str(x), "--every", "50")
    return Point(x, "a", f"{NAME}/experiments/{x}.csv", (*arguments, "--n", "100"), **more)


TINY = Experiment("tiny", "", "How?", "σ", "log", (ACR,), (point(0.25), point(0.5)), ())
TRAINED = Experiment("trained", "", "", "", "log", (ACR,), (point(1.0, first=("no",)),), ())


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Commands that were run, each in this process."""
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    constant_network(tmp_path / NAME)
    both = {"tiny": TINY, "trained": TRAINED}
    monkeypatch.setattr(command, "EXPERIMENTS", tuple(both.values()))
    monkeypatch.setattr(command, "find", both.__getitem__)
    seen = []

    def run(words, check):
        seen.append(words[3:])
        return SimpleNamespace(returncode=main(words[3:]))

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def test_what_is_missing_is_run_once_and_training_only_where_it_is_named(ran, tmp_path, capsys):
    assert main(["experiments", "run"]) == 0
    assert [w[0] for w in ran] == ["evaluate"] * 2
    logs = (tmp_path / NAME / "experiments").glob("[0-9]*.csv")
    assert {f.name for f in logs} == {"0.25.csv", "0.5.csv"}
    assert not catalog.find(NAME).card.measured  # its logs stay out of Compare's lists
    assert main(["experiments", "run"]) == 0 and len(ran) == 2
    capsys.readouterr()
    assert main(["experiments", "show", "tiny", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert [row["images"] for row in shown["rows"]] == [40, 40]
    assert shown["rows"][1]["value"] > shown["rows"][0]["value"] > 0


def test_out_of_time_nothing_is_started(ran, capsys, monkeypatch):
    assert main(["experiments", "run", "--minutes", "0"]) == 0
    assert not ran and "out of time" in capsys.readouterr().err
    assert main(["experiments", "run", "--minutes", "-1"]) == 2


def test_a_command_that_fails_ends_the_run(ran, tmp_path, capsys):
    (tmp_path / NAME / "experiments").mkdir()
    (tmp_path / NAME / "experiments" / "0.25.csv").write_text("nonsense")
    assert main(["experiments", "run"]) == 1
    assert len(ran) == 1 and "command failed" in capsys.readouterr().err


def test_the_shipped_ones_are_listed_and_a_bad_key_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    assert main(["experiments"]) == 0
    out = capsys.readouterr().out
    assert all(f"{e.key:16} not measured" in out for e in EXPERIMENTS)
    assert main(["experiments", "show", "nothing"]) == 2
    assert "no experiment 'nothing'" in capsys.readouterr().err
