import csv
import io
import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy import stats

from rsviz.core.errors import UserError
from rsviz.core.spec import Norm
from rsviz.evaluation import comparison, logs, per_image, published
from rsviz.evaluation.curves import accuracy_at, acr
from rsviz.figures import curves
from tests.evaluation.test_curves import FIELD, many


@lru_cache
def made(**settings):
    return comparison.from_log(many(1_000, **settings), "measured here", "net")


def entry(name="net", **settings):
    return comparison.renamed(made(**settings), name)


def paper(name="Gaussian, Cohen et al. 2019, σ 0.5"):
    return comparison.from_published(published.find(name))


def test_a_log_is_drawn_on_a_fine_grid_past_its_ceiling():
    e = entry()
    assert e.curve.radius_R[:3] == (0, 0.025, 0.05) and e.curve.radius_R[-1] == 1.25
    assert e.curve.accuracy_R[-1] == 0 < e.curve.accuracy_R[0]
    assert e.curve.ceiling and e.curve.ceiling < 1.25
    small = replace(many(), norm=Norm.LINF, radius_N=many().radius_N / 55)
    radii = comparison.radii(small)
    assert len(radii) == 53 and radii[-1] > small.radius_N.max()


def test_unlike_curves_are_marked_against_the_first():
    ours, theirs, other = entry(step=1), paper(), entry("shapes", dataset="shapes", alpha=0.01)
    marked = comparison.marks([ours, theirs, other])
    assert marked["net"] == ()
    assert marked[theirs.name] == ("images", "n", "alpha")
    assert marked["shapes"] == ("data set", "alpha")
    unknown = comparison.from_log(logs.parse_log(FIELD, "x"), "your log")
    assert set(comparison.marks([unknown])["x"]) == set()
    assert comparison.marks([ours, unknown])["x"] == (
        *("norm", "data set", "split", "images", "n", "alpha"),
    )
    assert comparison.unknown(unknown.curve) == ("norm", "data set", "split", "n", "alpha")
    assert comparison.unknown(ours.curve) == ()


def test_cutting_changes_the_logs_that_hold_the_images_and_names_the_others():
    whole, short = entry(), comparison.from_log(many(40), "your log")
    (a, b, c), told = comparison.cut([whole, short, paper()], "500-999")
    assert a.curve.images == 500 and a.curve.acr > whole.curve.acr  # larger k comes later
    assert b is short and c.curve == paper().curve
    assert len(told) == 1 and "holds 0 of the 500" in told[0]
    assert comparison.cut([whole], "as measured") == ([whole], [])


def test_equal_n_thins_to_the_smallest_and_repeats_with_its_seed():
    many_votes, few = entry("a"), entry("b", n=1_000)
    (few,), _ = comparison.equal_n([few], 0)  # alone: nothing to do
    assert few.curve.n == 1_000
    low = replace(few, curve=replace(few.curve, n=200, name="low"), log=None)
    first, told = comparison.equal_n([many_votes, low, paper()], 5)
    again, _ = comparison.equal_n([many_votes, low, paper()], 5)
    other, _ = comparison.equal_n([many_votes, low, paper()], 6)
    assert first[0].curve.n == 200 and not told
    assert first[0].curve.acr == again[0].curve.acr != other[0].curve.acr
    assert first[0].curve.acr < many_votes.curve.acr
    assert first[2].curve.n == 100_000  # points of a paper cannot be thinned, and stay marked


def test_a_log_without_votes_is_left_as_it_is_with_a_sentence():
    field = comparison.from_log(logs.parse_log(FIELD, "x", n=100_000, sigma=0.5), "your log")
    (_, same), told = comparison.equal_n([entry(), field], 0)
    assert same is field and "no vote counts" in told[0]


def test_the_envelope_is_the_best_of_several_sigmas_and_says_it_is_chosen_afterwards():
    names = [f"Gaussian, Cohen et al. 2019, σ {s}" for s in ("0.12", "1")]
    low, high = (paper(n) for n in names)
    (best,) = comparison.envelopes([low, high, entry()])
    accuracy = dict(zip(best.curve.radius_R, best.curve.accuracy_R, strict=True))
    assert accuracy[0] == low.curve.accuracy_R[0] and accuracy[3] == high.curve.accuracy_R[6]
    # σ 1 is not published at .125, so its smaller value at .5 stands for it.
    assert accuracy[0.125] == max(low.curve.accuracy_R[1], high.curve.accuracy_R[1])
    assert "afterwards" in best.note and math.isnan(best.curve.acr) and best.log is None
    assert comparison.envelopes([low, entry()]) == []
    other_n = replace(high, curve=replace(high.curve, n=10))
    assert comparison.envelopes([low, other_n]) == []


