"""What the machine refuses is one sentence on stderr, whichever command it strikes."""

import errno

import pytest
import torch

from rsviz.cli.main import main
from rsviz.core import files


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), "smaller --batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you ..."), "smaller --batch"),
        (MemoryError(), "smaller --batch"),
        (
            torch.AcceleratorError("CUDA error: unspecified launch failure\nSet CUDA_..."),
            "The device failed (CUDA error: unspecified launch failure); the same command",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "log.csv"), "log.csv: no space left"),
        (OSError(errno.EROFS, "Read-only file system", "x"), "x: read-only file system; nothing"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(capsys, monkeypatch, error, says):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("rsviz.cli.checkpoints.list_checkpoints", refuse)
    assert main(["checkpoints"]) == 2
    err = capsys.readouterr().err
    assert says in err and "unexpectedly" not in err
    assert len(err.splitlines()) == 1 and err.endswith(".\n")


def test_a_full_disk_names_the_file_and_what_to_do(capsys, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def save(*_, **__):
        monkeypatch.setattr(files.os, "fsync", full)
        files.write_whole(tmp_path / "card.json", "{}")

    monkeypatch.setattr("rsviz.cli.checkpoints.list_checkpoints", save)
    assert main(["checkpoints"]) == 2
    err = capsys.readouterr().err
    assert err.endswith(
        "card.json: no space left on device; make room, and the same command goes on.\n"
    )
