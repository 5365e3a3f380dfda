"""Rows and verdicts of experiments, from logs made up and from shipped ones."""

from dataclasses import replace

import numpy as np
import pytest

from rsviz.checkpoints import catalog
from rsviz.core.bounds import binomial_interval
from rsviz.evaluation import attack_logs, attack_tables, curves, experiment_rows, row_checks
from rsviz.evaluation.attack_logs import AttackRow
from rsviz.evaluation.experiments import (
    ACR,
    BROKEN,
    PAPER_STYLE,
    RIGHT,
    Expected,
    Experiment,
    Point,
    find,
)
from rsviz.evaluation.logs import read_log
from rsviz.figures import experiments as figures

HOW = ("evaluate", "--checkpoint", "shapes-a", "--every", "50")  # 40 images


def point(x, series, log="", **more):
    return Point(x, series, log or f"shapes-a/experiments/{series}-{x:g}.csv", HOW, **more)


MADE_UP = Experiment(
    "made-up",
    "nobody",
    "Which?",
    "x",
    "log",
    (ACR, "accuracy at 0.5"),
    tuple(point(x, series) for series in ("low", "high") for x in (1.0, 2.0)),
    (
        Expected("High is above.", ACR, ("high", 1.0), ("low", 1.0)),
        Expected("Low is above.", ACR, ("low", 1.0), ("high", 1.0)),
        Expected("High differs from itself.", ACR, ("high", 1.0), ("high", 1.0)),
        Expected("At 2 too.", ACR, ("high", 2.0), ("low", 2.0)),
        Expected("Few are certified.", "accuracy at 0.5", ("high", 1.0), limit=0.2),
    ),
)


def write(root, of, radii):
    rows = "".join(f"{50 * i}\t1\t1\t{r:.3f}\t1\n" for i, r in enumerate(radii))
    file = root / of.log
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"idx\tlabel\tpredict\tradius\tcorrect\n{rows}")


@pytest.fixture
def made(tmp_path):
    low, _, high, _ = MADE_UP.points
    rising = np.linspace(0.1, 0.8, 40)
    write(tmp_path, low, rising)
    write(tmp_path, high, rising + 0.1)
    return tmp_path


def test_a_row_has_its_interval_and_what_it_is_above_the_first_series(made):
    found = experiment_rows.result(MADE_UP, made)
    low, high = found.of(ACR)
    assert (low.value, high.value) == (pytest.approx(0.45, abs=1e-3), pytest.approx(0.55, abs=1e-3))
    assert low.gap is None and high.gap == pytest.approx(0.1, abs=1e-3)
    assert high.gap_low > 0.09 and high.gap_high < 0.11  # paired: its images differ by one number
    assert high.high - high.low > 0.1  # alone it is far less sure
    share = found.of("accuracy at 0.5")[0]
    k = round(40 * share.value)
    assert (share.low, share.high) == binomial_interval(k, 40) and share.images == 40


def test_expectations_are_judged_in_their_direction(made):
    found = experiment_rows.result(MADE_UP, made)
    assert [j.outcome for j in found.judged] == [
        "as expected",
        "contradicted",
        "undecided",
        "not measured",
        "contradicted",
    ]
    assert "Of 4 expectations: 1 came out, 2 contradicted, 1 undecided." in found.headline
    assert "highest at 1 (0.450" in found.headline and found.state == "2 of 4 points measured"


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [(0.46, "as expected"), (0.44, "undecided"), (0.3, "contradicted")],
)
def test_a_limit_that_only_the_interval_keeps_is_undecided(made, limit, outcome):
    """The mean is .45, its interval .39 to .51."""
    most = (Expected("At most.", ACR, ("low", 1.0), limit=limit),)
    found = experiment_rows.result(replace(MADE_UP, expected=most), made)
    assert found.judged[0].outcome == outcome and found.judged[0].low < 0.44 < 0.46


@pytest.mark.parametrize(
    ("a", "by", "outcome"),
    [
        ("high", 0.08, "as expected"),
        ("high", 0.1, "undecided"),
        ("high", 0.12, "contradicted"),
        ("low", -0.08, "contradicted"),
        ("low", -0.1, "undecided"),
        ("low", -0.12, "as expected"),
    ],
)
def test_so_far_above_or_behind_is_judged_at_that_margin(made, a, by, outcome):
    """One is .1 above the other on every image, but for what rounding to .001 leaves."""
    b = {"low": "high", "high": "low"}[a]
    margin = (Expected("By so much.", ACR, (a, 1.0), (b, 1.0), by=by),)
    assert (
        experiment_rows.result(replace(MADE_UP, expected=margin), made).judged[0].outcome == outcome
    )


def test_what_is_missing_unfinished_or_broken_says_so_and_how_it_is_measured(made):
    found = experiment_rows.result(MADE_UP, made)
    assert {row.x for row in found.missing} == {2.0}
    assert found.missing[0].commands == (MADE_UP.points[1].command,)
    assert [p.log for p in experiment_rows.to_measure([MADE_UP], made)] == [
        p.log for p in MADE_UP.points if p.x == 2.0
    ]
    write(made, MADE_UP.points[1], [0.5] * 7)
    (made / MADE_UP.points[3].log).write_text("nonsense")
    unfinished, broken = experiment_rows.result(MADE_UP, made).missing
    assert "7 of 40 images" in unfinished.note and broken.note.startswith("not measured: ")
    assert "not measured" in "\n".join(experiment_rows.in_lines(found))


