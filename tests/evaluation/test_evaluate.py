import json
from dataclasses import replace

import pytest
import torch

from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.evaluation import evaluate
from rsviz.evaluation.evaluate import EvaluationSpec
from rsviz.networks import classifiers

SPEC = EvaluationSpec(
    "c", "shapes", "gaussian", "compact", "0" * 64, 0.3, 100, 200, 0.01, 0, first=6
)


@pytest.fixture(scope="module")
def nets():
    torch.manual_seed(0)
    return {"classifier": classifiers.build("compact", "shapes").eval().requires_grad_(False)}


@pytest.fixture(scope="module")
def data():
    return datasets.load("shapes", "test")


def rows(file):
    """All but the seconds, which differ from run to run."""
    return [line.rsplit(",", 1)[0] for line in file.read_text().splitlines()[2:]]


def run(spec, nets, data, out):
    evaluate.evaluate(spec, nets, data, out, report=lambda text: None)


def test_the_log_holds_settings_and_one_row_an_image(nets, data, tmp_path):
    run(SPEC, nets, data, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    head = json.loads(lines[0].removeprefix("# "))
    assert head["format"] == "rsviz-log-1"
    for key in ("checkpoint_sha256", "sigma", "n0", "n", "alpha", "seed", "norm", "path", "torch"):
        assert key in head["spec"]
    assert lines[1] == "index,label,predicted,radius,correct,counts0,counts,n,seconds"
    assert [int(line.split(",")[0]) for line in lines[2:]] == list(range(6))
    for line in lines[2:]:
        index, label, *_, counts0, counts, n, _ = line.split(",")
        assert int(label) == int(data.y_N[int(index)])
        assert sum(map(int, counts0.split())) == 100
        assert sum(map(int, counts.split())) == int(n) == 200


def test_a_killed_evaluation_resumes_to_the_same_log(nets, data, tmp_path):
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    run(SPEC, nets, data, whole)
    text = whole.read_text()
    cut.write_text(text[: text.index("\n2,") + 9])  # rows 0, 1, and a torn row 2
    run(SPEC, nets, data, cut)
    assert rows(cut) == rows(whole)
    before = cut.read_text()
    run(SPEC, nets, data, cut)  # nothing is left to do
    assert cut.read_text() == before


def test_another_run_is_not_appended_to(nets, data, tmp_path):
    run(replace(SPEC, first=1), nets, data, tmp_path / "a.csv")
    with pytest.raises(UserError, match="another sigma"):
        run(replace(SPEC, first=1, sigma=0.5), nets, data, tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("hello\nthere\n")
    with pytest.raises(UserError, match="not a log"):
        run(SPEC, nets, data, tmp_path / "b.csv")


def test_which_images():
    assert list(replace(SPEC, first=None, every=3).indices(10)) == [0, 3, 6, 9]
    assert list(replace(SPEC, first=20).indices(10)) == list(range(10))
    with pytest.raises(UserError):
        replace(SPEC, every=2)
    with pytest.raises(UserError):
        replace(SPEC, first=0)
