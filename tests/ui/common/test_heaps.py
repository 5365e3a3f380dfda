"""Threads share the heaps of the C library."""

import platform
import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
if sys.argv[1] == "share":
    from rsviz.ui.common import heaps
    heaps.share()
gate = threading.Barrier(12)
def work():
    gate.wait()
    kept = [ctypes.create_string_buffer(2000 + i) for i in range(500)]
    gate.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for t in threads: t.start()
for t in threads: t.join()
ctypes.CDLL(None).malloc_stats()
"""


def heaps_of(how):
    command = [sys.executable, "-c", THREADS, how]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stderr
    return told.count("Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_many_threads_have_two_heaps():
    assert heaps_of("share") <= 2 < heaps_of("not")