def test_a_radius_that_so_many_votes_never_certify_is_not_told_as_nought():
    """At k 96 and sigma 1, n 1,000 reach 2.463 / sqrt(3 96^2) = .0148, below 4/255 = .0157."""
    found = experiment_rows.result(find("canvas-sizes"), catalog.root())
    beyond = {(r.series, r.x) for r in found.rows if r.note == experiment_rows.OUT_OF_REACH}
    methods = ("adaptive", "static", "plain")
    assert beyond == {
        *((f"{m}, σ 1", 96.0) for m in methods),
        *((f"{m}, σ 0.5", k) for m in methods for k in (48.0, 64.0, 96.0)),
    }
    assert not found.missing and found.state == "measured, 24 points"
    assert "adaptive, σ 1: 96; " in found.beyond("accuracy at 4/255")
    assert found.beyond("ACR") == ""
    assert {r.value for r in found.rows if r.measure == "accuracy at 4/255"} >= {None, 0.84}


def test_seeds_are_told_by_their_range_not_by_the_best():
    found = experiment_rows.result(find("mask-seeds"), catalog.root())
    assert found.headline == "ACR lies between 0.0230 and 0.0233 over 3 seeds."


def test_nothing_measured_is_said(tmp_path):
    found = experiment_rows.result(MADE_UP, tmp_path)
    assert (found.headline, found.state) == ("Not measured yet.", "not measured")
    assert {j.outcome for j in found.judged} == {"not measured"}
    assert found.registered == "Written before any of its logs."
    later = replace(MADE_UP, seen="one log had been read.")
    assert "one log had been read" in experiment_rows.result(later, tmp_path).registered


def test_logs_of_other_data_are_not_paired():
    values = [
        experiment_rows.Values(d, np.arange(9), np.full(9, v))
        for d, v in (("shapes", 1.0), ("shapes", 0.0), ("cifar10", 0.0))
    ]
    assert experiment_rows.difference(values[0], values[1]) == (1.0, 1.0, 1.0)
    assert experiment_rows.difference(values[0], values[2]) is None


def test_votes_read_again_at_the_log_s_own_settings_give_the_log():
    file = "shapes-variational/certified.csv"
    arguments = ("evaluate", "--every", "10")
    settings = (("draws", 1000.0), ("budget", 0.25))
    fewer = (("draws", 300.0), ("budget", 0.05))
    points = (
        Point(1.0, "proved", file, arguments, (), settings),
        Point(1.0, PAPER_STYLE, file, arguments, (), settings),
        Point(2.0, "proved", file, arguments, (), fewer),
        Point(3.0, "proved", file, arguments, (), (("draws", 10.0), ("budget", 0.25))),
    )
    again = Experiment("again", "", "", "", "reread", (ACR,), points, ())
    found = experiment_rows.result(again, catalog.root())
    whole, unproved, less = found.of(ACR)
    assert whole.value == pytest.approx(curves.acr(read_log(catalog.root() / file)), abs=1e-5)
    assert unproved.gap_low > 0.5 and less.value < whole.value
    assert "more votes than the log holds" in found.missing[0].note  # ten draws bound no level


def test_attacks_count_the_images_attacked_and_a_log_of_other_weights_is_not_read(tmp_path):
    head = attack_logs.head_of("ab", {"budgets": [2.0], "n": 100}, {"n": 200}, "")
    file = tmp_path / "shapes-a" / "experiments" / "attacks.csv"
    attack_logs.opened(file, head)
    with row_checks.appending(file) as append:
        for i in range(40):
            verdicts = () if i < 10 else ((2.0, "broken" if i < 16 else "holds"),)
            append(attack_logs.row_of(AttackRow(f"shapes/test/{50 * i}", 1, 0.5, verdicts)))
    at = Point(2.0, "a", "shapes-a/experiments/attacks.csv", HOW)
    limit = Expected("None.", BROKEN, ("a", 2.0), limit=0.002)
    attacked = Experiment("a", "", "", "", "attack", (BROKEN,), (at,), (limit,))
    found = experiment_rows.result(attacked, tmp_path)
    (row,) = found.of(BROKEN)
    assert (row.value, row.images, row.n) == (0.2, 30, 100)
    assert (row.low, row.high) == binomial_interval(6, 30)
    assert found.judged[0].outcome == "contradicted"
    assert experiment_rows._lacks(attacked, at, tmp_path, {"shapes-a": "cd"}).startswith("not")


