from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from rsviz.checkpoints import catalog
from rsviz.core.bounds import clopper_pearson_lower
from rsviz.core.errors import UserError
from rsviz.core.radius import radius_l2
from rsviz.evaluation import curves, fewer_votes
from rsviz.evaluation.logs import read_log, thin

RADII = (0.0, 0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def log():
    folder = catalog.find("cifar10-consistency-w64-0.5").folder
    return read_log(folder / "certified.csv")


def test_radii_are_those_of_the_certificate():
    table = fewer_votes.radius_K(50, 0.5, 0.001)
    by_hand = [radius_l2(0.5, clopper_pearson_lower(k, 50, 0.001)) for k in range(51)]
    assert table == pytest.approx(by_hand, abs=1e-9)


def test_the_draw_is_hypergeometric():
    for N, k, n in ((30, 20, 12), (30, 30, 12), (500, 480, 100)):
        held = np.arange(n + 1)
        p = fewer_votes._drawn(held, N, k, n)
        assert p == pytest.approx(stats.hypergeom(N, k, n).pmf(held), abs=1e-10)
        assert p.sum() == pytest.approx(1, abs=1e-9)


def test_all_votes_give_what_the_log_says(log):
    again = fewer_votes.expected(log, log.n, RADII)
    assert again.acr == pytest.approx(curves.acr(log), abs=1e-5)
    told = [curves.accuracy_at(log, r) for r in RADII[1:]]
    assert again.accuracy_R[1:] == pytest.approx(told, abs=1e-9)


def test_it_is_the_mean_of_votes_thinned_at_random(log):
    ask = fewer_votes.expected(log, 1000, RADII)
    drawn = [thin(log, 1000, np.random.default_rng(s)) for s in range(20)]
    acr = [curves.acr(one) for one in drawn]
    assert ask.acr == pytest.approx(np.mean(acr), abs=4 * np.std(acr) / 20**0.5)
    for r, a in zip(RADII[1:], ask.accuracy_R[1:], strict=True):
        thinned = [curves.accuracy_at(one, r) for one in drawn]
        assert a == pytest.approx(np.mean(thinned), abs=4 * np.std(thinned) / 20**0.5 + 1e-9)


def test_fewer_votes_certify_less(log):
    acr = [fewer_votes.expected(log, n, RADII).acr for n in (100, 1000, 10_000)]
    assert acr[0] < acr[1] < acr[2]


def test_what_cannot_be_read_is_refused(log):
    with pytest.raises(UserError, match="from 1 to 10,000"):
        fewer_votes.expected(log, 20_000, RADII)
    with pytest.raises(UserError, match="does not say"):
        fewer_votes.expected(replace(log, sigma=None), 100, RADII)
