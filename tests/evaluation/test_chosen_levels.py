import json

import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.evaluation import chosen_levels, logs

COLUMNS = "index,label,predicted,radius,correct,counts0,counts,n,seconds,detail"
Q = '"'


def log(tmp_path, method, *rows):
    file = tmp_path / "log.csv"
    quoted = [
        f'{index},0,-1,0.0,0,{counts0},{counts},100,{seconds},"{json.dumps(d).replace(Q, 2 * Q)}"'
        for index, counts0, counts, seconds, d in rows
    ]
    spec = {"name": "net", "dataset": "shapes", "method": method, "network": "compact"}
    spec |= {"checkpoint_sha256": "0" * 64, "sigma": None, "n0": 10, "n": 100, "alpha": 0.001}
    spec |= {"seed": 0, "split": "test", "every": 500, "first": None, "norm": "L2"}
    head = "# " + json.dumps({"format": logs.FORMAT, "spec": spec | {"bound": "split"}})
    file.write_text("\n".join([head, COLUMNS, *quoted]) + "\n")
    return file


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


def test_the_shipped_estimator_costs_what_its_width_says():
    share = chosen_levels.share(weights.load_nets(catalog.find("shapes-dual")), 32)
    assert 0.5 < share < 0.65  # 24 of 32 channels: about (24 / 32)^2
