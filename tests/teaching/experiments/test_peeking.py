import numpy as np
import pytest

from rsviz.core import bounds
from rsviz.teaching.experiments import peeking


@pytest.mark.parametrize("p", [0.6, 0.99])
def test_thresholds_are_where_each_bound_first_exceeds_p(p):
    for name, lower in (
        ("Clopper-Pearson", bounds.clopper_pearson_lower),
        ("anytime-valid", bounds.anytime_lower),
    ):
        for i, k in enumerate(peeking.thresholds(name, p, 0.05, 1000, 100)):
            m = 100 * (i + 1)
            assert k > m or lower(int(k), m, 0.05) > p
            assert lower(int(k) - 1, m, 0.05) <= p


def test_peeking_breaks_clopper_pearson_and_not_the_anytime_bound():
    seen = peeking.simulate(0.8, 0.05, seed=3, runs=2000)
    # Both by far: 5 standard deviations of 2000 runs at .05 are .024.
    assert seen.ever_L["Clopper-Pearson"][-1] / 2000 > 0.15
    assert seen.ever_L["anytime-valid"][-1] / 2000 < 0.05 + 0.024
    assert seen.at_end["Clopper-Pearson"] / 2000 < 0.05 + 0.024


def test_running_counts_only_rise_and_the_example_is_wrong_somewhere():
    seen = peeking.simulate(0.7, 0.1, seed=1)
    for ever_L in seen.ever_L.values():
        assert (np.diff(ever_L) >= 0).all()
    assert (seen.example_L["Clopper-Pearson"] > 0.7).any()
    assert len(seen.looks_L) == 100


def test_a_seed_repeats_the_experiment():
    first, again, other = (peeking.simulate(0.9, 0.05, seed) for seed in (1, 1, 2))
    assert (first.ever_L["Clopper-Pearson"] == again.ever_L["Clopper-Pearson"]).all()
    assert (first.ever_L["Clopper-Pearson"] != other.ever_L["Clopper-Pearson"]).any()
