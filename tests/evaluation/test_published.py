import csv
import math
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rsviz.core.errors import UserError
from rsviz.core.spec import Norm
from rsviz.evaluation import curves, fewer_votes, published
from rsviz.evaluation.logs import images_of, read_log, subset

CURVES = published.load()


def test_the_table_holds_the_known_headlines():
    cohen = published.find("Gaussian, Cohen et al. 2019, σ 0.5").curve
    assert (cohen.dataset, cohen.network, cohen.sigma, cohen.n) == (
        "cifar10",
        "resnet110",
        0.5,
        100_000,
    )
    assert cohen.acr == pytest.approx(0.538, abs=1e-3)
    advmacer = published.find("AdvMacer, Liu et al. 2023, σ 1").curve
    assert advmacer.acr == 0.794 and advmacer.subset == "first 500"
    dual = published.find("Dual RS, 2025").curve
    assert dual.accuracy_R[0] == 0.7053 and dual.n == 10_000 and math.isnan(dual.acr)


def test_every_curve_is_possible():
    names = [entry.curve.name for entry in CURVES]
    assert len(set(names)) == len(names) > 50
    for entry in CURVES:
        c = entry.curve
        assert all(a < b for a, b in pairwise(c.radius_R)), c.name
        assert all(1 >= a >= b >= 0 for a, b in pairwise((*c.accuracy_R, 0))), c.name
        assert entry.paper and entry.arxiv and c.source, c.name
        if c.ceiling:  # nothing is certified beyond what n votes can certify
            beyond = [a for r, a in zip(c.radius_R, c.accuracy_R, strict=True) if r > c.ceiling]
            assert not any(beyond), c.name


def test_intervals_come_from_the_number_of_images_and_are_unknown_without():
    for entry in CURVES:
        c = entry.curve
        low_R, high_R = np.array(c.low_R), np.array(c.high_R)
        assert np.isnan(low_R).all() == (c.images == 0), c.name
        if c.images:
            accuracy_R = np.array(c.accuracy_R)
            half = 1.96 * np.sqrt(accuracy_R * (1 - accuracy_R) / c.images)
            assert np.all((low_R <= accuracy_R + 1e-9) & (accuracy_R <= high_R + 1e-9))
            assert high_R - low_R == pytest.approx(2 * half, abs=4.5 / c.images + 0.002)


def test_what_papers_blur_is_said():
    ars = published.find("ARS, Lyu et al. 2024, sample log, σ 0.5")
    assert ars.curve.norm is Norm.LINF and ars.curve.alpha == 0.05 and "Linf" in ars.note
    cohen = published.find("Gaussian, Cohen et al. 2019, σ 0.25")
    assert cohen.curve.alpha == 0.01 and "alpha" in cohen.note
    assert (
        "chosen afterwards"
        in published.find("SmoothAdv, Salman et al. 2019, best of many models").note
    )
    reasons = curves.comparable([cohen.curve, published.find("Dual RS, 2025").curve])
    assert len(reasons) == 3 and all(w in " ".join(reasons) for w in ("images", " n ", "alpha"))


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="no published curve"):
        published.find("Nobody 2030")


@pytest.fixture(scope="module")
def logs() -> Path:
    folder = os.environ.get("RSVIZ_PUBLISHED")
    if not folder:
        pytest.skip("set RSVIZ_PUBLISHED to a folder of published logs to recompute the table")
    return Path(folder) / "per_example"


def test_the_table_follows_from_the_logs(logs: Path):
    recomputed = 0
    for entry in CURVES:
        if not entry.log:
            continue
        c = entry.curve
        log = read_log(logs / f"{entry.log}.csv")
        if c.subset != images_of(log):
            log = subset(log, c.subset.split(",")[0])
        assert images_of(log) == c.subset and len(log) == c.images, c.name
        if published.AT_N in c.name:
            continue  # below
        again_R = [curves.accuracy_at(log, r) for r in c.radius_R]
        assert again_R == pytest.approx(c.accuracy_R, abs=6e-5), c.name
        assert curves.acr(log) == pytest.approx(c.acr, abs=6e-5), c.name
        recomputed += len(again_R)
    assert recomputed > 200


