import gzip
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rsviz.core import files
from rsviz.core.errors import UserError

ROOT = Path(__file__).parents[2]


def test_a_file_is_read_up_to_its_limit_and_no_further(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert files.read_bytes(tmp_path / "x", 5) == b"12345"
    with pytest.raises(UserError, match="larger than 0 KiB"):
        files.read_bytes(tmp_path / "x", 4)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # nobody writes into it: to open it would wait for ever
    before = time.perf_counter()
    for path, says in [
        (tmp_path, "is a folder"),
        (tmp_path / "none", "no such file"),
        ("/dev/zero", "not a file on a disk"),
        ("/dev/null", "not a file on a disk"),
        (tmp_path / "pipe", "not a file on a disk"),
        (tmp_path / ("x" * 300), "name too long"),
        ("/etc/hostname/x", "not a directory"),
    ]:
        with pytest.raises(UserError, match=says) as caught:
            files.read_bytes(path, 1 << 20)
        assert len(str(caught.value)) < 200
    assert time.perf_counter() - before < 1


def test_a_packed_file_is_read_by_the_name_it_goes_by(tmp_path):
    file, packed = tmp_path / "log.csv", tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(b"1,2\n3,4\n"))
    (tmp_path / "other.csv").write_bytes(b"5,6\n")
    assert files.read_bytes(file, 8) == files.read_bytes(packed, 8) == b"1,2\n3,4\n"
    with files.opened(file) as lines:
        assert lines.readline() == b"1,2\n"
    assert files.kept_in(tmp_path, "*.csv") == [file, tmp_path / "other.csv"]
    assert files.version(file) == files.version(packed) is not None
    with pytest.raises(UserError, match="larger than 0 KiB"):
        files.read_bytes(file, 7)  # of what it holds, not of how small it was packed
    file.write_bytes(b"7,8\n")
    assert files.read_bytes(file, 8) == b"7,8\n"  # what lies there unpacked comes first
    assert files.version(file) != files.version(packed)


def test_what_goes_on_in_a_packed_file_unpacks_it(tmp_path):
    file, packed = tmp_path / "log.csv", tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(b"1,2\n"))
    assert files.begun(file, "head\n", 1 << 10) == b"1,2\n"
    assert file.read_bytes() == b"1,2\n" and not packed.exists()
    with pytest.raises(UserError, match=r"name log\.csv with --out"):
        files.check_out_file(packed)


@pytest.mark.parametrize("damage", [lambda d: d[:-9], lambda d: b"plain", lambda d: d[:12] + d[:9]])
def test_a_damaged_packed_file_is_refused_in_words(tmp_path, damage):
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(damage(gzip.compress(b"1,2\n" * 400)))
    with pytest.raises(UserError, match=r"log\.csv\.gz cannot be (un|re)"):
        files.read_bytes(tmp_path / "log.csv", 1 << 20)


def test_a_pipe_of_the_shell_is_read():
    read, write = os.pipe()
    os.write(write, b"rows")
    os.close(write)
    assert files.read_bytes(f"/dev/fd/{read}", 10) == b"rows"
    os.close(read)


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "card.json"
    files.write_whole(file, "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_whole(file, "new")
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["card.json"]
    monkeypatch.undo()
    files.write_whole(file, b"new")
    assert file.read_text() == "new" and os.listdir(tmp_path) == ["card.json"]


HOLD = """
import sys
from pathlib import Path
from rsviz.core import files
with files.sole_writer(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def holder(file):
    """Start a process that holds a file until its standard input ends; return it once it does."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], cwd=ROOT, **pipes)
    assert other.stdout.readline() == "ready\n"
    return other


def test_a_second_process_is_told_who_writes(tmp_path):
    with holder(tmp_path / "log.csv") as other:
        with (
            pytest.raises(UserError, match=r"log\.csv is being written by process") as caught,
            files.sole_writer(tmp_path / "log.csv", wait=0.1),
        ):
            pass
        assert re.search(rf"process {other.pid} on .* since \d\d\d\d-", str(caught.value))
        with files.sole_writer(tmp_path / "other.csv", wait=0.1):
            pass
        other.stdin.close()
        other.wait(90)
    with files.sole_writer(tmp_path / "log.csv", wait=0.1):
        pass


def test_a_second_thread_is_told_too_and_a_killed_writer_holds_nothing(tmp_path):
    ready, end = threading.Event(), threading.Event()

    def hold():
        with files.sole_writer(tmp_path / "a"):
            ready.set()
            end.wait(90)

    thread = threading.Thread(target=hold)
    thread.start()
    assert ready.wait(20)
    with pytest.raises(UserError, match="being written"), files.sole_writer(tmp_path / "a", 0.1):
        pass
    end.set()
    thread.join()
    with holder(tmp_path / "a") as other:
        other.kill()
        other.wait(90)
    with files.sole_writer(tmp_path / "a", wait=0.1):
        pass


def test_long_and_strange_names_are_cut():
    assert len(files.shown("x" * 4_000)) == files.SHOWN
    assert files.shown("a\nb\x1b[31m") == "a?b?[31m"


def test_a_folder_that_is_there_but_read_only_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "net").mkdir()
    files.check_out_folder(tmp_path / "net")
    real = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "net" not in str(path) and real(path, mode)
    )
    with pytest.raises(UserError, match="net is read-only here"):
        files.check_out_folder(tmp_path / "net")


def test_an_error_of_the_system_names_the_file_it_is_about(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        files.write_whole(tmp_path / "card.json", "{}")
    assert caught.value.filename == str(tmp_path / "card.json")
