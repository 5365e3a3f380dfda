import pytest
import torch

from rsviz.data import perturbations


def test_every_direction_has_length_one_and_the_seed_decides_it():
    first, again, other = (perturbations.directions((3, 32, 32), seed) for seed in (0, 0, 1))
    for name, d_CHW in first.items():
        assert d_CHW.shape == (3, 32, 32)
        assert float(d_CHW.norm()) == pytest.approx(1.0, abs=1e-5)
        assert torch.equal(d_CHW, again[name])
    assert not torch.equal(first["random"], other["random"])


def test_an_even_shift_moves_every_value_alike():
    shift_CHW = 2.0 * perturbations.directions((3, 32, 32))["brighter everywhere"]
    assert shift_CHW.flatten().tolist() == pytest.approx([2.0 / 3072**0.5] * 3072, rel=1e-5)


def test_the_share_that_a_screen_cannot_show_is_counted():
    assert perturbations.clipped_share(
        torch.tensor([[[-0.1, 0.0, 0.5, 1.0, 1.1]]])
    ) == pytest.approx(0.4)
