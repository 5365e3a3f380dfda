"""The reader of logs against many ways to write the same table, and against damage."""

import json
import string
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsviz.core.errors import UserError
from rsviz.core.spec import Norm
from rsviz.evaluation import curves, log_tables
from rsviz.evaluation.logs import Log, parse_log

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

ROWS = [(0, 3, 3, "0.5"), (20, 8, -1, "-0.213"), (40, 8, 2, "0.9"), (60, 1, 1, "0.25")]
HEAD = ("idx", "label", "predict", "radius", "correct", "time")


def cells(rows=ROWS):
    return [
        (str(i), str(y), str(p), r, str(int(y == p)), f"0:00:14.{i % 10}") for i, y, p, r in rows
    ]


def table(rows=None, head=HEAD, join="\t", end="\n"):
    return end.join(join.join(row) for row in [head, *(rows or cells())]) + end


def same(log: Log) -> bool:
    return (
        log.index_N.tolist() == [0, 20, 40, 60]
        and log.label_N.tolist() == [3, 8, 8, 1]
        and log.predicted_N.tolist() == [3, -1, 2, 1]
        and log.radius_N.tolist() == [0.5, 0.0, 0.9, 0.25]
        and log.correct_N.tolist() == [True, False, False, True]
    )


@pytest.mark.parametrize(
    "data",
    [
        table().encode(),
        table().encode("utf-8-sig"),
        table().encode("utf-16"),
        b"\xfe\xff" + table().encode("utf-16-be"),
        table().encode("utf-16-le"),
        table().encode("utf-16-be"),
        table().encode("utf-32"),
        table(head=(*HEAD[:5], "durée")).encode("cp1252"),
        table(head=(*HEAD[:5], "σ-time")).encode("utf-8"),
        table(head=(*HEAD[:5], "時間")).encode("shift-jis"),
        table(head=(*HEAD[:5], "µs €")).encode("cp1252"),
    ],
)
def test_any_encoding_is_read(data):
    assert same(parse_log(data, "x"))


@pytest.mark.parametrize(
    "text",
    [
        table(join=","),
        table(join=";"),
        table([(i, y, p, r.replace(".", ","), c, t) for i, y, p, r, c, t in cells()], join=";"),
        table([(i, y, p, r.replace(".", ","), c, t) for i, y, p, r, c, t in cells()]),
        table(join="   "),
        table(join=" \t "),
        table(join=" , "),
        table(end="\r\n"),
        table(end="\r"),
        table(end="\n\n"),
        table() + "\n\n  \n",
        table()[:-1],
        table(head=tuple(f'"{name}"' for name in HEAD), join=","),
        table([tuple(f'"{c}"' for c in row) for row in cells()], join=","),
        table(head=tuple(name.upper() for name in HEAD)),
        table([(*row, "") for row in cells()]),
        table([row[:5] for row in cells()]),
        table([row[:5] for row in cells()], HEAD[:5]),
        table([row[:4] for row in cells()], HEAD[:4]),
        table([("x", *row) for row in cells()], ("", *HEAD), ","),
        table([(*row[:4], "0.99", *row[4:]) for row in cells()], (*HEAD[:4], "prob_lb", *HEAD[4:])),
        table([row[::-1] for row in cells()], HEAD[::-1]),
        table(
            head=("index", "target", "prediction", "certified_radius", "correct", "time"), join=","
        ),
        table([(f"{r[0]}.0", f"{r[1]}.0", f"{r[2]}.0", *r[3:]) for r in cells()]),
        table([(*r[:4], str(r[4] == "1"), r[5]) for r in cells()]),
    ],
)
def test_any_layout_of_the_same_rows_is_the_same_log(text):
    log = parse_log(text, "x")
    assert same(log) and log.notes == () and log.norm is None


