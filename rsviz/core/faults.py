"""What the machine refuses, told apart from defects of rsviz: memory, a device, a file (no torch).

Torch's own errors are known by their names and words, so that nobody imports it to tell them apart.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
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


@contextmanager
def kept_to(free: int) -> Iterator[None]:
    """Let this process allocate so many bytes more within the block; what is beyond is refused.

    Else Linux promises all that is asked for, and ends some process, not always this one and
    without a word, once the promises are called in. Where /proc tells nothing nothing is bounded.
    """
    try:
        held = _told(Path("/proc/self/status"), "VmData")
        import resource  # Windows, which has no /proc either, has none
    except (OSError, KeyError, ValueError):
        yield
        return
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + free if before < 0 else min(held + free, before)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def free_memory() -> int:
    """Return the bytes that this machine could still give, or its container in all."""
    found = [2**62]  # where neither is known
    with suppress(OSError, KeyError, ValueError):
        of = Path("/proc/meminfo")
        found.append(_told(of, "MemAvailable") + _told(of, "SwapFree"))
    with suppress(OSError, ValueError):  # "max" where a container has no bound of its own
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found)


def _told(file: Path, name: str) -> int:
    """Return the bytes that a line ``name: 123 kB`` of /proc tells."""
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines())
    return 1024 * int(lines[name].split()[0])
