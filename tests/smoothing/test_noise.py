import torch

from rsviz.smoothing.noise import CHUNK, chunk, chunk_seed


def test_every_part_of_the_name_changes_the_seed():
    base = (0, "sha256:a", "select", 0, 0)
    others = [
        (1, "sha256:a", "select", 0, 0),
        (0, "sha256:b", "select", 0, 0),
        (0, "sha256:a", "bound", 0, 0),
        (0, "sha256:a", "select", 1, 0),
        (0, "sha256:a", "select", 0, 1),
    ]
    seeds = {chunk_seed(*name) for name in [base, *others]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_chunk_repeats_and_is_standard_normal():
    a = chunk((3, 16, 16), 7, "cpu")
    assert torch.equal(a, chunk((3, 16, 16), 7, "cpu"))
    assert a.shape == (CHUNK, 3, 16, 16)
    m = a.numel()
    assert abs(a.mean()) < 5 / m**0.5
    assert abs(a.var() - 1) < 5 * (2 / m) ** 0.5
    assert abs(a.pow(4).mean() - 3) < 5 * (96 / m) ** 0.5


def test_chunks_of_two_seeds_are_uncorrelated():
    a, b = chunk((3, 16, 16), 1, "cpu"), chunk((3, 16, 16), 2, "cpu")
    assert abs((a * b).mean()) < 5 / a.numel() ** 0.5