def test_logs_of_unlike_methods_are_not_joined_over_sigma():
    def log(name, **settings):
        return comparison.from_log(replace(many(100), name=name, **settings), "your log", name)

    nameless = [log(n, method="", network="", sigma=s) for n, s in (("a", 0.25), ("b", 0.5))]
    assert comparison.envelopes(nameless) == []
    assert "a, b are not joined over σ" in comparison.not_joined(nameless)
    one = [log("a", method="macer", sigma=0.25), log("b", method="", sigma=0.5)]
    assert comparison.envelopes(one) == []
    assert comparison.not_joined(one).startswith("b is not joined")
    two = [log("a", method="macer", sigma=0.25), log("b", method="consistency", sigma=0.5)]
    assert comparison.envelopes(two) == [] and comparison.not_joined(two) == ""
    for unlike in ({"network": "resnet110"}, {"dataset": "shapes"}, {"split": "train"}):
        three = [log("net-0.25", sigma=0.25), log("net-0.5", sigma=0.5, **unlike)]
        assert comparison.envelopes(three) == []
    (best,) = comparison.envelopes([log("net-0.25", sigma=0.25), log("net-0.5", sigma=0.5)])
    assert best.name == "best over σ: gaussian compact"
    universal = [log("net-universal", sigma=0.25), log("net-0.5", sigma=0.5)]
    assert comparison.envelopes(universal) == []  # one network at a level, beside one made for it


@pytest.mark.parametrize(
    ("sigma", "trained", "far"),
    [
        *[(1.0, 0.25, True), (0.25, 1.0, True), (0.5, 0.25, True), (0.12, 0.25, True)],
        *[(0.5, 0.5, False), (0.25, None, False), (None, 0.5, False), (0.6, 0.5, False)],
    ],
)
def test_noise_far_from_that_of_training_is_flagged(sigma, trained, far):
    e = comparison.from_log(replace(many(40), sigma=sigma), "measured here", trained=trained)
    assert bool(e.flag) == far
    label = curves.accuracy_curves([e], comparison.marks([e])).data[0].name
    assert ("⚑ smoothed at" in label) == far
    note = comparison.table([e], [0.0])[0]["note"]
    said = f"smoothed at σ {sigma:g}, but trained at σ {trained:g}" if far else None
    assert note == said


def test_what_a_lone_log_does_not_state_stands_in_its_label():
    e = comparison.from_log(logs.parse_log(FIELD, "x"), "your log")
    label = curves.accuracy_curves([e], comparison.marks([e])).data[0].name
    assert label == "x <b>(not stated: norm, data set, split, n, alpha)</b>"
    row = comparison.table([e], [0.0])[0]
    assert row["not stated"] == "norm, data set, split, n, alpha"
    assert row["norm"] == row["data set"] == row["split"] == "unknown"
    with pytest.raises(UserError, match="norm is not stated"):
        comparison.as_linf(e)


def test_the_table_gives_what_is_known_and_leaves_the_rest_open():
    ours, theirs, dual = entry(), paper(), paper("Dual RS, 2025")
    a, b, c = comparison.table([ours, theirs, dual], [0, 0.3, 0.5])
    assert a["at 0.3"] == 100 * accuracy_at(ours.log, 0.3)
    assert b["at 0.3"] is None and b["at 0.5"] == pytest.approx(41.4)
    assert a["unlike the first in"] is None and b["unlike the first in"] == "images, n, alpha"
    assert c["ACR"] is None and c["n"] == 10_000 and "n 10,000" in str(c["note"])
    assert b["norm"] == "L2" and b["network"] == "resnet110" and b["alpha"] == 0.01


def test_beyond_the_ceiling_a_published_curve_is_zero_and_not_unknown():
    assert comparison.accuracy(paper(), 3.7) == 0.0
    assert comparison.accuracy(paper("Dual RS, 2025"), 3.7) is None


def test_the_csv_holds_every_point():
    ours, dual = entry(), paper("Dual RS, 2025")
    rows = list(csv.DictReader(io.StringIO(comparison.to_csv([ours, dual]))))
    assert len(rows) == len(ours.curve.radius_R) + len(dual.curve.radius_R)
    assert float(rows[4]["accuracy"]) == ours.curve.accuracy_R[4]
    assert (rows[-1]["acr"], rows[-1]["sigma"], rows[-1]["kind"]) == ("", "", "published")


