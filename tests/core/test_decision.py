"""Shape suffixes: T votes drawn so far, H counts, N votes, P true probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln, ndtr

from rsviz.core import decision
from rsviz.core.errors import UserError

# Averages are over these true p_A, evenly spaced, and then the last ones near 1.
TRUE_P = np.array([*np.arange(0.5, 0.96, 0.03), 0.97, 0.98, 0.99, 0.995, 0.999])


def outcomes(plan, p):
    """Return the votes used on average and the probability of each answer, exactly, at a true p."""
    mass_H, first, votes = np.ones(1), 0, 0.0
    answers = {"yes": 0.0, "no certificate": 0.0, "undecided": 0.0}
    steps = np.diff(plan.look_L, prepend=0).tolist()
    for step, yes, no in zip(steps, plan.yes_L.tolist(), plan.no_L.tolist(), strict=True):
        votes += step * float(mass_H.sum())
        mass_H, first = decision._after(mass_H, first, step, p, 1 - p, decision._NOTHING)
        high, low = max(yes - first, 0), max(no + 1 - first, 0)
        answers["yes"] += float(mass_H[high:].sum())
        answers["no certificate"] += float(mass_H[:low].sum())
        mass_H, first = mass_H[low:high], first + low
        if not len(mass_H):
            break
    answers["undecided"] = float(mass_H.sum())
    return votes, answers


def betting(p: float, n: int, alpha: float) -> decision.Plan:
    """The published betting sequence's test of one p, every vote a look (arXiv 2406.17830).

    log W(p) of its stakes is that of the Beta(1/2, 1/2) mixture; p is refuted where it is at least
    log(1/alpha), above for a share beyond p, below for one short of it. log W is convex in the
    count and negative at p t, so that both are found by halving.
    """
    t_T = np.arange(1, n + 1)

    def refuted(k_T):
        log_w_T = betaln(k_T + 0.5, t_T - k_T + 0.5) - betaln(0.5, 0.5)
        log_w_T -= k_T * np.log(p) + (t_T - k_T) * np.log1p(-p)
        return log_w_T >= np.log(1 / alpha)

    middle_T = np.ceil(p * t_T).astype(int)
    yes_T = least(refuted, middle_T, t_T + 1)
    no_T = least(lambda k_T: ~refuted(k_T), np.zeros_like(t_T), middle_T) - 1
    return decision.Plan(p, n, alpha, t_T, yes_T, no_T)


def least(holds, low_T, high_T):
    """The least k from low to high - 1 from which on it holds, by halving; else high."""
    while (low_T < high_T).any():
        middle_T = (low_T + high_T) // 2
        holds_T = holds(middle_T) | (low_T == high_T)
        low_T = np.where(holds_T, low_T, middle_T + 1)
        high_T = np.where(holds_T, middle_T, high_T)
    return high_T


def votes_looking_always(plan, true_P):
    """Return the votes used on average at each true p, as `outcomes` does, if each is a look."""
    p_P1, first, votes_P = true_P[:, None], 0, np.zeros(len(true_P))
    mass_PH = np.ones_like(p_P1)
    for yes, no in zip(plan.yes_L.tolist(), plan.no_L.tolist(), strict=True):
        votes_P += mass_PH.sum(1)
        before_PH, mass_PH = mass_PH, np.zeros((len(p_P1), mass_PH.shape[1] + 1))
        mass_PH[:, 1:] = before_PH * p_P1
        mass_PH[:, :-1] += before_PH * (1 - p_P1)
        low, high = max(no + 1 - first, 0), max(yes - first, 0)
        mass_PH, first = mass_PH[:, low:high], first + low
    return votes_P


def ever(p: float, least_T: list[int]) -> float:
    """P(the count at t is at least least_T[t] for some t >= 1), one vote at a time, exactly."""
    mass_H, caught = np.zeros(len(least_T) + 1), 0.0
    mass_H[0] = 1.0
    for least in least_T[1:]:
        mass_H[1:] = mass_H[1:] * (1 - p) + mass_H[:-1] * p
        mass_H[0] *= 1 - p
        caught += mass_H[least:].sum()
        mass_H[least:] = 0.0
    return caught


def every_vote(plan: decision.Plan, side: str) -> list[int]:
    """Least count for yes, or of other classes for no, at every t, none between two looks."""
    least = list(range(1, plan.n + 2))
    counts_L = plan.yes_L if side == "yes" else plan.look_L - plan.no_L
    for t, count in zip(plan.look_L.tolist(), counts_L.tolist(), strict=True):
        least[t] = count
    return least


@pytest.mark.parametrize("z", [0.0, 0.25, 1.0, 2.0])
@pytest.mark.parametrize(("n", "alpha"), [(1_500, 0.05), (2_000, 0.001)])
def test_each_answer_is_ever_wrong_with_probability_alpha_at_most(z, n, alpha):
    """By a recursion of its own, one vote at a time, with no stop at the other boundary."""
    plan = decision.plan(z, n, alpha)
    wrong_yes = ever(plan.p, every_vote(plan, "yes"))
    wrong_no = ever(1 - plan.p, every_vote(plan, "no"))
    assert 0.85 * alpha < wrong_yes <= alpha
    assert 0.85 * alpha < wrong_no <= alpha
    # Below p* yes is wrong less often, above it no.
    assert ever(plan.p - 0.02, every_vote(plan, "yes")) < wrong_yes
    assert ever(1 - min(plan.p + 0.002, 1.0), every_vote(plan, "no")) < wrong_no


def test_the_check_rejects_a_boundary_that_ignores_the_looks():
    plan = decision.plan(1.0, 1_500, 0.05)
    least = [int(stats.binom.ppf(0.95, t, plan.p)) + 1 for t in range(1_501)]  # each look at alpha
    assert ever(plan.p, least) > 0.2


def test_simulated_under_early_stopping_the_error_is_at_most_alpha():
    """Runs at the boundary, ended by the rule or, sooner, by whoever looks at a random moment."""
    alpha, runs, rng = 0.05, 2_000, np.random.default_rng(0)
    plan = decision.plan(0.5, 1_000, alpha)
    wrong = {"yes": 0, "no certificate": 0}
    for _ in range(runs):
        hit_N = rng.random(plan.n) < plan.p
        t = plan.settles(0, 0, hit_N[: rng.integers(1, 2 * plan.n)])
        if t is not None:
            wrong[plan.answer(int(hit_N[:t].sum()), t)] += 1
    for count in wrong.values():
        assert 0 < count <= runs * alpha + 3 * np.sqrt(runs * alpha * (1 - alpha))


@pytest.mark.parametrize("z", [0.25, 0.5, 1.0, 2.0])
def test_five_times_fewer_votes_than_a_fixed_number(z):
    plan = decision.plan(z, 10_000, 0.001)
    votes_P = [outcomes(plan, float(true))[0] for true in TRUE_P]
    assert 8 * np.mean(votes_P) <= plan.n


@pytest.mark.slow
@pytest.mark.parametrize("z", [0.25, 0.5, 1.0, 2.0])
def test_no_more_votes_than_the_published_betting_sequence(z):
    n, alpha = 10_000, 0.001
    plan, published = decision.plan(z, n, alpha), betting(float(ndtr(z)), n, alpha)
    ours_P = np.array([outcomes(plan, float(true))[0] for true in TRUE_P])
    theirs_P = votes_looking_always(published, TRUE_P)
    assert theirs_P[-1] == pytest.approx(outcomes(published, TRUE_P[-1])[0])
    assert ours_P.mean() <= 0.9 * theirs_P.mean()
    assert np.all(ours_P <= 1.1 * theirs_P)


def test_fewer_votes_than_the_betting_sequence_on_the_same_streams():
    n, rng = 2_000, np.random.default_rng(1)
    plan, published = decision.plan(0.5, n, 0.001), betting(float(ndtr(0.5)), n, 0.001)
    used = np.zeros(2)
    for true in np.repeat([0.5, 0.6, 0.66, 0.72, 0.8, 0.9, 0.99], 40):
        hit_N = rng.random(n) < true
        used += [p.settles(0, 0, hit_N) or n for p in (plan, published)]
    assert used[0] < used[1]


def test_the_exact_outcomes_are_those_of_simulated_runs():
    plan, rng, runs = decision.plan(0.5, 600, 0.02), np.random.default_rng(2), 2_000
    votes, answers = outcomes(plan, 0.74)
    found = {"yes": 0, "no certificate": 0, "undecided": 0}
    used = []
    for _ in range(runs):
        hit_N = rng.random(plan.n) < 0.74
        t = plan.settles(0, 0, hit_N) or plan.n
        found[plan.answer(int(hit_N[:t].sum()), t)] += 1
        used.append(t)
    assert sum(answers.values()) == pytest.approx(1)
    assert np.mean(used) == pytest.approx(votes, abs=3 * np.std(used) / np.sqrt(runs))
    for name, p in answers.items():
        assert found[name] / runs == pytest.approx(p, abs=3 * np.sqrt(p * (1 - p) / runs) + 1e-9)


Z = st.floats(0, 2.2)
N = st.integers(500, 1_200)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(Z, N, st.sampled_from([0.001, 0.01, 0.05]))
def test_boundaries_never_cross_and_an_answer_rises_with_the_count(z, n, alpha):
    plan = decision.plan(z, n, alpha)
    assert np.all(plan.no_L < plan.yes_L)
    assert plan.look_L[-1] == n
    order = ("no certificate", "undecided", "yes")
    for t in {1, n // 2, n}:
        ranks = [order.index(plan.answer(k, t)) for k in range(t + 1)]
        assert ranks == sorted(ranks)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(Z, N)
def test_a_larger_radius_and_a_smaller_alpha_ask_for_more_votes(z, n):
    look_L = decision.looks(n)
    p, rest = ndtr(z), ndtr(-z)
    least_L = decision.boundary(p, rest, look_L, 0.01)
    # Counts are whole, so a tenth of alpha, or a clear step in p, must show at the end.
    assert decision.boundary(p, rest, look_L, 0.001)[-1] >= least_L[-1]
    more = ndtr(z + 0.2)
    assert decision.boundary(more, 1 - more, look_L, 0.01)[-1] >= least_L[-1]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(N)
def test_at_one_half_the_two_answers_are_mirror_images(n):
    plan = decision.plan(0.0, n, 0.01)
    assert np.array_equal(plan.no_L, plan.look_L - plan.yes_L)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(1, 150))
def test_votes_in_batches_end_where_votes_one_by_one_do(hits, batch):
    plan, hit_N = decision.plan(0.5, 400, 0.05), np.array(hits)
    one_by_one = next(
        (t for t in range(1, len(hits) + 1) if plan.answer(sum(hits[:t]), t) != "undecided"), None
    )
    done, found = 0, None
    while done < len(hits) and found is None:
        more = plan.settles(sum(hits[:done]), done, hit_N[done : done + batch])
        found = None if more is None else done + more
        done += batch
    assert found == one_by_one == plan.settles(0, 0, hit_N)


@pytest.mark.parametrize("n", [1, 999, 1_000, 1_001, 10_000, 123_456])
def test_looks_rise_to_the_cap(n):
    look_L = decision.looks(n)
    assert look_L[0] == 1 and look_L[-1] == n and np.all(np.diff(look_L) > 0)
    assert np.all(np.diff(look_L) <= np.maximum(100, look_L[1:] / 50))


def test_between_two_looks_nothing_is_said():
    plan = decision.plan(0.0, 5_000, 0.01)
    assert plan.answer(1_050, 1_050) == "undecided"
    assert plan.answer(1_100, 1_100) == "yes"
    assert plan.answer(0, 1_100) == "no certificate"


def test_a_radius_that_no_count_could_certify_is_refused():
    with pytest.raises(UserError, match="at least 6,905 are needed"):
        decision.plan(float(stats.norm.ppf(0.999)), 1_000, 0.001)
    with pytest.raises(UserError, match="no number in reach"):
        decision.plan(9.0, 10_000, 0.001)


def test_a_long_run_is_planned_in_seconds_and_spends_alpha():
    plan = decision.plan(1.0, 1_000_000, 0.001)
    votes, answers = outcomes(plan, plan.p)
    assert 0.99e-3 < answers["yes"] <= 1e-3 and 0.99e-3 < answers["no certificate"] <= 1e-3
    assert votes < plan.n


@pytest.mark.parametrize(
    ("answer", "votes", "told"),
    [
        ("yes", 87, "certified at radius 0.5 after 87 votes"),
        ("no certificate", 87, "No certificate at radius 0.5 for this class"),
        ("undecided", 100, "so far"),
        ("undecided", 1_000, "all 1,000 votes"),
    ],
)
def test_answers_in_words(answer, votes, told):
    text = decision.in_words(answer, "radius 0.5", votes, 1_000)
    assert told in text and "not robust" not in text