def test_curves_at_fewer_votes_follow_from_the_logs(logs: Path):
    read = [entry for entry in CURVES if published.AT_N in entry.curve.name]
    assert len(read) == 30  # five methods, three sigmas, n 10,000 and 2,000
    for entry in read[::4]:
        c = entry.curve
        log = subset(read_log(logs / f"{entry.log}.csv"), "every 20th")
        log = replace(log, sigma=c.sigma, n=100_000, alpha=c.alpha)
        again = fewer_votes.expected(log, c.n, c.radius_R)
        assert c.name.endswith(f"at n {c.n:,}") and c.images == 500
        assert again.accuracy_R == pytest.approx(c.accuracy_R, abs=6e-5), c.name
        assert again.acr == pytest.approx(c.acr, abs=6e-5), c.name


def test_tables_that_were_typed_agree_with_their_papers(logs: Path):
    with (logs.parent / "advmacer_esbrs_2310.07780.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["table"] == "Table 7" and r["l2_radius"]]
    table = {(r["model"], float(r["l2_radius"])): float(r["value"]) for r in rows}
    c = published.find("EsbRS of 3 AdvMacer nets, Liu et al. 2023, σ 1").curve
    assert len(c.radius_R) == 10
    for r, a in zip(c.radius_R, c.accuracy_R, strict=True):
        assert a == table["EsbRS AdvMacer x3", r]


def test_what_was_added_from_summaries_agrees_with_them(logs: Path):
    def rows(name):
        with (logs.parent / name).open() as file:
            return list(csv.DictReader(file))

    curve_of = {}
    for r in rows("certified_accuracy_from_logs.csv"):
        curve_of.setdefault(r["run"], {})[float(r["radius"])] = float(r["certified_accuracy"])
    acr = {r["run"]: float(r["acr"]) for r in rows("runs_summary_from_logs.csv") if r["acr"]}
    checked = 0
    for entry in CURVES:
        c = entry.curve
        key = {"catrs": "catrs", "sun": "ours"}.get(c.method)
        if key:
            run = f"acrweak_{c.dataset}_{key}_sigma{float(c.sigma)}"
            assert c.accuracy_R == tuple(curve_of[run][r] for r in c.radius_R) and c.acr == acr[run]
            checked += 1
    assert checked == 10  # three of each on CIFAR-10; on ImageNet one and three
    table = {
        (r["model"], r["sigma"], r["metric"]): float(r["value"])
        for r in rows("advmacer_esbrs_2310.07780.csv")
        if r["table"] == "Table 4" and r["sigma"]
    }
    for model in ("AdvMacer", "SmoothAdv", "MACER"):
        for sigma in ("0.25", "0.5", "1.0"):
            c = published.find(f"ImageNet: {model}, Liu et al. 2023, σ {float(sigma):g}").curve
            assert c.accuracy_R == (table[model, sigma, "certified_accuracy"],)
            assert c.acr == table[model, sigma, "acr"] and c.radius_R == (0.0,)
    multiscale = published.find("Multiscale, Jeong & Shin 2023, as in Dual RS 2025").curve
    told = [r for r in rows("dual_rs_2512.01782.csv") if r["model"].startswith("Multiscale")]
    assert dict(zip(multiscale.radius_R, multiscale.accuracy_R, strict=True)) == pytest.approx(
        {float(r["l2_radius"]): float(r["certified_accuracy_percent"]) / 100 for r in told}
    )
    assert multiscale.images == 0 and multiscale.n is None


def test_papers_without_numbers_are_told_and_none_of_them_has_a_curve():
    told = {paper.arxiv for paper in published.NOT_FOUND}
    assert told == {"2112.12084", "2103.04436", "2012.04351"}  # ISS, Insta-RS, data-dependent RS
    assert not told & {entry.arxiv for entry in CURVES}
    assert all(paper.known and paper.where for paper in published.NOT_FOUND)
