"""Tables of seconds: written, read, refused, and what experiments make of them."""

import sys
import time

import numpy as np
import pytest

from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.evaluation import bench, experiment_rows, seconds
from rsviz.evaluation.experiments import TIMES, find
from rsviz.evaluation.seconds import Seconds, SecondsHead
from rsviz.figures import experiments as figures

PLAIN, *OTHERS = find("level-seconds").points[0].arguments[2:7]


def table(others=0.01, images=40, n=5_000):
    """Seconds of all networks: plain takes 1 or 3 of each two images, Dual RS 1.5 times that."""
    plain_N = np.where(np.arange(images) % 2, 1.0, 3.0)
    factors = (1.0, 1.5, 1.6, 2.0, 1.2)
    head = SecondsHead((PLAIN, *OTHERS), ("",) * 5, "cifar10", n, others, "the command")
    index_N = 250 * np.arange(images)
    return Seconds(head, index_N, np.stack([factor * plain_N for factor in factors], 1))


def put(root, **how):
    file = root / find("level-seconds").points[0].log
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(seconds.text_of(table(**how)))
    return file


def test_a_table_is_read_as_it_was_written(tmp_path):
    read = seconds.read(put(tmp_path))
    assert read.head == table().head
    assert read.seconds_NM == pytest.approx(table().seconds_NM, abs=1e-6)
    assert read.times("cifar10-dual", PLAIN).mean() == pytest.approx(1.5)
    assert set(read.times("cifar10-dual", PLAIN)) == {0.75, 2.25}  # over the mean, 2 seconds


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rsviz-seconds-1", "rsviz-attacks-1"),
        ("index,", "image,"),
        ("1.500000", "much"),
        ("1.500000", "-1.5"),
        ("1.500000", "nan"),
        ('"n": 5000', '"n": "many"'),
        ("index", "\x00"),
        ("0,3.000000,", "0,"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path, old, new):
    file = put(tmp_path)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=r"no table of seconds|not a text file"):
        seconds.read(file)


def test_an_experiment_tells_ratios_and_judges_them(tmp_path):
    put(tmp_path)
    found = experiment_rows.result(find("level-seconds"), tmp_path)
    rows = {row.x: row for row in found.of(TIMES)}
    assert rows["Dual RS"].value == pytest.approx(1.5)
    assert rows["Dual RS"].images == 40 and rows["Dual RS"].n == 5_000
    assert experiment_rows.number(rows["Dual RS"]) == "1.50"
    assert [j.outcome for j in found.judged] == ["as expected", "as expected"]
    assert experiment_rows.gap_in_words(found.judged[1]).startswith("+0.30, 95 % interval")
    text = "\n".join(experiment_rows.in_lines(found))
    assert "%" not in text.replace("95 %", "").replace("5 % of the machine", "")
    drawn = figures.measured(found, TIMES)
    assert drawn.layout.yaxis.tickformat is None


@pytest.mark.parametrize("others", [None, 0.2])
def test_seconds_of_a_busy_machine_are_not_believed(tmp_path, others):
    put(tmp_path, others=others)
    found = experiment_rows.result(find("level-seconds"), tmp_path)
    assert not found.of(TIMES)
    assert "did other things" in found.missing[0].note
    assert "bench --certify" in found.missing[0].commands[-1]


def test_an_unfinished_table_is_not_read(tmp_path):
    put(tmp_path, images=7)
    found = experiment_rows.result(find("level-seconds"), tmp_path)
    assert "7 of 40 images" in found.missing[0].note


def test_own_work_is_not_that_of_others(monkeypatch):
    seen = iter([100.0, 110.0])
    monkeypatch.setattr(seconds, "_busy", lambda: next(seen))
    own, wall = iter([1.0, 8.0]), iter([0.0, 20.0])
    monkeypatch.setattr(time, "process_time", lambda: next(own))
    monkeypatch.setattr(time, "monotonic", lambda: next(wall))
    monkeypatch.setattr(seconds.os, "cpu_count", lambda: 2)
    assert seconds.Neighbours().share() == pytest.approx((10 - 7) / (2 * 20))
    monkeypatch.setattr(seconds, "_busy", lambda: None)
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert seconds.Neighbours().share() is None


def test_networks_are_timed_in_turn_and_their_table_kept(tmp_path, monkeypatch, capsys):
    names = ("shapes-gaussian-0.5", "shapes-gaussian-1.0")
    out = tmp_path / "s.csv"
    words = ["bench", "--certify", *names, "--every", "1000", "--n", "50"]
    words += ["--precision", "float32"]
    monkeypatch.setattr(sys, "argv", ["rsviz", *words])  # pytest's own depends on how it is run
    order = []
    monkeypatch.setattr(bench, "watch", lambda x, nets, spec, *_, **__: order.append(spec) or [])
    assert main([*words, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert f"times {names[0]}" in told and "wrote" in told
    # Each once untimed, then each image by both, beginning with another one each time.
    assert [s.checkpoint for s in order] == [*names, *names, *reversed(names)]
    assert {s.n for s in order} == {50}
    read = seconds.read(out)
    assert read.head.networks == names and len(read.index_N) == 2
    assert read.head.n == 50 and read.head.command == " ".join(("python -m rsviz", *words))
    assert main([*words, "--out", str(out)]) == 2
    assert "there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shapes-gaussian-0.5", "cifar10-gaussian-0.5"], "of one data set"),
        (["shapes-gaussian-0.5", "--every", "0"], "at least 1"),
        (["shapes-gaussian-0.5", "--n", "0"], "n"),
        (["no-such-network"], "no-such-network"),
    ],
)
def test_what_cannot_be_timed_is_a_sentence(words, said, capsys):
    assert main(["bench", "--certify", *words]) == 2
    assert said in capsys.readouterr().err
