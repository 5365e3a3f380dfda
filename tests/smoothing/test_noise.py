import numpy as np
import pytest
import torch
from scipy import stats

from rsviz.smoothing import noise
from rsviz.smoothing.noise import CHUNK, Drawer, chunk, chunk_name, chunk_seed, fill


def test_every_part_of_the_name_changes_the_seed():
    base = (0, "sha256:a", "select", 0, 0)
    others = [
        (1, "sha256:a", "select", 0, 0),
        (0, "sha256:b", "select", 0, 0),
        (0, "sha256:a", "bound", 0, 0),
        (0, "sha256:a", "select", 1, 0),
        (0, "sha256:a", "select", 0, 1),
    ]
    assert len({chunk_name(*name) for name in [base, *others]}) == 6
    seeds = {chunk_seed(*name) for name in [base, *others]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_chunk_repeats_and_is_standard_normal():
    a = chunk((3, 16, 16), "7")
    assert torch.equal(a, chunk((3, 16, 16), "7"))
    assert a.shape == (CHUNK, 3, 16, 16)
    m = a.numel()
    assert abs(a.mean()) < 5 / m**0.5
    assert abs(a.var() - 1) < 5 * (2 / m) ** 0.5
    assert abs(a.pow(4).mean() - 3) < 5 * (96 / m) ** 0.5


def test_noise_follows_the_normal_distribution_far_into_its_tails():
    z = fill(np.empty(1_000_000, np.float32), bytes(range(24))).astype(float)
    assert stats.kstest(z, "norm").pvalue > 1e-4
    for far in (3.5, 4.5):
        expected = 2 * stats.norm.sf(far) * z.size
        assert abs((abs(z) > far).sum() - expected) < 5 * expected**0.5
    first, second = z.reshape(2, -1)  # cosines and sines share their length
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / first.size**0.5
    assert abs(np.corrcoef(first**2, second**2)[0, 1]) < 5 / first.size**0.5


def test_chunks_of_two_names_are_uncorrelated():
    a, b = chunk((3, 16, 16), "1"), chunk((3, 16, 16), "2")
    assert abs((a * b).mean()) < 5 / a.numel() ** 0.5


def test_keys_that_share_their_low_32_bits_draw_other_noise():
    a, b = (
        fill(np.empty(1000, np.float32), key.to_bytes(24, "little"))
        for key in (12345, 12345 + 2**40)
    )
    assert not np.isin(a, b).any()


def test_run_seeds_that_share_their_low_32_bits_draw_other_noise():
    a, b = (chunk((3, 8, 8), chunk_name(s, "i", "bound", 0, 0)) for s in (12345, 12345 + 2**40))
    assert not torch.equal(a, b)


def test_early_certificates_drew_from_a_seed_cut_to_32_bits():
    """The old scheme stays what it was, so that what was certified by it can be verified."""
    name = chunk_name(3, "sha256:a", "bound", 0, 1)
    seed = chunk_seed(3, "sha256:a", "bound", 0, 1)
    generator = torch.Generator().manual_seed(seed)
    old = torch.randn(CHUNK, 8, 8, 3, generator=generator).permute(0, 3, 1, 2)
    assert torch.equal(chunk((3, 8, 8), name, scheme="torch"), old)
    cut = torch.Generator().manual_seed(seed % 2**32)
    assert torch.equal(old, torch.randn(CHUNK, 8, 8, 3, generator=cut).permute(0, 3, 1, 2))


@pytest.mark.parametrize("scheme", ["sfc64", "torch"])
def test_noise_drawn_ahead_is_that_of_its_names_in_whatever_buffer(scheme):
    names, x_CHW = [str(i) for i in range(6)], torch.zeros(3, 8, 8)
    alone = [chunk((3, 8, 8), name, scheme=scheme) for name in names]
    with Drawer("cpu", scheme) as drawer:
        drawn = [drawer.start(x_CHW, names[i : i + 2]) for i in (0, 2)]
        for i in (0, 2, 4):
            noise_NCHW = drawn[i // 2].result()
            assert torch.equal(noise_NCHW, torch.cat(alone[i : i + 2]))
            drawer.give_back(noise_NCHW)
            if i == 0:  # into the first one's buffer
                drawn.append(drawer.start(x_CHW, names[4:]))
                assert drawn[2].result().data_ptr() == noise_NCHW.data_ptr()


def test_what_another_device_drew_is_drawn_as_new_runs_here_do(monkeypatch):
    monkeypatch.setattr(noise, "_one_launch_works", lambda device: device == "cuda:1")
    paths = {
        "sfc64": "cpu AVX2, float32, 100 rows, noise sfc64 numpy 2.4",
        "philox": "NVIDIA H100, bfloat16, 2000 rows, noise philox",
        "torch": "cpu AVX2, float32, 100 rows",
    }
    drawn = {d: {n: noise.scheme_of(p, d) for n, p in paths.items()} for d in ("cpu", "cuda:1")}
    assert drawn["cpu"] == {"sfc64": "sfc64", "philox": "sfc64", "torch": "torch"}
    assert drawn["cuda:1"] == {"sfc64": "philox", "philox": "philox", "torch": "torch"}
    assert noise.scheme_of(paths["philox"], "cuda:0") == "torch"  # no compiler, say