@pytest.mark.parametrize(
    "radius", ["-0.213", "nan", "NaN", "-inf", "", "0", "None", "-1", "?", "1"]
)
def test_an_abstention_has_no_radius_whatever_stands_there(radius):
    rows = [r if r[2] != "-1" else (*r[:3], radius, *r[4:]) for r in cells()]
    assert same(parse_log(table(rows), "x"))


@pytest.mark.parametrize("word", ["-1", "", "None", "nan", "ABSTAIN", "-1.0"])
def test_an_abstention_has_many_words(word):
    rows = [r if r[2] != "-1" else (*r[:2], word, *r[3:]) for r in cells()]
    assert same(parse_log(table(rows), "x"))


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        (table() + "sigma 0.50 accuracy of smoothed classifier 0.7120\n", "1 line that is no row"),
        (table() + "Mean radius:\t0.41\nDone.\n", "2 lines that are no rows"),
        (table() + "-----\n", "1 line that is no row"),
        (table() + "# certified in 3 h\n", "1 line that is no row"),
        ("Namespace(sigma=0.5, N=100000)\n" + table(), "1 line that is no row"),
        ("loading ...\n\n# sigma 0.5\n" + table(), "2 lines that are no rows"),
        (table() + "\t".join(HEAD) + "\n", "1 repeated head left out"),
        (table(cells()[:2]) + table(cells()[2:]), "1 repeated head left out"),
        (table() + "80\t1\t1\t0.2", "a last line that is torn left out"),
        (table() + "80\t1\t1\t0.2\t1\t"[:-1], "a last line that is torn left out"),
        (table() + "80\t1\t1\t0.2\t", "a last line that is torn left out"),
        (table() + "80", "a last line that is torn left out"),
        (table() + "8", "a last line that is torn left out"),
    ],
)
def test_what_is_no_row_is_left_out_and_told(text, notes):
    log = parse_log(text, "x")
    assert same(log) and log.notes[0].startswith(notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (table() + "80\t1\t1\n", "3 cells in line 6, but its head names 6"),
        (table() + "80\t1\t1\t0.2\t1\t0:1\t7\n", "7 cells in line 6"),
        (table() + "8O\t1\t1\t0.2\t1\t0:1\n", "'8O' in line 6"),
        (table() + "80\tx\t1\t0.2\t1\t0:1\n", "'x' in line 6"),
        (table() + "80\t1\t1\tfar\t1\t0:1\n", "'far' in line 6"),
        (table() + "80\t1\t1\tinf\t1\t0:1\n", "not a number, in line 6"),
        (table() + "80\t1\t1\t1e999\t1\t0:1\n", "not a number, in line 6"),
        (table() + "80\t1\t1\t-0.2\t1\t0:1\n", "negative"),
        (table() + "40\t1\t1\t0.2\t1\t0:1\n", "an image twice: 40"),
        (table() + "80\t1\t-2\t0.2\t0\t0:1\n", "below 0"),
        (table() + "-80\t1\t1\t0.2\t1\t0:1\n", "below 0"),
        (table() + f"{'9' * 4_400}\t1\t1\t0.2\t1\t0:1\n", "not numbers"),
        (table() + "80\t1_0\t1\t0.2\t1\t0:1\n", "not numbers"),
        (table() + "80\t1\t1\t0.2\t0\t0:1\n", "in 1 of 5 rows `correct` is not what label"),
        (table() + "80\t2\t1\t0.2\t1\t0:1\n", "in 1 of 5 rows `correct`"),
        (table() + "80\t1\t1\t0.2\t9\t0:1\n", "neither 0 or 1 nor the number right"),
        (table() + "80\t1\t1\t0.2\t-1\t0:1\n", "neither 0 or 1"),
        (table() + "80\t1\t-1\t0.2\t1\t0:1\n", "in 1 of 5 rows `correct`"),
        (
            table() + "idx\tlabel\tpredict\tradius\tcorrect\tsigma\n",
            "changes its columns in line 6",
        ),
        (table(head=(*HEAD[:5], "predicted")), "several columns of one kind"),
        (table(head=("idx", "label", "predict", "l1_radius", *HEAD[4:])), "radii in L1"),
        (table(head=("idx", "label", "predict", "correct", "time", "x")), "is not a log"),
        ("\n".join(["x"] * 300) + table(), "is not a log"),
    ],
)
def test_a_damaged_row_is_refused_with_its_line(text, says):
    with pytest.raises(UserError) as caught:
        parse_log(text, "x")
    assert says in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "total",
    [[1, 1, 1, 2], [8, 8, 8, 9], [1, 0, 0, 1], [5, 0, 0, 1], [1, 1, 1, 2]],
)
def test_running_totals_are_read_wherever_they_begin(total):
    rows = [(*r[:4], str(k), r[5]) for r, k in zip(cells(), total, strict=True)]
    log = parse_log(table(rows), "x")
    assert same(log) and bool(log.notes) == (total != [1, 0, 0, 1])


