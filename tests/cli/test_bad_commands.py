"""Commands nobody should give: one sentence, exit code 2, no traceback, and at once."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from rsviz.checkpoints import weights
from rsviz.cli.main import COMMANDS, main
from rsviz.data import datasets
from rsviz.networks import classifiers

CASES = Path(__file__).parents[1] / "cases"
LONG, DIGITS = "x" * 300, "9" * 4_400
CERTIFY = "certify shapes/test/3 --checkpoint net"
EVALUATE = "evaluate --checkpoint net --first 2 --n 100"
TRAIN = "train gaussian --dataset shapes --sigma 0.5 --epochs 1 --no-compile"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    card = {"method": "gaussian", "dataset": "shapes", "network": "compact", "sigma": 0.5}
    torch.manual_seed(0)
    weights.save(classifiers.build("compact", "shapes"), home / "net", card)
    (home / "folder").mkdir()
    (home / "file").write_text("my thesis, without an end")
    (home / "nested.json").write_text("[" * 10_000 + "]" * 10_000)
    (home / "named.json").write_text('{"norm":' * 10_000)
    (home / "binary.json").write_bytes(b"\xff\xfe\x00" * 100)
    (home / "large.json").write_bytes(b" " * (5 << 20))
    for name, text in (("list", "[]"), ("number", "7"), ("empty", ""), ("null", "null")):
        (home / f"{name}.json").write_text(text)
    return home


@pytest.fixture
def home(made, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(made))
    monkeypatch.setenv("RSVIZ_STATES", str(made / "states"))
    monkeypatch.chdir(made)
    return made


def refused(capsys, words):
    before, tree = time.process_time(), snapshot(Path.cwd())
    try:
        code = main([w.replace("LONG", LONG).replace("DIGITS", DIGITS) for w in words.split()])
    except SystemExit as end:  # of the parser
        code = end.code
    out, err = capsys.readouterr()
    assert code == 2 and out == "", (code, out, err)
    assert "Traceback" not in err and "unexpectedly" not in err
    assert len(err.strip().splitlines()) == 1 and len(err) < 700, err
    assert time.process_time() - before < 8
    assert snapshot(Path.cwd()) == tree
    return err


def snapshot(home):
    return {
        str(f): f.read_bytes()
        for f in sorted(home.rglob("*"))
        if f.is_file() and not f.name.endswith(".lock")
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (f"{EVALUATE} --out folder", "folder is a folder; name a file"),
        (f"{EVALUATE} --out .", "is a folder"),
        (f"{EVALUATE} --out file", "not a log of rsviz"),
        (f"{EVALUATE} --out file/log.csv", "file is a file"),
        (f"{EVALUATE} --out /dev/zero", "not a file on a disk"),
        (f"{EVALUATE} --out /dev/null", "not a file on a disk"),
        (f"{EVALUATE} --out LONG", "name too long"),
        (f"{EVALUATE} --out /proc/log.csv", "cannot be written"),
        (f"{EVALUATE} --alpha nan --out x", "alpha must"),
        (f"{EVALUATE} --sigma inf --out x", "sigma must"),
        (f"{EVALUATE} --sigma 0 --out x", "sigma must"),
        (f"{EVALUATE} --seed -1 --out x", "seed must"),
        (f"{EVALUATE} --n0 0 --out x", "n0 must"),
        ("evaluate --checkpoint net --first -2 --out x", "at least 1"),
        ("evaluate --checkpoint net --every 0 --out x", "at least 1"),
        ("evaluate --checkpoint net --first DIGITS --out x", "invalid int value"),
        ("evaluate --checkpoint LONG --first 1 --out x", "There is no checkpoint"),
        (f"{TRAIN} --lr -1 --out x", "lr must be a number above 0"),
        (f"{TRAIN} --lr 0 --out x", "lr must"),
        (f"{TRAIN} --lr nan --out x", "lr must"),
        (f"{TRAIN} --lr inf --out x", "lr must"),
        (f"{TRAIN} --batch 100000 --out x", "--batch must be at most 2,000"),
        (f"{TRAIN} --batch 0 --out x", "batch must"),
        (f"{TRAIN} --epochs 0 --out x", "epochs must"),
        (f"{TRAIN} --seed -1 --out x", "seed must"),
        (f"{TRAIN} --seed 99999999999999 --out x", "seed must"),
        (f"{TRAIN} --sigma nan --out x", "sigma must"),
        (f"{TRAIN} --sigma LONG --out x", "--sigma must"),
        (f"{TRAIN} --set LONG --out x", "name=value"),
        (f"{TRAIN} --start LONG --out x", "There is no checkpoint"),
        (f"{TRAIN} --out file", "file is a file; name a folder"),
        (f"{TRAIN} --out /dev/null", "is a file; name a folder"),
        (f"{TRAIN} --out LONG", "name too long"),
        (f"{TRAIN} --out ..", "names no new folder"),
        ("curves /dev/zero", "not a file on a disk"),
        ("curves folder", "is a folder"),
        ("curves LONG", "name too long"),
        ("curves none.csv", "no such file"),
        ("curves file", "is not a log"),
        ("curves FIRST --radii nan", "--radii must be numbers from 0 up"),
        ("curves FIRST --radii inf", "--radii must"),
        ("curves FIRST --radii 1e308", "--radii must"),
        ("curves FIRST --radii=-1", "--radii must"),
        ("curves FIRST --radii ,", "--radii must"),
        ("curves FIRST --radii LONG", "--radii must"),
        ("curves FIRST --n 0", "--n must"),
        ("curves FIRST --n -5", "--n must"),
        ("curves FIRST --n 10", "no vote counts"),
        ("curves FIRST --seed -1", "--seed must"),
        ("curves FIRST --state colour=red", "no setting 'colour'"),
        ("curves FIRST --state n=1.5", "n must"),
        ("curves FIRST --state sigma=LONG", "sigma must"),
        ("curves FIRST --state norm=L7", "norm must"),
        ("curves FIRST --state LONG", "name=value"),
        ("curves HUGE", "no two pictures"),
        ("curves BEYOND --state sigma=0.25 --state n=1000 --state alpha=0.001", "16 of its 30"),
        ("certify /dev/zero --checkpoint net", "not a file on a disk"),
        ("certify folder --checkpoint net", "is a folder"),
        ("certify LONG --checkpoint net", "name too long"),
        ("certify shapes/LONG --checkpoint net", "not an image"),
        ("certify shapes/test/DIGITS --checkpoint net", "not an image"),
        ("certify shapes/test/\u0663 --checkpoint net", "not an image"),
        ("certify shapes/test/999999999999 --checkpoint net", "images 0 to 1,999"),
        ("certify shapes/LONG/3 --checkpoint net", "no data set"),
        ("certify file --checkpoint net", "is not a JPEG"),
        (f"{CERTIFY} --n DIGITS", "invalid int value"),
        (f"{CERTIFY} --set LONG=1", "no setting"),
        (f"{CERTIFY} --device LONG", "--device must be"),
        ("certify shapes/test/3 --checkpoint LONG", "There is no checkpoint"),
        ("verify /dev/zero shapes/test/3", "not a file on a disk"),
        ("verify folder shapes/test/3", "is a folder"),
        ("verify nested.json shapes/test/3", "not an rsviz certificate"),
        ("verify named.json shapes/test/3", "not an rsviz certificate"),
        ("verify list.json shapes/test/3", "not an rsviz certificate"),
        ("verify number.json shapes/test/3", "not an rsviz certificate"),
        ("verify empty.json shapes/test/3", "not an rsviz certificate"),
        ("verify null.json shapes/test/3", "not an rsviz certificate"),
        ("verify binary.json shapes/test/3", "cannot be read as text"),
        ("verify large.json shapes/test/3", "larger than 4 MiB"),
        ("verify LONG shapes/test/3", "name too long"),
        ("attack shapes/test/3 --checkpoint net --budgets nan", "--budgets must"),
        ("attack shapes/test/3 --checkpoint net --budgets 1e99", "multiples of the radius"),
        ("attack shapes/test/3 --checkpoint net --steps 0", "steps must"),
        ("attack LONG --checkpoint net", "name too long"),
        ("attack --checkpoint net --every 0", "--every must"),
        ("speed --checkpoint net --seconds nan", "--seconds must"),
        ("speed --checkpoint net --seconds -1", "--seconds must"),
        ("recipes run --minutes nan --only none-such", "--minutes must"),
        ("recipes run --n 0 --only none-such", "n must"),
        ("recipes run --only none-such", "No recipe's name contains"),
        ("recipes list --only none-such", "No recipe's name contains"),
        ("ensemble fit net net --out new", "each named once"),
        ("ensemble fit net file --out folder/new", "There is no checkpoint"),
        ("train LONG", "invalid choice"),
        ("nonsense", "invalid choice"),
        ("", "required"),
    ],
)
def test_it_is_refused_in_one_sentence(home, capsys, words, says):
    for name, file in (("FIRST", "first"), ("HUGE", "huge-radius"), ("BEYOND", "beyond-ceiling")):
        words = words.replace(name, str(CASES / f"{file}.tsv"))
    assert says in refused(capsys, words)


def test_every_command_has_its_help(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0 and "usage:" in capsys.readouterr().out


def test_a_certificate_of_mad_values_is_refused(home, capsys):
    main([*CERTIFY.split(), "--n", "100", "--json"])
    good = json.loads(capsys.readouterr().out)
    del good["check"]  # else all are refused for that
    for change in (
        *({"norm": "L7"}, {"norm": [1]}, {"counts": 7}, {"counts": None}, {"flags": 1}),
        *({"bound": {}}, {"unknown": 1}, {"n": "many"}, {"radius": [[[]]]}),
    ):
        Path("mad.json").write_text(json.dumps(good | change))
        try:
            code = main(["verify", "mad.json", "shapes/test/3", "--fresh-n", "100"])
        finally:
            err = capsys.readouterr().err
        assert code in (1, 2) and "unexpectedly" not in err and "Traceback" not in err, change
        Path("mad.json").unlink()


@pytest.mark.parametrize("damage", ["cut", "junk", "gone", "folder", "empty"])
@pytest.mark.parametrize("command", ["certify cifar10/test/3 --checkpoint cifar", "evaluate"])
def test_a_damaged_data_folder_is_told_in_a_sentence(
    home, capsys, monkeypatch, tmp_path, damage, command
):
    card = {"method": "gaussian", "dataset": "cifar10", "network": "compact", "sigma": 0.5}
    if not (home / "cifar").exists():
        weights.save(classifiers.build("compact", "cifar10"), home / "cifar", card)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("test_batch", "batches.meta", *(f"data_batch_{i}" for i in range(1, 6))):
        (folder / name).write_bytes(b"\x80\x04}q\x00" if damage == "cut" else b"junk")
    if damage == "gone":
        (folder / "data_batch_3").unlink()
    if damage == "empty":
        (folder / "test_batch").write_bytes(b"")
    if damage == "folder":
        (folder / "test_batch").unlink()
        (folder / "test_batch").mkdir()
    monkeypatch.setenv("RSVIZ_DATA", str(tmp_path))
    datasets.load.cache_clear()
    if command == "evaluate":
        command = "evaluate --checkpoint cifar --first 2 --n 100 --out log.csv"
    err = refused(capsys, command)
    assert "CIFAR-10" in err and "download" in err
    datasets.load.cache_clear()


def test_a_defect_is_a_sentence_too_and_can_be_traced(home, capsys, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("rsviz.cli.checkpoints.list_checkpoints", broken)
    assert main(["checkpoints"]) == 3
    err = capsys.readouterr().err
    assert "unexpectedly (ZeroDivisionError: division by zero)" in err
    assert len(err.splitlines()) == 1
    monkeypatch.setenv("RSVIZ_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["checkpoints"])


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device", "log.csv"), "log.csv: no space left on device"),
        (PermissionError(13, "Permission denied"), "permission denied"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(home, capsys, monkeypatch, error, says):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr("rsviz.cli.checkpoints.list_checkpoints", broken)
    assert main(["checkpoints"]) == 2
    assert says in capsys.readouterr().err


def test_curves_tell_what_is_not_known_and_take_what_is_stated(home, capsys):
    file = str(CASES / "running-total.tsv")
    assert main(["curves", file]) == 0
    out, err = capsys.readouterr()
    assert "20 images, ACR 0.334 (not stated: data set, split, norm, sigma, n, alpha)" in out
    assert "75.0 %" in out and "right so far" in err
    stated = (
        "--state norm=L2 --state sigma=0.5 --state n=1000 --state alpha=0.001 --state split=test"
    )
    assert main(["curves", file, *stated.split(), "--json"]) == 0
    (curve,) = json.loads(capsys.readouterr().out)
    assert curve["not_stated"] == ["data set"] and curve["n"] == 1000 and curve["norm"] == "L2"
    assert main(["curves", str(CASES / "linf-radius.tsv")]) == 0
    out = capsys.readouterr().out
    assert "20 images, ACR 0.00557" in out and "0.5/255" in out


def test_a_resized_file_is_flagged(home, capsys, tmp_path):

    Image.new("RGB", (100, 60), "teal").save(tmp_path / "p.png")
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "q.png")
    for name, flagged in (("p.png", True), ("q.png", False)):
        words = ["certify", str(tmp_path / name), "--checkpoint", "net", "--n", "100", "--json"]
        assert main(words) == 0
        assert ("image resampled" in json.loads(capsys.readouterr().out)["flags"]) == flagged
        few = "--n 100 --n-predict 50 --steps 1 --draws 1 --budgets 0.9 --json".split()
        assert main(["attack", *words[1:4], *few]) == 0
        (each,) = json.loads(capsys.readouterr().out)["each"]
        assert ("image resampled" in each["flags"]) == flagged


ENDLESS = """
import sys
from rsviz.cli.main import main
for words in sys.argv[1:]:
    print(main(words.split()))
"""


@pytest.mark.slow
def test_endless_files_take_little_memory_and_time(home):
    """In a process of its own, with 3 GiB of address space at most."""

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))

    commands = (
        "curves /dev/zero",
        "certify /dev/zero --checkpoint net",
        "verify /dev/zero shapes/test/3",
    )
    run = subprocess.run(
        [sys.executable, "-c", ENDLESS, *commands],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limit,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.split() == ["2"] * 3 and len(run.stderr.splitlines()) == 3, run.stderr
