import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from rsviz.core import bounds, flags, reading
from rsviz.core.errors import UserError
from rsviz.core.radius import ceiling, in_grey_levels, radius_l2, radius_two_sided
from rsviz.core.spec import Bound, Certificate, Norm, RunSpec, Votes

SPEC = RunSpec("shapes/test/3", "net", 0.5, n=1_000)
SELECT = Votes("select", (10, 80, 10), 100, "complete")
FRESH = Votes("bound", (30, 950, 20), 1_000, "complete")
HALF = Votes("bound", (15, 475, 10), 1_000, "running")


def read(select=SELECT, bound=FRESH, spec=SPEC, **settings):
    return reading.read(select, bound, spec, "proved", **settings)


def test_the_radius_is_the_hand_value():
    c = read()
    p = stats.beta.ppf(0.001, 950, 51)
    assert (c.predicted, c.abstained, c.flags, c.ended) == (1, False, (), "complete")
    assert c.p_a_lower == pytest.approx(p, rel=1e-12)
    assert c.radius == pytest.approx(0.5 * stats.norm.ppf(p), rel=1e-12)
    assert (c.counts0, c.counts, c.n0, c.n) == ((10, 80, 10), (30, 950, 20), 100, 1_000)
    assert c.alpha_split == {"planned n": 0.001}
    assert radius_l2(1.0, 0.9) == pytest.approx(1.2815515655, rel=1e-9)
    assert radius_two_sided(2.0, 0.9, 0.1) == pytest.approx(2 * 1.2815515655, rel=1e-9)
    assert radius_l2(1.0, 0.4) == radius_two_sided(1.0, 0.3, 0.4) == 0.0


def test_the_class_comes_from_the_first_votes_and_the_bound_from_the_fresh_ones():
    """Fresh votes for another class must not change the class, and end in abstention."""
    other = Votes("bound", (990, 5, 5), 1_000, "complete")
    c = read(bound=other)
    assert (c.predicted, c.abstained, c.radius) == (1, True, 0.0)
    assert c.p_a_lower == bounds.clopper_pearson_lower(5, 1_000, 0.001)
    assert read(select=Votes("select", (0, 100, 0), 100, "complete")).radius == read().radius


def test_a_lower_bound_of_one_half_abstains():
    assert read(bound=Votes("bound", (450, 550, 0), 1_000, "complete")).abstained is False
    assert read(bound=Votes("bound", (500, 500, 0), 1_000, "complete")).abstained is True


@pytest.mark.parametrize("bound", Bound)
@pytest.mark.parametrize(
    ("select", "votes", "ended"),
    [
        (None, None, "running"),
        (Votes("select", (3, 30, 2), 100), None, "running"),
        (Votes("select", (3, 30, 2), 100, "stopped"), None, "stopped"),
        (SELECT, None, "running"),
        (SELECT, Votes("bound", (0, 0, 0), 1_000), "running"),
    ],
)
def test_before_there_are_fresh_votes_nothing_is_certified(bound, select, votes, ended):
    c = read(select, votes, replace(SPEC, bound=bound))
    assert c.predicted == (1 if select == SELECT else None)
    assert (c.abstained, c.radius, c.p_a_lower, c.ended) == (True, 0.0, 0.0, ended)
    assert c.flags == ("partial",)


@pytest.mark.parametrize("ended", ["running", "stopped", "extended"])
def test_partial_votes_are_read_by_anytime_bounds_only(ended):
    votes = replace(HALF, ended=ended)
    fixed = read(bound=votes)
    assert (fixed.predicted, fixed.abstained, fixed.radius) == (1, True, 0.0)
    for bound, alpha in ((Bound.ANYTIME, 0.001), (Bound.SPLIT, 0.0002)):
        c = read(bound=votes, spec=replace(SPEC, bound=bound))
        assert c.p_a_lower == bounds.anytime_lower(475, 500, alpha)
        assert c.radius == pytest.approx(0.5 * stats.norm.ppf(c.p_a_lower)) and not c.abstained
        assert c.flags == fixed.flags == ("partial",)
    assert c.alpha_split == pytest.approx({"anytime": 0.0002, "planned n": 0.0008})


def test_votes_that_did_not_choose_the_class_yet_are_never_read():
    c = read(select=replace(SELECT, ended="stopped"), spec=replace(SPEC, bound=Bound.ANYTIME))
    assert (c.predicted, c.abstained, c.radius) == (None, True, 0.0)


