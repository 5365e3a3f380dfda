import numpy as np
import pytest

from rsviz.evaluation.seeds import over_seeds, ratio_over_seeds, summed_over_seeds


def world(generator, gap=0.0, images=200, seeds=3, spread=0.02):
    """Values of two ways to train: images differ, seeds differ, and single images by seeds."""
    x_N = generator.normal(0.5, 0.4, images)
    both = []
    for shift in (gap, 0.0):
        own_S1 = generator.normal(shift, spread, (seeds, 1))
        both.append(x_N + own_S1 + generator.normal(0, 0.1, (seeds, images)))
    return both


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.05])
def test_the_interval_covers_the_truth_whatever_part_of_it_is_seeds(spread):
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(1_000):
        _, low, high, p = over_seeds(*world(generator, 0.03, spread=spread))
        held += low <= 0.03 <= high
        assert (p <= 0.05) == (not low <= 0 <= high)
    assert 935 <= held <= 1_000


def test_an_interval_over_images_alone_would_not_cover_it():
    """Why seeds are counted: paired over images alone, trainings look far surer than they are."""
    generator, held = np.random.default_rng(2), 0
    for _ in range(400):
        a_SN, b_SN = world(generator, 0.03, spread=0.05)
        gap_N = a_SN.mean(0) - b_SN.mean(0)
        half = 1.96 * gap_N.std(ddof=1) / len(gap_N) ** 0.5
        held += abs(gap_N.mean() - 0.03) <= half
    assert held < 200


def test_sides_that_are_one_and_the_same_do_not_differ():
    a_SN = np.tile(np.arange(5.0), (3, 1))
    assert over_seeds(a_SN, a_SN) == (0, 0, 0, 1)
    assert over_seeds(a_SN + 1, a_SN) == (1, 1, 1, 0)


def test_a_ratio_is_that_of_the_means_and_its_interval_covers_it():
    generator, held = np.random.default_rng(3), 0
    for _ in range(1_000):
        a_SN, b_SN = world(generator, 0.05)
        ratio, low, high = ratio_over_seeds(a_SN, b_SN)
        assert low < ratio < high
        held += low <= 0.1 <= high
    assert held >= 935


def test_a_difference_of_differences_covers_the_truth_too():
    """As what a mask gains on a large canvas less what it gains on a small one."""
    generator, held = np.random.default_rng(4), 0
    for _ in range(1_000):
        a, b = world(generator, 0.05, spread=0.03)
        c, d = world(generator, 0.02, spread=0.03)
        mean, low, high, p = summed_over_seeds((a, -b, -c, d))
        assert mean == pytest.approx(a.mean() - b.mean() - c.mean() + d.mean())
        assert (p <= 0.05) == (not low <= 0 <= high)
        held += low <= 0.03 <= high
    assert 935 <= held <= 1_000
