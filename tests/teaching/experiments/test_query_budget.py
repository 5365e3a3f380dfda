import math

import numpy as np
import pytest
import torch

from rsviz.smoothing import queries
from rsviz.teaching.experiments import query_budget


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.95])
def test_two_looks_together_tell_as_much_as_one(share):
    mu_1, mu_2 = query_budget.split(1.7, share)
    assert math.hypot(mu_1, mu_2) == pytest.approx(1.7)
    thresholds_T = np.linspace(-1, 2.5, 8)
    alarm_T, missed_T = query_budget.simulate(1.7, share, thresholds_T, 3)
    # 20,000 looks: four standard deviations of a share are at most .0142
    assert np.abs(missed_T - query_budget.missed(alarm_T, 1.7)).max() < 0.03


def test_the_trade_off_of_equal_images_is_guessing_and_falls_with_distance():
    alarm_P = np.linspace(0.01, 0.99, 25)
    assert query_budget.missed(alarm_P, 0.0) == pytest.approx(1 - alarm_P)
    by_hand = query_budget.missed(np.array([0.5, 0.0]), 1.0)
    assert by_hand == pytest.approx([1 - 0.841344746, 1.0])
    assert np.all(query_budget.missed(alarm_P, 1.0) < query_budget.missed(alarm_P, 0.5))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_noise_under_a_mask_is_that_of_the_queries(share):
    w_N1HW = torch.zeros(1, 1, 8, 8)
    w_N1HW[..., :4, :4] = 1
    sigma = torch.tensor(0.5).view(1, 1, 1, 1)
    s_1, s_2, s = query_budget.masked_noise(0.5, share, 16 / 64)
    ones = torch.ones_like(w_N1HW)
    assert s_1 == pytest.approx(float(queries.noise_level(ones, sigma, share)))
    assert s_2 == pytest.approx(float(queries.noise_level(w_N1HW, sigma, 1 - share)))
    assert 1 / s**2 == pytest.approx(1 / s_1**2 + 1 / s_2**2)


def test_a_mask_of_everything_is_one_look():
    assert query_budget.masked_noise(0.5, 0.3, 1.0)[2] == pytest.approx(0.5)
