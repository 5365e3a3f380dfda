"""A log of Variational RS read as if with fewer draws, and at other budgets."""

import pytest

from rsviz.checkpoints import catalog
from rsviz.core.errors import UserError
from rsviz.evaluation import fewer_draws, logs

NAME = "shapes-variational"


@pytest.fixture(scope="module")
def file():
    return catalog.find(NAME).folder / "certified.csv"


@pytest.fixture(scope="module")
def found(file):
    return fewer_draws.reread(file, (10, 100, 1000, 3000), (0.05, 0.25))


def test_all_draws_at_the_budget_of_the_log_give_the_log(file, found):
    log = logs.read_log(file)
    (whole,) = [r for r in found if (r.draws, r.budget) == (1000, 0.25)]
    assert whole.lacking == 0
    assert whole.acr == pytest.approx(float((log.radius_N * log.correct_N).mean()), abs=1e-5)


def test_fewer_draws_prove_less_and_too_few_nearly_nothing(found):
    assert {r.draws for r in found} == {10, 100, 1000}  # the log has no 3,000
    acr = {(r.draws, r.budget): r.acr for r in found}
    assert acr[100, 0.05] < acr[1000, 0.05] <= acr[1000, 0.25]
    # Ten draws bound no side of the median: (alpha/4)^(1/10) is below 1/2.
    assert acr[10, 0.25] == 0 and all(r.lacking == 200 for r in found if r.draws == 10)


def test_another_log_is_refused():
    with pytest.raises(UserError, match="not a log of Variational RS"):
        fewer_draws.reread(catalog.find("shapes-dual").folder / "certified.csv")
