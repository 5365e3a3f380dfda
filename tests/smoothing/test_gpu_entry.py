"""What a GPU writes before a network, here by Triton's interpreter on a CPU, in another process."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

WRITTEN = """
import json, torch
from rsviz.evaluation.bench import untrained
from rsviz.networks.classifiers import fold
from rsviz.smoothing import gpu_entry
from rsviz.smoothing.fused import of_patches

last = {"memory_format": torch.channels_last}
x_NCHW = torch.rand(2, 3, 32, 32)
e_NCHW = torch.randn(2, 3, 32, 32).contiguous(**last)
sigma_N111 = torch.tensor([0.5, 0.25]).view(2, 1, 1, 1)
apart = {}
for name in ("compact", "resnet20"):
    net = fold(untrained(name).requires_grad_(False))
    rest, stem = of_patches(net[1:])
    scale_2C = torch.stack([net[0].mean_1C11.flatten(), net[0].std_1C11.flatten()])
    shape = 2, stem.patch, stem.out(32), stem.out(32)
    one = x_NCHW[:1].expand(2, -1, -1, -1), sigma_N111[:1].expand(2, 1, 1, 1)
    by_row = x_NCHW.contiguous(**last), sigma_N111
    for x, s in ((x_NCHW, sigma_N111), by_row, one):
        out = torch.full(shape, float("nan")).contiguous(**last)
        gpu_entry.enter(out, x, s, e_NCHW, scale_2C, stem)
        apart[f"{name} {len(apart)}"] = float((rest(out) - net(x + s * e_NCHW)).abs().max())
print(json.dumps(apart))
"""


def test_a_network_answers_to_written_patches_as_to_noisy_pixels():
    done = subprocess.run(
        [sys.executable, "-c", WRITTEN],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    apart = json.loads(done.stdout)
    assert len(apart) == 6
    assert max(apart.values()) < 1e-4
