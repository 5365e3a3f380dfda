import errno
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rsviz.core import faults
from rsviz.core.faults import free_memory, is_full, kept_to, kind_of

linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is bounded by Linux"
)


def allocate():
    torch.empty(1 << 50)


def of(work):
    with pytest.raises(Exception) as caught:
        work()
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "memory"),
        (of(allocate), "memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."), "memory"),
        (torch.AcceleratorError("CUDA error: out of memory"), "memory"),
        (RuntimeError("std::bad_alloc"), "memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), "device"),
        (RuntimeError("CUDA error: unspecified launch failure"), "device"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "device"),
        (OSError(errno.ENOSPC, "No space left on device"), "file"),
        (PermissionError(errno.EACCES, "Permission denied"), "file"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (ValueError("CUDA error: said by nobody"), None),
        (ZeroDivisionError(), None),
    ],
)
def test_what_the_machine_refuses_is_told_apart_from_defects(error, kind):
    assert kind_of(error) == kind


def test_a_full_disk_is_known():
    assert is_full(OSError(errno.ENOSPC, "")) and is_full(OSError(errno.EDQUOT, ""))
    assert not is_full(OSError(errno.EACCES, "")) and not is_full(MemoryError())


@linux
@pytest.mark.parametrize(("asked", "answer"), [(4 * 10**8, "given"), (6 * 10**8, "refused")])
def test_memory_beyond_what_is_free_is_refused(asked, answer):
    program = f"""
from rsviz.core import faults
with faults.kept_to(5 * 10**8):
    try:
        held = bytearray({asked})
        print("given")
    except MemoryError:
        print("refused")
held = bytearray({asked})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == answer, done.stderr


@linux
def test_free_memory_is_part_of_what_there_is():
    lines = Path("/proc/meminfo").read_text().splitlines()
    found = {name: 1024 * int(rest.split()[0]) for name, rest in (x.split(":") for x in lines)}
    assert 0 < free_memory() <= found["MemTotal"] + found["SwapTotal"]


def test_where_nothing_is_told_nothing_is_bounded(monkeypatch):
    monkeypatch.setattr(faults.Path, "read_text", lambda *_: "no number of it")
    assert free_memory() == 2**62
    with kept_to(1):
        assert len(bytearray(10**7)) == 10**7