def test_an_l2_radius_is_read_in_linf_by_the_cube_inside_its_ball():
    e = comparison.as_linf(entry())
    d = 3 * 32 * 32
    assert e.curve.norm is Norm.LINF and e.curve.radius_R[40] == pytest.approx(1 / d**0.5)
    assert e.curve.acr == pytest.approx(entry().curve.acr / d**0.5)
    assert e.log is not None and acr(e.log) == pytest.approx(e.curve.acr)
    ars = paper("ARS, Lyu et al. 2024, sample log, σ 0.5")
    assert comparison.as_linf(ars) is ars
    with pytest.raises(UserError, match="size of its images"):
        comparison.as_linf(entry(dataset="mine"))


def test_the_fates_of_all_images_add_up_and_come_closest_call_first():
    log = logs.parse_log(FIELD, "x")
    found = per_image.fates(log, 0.3)
    assert {k: v.tolist() for k, v in found.items()} == {
        per_image.FATES[0]: [0],
        per_image.FATES[1]: [3],
        "wrong": [2],
        "abstained": [1],
    }
    assert per_image.fates(log, 0.0)[per_image.FATES[0]].tolist() == [3, 0]
    assert per_image.between(log, 0.25, 0.9).tolist() == [3, 0]


def test_p_a_is_the_share_of_votes_or_the_bound_that_the_radius_came_from():
    log = many()
    p_N, what = per_image.p_a(log)
    assert "share" in what and p_N[-1] == 0.999
    field = logs.parse_log(FIELD, "x", sigma=0.5, norm="L2")
    p_N, what = per_image.p_a(field)
    assert "bound" in what and p_N[0] == pytest.approx(stats.norm.cdf(1)) and np.isnan(p_N[1])
    with pytest.raises(UserError, match="neither"):
        per_image.p_a(logs.parse_log(FIELD, "x"))


def test_acr_by_part_shows_how_far_the_images_move_it():
    log = entry().log
    assert log is not None
    (row,) = comparison.acr_by_part([log, many(40)])
    assert row["first 500"] == acr(logs.subset(log, "first 500"))
    assert row["moves by"] == row["500-999"] - row["first 500"] > 0
    assert row["all 1,000"] == acr(log)


def test_the_share_at_the_top_counts_right_images_alone():
    log = logs.parse_log(FIELD, "x")  # right: 0.5 and 0.25; wrong: 0.9; one abstained
    assert per_image.share_at_the_top(log, 0.5) == pytest.approx((0.25, 0.5 / 0.75))
    assert per_image.share_at_the_top(log, 2.0) == (0.0, 0.0)


def test_the_two_class_form_stands_beside_the_fields_and_is_marked():
    made, refused = comparison.two_class([entry(), paper(), entry("b")])
    names = [e.name for e in made]
    assert names == ["net", "net, two-class", paper().name, "b", "b, two-class"] and not refused
    assert comparison.marks(made)["net, two-class"] == ("form",)
    assert "another protocol" in made[1].note
    rows = list(csv.DictReader(io.StringIO(comparison.to_csv(made))))
    assert {row["form"] for row in rows if row["name"] == "net, two-class"} == {"two-class"}
    assert {row["form"] for row in rows if row["name"] == "net"} == {"one-sided"}
    label = next(t.name for t in curves.accuracy_curves(made, comparison.marks(made)).data[2:3])
    assert "two-class" in label and "≠ form" in label
    field = comparison.from_log(logs.parse_log(FIELD, "x"), "your log")
    alone, told = comparison.two_class([field])
    assert alone == [field] and "no vote counts" in told[0]


def test_the_best_over_sigma_never_mixes_the_two_forms():
    at = [entry("a", sigma=0.5), entry("b", sigma=0.25)]
    at = [replace(e, curve=replace(e.curve, sigma=s)) for e, s in zip(at, (0.5, 0.25), strict=True)]
    made, _ = comparison.two_class(at)
    best = comparison.envelopes(made)
    assert [e.curve.two_class for e in best] == [False, True]
    assert best[1].name.endswith(", two-class") and best[0].name + ", two-class" == best[1].name


def test_a_namesake_is_of_the_same_method_and_noise_and_the_likest_first():
    own = entry()
    own = replace(
        own,
        curve=replace(
            own.curve, method="consistency", dataset="cifar10", sigma=0.5, n=2000, norm=Norm.L2
        ),
    )
    papers = [comparison.from_published(p) for p in published.load()]
    first, second = comparison.namesakes(own, papers)
    assert first.name == "Consistency, Sun et al. 2025, σ 0.5, at n 2,000"
    assert second.name == "Consistency, Sun et al. 2025, σ 0.5"
    stranger = replace(own, curve=replace(own.curve, method="nobody"))
    assert comparison.namesakes(stranger, papers) == []
