"""A log tells when it was changed: it is read whole, to its last whole row, or refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rsviz.core.errors import UserError
from rsviz.evaluation import evaluate, row_checks
from rsviz.evaluation.logs import own_rows, parse_log, unprotected
from tests.evaluation.test_evaluate import SPEC, data, nets, rows, run  # noqa: F401

PLAIN = replace(SPEC, sigma=0.5, n0=10, n=1000, alpha=0.001)
ROWS = [
    (0, 3, 3, "0.719931", 1, "10 0 0 0", "0 0 50 950", 1000, "0.512"),
    (1, 2, -1, "0.000000", 0, "0 0 10 0", "1 0 500 499", 1000, "1.000"),
    (2, 1, 3, "0.719931", 0, "0 0 0 10", "50 0 0 950", 1000, "0.003"),
]
ROWS[0] = (*ROWS[0][:5], "0 0 0 10", *ROWS[0][6:])
DETAILS = [(*row, json.dumps({"level": 0.5, "why": 'a "b", c'})) for row in ROWS]
PLACE = {"device": "cpu", "path": "cpu", "dtype": "float32", "torch": "2"}
FIELDS = ("index_N", "label_N", "predicted_N", "radius_N", "correct_N")
SETTINGS = ("name", "dataset", "method", "network", "sigma", "n0", "n", "alpha", "norm", "split")


def made(spec=PLAIN, of=ROWS):
    return row_checks.with_checks(evaluate.head_of(spec, PLACE, "command"), of)


LOGS = {"plain": made(), "detail": made(replace(PLAIN, method="dual", sigma=None), DETAILS)}


def same_so_far(log, whole):
    kept = len(log)
    return all(
        np.array_equal(getattr(log, f), getattr(whole, f)[:kept], equal_nan=True) for f in FIELDS
    ) and all(getattr(log, s) == getattr(whole, s) for s in (*SETTINGS, "bound"))


@pytest.mark.parametrize("kind", LOGS)
def test_a_log_as_it_was_written_is_read_and_said_to_be_protected(kind):
    log = parse_log(LOGS[kind], "x")
    assert (len(log), log.checked, log.notes, unprotected(log)) == (3, True, (), "")
    assert (log.counts_NK is not None) == (kind == "plain")
    for text in (LOGS[kind].replace("\n", "\r\n"), LOGS[kind].removesuffix("\n")):
        assert same_so_far(parse_log(text, "x"), log) and len(parse_log(text, "x")) == 3


@pytest.mark.parametrize("kind", LOGS)
def test_any_bit_flipped_is_read_as_it_was_or_told(kind):
    log_bytes, whole, read = LOGS[kind].encode(), parse_log(LOGS[kind], "x"), 0
    for at in range(len(log_bytes)):
        for bit in range(8):
            flipped = bytearray(log_bytes)
            flipped[at] ^= 1 << bit
            try:
                log = parse_log(bytes(flipped), "x")
            except UserError as error:
                assert len(str(error)) < 300
                continue
            assert same_so_far(log, whole), (at, bit)
            assert len(log) == 3 or log.notes, (at, bit)
            read += 1
    assert read < 40  # such as in the very last line break


@pytest.mark.parametrize("kind", LOGS)
def test_a_log_cut_at_any_byte_is_its_whole_rows_or_refused(kind):
    log_bytes, whole = LOGS[kind].encode(), parse_log(LOGS[kind], "x")
    second = log_bytes.index(b"\n", log_bytes.index(b"\n") + 1) + 1
    for cut in range(len(log_bytes)):
        whole_line = cut > second and log_bytes[cut : cut + 1] == b"\n"
        ended = log_bytes[second:cut].count(b"\n") + whole_line
        try:
            log = parse_log(log_bytes[:cut], "x")
        except UserError:
            assert ended == 0
            continue
        assert same_so_far(log, whole) and len(log) == ended


def damaged() -> dict[str, list[str]]:
    first, second, *rest = LOGS["plain"].splitlines()
    return {
        "a row less": [first, second, rest[0], rest[2]],
        "no first row": [first, second, *rest[1:]],
        "a row twice": [first, second, *rest, rest[2]],
        "two rows changed about": [first, second, rest[1], rest[0], rest[2]],
        "a row more": [first, second, *rest, rest[0].replace("0,3,3", "7,3,3")],
        "another alpha": [first.replace("0.001", "0.01"), second, *rest],
        "another seed": [first.replace('"seed": 0', '"seed": 1'), second, *rest],
        "no check in the head": [first.replace('"check"', '"chuck"'), second, *rest],
        "no column of checks": [first, second[:-6], *(r.rpartition(",")[0] for r in rest)],
        "no head": [second, *rest],
        "a line of prints": [first, second, rest[0], "done in 3 s", *rest[1:]],
        "two columns named about": [
            first,
            second.replace("label,predicted", "predicted,label"),
            *rest,
        ],
    }


@pytest.mark.parametrize("what", damaged())
def test_rows_taken_away_moved_or_added_are_told(tmp_path, what):
    text = "".join(f"{line}\n" for line in damaged()[what])
    with pytest.raises(UserError, match="was changed"):
        parse_log(text, "x")
    out = tmp_path / "a.csv"
    out.write_text(text)
    with pytest.raises(UserError, match=r"was changed|is damaged"):
        evaluate.open_log(out, PLAIN, "cpu", "")
    assert out.read_text() == text


def without_checks(text):
    """The log as versions before checks wrote it."""
    first, second, *rest = text.splitlines()
    head = json.loads(first.removeprefix("# "))
    del head["check"]
    kept = [second, *rest]
    return "\n".join([f"# {json.dumps(head)}", *(r.rpartition(",")[0] for r in kept)]) + "\n"


def test_a_log_made_before_checks_is_read_and_said_to_be_unprotected():
    old, new = (parse_log(text, "x") for text in (without_checks(LOGS["plain"]), LOGS["plain"]))
    assert same_so_far(old, new) and old.checked is False
    assert "a change of them would not be seen" in unprotected(old)
    assert unprotected(parse_log("idx\tlabel\tpredict\tradius\n0\t1\t1\t0.5\n", "x")) == ""


def test_a_log_made_before_checks_goes_on_without_them(nets, data, tmp_path):  # noqa: F811
    out = tmp_path / "a.csv"
    run(replace(SPEC, first=4), nets, data, out)
    whole, old = rows(out), without_checks(out.read_text())
    out.write_text("".join(old.splitlines(keepends=True)[:4]))  # two rows
    run(replace(SPEC, first=4), nets, data, out)
    assert out.read_text().splitlines()[:4] == old.splitlines()[:4]
    assert [r.rsplit(",", 1)[0] for r in out.read_text().splitlines()[2:]] == whole
    assert parse_log(out.read_text(), "x").checked is False


def test_a_log_with_checks_goes_on_with_them(nets, data, tmp_path):  # noqa: F811
    out = tmp_path / "a.csv"
    run(replace(SPEC, first=1), nets, data, tmp_path / "one.csv")
    run(replace(SPEC, first=4), nets, data, out)
    whole, text = rows(out), out.read_text()
    for rows_kept in range(4):
        out.write_text("".join(text.splitlines(keepends=True)[: 2 + rows_kept]) + "9,9"[:rows_kept])
        run(replace(SPEC, first=4), nets, data, out)
        assert rows(out) == whole and parse_log(out.read_text(), "x").checked


def test_rows_are_read_up_to_the_torn_one(tmp_path):
    out = tmp_path / "a.csv"
    out.write_text(LOGS["detail"][:-30])
    head, found = own_rows(out)
    assert head.method == "dual" and [r.index for r in found] == [0, 1]
    assert found[0].detail["why"] == 'a "b", c'
    out.write_text(LOGS["detail"].removesuffix("\n"))
    assert len(own_rows(out)[1]) == 3
