import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from rsviz.core import flags, tries
from rsviz.core.spec import Bound, Certificate, RunSpec, Votes
from rsviz.methods import gaussian


@pytest.fixture(scope="module")
def c():
    spec = RunSpec("shapes/test/3", "net", 0.5, n=1000, checkpoint_sha256="aa")
    votes = {
        "select": Votes("select", (90, 10), 100, "complete"),
        "bound": Votes("bound", (900, 100), 1000, "complete"),
    }
    return replace(gaussian.read(votes, spec), image_sha256="i")


def of(c, **changes):
    return tries.statement(replace(c, **changes))


def test_one_statement_is_worth_its_alpha(c):
    own = tries.statement(c)
    alone = tries.together(own, [own])
    assert (alone.runs, alone.alpha, alone.changed) == (1, 0.001, ())
    assert tries.flags_of(alone) == ()


@pytest.mark.parametrize(
    ("changes", "named", "flag"),
    [
        ({"seed": 7}, "seed", flags.RETRIED),
        ({"n": 2000}, "n", flags.RAISED),
        ({"until_radius": 0.5}, "question", flags.RAISED),
        ({"bound": Bound.ANYTIME}, "bound", flags.REREAD),
        ({"alpha": 0.01}, "alpha", flags.REREAD),
        ({"detail": {"p_b_upper": 0.1}}, "form", flags.REREAD),
        ({"sigma": 0.25}, "noise", flags.TRIED),
        ({"checkpoint_sha256": "bb"}, "network", flags.TRIED),
        ({"image_sha256": "j"}, "crop", flags.TRIED),
        ({"settings": {"lam": 0.2}}, "lam", flags.TRIED),
    ],
)
def test_what_was_changed_is_named_and_flagged(c, changes, named, flag):
    both = tries.together(of(c, **changes), [tries.statement(c)])
    assert (both.runs, both.changed) == (2, (named,))
    assert both.alpha == pytest.approx(c.alpha + changes.get("alpha", c.alpha))
    assert tries.flags_of(both) == (flag,)
    assert flag in flags.FLAGS


def test_votes_that_come_in_are_no_new_statement(c):
    assert of(c, counts=(450, 50), ended="running") == tries.statement(c)


def test_a_certificate_carries_it_through_a_file(c):
    held = replace(c, tries=tries.together(of(c, seed=1), [tries.statement(c)]))
    assert Certificate.from_json(held.to_json()) == held
    early = json.loads(replace(c, tries=None).to_json())
    del early["tries"], early["check"]
    assert Certificate.from_json(json.dumps(early)).tries is None


def test_the_best_of_many_seeds_fails_more_often_than_alpha_and_no_more_than_the_sum():
    # p_A = .5 and nothing may be certified; ten seeds of 100 votes, alpha .05.
    k = np.random.default_rng(0).binomial(100, 0.5, (20_000, 10))
    wrong = stats.beta.ppf(0.05, k, 101 - k) > 0.5
    alone, best = wrong[:, 0].mean(), wrong.any(1).mean()
    assert alone <= 0.05 < 0.2 < best <= 10 * 0.05
