"""How many heaps the C library may keep (no Streamlit here).

Every run of a page is a thread's, and glibc gives threads heaps of their own, eight for each core,
each as large as the largest page ever drawn in it: they took 270 MB after the first 22 visits.
Python computes in one thread at a time, so that threads can share.
"""

import ctypes
from contextlib import suppress
from functools import cache

MOST = 2
M_ARENA_MAX = -8  # of malloc.h


@cache
def share() -> None:
    """Let all threads share few heaps, where the C library is glibc; others have none to share."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, MOST)
