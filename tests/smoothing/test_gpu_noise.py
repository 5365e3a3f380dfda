"""Noise of a GPU, drawn here by Triton's interpreter on a CPU, in a process of its own."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("triton")

SEEDS = (0, 12345, 2**63 - 1)
DRAWN = """
import json, torch
from rsviz.smoothing import gpu_noise
out = torch.full((3, 4000), float("nan"))
gpu_noise.fill(out, json.loads(input()))
print(json.dumps(out.tolist()))
"""


def philox(key, places):
    """Philox4x32-10 in numpy (Salmon et al. 2011), four words a place."""
    low = np.uint64(0xFFFFFFFF)
    c = [places.astype(np.uint64), *(np.zeros(len(places), np.uint64) for _ in range(3))]
    k = [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        half = np.uint64(32)
        c = [
            (b >> half) ^ c[1] ^ np.uint64(k[0]),
            b & low,
            (a >> half) ^ c[3] ^ np.uint64(k[1]),
            a & low,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def normals(length, angle):
    u = (length.astype(float) + 0.5) * 2.0**-32
    v = angle.astype(np.uint32).view(np.int32) * (np.pi * 2.0**-31)
    r = np.sqrt(-2 * np.log(u))
    return [r * np.cos(v), r * np.sin(v)]


@pytest.fixture(scope="module")
def drawn():
    done = subprocess.run(
        [sys.executable, "-c", DRAWN],
        input=json.dumps(SEEDS),
        env=os.environ | {"TRITON_INTERPRET": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return np.array(json.loads(done.stdout))


def test_this_philox_gives_the_words_its_authors_print():
    words = [int(w[0]) for w in philox(0, np.zeros(1, int))]
    assert words == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def test_each_chunk_is_box_and_mullers_of_the_words_of_its_key(drawn):
    for row, seed in zip(drawn, SEEDS, strict=True):
        a, b, c, d = philox(seed, np.arange(1000))
        expected = np.concatenate([*normals(a, b), *normals(c, d)])
        assert abs(row - expected).max() < 1e-5


def test_the_numbers_are_standard_normal_and_no_two_chunks_alike(drawn):
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-4
    assert abs(np.corrcoef(drawn)[np.triu_indices(3, 1)]).max() < 5 / 4000**0.5
