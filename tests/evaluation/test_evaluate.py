import csv
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rsviz.certification import certify
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.evaluation import comparison, curves, evaluate, logs, per_image
from rsviz.evaluation.answers import is_question, read_answers
from rsviz.evaluation.evaluate import EvaluationSpec
from rsviz.evaluation.logs import read_log
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
    """All but the seconds, which differ from run to run, and with them the checks."""
    return [line.rsplit(",", 2)[0] for line in file.read_text().splitlines()[2:]]


def run(spec, nets, data, out):
    evaluate.evaluate(spec, nets, data, out, report=lambda text: None)


def test_the_log_holds_settings_and_one_row_an_image(nets, data, tmp_path):
    run(SPEC, nets, data, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    head = json.loads(lines[0].removeprefix("# "))
    assert head["format"] == "rsviz-log-1"
    for key in ("checkpoint_sha256", "sigma", "n0", "n", "alpha", "seed", "norm", "path", "torch"):
        assert key in head["spec"]
    assert lines[1] == "index,label,predicted,radius,correct,counts0,counts,n,seconds,check"
    assert [int(line.split(",")[0]) for line in lines[2:]] == list(range(6))
    for line in lines[2:]:
        index, label, *_, counts0, counts, n, _, _ = line.split(",")
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


def test_a_log_goes_on_under_another_label_and_not_with_other_weights(nets, data, tmp_path):
    whole, log = tmp_path / "whole.csv", tmp_path / "a.csv"
    run(SPEC, nets, data, whole)
    log.write_text("\n".join(whole.read_text().split("\n")[:3]) + "\n")
    run(replace(SPEC, name="as its ensemble calls it now"), nets, data, log)
    assert rows(log) == rows(whole)
    with pytest.raises(UserError, match="another checkpoint_sha256"):
        run(replace(SPEC, checkpoint_sha256="b" * 64), nets, data, log)


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


FOREIGN = [
    b"my thesis, in one line",
    b"my thesis\nin two lines\nand a third without an end",
    b"# {not json}\nindex,label\n",
    b'# {"format": "rsviz-log-1"}',
    b'# {"format": "rsviz-log-1", "spec": {}}\n',
    b"\xff\xfe\x00binary\x00",
    b"# " + b"[" * 100_000 + b"\n",
    b" ",
    b"# {}\nx\n1,2",
    b"\n\n",
]


@pytest.mark.parametrize("content", FOREIGN, ids=range(len(FOREIGN)))
def test_a_foreign_file_is_refused_and_stays_as_it_is(data, tmp_path, content):
    out = tmp_path / "thesis.txt"
    out.write_bytes(content)
    with pytest.raises(UserError, match=r"not a log of rsviz, or is damaged; choose another --out"):
        evaluate.open_log(out, SPEC, "cpu", "")
    assert out.read_bytes() == content


def test_a_log_cut_at_any_byte_is_resumed_from_its_whole_rows_or_refused(nets, data, tmp_path):
    run(replace(SPEC, first=2), nets, data, tmp_path / "whole.csv")
    whole = (tmp_path / "whole.csv").read_bytes()
    head = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for cut in range(1, len(whole)):
        out = tmp_path / "cut.csv"
        out.write_bytes(whole[:cut])
        if cut < head:
            with pytest.raises(UserError, match="or is damaged"):
                evaluate.open_log(out, replace(SPEC, first=2), "cpu", "")
            assert out.read_bytes() == whole[:cut]
        else:
            held = evaluate.open_log(out, replace(SPEC, first=2), "cpu", "")
            assert len(held) == whole[head:cut].count(b"\n")
            assert out.read_bytes() == whole[: whole.rfind(b"\n", 0, cut) + 1]


def test_a_log_of_another_run_loses_not_even_its_torn_row(nets, data, tmp_path):
    run(replace(SPEC, first=2), nets, data, tmp_path / "a.csv")
    torn = (tmp_path / "a.csv").read_bytes()[:-5]
    (tmp_path / "a.csv").write_bytes(torn)
    with pytest.raises(UserError, match="another seed"):
        evaluate.open_log(tmp_path / "a.csv", replace(SPEC, first=2, seed=5), "cpu", "")
    assert (tmp_path / "a.csv").read_bytes() == torn


def test_a_damaged_row_or_an_image_twice_is_refused(nets, data, tmp_path):
    run(replace(SPEC, first=2), nets, data, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    for rows in ([lines[2], lines[2]], ["0,1"], ["x" + lines[2]], [lines[2] + ",7"]):
        (tmp_path / "b.csv").write_text("\n".join([*lines[:2], *rows]) + "\n")
        with pytest.raises(UserError, match=r"was changed: line 3|was changed: line 4"):
            evaluate.open_log(tmp_path / "b.csv", replace(SPEC, first=2), "cpu", "")


def test_a_second_evaluation_into_one_log_is_told_who_writes(nets, data, tmp_path):
    out, spec = tmp_path / "a.csv", replace(SPEC, first=2)
    first = evaluate.walk(spec, nets, data, out)
    next(first)
    with pytest.raises(UserError, match=r"a\.csv is being written by process \d+ on"):
        list(evaluate.walk(spec, nets, data, out))
    list(first)
    assert len(rows(out)) == 2
    list(evaluate.walk(spec, nets, data, out))  # now it may, and finds all done
    assert len(rows(out)) == 2


@pytest.mark.parametrize("out", ["/dev/zero", "/dev/null", "", "/dev/null/x.csv"])
def test_a_place_for_no_log_is_refused_at_once(nets, data, tmp_path, out):
    with pytest.raises(UserError, match=r"--out|cannot be written"):
        list(evaluate.walk(SPEC, nets, data, Path(out or tmp_path)))


@pytest.mark.parametrize(
    "change", [{"n": 0}, {"n0": -1}, {"alpha": 2.0}, {"alpha": math.nan}, {"sigma": math.nan}]
)
def test_settings_that_no_run_has_are_refused_before_anything_is_written(change):
    with pytest.raises(UserError, match="must"):
        replace(SPEC, **change)


ASK = replace(SPEC, n=2_000, until_radius=0.1, bound="anytime", first=8)


@pytest.fixture(scope="module")
def asked(nets, data, tmp_path_factory):
    """The whole log of the question."""
    out = tmp_path_factory.mktemp("asked") / "asked.csv"
    run(ASK, nets, data, out)
    return out


def test_images_of_a_question_settle_early_and_the_log_says_so(nets, data, asked):
    """Each image's votes and answer are those it has alone, wherever the others end."""
    lines = asked.read_text().splitlines()
    head = json.loads(lines[0].removeprefix("# "))
    assert (head["spec"]["until_radius"], head["spec"]["bound"]) == (0.1, "anytime")
    totals, found = {}, Counter()
    for row in csv.DictReader(lines[1:]):
        index, answer = int(row["index"]), row["answer"]
        *_, alone = certify.watch(data.image(index), nets, ASK.run(data, index))
        c = alone.certificate
        assert (row["counts"], answer) == (" ".join(map(str, c.counts)), c.detail["answer"])
        certified = (float(row["radius"]), int(row["predicted"]) >= 0)
        assert certified == ((0.1, True) if answer == "yes" else (0, False))
        assert row["n"] == "2000"
        totals[index] = sum(c.counts)
        found[answer] += 1
    assert len(totals) == 8 and min(totals.values()) < 500 < 2_000
    told = read_answers(asked)
    assert (told.yes, told.no, told.undecided) == tuple(
        found[a] for a in ("yes", "no certificate", "undecided")
    )
    assert told.votes == sum(totals.values()) and told.images == 8
    assert f"{told.votes / 8:,.0f} votes an image on average" in told.in_words()


def test_a_killed_question_resumes_and_is_no_other_run(nets, data, asked, tmp_path):
    cut = tmp_path / "cut.csv"
    text = asked.read_text()
    cut.write_text(text[: text.index("\n3,") + 12])
    assert read_answers(cut).images == 3
    run(ASK, nets, data, cut)

    def kept(file):
        rows = csv.DictReader(file.read_text().splitlines()[1:])
        return [{k: v for k, v in row.items() if k not in ("seconds", "check")} for row in rows]

    assert kept(cut) == kept(asked)
    for other in (replace(ASK, until_radius=0.2), replace(ASK, until_radius=None)):
        with pytest.raises(UserError, match=r"another|damaged"):
            run(other, nets, data, cut)


def test_the_log_of_a_question_has_no_curve(nets, data, asked, tmp_path):
    with pytest.raises(UserError, match=r"answers one question of each image, whether radius 0\.1"):
        read_log(asked)
    run(SPEC, nets, data, tmp_path / "table.csv")
    assert "until_radius" not in (tmp_path / "table.csv").read_text()
    assert is_question(asked) and not is_question(tmp_path / "table.csv")
    with pytest.raises(UserError, match="asks no question"):
        read_answers(tmp_path / "table.csv")


NEAR = replace(SPEC, n=3_000, precision=0.3, bound="anytime", first=8)


@pytest.fixture(scope="module")
def near(nets, data, tmp_path_factory):
    """The whole log of a precision."""
    out = tmp_path_factory.mktemp("near") / "near.csv"
    run(NEAR, nets, data, out)
    return out


def test_images_of_a_precision_settle_early_and_the_log_says_so(nets, data, near):
    """Each image's votes and radius are those it has alone, and are read by the anytime bound."""
    lines = near.read_text().splitlines()
    head = json.loads(lines[0].removeprefix("# "))
    assert (head["spec"]["precision"], head["spec"]["bound"]) == (0.3, "anytime")
    reached = {}
    for row in csv.DictReader(lines[1:]):
        index = int(row["index"])
        *_, alone = certify.watch(data.image(index), nets, NEAR.run(data, index))
        c = alone.certificate
        assert row["counts"] == " ".join(map(str, c.counts))
        assert float(row["radius"]) == pytest.approx(c.radius, abs=1e-6)
        assert row["n"] == "3000"
        reached[index] = c.detail["reached"]
    log = read_log(near)
    assert log.votes_N is not None and min(log.votes_N) < 3_000
    assert all(reached[i] for i, votes in zip(log.index_N, log.votes_N, strict=True) if votes < 3e3)
    curve = curves.curve(log, [0.0])
    assert (curve.form, curve.votes) == ("one-sided, to precision 0.3", log.votes_N.mean())


def test_the_log_of_a_precision_is_no_other_run_and_is_not_read_otherwise(
    nets, data, near, tmp_path
):
    whole, cut, plain = read_log(near), tmp_path / "cut.csv", tmp_path / "plain.csv"
    text = near.read_text()
    cut.write_text(text[: text.index("\n3,") + 12])
    for other in (replace(NEAR, precision=0.2), replace(NEAR, precision=None)):
        with pytest.raises(UserError, match="another precision"):
            run(other, nets, data, cut)
    run(NEAR, nets, data, cut)
    assert np.array_equal(read_log(cut).votes_N, whole.votes_N)
    with pytest.raises(UserError, match="ended by a precision"):
        logs.two_sided(whole)
    with pytest.raises(UserError, match="ended by a precision"):
        logs.thin(whole, 100, np.random.default_rng(0))
    run(SPEC, nets, data, plain)
    assert "precision" not in plain.read_text()
    told = curves.comparable([curves.curve(read_log(f), [0.0]) for f in (plain, near)])
    assert any("differ in form" in reason for reason in told)
    entries = [comparison.from_log(read_log(f), "your log") for f in (plain, near)]
    assert "form" in comparison.marks([entries[0], comparison.renamed(entries[1], "b")])["b"]
    assert "within 0.3 of what infinitely many would certify" in entries[1].note
    share_N, _ = per_image.p_a(whole)
    assert whole.counts_NK is not None
    assert share_N == pytest.approx(whole.counts_NK.max(axis=1) / whole.counts_NK.sum(axis=1))


def test_a_radius_above_what_the_counts_of_a_precision_certify_is_refused(near, tmp_path):
    lines = near.read_text().replace('"check": ', '"unchecked": ', 1).splitlines()
    assert lines[1].endswith(",check")
    rows = [line.rsplit(",", 1)[0].split(",") for line in lines[2:]]
    best = max(rows, key=lambda row: float(row[3]))
    best[3] = f"{float(best[3]) + 0.001:.6f}"
    forged = tmp_path / "forged.csv"
    body = [lines[0], lines[1].removesuffix(",check"), *(",".join(row) for row in rows)]
    forged.write_text("\n".join(body) + "\n")
    with pytest.raises(UserError, match="larger than the counts certify"):
        read_log(forged)


def test_no_new_log_is_begun_where_logs_take_too_much_and_an_old_one_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "LOGS_BYTES", 1000)
    old = tmp_path / "old.csv"
    evaluate.check_room(old)
    old.write_bytes(b"0" * 1000)
    evaluate.check_room(old)
    with pytest.raises(UserError, match=r"no new one is begun beyond"):
        evaluate.check_room(tmp_path / "new.csv")