@pytest.mark.parametrize(
    "total", [[2, 1, 1, 2], [1, 2, 3, 4], [4, 3, 2, 1], [1, 1, 1, 7], [1, 1, 0, 1], [0, 0, 0, 1]]
)
def test_what_is_no_running_total_is_refused(total):
    rows = [(*r[:4], str(k), r[5]) for r, k in zip(cells(), total, strict=True)]
    with pytest.raises(UserError, match="`correct`"):
        parse_log(table(rows), "x")


def test_a_column_of_sigma_is_the_noise_of_each_image():
    head = (*HEAD[:5], "sigma")
    rows = [(*r[:5], s) for r, s in zip(cells(), ["0.12", "", "0.7", "0.25"], strict=True)]
    log = parse_log(table(rows, head), "x", sigma=0.9, n=1_000, alpha=0.001, norm="L2")
    assert log.sigma is None and log.sigma_N is not None
    assert log.sigma_N.tolist() == [0.12, 0.0, 0.7, 0.25]
    assert curves.curve(log, [0.0]).ceiling == pytest.approx(0.7 * 2.4633, abs=1e-3)
    even = parse_log(table([(*r[:5], "0.5") for r in cells()], head), "x", sigma=0.9)
    assert even.sigma == 0.5
    for bad in ("0", "-1", "99", "x"):
        with pytest.raises(UserError, match=r"sigma|not numbers"):
            parse_log(table([(*r[:5], bad) for r in cells()], head), "x")


def test_a_column_named_for_its_norm_states_it():
    for name, norm in (("l2_radius", Norm.L2), ("linf_radius", Norm.LINF), ("radius", None)):
        log = parse_log(table(head=("idx", "label", "predict", name, *HEAD[4:])), "x")
        assert log.norm is norm
    stated = parse_log(table(head=("idx", "label", "predict", "linf_radius", *HEAD[4:])), "x")
    assert stated.norm is Norm.LINF


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not a text file"),
        (b"\xff\xfe\x00", "cannot be read as UTF-16"),
        (table().encode("utf-16")[:-1], "cannot be read as UTF-16"),
        (b"PK\x03\x04" + bytes(50), "not a text file"),
        (table().encode() + b"\x00", "not a text file"),
        (b"", "is not a log"),
        (b"\xef\xbb\xbf", "is not a log"),
        (b"\xef\xbb\xbf\xff\xff", "cannot be read as UTF-8"),
        ("ラベル,半径".encode("shift-jis"), "is not a log"),
    ],
)
def test_what_is_no_text_is_refused_in_words(data, says):
    with pytest.raises(UserError) as caught:
        parse_log(data, "x")
    assert says in str(caught.value)


def test_a_table_cut_at_any_byte_is_its_whole_rows_or_refused():
    whole = table().encode()
    for cut in range(len(whole)):
        try:
            log = parse_log(whole[:cut], "x")
        except UserError:
            continue
        full = parse_log(whole, "x")
        kept = len(log)
        for f in ("index_N", "label_N", "predicted_N", "radius_N", "correct_N"):
            assert np.array_equal(getattr(log, f), getattr(full, f)[:kept]), (cut, f)