@pytest.mark.parametrize("bound", ["clopper-pearson", "anytime"])
def test_too_few_votes_are_flagged(bound):
    """Unanimous votes pass 1/2 once 2^n, or the mixture of (2 Phi(delta))^n, exceeds 1/alpha."""
    q = stats.norm.cdf(np.geomspace(0.02, 1.0, 40)) if bound == "anytime" else np.ones(1)
    enough = next(n for n in range(1, 100) if np.mean((2 * q) ** n) > 1000)
    for n in (enough - 1, enough):
        all_agree = Votes("bound", (0, n, 0), n, "complete")
        c = read(bound=all_agree, spec=replace(SPEC, n=n, bound=bound))
        assert c.abstained == (n < enough)
        assert ("n too small for this alpha" in c.flags) == (n < enough)
        assert set(c.flags) <= set(flags.FLAGS)


@pytest.mark.parametrize(
    ("n", "alpha", "expected"),
    [
        (100_000, 0.001, 3.8115),
        (100_000, 0.0005, 3.7878),
        (10_000, 0.001, 3.1986),
        (10_000, 0.0005, 3.1709),
        (1_000, 0.001, 2.4633),
    ],
)
def test_the_ceiling_is_what_unanimous_votes_reach(n, alpha, expected):
    assert ceiling(1.0, n, alpha) == pytest.approx(expected, abs=5e-5)
    p = bounds.clopper_pearson_lower(n, n, alpha)
    assert ceiling(0.25, n, alpha) == pytest.approx(radius_l2(0.25, p), rel=1e-9)
    assert ceiling(1.0, 5, 0.001) == 0.0


def test_linf_and_grey_levels():
    c = read(norm=Norm.LINF, d=3_072)
    assert c.radius == pytest.approx(read().radius / math.sqrt(3_072), rel=1e-12)
    assert in_grey_levels(math.sqrt(3_072) / 255, 3_072) == pytest.approx(1.0)
    assert reading.reread(c).radius == c.radius
    with pytest.raises(ValueError, match="needs d"):
        read(norm=Norm.LINF)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((40, 60), None), ((20, 80), 1), ((80, 20, 0), 0), ((0, 0), None), ((50, 50), None)],
)
def test_predict_is_the_binomial_test(counts, expected):
    assert reading.predict(counts, 0.001) == expected


def test_predict_sits_exactly_at_its_alpha():
    p_value = stats.binomtest(75, 100).pvalue
    assert reading.predict((75, 25), p_value * 1.001) == 0
    assert reading.predict((75, 25), p_value * 0.999) is None


def test_rereading_equals_reading_anew():
    c = read(flags=("image resampled",), detail={"sigma_votes": [1, 2]})
    for alpha in (0.001, 0.05):
        for bound in Bound:
            anew = read(
                spec=replace(SPEC, alpha=alpha, bound=bound),
                flags=("image resampled",),
                detail={"sigma_votes": [1, 2]},
            )
            assert reading.reread(c, alpha=alpha, bound=bound) == anew
    assert reading.reread(c, alpha=0.05).radius > c.radius
    again = Certificate.from_json(c.to_json())
    assert reading.reread(again, alpha=0.05) == reading.reread(c, alpha=0.05)


def test_a_stopped_run_cannot_be_reread_into_clopper_pearson():
    votes = replace(HALF, ended="stopped")
    c = read(bound=votes, spec=replace(SPEC, bound=Bound.ANYTIME))
    assert c.radius > 0
    back = reading.reread(c, bound=Bound.CLOPPER_PEARSON)
    assert (back.abstained, back.radius, back.flags) == (True, 0.0, ("partial",))
    assert reading.reread(back, bound=Bound.ANYTIME) == c


def test_what_is_not_a_reading_of_one_count_is_not_reread():
    c = replace(read(), radius=0.1, method="dual")
    with pytest.raises(UserError, match="dual certificate"):
        reading.reread(c, alpha=0.01)
    with pytest.raises(UserError, match="dual certificate"):
        reading.two_sided(c)
    with pytest.raises(UserError, match="alpha must lie between 0 and"):
        reading.reread(read(), alpha=0.5)