def test_of_attacked_images_those_count_as_broken_that_were_right():
    name = f"cifar10-variational/{attack_tables.FILE}"
    arguments = ("under-attack", "--every", "50")
    how = (("setting", "lambda 0.2"), ("attack", "f and h"))
    at = Point(0.5, "λ 0.2", name, arguments, (), how)
    table = Experiment("t", "", "", "", "under attack", (RIGHT, BROKEN), (at,), ())
    found = experiment_rows.result(table, catalog.root())
    held = attack_tables.read(catalog.root() / name)
    clean_N, right_N = held.of("lambda 0.2", "none"), held.of("lambda 0.2", "f and h")
    right, broken = found.of(RIGHT)[0], found.of(BROKEN)[0]
    assert right.value == right_N.mean() and broken.images == clean_N.sum()
    assert broken.value == pytest.approx(1 - (right_N & clean_N).sum() / clean_N.sum())


def test_a_log_of_other_budgets_or_of_abstentions_alone_is_told(tmp_path):
    head = attack_logs.head_of("ab", {"budgets": [2.0], "n": 100}, {"n": 200}, "")
    points = (Point(2.0, "a", "shapes-a/a.csv", HOW), Point(3.0, "a", "shapes-a/a.csv", HOW))
    other = Experiment("o", "", "", "", "attack", (BROKEN,), points, ())
    file = tmp_path / points[0].log
    attack_logs.opened(file, head)
    with row_checks.appending(file) as append:
        for i in range(40):
            append(attack_logs.row_of(AttackRow(f"shapes/test/{i}", 1, 0.5, ((2.0, "holds"),))))
    assert "other settings, without 3.0" in experiment_rows.result(other, tmp_path).missing[0].note
    file.unlink()
    attack_logs.opened(file, head)
    with row_checks.appending(file) as append:
        for i in range(40):
            append(attack_logs.row_of(AttackRow(f"shapes/test/{i}", -1, 0.0, ())))
    assert "no image" in experiment_rows.result(other, tmp_path).missing[0].note
    file.write_text("nonsense\n")
    assert "no log of attacks" in experiment_rows.result(other, tmp_path).missing[0].note


def test_an_expectation_of_shipped_logs_alone_was_written_after_they_had_been_read():
    found = experiment_rows.result(find("canvas-sizes"), catalog.root())
    assert not any(j.seen for j in found.judged)  # of networks that are not trained yet
    shipped = replace(
        find("canvas-sizes"),
        expected=(Expected("A.", ACR, ("adaptive, σ 1", 64.0), ("plain, σ 1", 64.0)),),
    )
    (judged,) = experiment_rows.result(shipped, catalog.root()).judged
    assert judged.seen and judged.outcome == "as expected"
    told = "\n".join(experiment_rows.in_lines(experiment_rows.result(shipped, catalog.root())))
    assert "written after its logs had been read" in told


def test_the_limit_of_networks_is_that_of_a_line_in_one_over_k():
    """Made of 0.6 - 0.2/k and noise of images: found, with an interval that covers it."""
    generator, held = np.random.default_rng(0), 0
    for _ in range(200):
        own_N = generator.normal(0, 0.3, 200)
        values = {}
        for k in (1.0, 2.0, 3.0, 5.0, 8.0):
            noise_N = generator.normal(0, 0.02, 200)
            values[k] = experiment_rows.Values("x", np.arange(200), 0.6 - 0.2 / k + own_N + noise_N)
        a, low, high = experiment_rows.limit_of(values)
        assert low < a < high
        held += low <= 0.6 <= high
    assert held >= 180
    exact = {
        k: experiment_rows.Values("x", np.arange(3), np.full(3, 0.6 - 0.2 / k)) for k in values
    }
    assert experiment_rows.limit_of(exact)[0] == pytest.approx(0.6)
    assert experiment_rows.limit_of(dict(list(values.items())[:2])) is None
    other = experiment_rows.Values("x", np.arange(1, 201), own_N)
    assert experiment_rows.limit_of(values | {9.0: other}) is None


def test_the_limit_is_told_and_drawn(tmp_path):
    points = tuple(point(k, "networks") for k in (1.0, 2.0, 4.0))
    of = replace(MADE_UP, points=points, expected=(), grows=True)
    for p in points:
        write(tmp_path, p, np.linspace(0.1, 0.8, 40) + 0.2 - 0.1 / p.x)
    found = experiment_rows.result(of, tmp_path)
    assert found.limit[0] == pytest.approx(0.65, abs=2e-3)
    assert "tend to 0.65" in found.headline
    figure = figures.measured(found, ACR)
    assert "limit of networks: 0.65" in figure.layout.annotations[0].text
    assert not figures.measured(found, "accuracy at 0.5").layout.annotations
    assert experiment_rows.to_dict(found)["limit"][0] == found.limit[0]


def test_a_point_may_be_read_at_fewer_votes_than_its_log_has():
    of = find("ensemble-size")
    found = experiment_rows.result(of, catalog.root())
    own = {r.x: r for r in found.of(ACR) if r.series.startswith("one network")}
    assert {x: r.n for x, r in own.items()} == {k: 2_000 * k for k in (1, 2, 3, 4, 5, 8)}
    whole = read_log(catalog.root() / "cifar10-advmacer-0.5-equal/experiments/n-16000.csv")
    assert own[8.0].value == pytest.approx(curves.won(whole, None).mean())
    assert own[1.0].value < own[2.0].value < own[5.0].value < own[8.0].value
