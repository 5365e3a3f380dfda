import json
from dataclasses import replace

import numpy as np
import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.evaluation import chosen_levels, logs

COLUMNS = "index,label,predicted,radius,correct,counts0,counts,n,seconds,detail"


def log(tmp_path, method, *rows, settings=()):
    file = tmp_path / "log.csv"
    quoted = [
        f"{index},0,-1,0,0,{counts0},{counts},100,{seconds}," + f'"{quotes(detail)}"'
        for index, counts0, counts, seconds, detail in rows
    ]
    spec = {"name": "net", "dataset": "shapes", "method": method, "network": "compact"}
    spec |= {"checkpoint_sha256": "0" * 64, "sigma": None, "n0": 10, "n": 100, "alpha": 0.001}
    spec |= {"seed": 0, "split": "test", "every": 500, "first": None, "norm": "L2"}
    head = "# " + json.dumps(
        {"format": logs.FORMAT, "spec": spec | {"bound": "split", "settings": settings}}
    )
    file.write_text("\n".join([head, COLUMNS, *quoted]) + "\n")
    return file


def quotes(detail):
    return json.dumps(detail).replace('"', '""')


def test_dual_counts_both_stages_and_not_the_one_never_reached(tmp_path):
    both = {"estimate": {"counts0": [4, 6], "counts": [40, 60]}}
    file = log(tmp_path, "dual", ("0", "3 7", "50 50", "2", both), ("1", "", "", "1", both))
    found = chosen_levels.of_log(file, share=0.5)
    assert (found.chooser, found.classifier, found.plain) == (110, 55, 110)
    assert found.ratio == pytest.approx((110 * 0.5 + 55) / 110)
    assert found.seconds == 1.5


def test_variational_counts_every_level_it_had_to_certify(tmp_path):
    detail = {"selector": [30, 20], "counts": {"bound-0.5": [100, 0], "bound-1": [90, 10]}}
    found = chosen_levels.of_log(
        log(tmp_path, "variational", ("0", "10 0", "90 10", "1", detail)), share=0.25
    )
    assert (found.chooser, found.classifier) == (50, 210)


def test_a_cascade_costs_what_a_run_would_have_asked_for(tmp_path):
    """Level 1 settles the first image. It passes the second on, but is too near to settling it."""
    sure, torn, most = [100, 0], [50, 50], [90, 10]
    first = {"counts0": {"1": [10, 0], "0.5": [10, 0], "0.25": [10, 0]}}
    first |= {"counts": {"1": sure, "0.5": sure, "0.25": sure}}
    second = {"counts0": {"1": [5, 5], "0.5": [9, 1], "0.25": [5, 5]}}
    second |= {"counts": {"1": torn, "0.5": most, "0.25": torn}}
    rows = [(str(i), "10 0", "100 0", "1", d) for i, d in enumerate((first, second))]
    asked_all = (("ask", "every"),)
    found = chosen_levels.of_log(log(tmp_path, "multiscale", *rows, settings=asked_all), share=0.0)
    assert found.chooser == 0
    assert found.classifier == (10 + 100 + 2 * 10 + 100) / 2  # of the second its bound at 1 alone
    assert found.ratio == pytest.approx(found.classifier / 110)


def test_the_gap_is_the_area_between_envelope_and_curve():
    level_L, gain_NL = (0.25, 1.0), np.array([[0.4, 0.0], [0.3, 1.0], [0.5, 0.9], [0.0, 0.0]])
    own_N = np.array([0.3, 1.0, 0.5, 0.0])
    chosen = chosen_levels.Chosen(
        np.arange(4),
        np.array([0.25, 1.0, 0.25, 1.0]),
        own_N,
        np.zeros(4),
        gain_NL,
        level_L,
        own_N < 0,
        own_N == 0,
    )
    found = chosen_levels.gap(chosen)
    r_R = (np.arange(200_000) + 0.5) / 100_000
    curve_LR = np.array([[(gain_N >= r).mean() for r in r_R[::100]] for gain_N in gain_NL.T])
    assert found.envelope == pytest.approx(curve_LR.max(0).mean() * 2, abs=2e-3)
    assert found.envelope == pytest.approx(0.3 * 0.75 + 0.6 * 0.5 + 0.1 * 0.25)
    assert found.oracle == pytest.approx((0.4 + 1.0 + 0.9) / 4)
    assert (found.acr, found.fixed) == (pytest.approx(0.45), {0.25: 0.3, 1.0: pytest.approx(0.475)})
    assert found.gap == pytest.approx(found.envelope - 0.45)
    assert found.points == {0.0: 0.0, 0.25: 0.0, 0.5: 0.0, 1.0: 0.0}
    assert found.at_chosen == pytest.approx((0.4 + 1.0 + 0.5 + 0.0) / 4)
    assert found.lost_to_choice == pytest.approx(0.4 / 4)
    assert found.acr + found.lost_to_choice + found.lost_to_proof == pytest.approx(found.oracle)
    late = chosen_levels.gap(replace(chosen, gain_N=np.array([0.0, 0.2, 0.5, 0.0])))
    assert late.points == {0.0: 0.25, 0.25: 0.5, 0.5: 0.25, 1.0: 0.25}


def test_gains_beyond_others_are_paired_by_image():
    gain_NL = np.array([[0.4, 0.0], [0.3, 1.0], [0.5, 0.9]])
    own = chosen_levels.Chosen(
        np.array([3, 5, 9]),
        np.ones(3),
        np.array([0.1, 1.1, 1.0]),
        np.ones(3),
        gain_NL,
        (0.25, 1.0),
        np.zeros(3, bool),
        np.zeros(3, bool),
    )
    other = replace(own, index_N=np.array([5, 9, 11]), gain_N=np.array([1.0, 0.9, 7.0]))
    found = chosen_levels.beyond_fixed(own, np.random.default_rng(0))
    assert found == pytest.approx((0.1, 0.1, 0.1))  # 0.1 more than at level 1, at every image
    found = chosen_levels.beyond(own, other, np.random.default_rng(0))
    assert found == pytest.approx((0.1, 0.1, 0.1))


def test_the_shipped_estimator_costs_what_its_width_says():
    share = chosen_levels.share(weights.load_nets(catalog.find("shapes-dual")), 32)
    assert 0.5 < share < 0.65  # 24 of 32 channels: about (24 / 32)^2


def test_what_is_behind_the_best_single_level_by_hand():
    gain_LN = np.array([[0.1, 0.1, 0.1, 0.0], [1.2, 0.6, 0.0, 0.0]])  # 3 right near, 1 far

    def farthest(gain_N):
        return 100 * max(chosen_levels.behind(gain_N, gain_LN.T).values())

    assert farthest(np.array([1.2, 0.6, 0.0, 0.0])) == pytest.approx(25)
    assert farthest(np.array([0.1, 0.6, 0.1, 0.0])) == pytest.approx(25)
    assert farthest(np.array([1.2, 0.1, 0.1, 0.0])) == pytest.approx(25)
    assert farthest(np.array([0.1, 0.1, 0.1, 0.0])) == pytest.approx(50)
    assert farthest(np.array([1.2, 0.6, 0.1, 0.0])) == pytest.approx(0)