SPEC = {
    **{"name": "net", "dataset": "shapes", "method": "gaussian", "network": "compact"},
    **{"checkpoint_sha256": "0" * 64, "sigma": 0.5, "n0": 10, "n": 1_000, "alpha": 0.001},
    **{"split": "test", "norm": "L2", "bound": "clopper-pearson"},
}


def own(spec=SPEC, rows="0,0,0,0.719931,1,10 0,950 50,1000,0.5\n", **change):
    head = json.dumps({"format": "rsviz-log-1", "spec": {**spec, **change}})
    return f"# {head}\nindex,label,predicted,radius,correct,counts0,counts,n,seconds\n{rows}"


def test_a_log_of_rsviz_is_read_in_any_encoding_and_with_any_line_break():
    first = parse_log(own(), "x")
    for data in (
        own().encode("utf-8-sig"),
        own().encode("utf-16"),
        own().replace("\n", "\r\n").encode(),
        own()[:-1].encode(),
    ):
        log = parse_log(data, "x")
        assert log.radius_N.tolist() == first.radius_N.tolist() and log.counts_NK is not None


@pytest.mark.parametrize(
    "text",
    [
        own(name=7),
        own(name=["a"]),
        own(dataset=None),
        own(method={}),
        own(sigma="x"),
        own(sigma=True, n=True),
        own(sigma=float("nan")),
        own(n=float("inf")),
        own(n=10**400),
        own(sigma=10**400),
        own(alpha=10**400),
        own(alpha=True),
        own(norm="L7"),
        own(norm=[]),
        own(bound=None),
        own(split=3),
        own(n=500),
        own(rows="0,0,0,0.7,1,10 0,950 50,500,0.5\n"),
        own(rows=f"0,0,0,0.7,1,{'9' * 30} 0,950 50,1000,0.5\n"),
        own(rows="0,0,0,0.7,1,10 0,950 50 x,1000,0.5\n"),
        own(rows="0,0,0,0.7,1\n"),
        own(rows=""),
        "# {" + "[" * 100_000,
        '# {"format": ' + "[" * 50_000 + "]" * 50_000 + "}\n",
        '# {"format": "rsviz-log-1", "spec": 7}\n',
        '# {"format": "rsviz-log-1", "spec": []}\nindex\n',
        '# {"format": "![x](http://x)", "spec": {}}\n',
        own().replace("counts0", "counts9"),
        own().replace("index", "place"),
    ],
)
def test_a_damaged_log_of_rsviz_is_refused_in_a_sentence(text):
    with pytest.raises(UserError) as caught:
        parse_log(text, "x")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("0,0,0,0.72,1,10 0,950 50,1000,0.5", "in 1 of its 1 rows the radius is larger than"),
        ("0,0,0,1.9,1,10 0,1000 0,1000,0.5", "the radius is larger than the counts certify"),
        ("0,0,0,0.1,1,10 0,500 500,1000,0.5", "the radius is larger than the counts certify"),
        ("0,1,1,0.719931,1,10 0,950 50,1000,0.5", "the class is not that of the counts"),
        ("0,0,0,0.719931,1,10 0,1050 -50,1000,0.5", "its counts are no counts"),
        ("0,0,0,0.719931,1,10 0,95x 50,1000,0.5", "its counts are no counts"),
        (
            "0,0,0,0.719931,1,10 0 0,950 50,1000,0.5\n1,0,0,0.719931,1,10 0,950 50,1000,0.5",
            "several",
        ),
    ],
)
def test_counts_that_contradict_their_row_are_told(row, says):
    with pytest.raises(UserError, match=says):
        parse_log(own(rows=row + "\n"), "x")