def test_two_sided_shares_alpha_between_the_class_and_the_most_voted_other():
    votes = Votes("bound", (100, 550, 350), 1_000, "complete")
    c = reading.two_sided(read(bound=votes))
    p_a = stats.beta.ppf(0.0005, 550, 451)
    p_b = stats.beta.isf(0.0005, 351, 650)
    assert c.p_a_lower == pytest.approx(p_a, rel=1e-9)
    assert c.detail["p_b_upper"] == pytest.approx(p_b, rel=1e-9)
    assert c.radius == pytest.approx(0.25 * (stats.norm.ppf(p_a) - stats.norm.ppf(p_b)), rel=1e-9)
    assert c.alpha_split == {"p_A, planned n": 0.0005, "p_B, planned n": 0.0005}
    assert c.radius > read(bound=votes).radius and not c.abstained


def test_two_sided_certifies_below_one_half_and_abstains_below_the_other():
    below = Votes("bound", (300, 450, 250), 1_000, "complete")
    c = reading.two_sided(read(bound=below))
    assert c.p_a_lower < 0.5 and not c.abstained and c.radius > 0
    close = Votes("bound", (440, 450, 110), 1_000, "complete")
    assert reading.two_sided(read(bound=close)).abstained


def test_two_sided_is_never_worse_than_one_sided_at_half_alpha():
    """p_B <= 1 - p_A, so with two classes both forms agree."""
    votes = Votes("bound", (50, 950), 1_000, "complete")
    c = read(select=Votes("select", (5, 95), 100, "complete"), bound=votes)
    two = reading.two_sided(c)
    assert two.radius == pytest.approx(reading.reread(c, alpha=0.0005).radius, rel=1e-9)
    assert reading.reread(two) == c
    assert reading.two_sided(two) == two


def test_two_sided_keeps_the_rule_on_stopped_votes():
    votes = replace(HALF, ended="stopped")
    assert reading.two_sided(read(bound=votes)).radius == 0.0
    c = reading.two_sided(read(bound=votes, spec=replace(SPEC, bound=Bound.ANYTIME)))
    assert c.p_a_lower == bounds.anytime_lower(475, 500, 0.0005) and c.radius > 0


def test_the_formula_shows_this_runs_numbers_rounded_to_the_safe_side():
    c = read()
    text = reading.formula(c)
    p, radius = (float(x) for x in (text.split("(")[2].split(")")[0], text.split("= ")[-1]))
    assert text.startswith(r"R = \sigma\,\Phi^{-1}(\underline{p_A}) = 0.5 \cdot")
    assert c.p_a_lower - 1e-6 < p <= c.p_a_lower and c.radius - 1e-4 < radius <= c.radius
    assert r"\sqrt{3072}" in reading.formula(read(norm=Norm.LINF, d=3_072))
    assert r"\overline{p_B}" in reading.formula(reading.two_sided(c))


def test_the_formula_says_when_there_is_nothing():
    tie = read(bound=Votes("bound", (500, 500, 0), 1_000, "complete"))
    assert reading.formula(tie).endswith(r"\le \tfrac{1}{2} \;\Rightarrow\; \text{abstain}")
    assert reading.formula(read(bound=HALF)) == r"\text{nothing to read yet}"


def test_every_flag_says_what_to_do():
    assert len(flags.FLAGS) == 10
    for name, flag in flags.FLAGS.items():
        assert flag.name == name and flag.raised_if and flag.meaning and flag.what_to_do


@pytest.mark.parametrize("bound", Bound)
@pytest.mark.parametrize("counts", [(30, 950, 20), (400, 300, 300)])
def test_votes_that_ended_early_are_told_by_what_their_bound_makes_of_them(bound, counts):
    """A certificate that stands is not said to be nothing by another bound, nor the reverse."""
    spec = replace(SPEC, bound=bound, n=2_000)
    c = read(bound=Votes("bound", counts, 2_000, "stopped"), spec=spec)
    assert flags.PARTIAL in c.flags
    said = flags.of(flags.PARTIAL, c).meaning
    assert ("nothing is" in said) == c.abstained and ("stands as it is" in said) != c.abstained
    assert ("Clopper-Pearson" in said) == (bound is Bound.CLOPPER_PEARSON)
    assert flags.of(flags.TOO_FEW, c) == flags.FLAGS[flags.TOO_FEW]
