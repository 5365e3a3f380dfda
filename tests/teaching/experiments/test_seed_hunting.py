import numpy as np
import pytest

from rsviz.core import bounds
from rsviz.teaching.experiments import seed_hunting

N = 1000


@pytest.mark.parametrize("p", [0.6, 0.9])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_one_seed_keeps_its_promise_and_the_risk_is_a_sum_over_counts(p, alpha):
    counts = range(int(p * N), N + 1)
    log_fact = np.concatenate([[0], np.cumsum(np.log(np.arange(1, N + 1)))])
    total = 0.0
    for k in counts:
        if bounds.clopper_pearson_lower(k, N, alpha) > p:
            choose = log_fact[N] - log_fact[k] - log_fact[N - k]
            total += np.exp(choose + k * np.log(p) + (N - k) * np.log1p(-p))
    assert seed_hunting.risk(p, alpha, 1, N) == pytest.approx(total, rel=1e-9)
    assert 0.3 * alpha < total <= alpha
    assert seed_hunting.risk(p, alpha, 7, N) == pytest.approx(1 - (1 - total) ** 7, rel=1e-9)


def test_hunted_seeds_exceed_alpha_as_often_as_computed():
    alpha, seeds = 0.01, 20
    seen = seed_hunting.simulate(0.8, alpha, seeds, seed=3)
    share = seen.wrong_S[seeds - 1] / seen.hunters
    exact = seed_hunting.risk(0.8, alpha, seeds, seen.n)
    deviation = (exact * (1 - exact) / seen.hunters) ** 0.5
    assert abs(share - exact) < 4 * deviation
    assert share > 10 * alpha
    assert seen.wrong_S[0] / seen.hunters < 2 * alpha


def test_the_wrong_are_those_whose_bound_is_above_the_truth():
    p, alpha, seeds = 0.7, 0.05, 5
    seen = seed_hunting.simulate(p, alpha, seeds, seed=1, hunters=300)
    lower = [bounds.clopper_pearson_lower(int(k), seen.n, alpha) for k in seen.best_H]
    assert sum(bound > p for bound in lower) == seen.wrong_S[seeds - 1] > 0
    assert (seen.best_H >= seen.first_H).all() and (seen.best_H > seen.first_H).any()