@pytest.mark.parametrize(
    "row",
    [
        "0,0,0,0.719931,1,10 0,950 50,1000,0.5",
        "0,0,0,0.7,1,10 0,950 50,1000,0.5",
        "0,0,-1,0,0,10 0,950 50,1000,0.5",
        "0,0,-1,0,0,10 0,500 500,1000,0.5",
        "0,0,0,0.9,1,10 0,940 50,1000,0.5",  # not all votes are told, so that nothing follows
    ],
)
def test_counts_that_certify_as_much_or_more_are_no_contradiction(row):
    assert len(parse_log(own(rows=row + "\n"), "x")) == 1


def test_a_torn_detail_is_left_out():
    lines = own().splitlines()
    text = "\n".join(
        [
            lines[0],
            lines[1] + ",detail",
            lines[2] + ',"{""level"": 0.5}"',
            '500,0,0,0.719931,1,10 0,950 50,1000,0.5,"{""level"": 0.5',
        ]
    )
    log = parse_log(text, "x")
    assert log.index_N.tolist() == [0] and "torn" in log.notes[0]
    assert len(parse_log(text + '}"', "x")) == 2


LAYOUTS = st.fixed_dictionaries(
    {
        "join": st.sampled_from(["\t", ",", " \t ", ", "]),
        "end": st.sampled_from(["\n", "\r\n", "\r"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
        "whole": st.booleans(),
        "order": st.permutations(range(6)),
        "running": st.booleans(),
        "prints": st.sampled_from(["", "accuracy: 0.7", "# done"]),
    }
)
IMAGES = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.integers(0, 9),
        st.integers(-1, 9),
        st.floats(0, 50, allow_nan=False).map(lambda r: float(f"{r:.3g}")),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[0],
)


@given(IMAGES, LAYOUTS)
@settings(max_examples=150)
def test_every_way_to_write_rows_reads_as_these_rows(images, how):
    right = [int(y == p) for _, y, p, _ in images]
    if how["running"]:
        right = np.cumsum(right).tolist()
    rows = [
        [str(i), str(y), str(p), repr(r), str(c), "0:00:01"]
        for (i, y, p, r), c in zip(images, right, strict=True)
    ]
    lines = [[row[k] for k in how["order"]] for row in [list(HEAD), *rows]]
    text = how["end"].join(how["join"].join(row) for row in lines)
    text += how["end"] + how["prints"] if how["prints"] else how["end"] * how["whole"]
    log = parse_log(text.encode(how["encoding"]), "x")
    expected = sorted(images)
    assert log.index_N.tolist() == [i for i, *_ in expected]
    assert log.label_N.tolist() == [y for _, y, *_ in expected]
    assert log.radius_N.tolist() == [r if p >= 0 else 0.0 for *_, p, r in expected]
    assert log.correct_N.tolist() == [y == p for _, y, p, _ in expected]


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_any_bytes_are_a_log_or_a_sentence(data):
    read_or_refuse(data)


@given(
    st.sampled_from([table().encode(), own().encode(), table(join=",").encode("utf-16")]),
    st.lists(
        st.tuples(
            st.integers(0, 600),
            st.integers(0, 3),
            st.text(string.printable + "\x00é", max_size=6).map(str.encode),
        ),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=300)
def test_a_damaged_log_is_a_log_or_a_sentence(data, changes):
    for at, cut, put in changes:
        data = data[:at] + put + data[at + cut :]
    read_or_refuse(data)


def read_or_refuse(data):
    try:
        log = parse_log(data, "x")
    except UserError as error:
        assert len(str(error)) < 400 and "\n" not in str(error)
        return
    assert len({len(getattr(log, f.name)) for f in fields(log)[1:6]}) == 1
    assert np.isfinite(log.radius_N).all() and (log.radius_N >= 0).all()
    curves.curve(log, [0.0, 0.5])


def test_lines_split_at_line_breaks_only():
    assert log_tables.split_lines("a\x0bb\u2028c\nd") == (["a\x0bb\u2028c", "d"], False)
    assert log_tables.split_lines("a\n") == (["a"], True)
    assert log_tables.split_lines("") == ([], True)
