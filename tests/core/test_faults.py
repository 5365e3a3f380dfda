import errno

import pytest
import torch

from rsviz.core.faults import is_full, kind_of


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
