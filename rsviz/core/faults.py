"""What the machine refuses, told apart from defects of rsviz: memory, a device, a file (no torch).

Torch's own errors are known by their names and words, so that nobody imports it to tell them apart.
"""

import errno
from typing import Literal

Kind = Literal["memory", "device", "file"]

_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed", "bad_alloc", "bad allocation")
_DEVICE = ("cuda error", "cuda driver error", "cudnn error", "cublas_status", "nccl error")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def kind_of(error: BaseException) -> Kind | None:
    """Return what was refused, None where the error is none of the machine's."""
    names = {sort.__name__ for sort in type(error).__mro__}
    told = str(error).lower()
    if isinstance(error, OSError):
        return "memory" if error.errno == errno.ENOMEM else "file"
    if isinstance(error, MemoryError) or "OutOfMemoryError" in names:
        return "memory"
    if not isinstance(error, RuntimeError):
        return None
    if any(words in told for words in _MEMORY):
        return "memory"
    lost = "AcceleratorError" in names or any(words in told for words in _DEVICE)
    return "device" if lost else None


def is_full(error: BaseException) -> bool:
    """Whether a disk, or a user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL
