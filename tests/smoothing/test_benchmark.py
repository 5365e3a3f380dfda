import copy

import torch

from rsviz.networks import classifiers, inspection
from rsviz.smoothing import benchmark


def test_rates_are_positive_and_consistent():
    torch.manual_seed(0)
    plain = classifiers.build("compact", "shapes").eval().requires_grad_(False)
    ready = classifiers.fold(copy.deepcopy(plain))
    s = benchmark.measure(plain, ready, 32, "cpu", 0.05)
    assert s.votes_per_second > 0
    assert s.field_votes_per_second > 0
    assert s.gflops == s.votes_per_second * 2 * inspection.multiply_adds(plain, 32) / 1e9
    assert s.matmul_gflops > 0


def test_the_fields_loop_counts_every_vote():
    net = classifiers.build("compact", "shapes").eval()
    assert sum(benchmark.field_counts(net, torch.rand(3, 32, 32), 0.5, 123, 50, "cpu")) == 123
