import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rsviz.checkpoints import catalog
from rsviz.cli.main import main
from rsviz.evaluation import curves, training_cost, verdicts
from rsviz.evaluation.logs import parse_log
from rsviz.evaluation.paper_claims import CLAIMS, Claim
from rsviz.training.recipes import commands_of

HEAD = "idx\tlabel\tpredict\tradius\tcorrect\n"
STATED = {"dataset": "cifar10", "split": "test", "norm": "L2"}
STATED |= {"n": 1000, "alpha": 0.001, "sigma": 0.5}
CLAIM = Claim("Test", "a is above b.", "nobody", "a", ("b",))


def table(radii, first=0):
    return HEAD + "".join(f"{first + i}\t1\t1\t{r}\t1\n" for i, r in enumerate(radii))


def judged(tmp_path, a, b, claim=CLAIM, **other):
    """Judge two tables, put where the claim looks for its logs."""
    for name, text in (("a", a), ("b", b)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "certified.csv").write_text(text)

    def read(path):
        settings = STATED | (other if path.parent.name == "b" else {})
        return parse_log(path.read_text(), path.parent.name, **settings)

    return verdicts.judge(claim, tmp_path, read=read)


def radii(seed, size=200, shift=0.0):
    return np.random.default_rng(seed).uniform(0, 1, size) + shift


def test_a_gap_in_every_image_holds_and_the_other_way_round_is_contradicted(tmp_path):
    low, high = table(radii(0)), table(radii(0, shift=0.1))
    found = judged(tmp_path, high, low)
    assert found.verdict == "holds"
    assert (found.gap, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found.gain == pytest.approx(0.1 / radii(0).mean(), rel=1e-6)
    assert judged(tmp_path, low, high).verdict == "contradicted"


def test_noise_alone_is_undecided_and_the_interval_is_that_of_the_paired_gap(tmp_path):
    a, b = radii(1), radii(2)
    found = judged(tmp_path, table(a), table(b))
    assert found.verdict == "undecided"
    half = 1.96 * np.std(a - b) / np.sqrt(len(a))
    assert found.high - found.gap == pytest.approx(half, rel=0.05)
    assert found.gap - found.low == pytest.approx(half, rel=0.05)
    again = judged(tmp_path, table(a), table(b))
    assert (again.low, again.high) == (found.low, found.high)


def test_accuracy_at_a_radius_can_go_against_acr(tmp_path):
    a = [0.4] * 60 + [0.6] * 40
    b = [0.0] * 40 + [2.0] * 60
    at = replace(CLAIM, radius=0.3)
    assert judged(tmp_path, table(a), table(b)).verdict == "contradicted"
    found = judged(tmp_path, table(a), table(b), at)
    assert (found.verdict, found.ours_a, found.ours_b) == ("holds", 1.0, 0.6)
    assert "at 0.3" in found.claim.measure


def test_other_images_n_or_alpha_are_not_compared(tmp_path):
    a = table(radii(0))
    assert judged(tmp_path, a, table(radii(0), first=1)).verdict == "not comparable"
    for other in ({"n": 500}, {"alpha": 0.01}, {"dataset": "shapes"}):
        found = judged(tmp_path, a, a, **other)
        assert found.verdict == "not comparable" and found.gap is None and found.note


def test_a_missing_or_broken_log_is_not_measured_and_named(tmp_path):
    found = verdicts.judge(CLAIM, tmp_path)
    assert found.verdict == "not measured yet" and found.gap is None
    assert "a/certified.csv" in found.note and "b/certified.csv" in found.note
    assert judged(tmp_path, "nonsense", table([1.0])).verdict == "not measured yet"


def test_training_minutes_count_each_parent_once(tmp_path):
    cards = {
        "start": {"seconds": 600},
        "x": {"seconds": 60, "start": "start"},
        "y": {"seconds": 120, "start": "start"},
        "both": {"seconds": 0, "members": [{"name": "x"}, {"name": "y"}]},
        "routed": {"seconds": 30, "parts": {"own": {}, "expert": {"checkpoint": "x"}}},
        "orphan": {"seconds": 60, "start": "gone"},
    }
    for name, card in cards.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(json.dumps(card))
    found = {name: training_cost.training_minutes(tmp_path, name) for name in cards}
    assert found == {"start": 10, "x": 11, "y": 12, "both": 13, "routed": 11.5, "orphan": None}


def test_every_side_of_a_claim_can_be_made_by_commands():
    for claim in CLAIMS:
        for side in (claim.a, *claim.b):
            train, measure = commands_of(side)
            assert side.split("/")[0] in train and side.split("/")[0] in measure
    assert commands_of("nobody") == ()


def test_the_command_prints_every_claim_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    assert main(["claims", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    attacked = [f.claim.text for f in verdicts.judge_every_table(tmp_path)]
    growth = verdicts.judge_growth(tmp_path).claim.text
    assert [r["claim"]["text"] for r in rows] == [*(c.text for c in CLAIMS), growth, *attacked]
    assert {r["verdict"] for r in rows} == {"not measured yet"}
    assert main(["claims"]) == 0
    assert capsys.readouterr().out.count("NOT MEASURED YET") == len(rows)


def test_the_bootstrap_reads_accuracy_too():
    a, b = (parse_log(table(radii(s)), str(s), **STATED) for s in (1, 2))
    gap, low, high = curves.paired_bootstrap(a, b, np.random.default_rng(0), 500, radius=0.5)
    assert gap == pytest.approx(curves.accuracy_at(a, 0.5) - curves.accuracy_at(b, 0.5))
    assert low < gap < high


def test_growth_is_a_gain_less_a_gain_on_the_same_images(tmp_path):
    far, near = [4.2 / 255] * 50, [3.8 / 255] * 50
    sides = {
        "shapes-k64-adaptive-1.0": far + far,
        "shapes-k64-plain-1.0": near + near,
        "shapes-k32-adaptive-1.0": far + far,
        "shapes-k32-plain-1.0": far + near,
    }
    assert verdicts.judge_growth(tmp_path).verdict == "not measured yet"
    for name, radii_N in sides.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "certified.csv").write_text(table(radii_N))
    found = verdicts.judge_growth(
        tmp_path, read=lambda f: parse_log(f.read_text(), f.parent.name, **STATED)
    )
    assert (found.ours_a, found.ours_b, found.gap) == pytest.approx((1.0, 0.5, 0.5))
    half = 1.96 * 0.5 / np.sqrt(100)
    assert found.verdict == "holds" and found.low == pytest.approx(0.5 - half, abs=0.03)


def enumerated_p(values):
    """P(|sum of values with fair signs| >= |sum|), by all 2^N signs."""
    sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True)))
            for signs in itertools.product((-1, 1), repeat=len(values))]  # fmt: skip
    return np.mean([s >= abs(sum(values)) - 1e-9 for s in sums])


@pytest.mark.parametrize("seed", range(4))
def test_the_p_value_is_that_of_all_signs(seed):
    values_N = np.round(np.random.default_rng(seed).normal(0.3, 1, 10), 1)
    p = curves.exchange_p(values_N, np.random.default_rng(0), 100_000)
    assert p == pytest.approx(enumerated_p(values_N), abs=0.005)


def test_differences_of_one_size_are_a_sign_test_and_zeros_do_not_count():
    values_N = np.array([1.0] * 14 + [-1.0] * 4 + [0.0] * 82)
    p = curves.exchange_p(values_N, np.random.default_rng(0))
    assert p == pytest.approx(stats.binomtest(14, 18).pvalue) == pytest.approx(0.0309, abs=1e-4)
    assert curves.exchange_p(np.zeros(9), np.random.default_rng(0)) == 1.0


def test_a_p_value_is_at_most_a_level_no_more_often_than_that():
    rng = np.random.default_rng(0)
    p_M = [curves.exchange_p(rng.laplace(size=30), rng, 1_000) for _ in range(1_000)]
    assert np.mean(np.array(p_M) <= 0.05) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 1_000)
    assert min(p_M) >= 1 / 1_001


def test_holm_by_hand():
    assert curves.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert curves.holm([]) == [] and curves.holm([0.7, 0.6]) == [1.0, 1.0]


@settings(derandomize=True)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_M):
    adjusted_M = curves.holm(p_M)
    for p, adjusted in zip(p_M, adjusted_M, strict=True):
        assert p <= adjusted <= min(1.0, len(p_M) * p) + 1e-12
    by_p = [a for _, a in sorted(zip(p_M, adjusted_M, strict=True))]
    assert by_p == sorted(by_p)


def test_one_decision_among_many_does_not_survive_and_is_counted_apart(tmp_path):
    rng = np.random.default_rng(3)
    weak = judged(tmp_path, table(rng.uniform(0, 1, 200) + 0.075), table(rng.uniform(0, 1, 200)))
    strong = judged(tmp_path, table(radii(0, shift=0.1)), table(radii(0)))
    nothing = judged(tmp_path, table(radii(1)), table(radii(2)))
    missing = verdicts.Finding(CLAIM, "not measured yet")
    assert weak.verdict == "holds" and 0.005 < weak.p < 0.05
    found = verdicts.together([missing, weak, strong, *[nothing] * 20])
    assert [f.survives for f in found[:4]] == [False, False, True, False]
    assert found[0].p_holm is None
    told = {"holds": 1, "decided alone, not together": 1, "undecided": 20, "not measured yet": 1}
    assert verdicts.tally(found) == told
    assert verdicts.headline(found).startswith(
        "Of 22 claims judged together at 5 % (Holm), 1 hold and 0 are"
    )
    assert "1 more would be decided" in verdicts.headline(found)
    assert (found[1].label, found[2].label) == ("holds, alone", "holds")
    lines = "\n".join(verdicts.in_lines(found))
    assert "does not survive Holm" in lines and "alone; survives Holm" in lines
    row = verdicts.to_dict(found[1])
    assert (row["survives"], row["p"], row["p_holm"]) == (False, weak.p, found[1].p_holm)
    assert verdicts.together([weak])[0].survives


def several(tmp_path, claim, **tables):
    """Judge a claim whose sides are tables by name."""
    for name, text in tables.items():
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "certified.csv").write_text(text)
    return verdicts.judge(
        claim, tmp_path, read=lambda f: parse_log(f.read_text(), f.parent.name, **STATED)
    )


def test_the_rival_is_the_best_at_that_very_radius(tmp_path):
    near = table([0.5] * 80 + [0.0] * 20)
    far = table([1.5] * 40 + [0.0] * 60)
    between = table([0.7] * 60 + [0.0] * 40)
    claim = replace(CLAIM, b=("near", "far"), rival="best")
    logs = {"a": between, "near": near, "far": far}
    for radius, best, b in ((0.25, "near", 0.8), (1.0, "far", 0.4), (None, "far", 0.6)):
        found = several(tmp_path, replace(claim, radius=radius), **logs)
        assert (found.rival, found.ours_b) == (best, pytest.approx(b))
    weakest = several(tmp_path, replace(CLAIM, b=("far",), radius=0.25), **logs)
    assert weakest.verdict == "holds"
    assert several(tmp_path, replace(claim, radius=0.25), **logs).verdict == "contradicted"
    envelope = several(tmp_path, replace(claim, rival="envelope"), **logs)
    assert envelope.ours_b == pytest.approx(0.5 * 0.8 + 1.0 * 0.4)
    assert any("favours it" in told for told in envelope.caveats)


@pytest.mark.parametrize("seed", range(3))
def test_the_envelope_is_the_area_under_the_best_curve(seed):
    rng = np.random.default_rng(seed)
    logs = [
        parse_log(
            HEAD
            + "".join(
                f"{i}\t1\t{1 if right else 2}\t{r:.3f}\t{int(right)}\n"
                for i, (r, right) in enumerate(
                    zip(scale * rng.exponential(size=40), rng.random(40) < share, strict=True)
                )
            ),
            str(scale),
            **(STATED | {"sigma": 5.0}),
        )
        for scale, share in ((0.3, 0.9), (0.6, 0.7), (1.2, 0.4))
    ]
    grid_R = np.arange(0.0005, 12, 0.001)
    best_R = [max(curves.accuracy_at(log, r) for log in logs) for r in grid_R]
    won_N = curves.won_by_envelope(logs)
    assert won_N.mean() == pytest.approx(0.001 * sum(best_R), abs=1e-6)
    assert won_N.mean() >= max(curves.acr(log) for log in logs)
    assert curves.won_by_envelope(logs[:1]) == pytest.approx(curves.won(logs[0], None))


def test_the_size_is_judged_apart_from_the_direction(tmp_path):
    a, b = radii(0, shift=0.05), radii(0)
    sized = {name: replace(CLAIM, size=size) for name, size in
             (("less", 0.5), ("more", 0.01), ("fits", 0.1))}  # fmt: skip
    for name, claim in sized.items():
        found = judged(tmp_path, table(a), table(b), claim)
        assert found.verdict == "holds" and found.size.verdict == name
        assert found.size.low < found.size.ours < found.size.high
        assert found.size.ours == pytest.approx(found.gain)
        assert (found.size.p < 0.05) == (name != "fits")
    points = replace(CLAIM, radius=0.5, size=0.4)
    found = judged(tmp_path, table(a), table(b), points)
    assert found.size.ours == pytest.approx(found.gap) and found.size.verdict == "less"
    assert judged(tmp_path, table(a), table(b)).size is None
    paper = replace(CLAIM, paper_a=0.783, paper_b=0.735)
    assert paper.claimed == pytest.approx(0.0653, abs=1e-4)
    assert replace(paper, radius=0.0).claimed == pytest.approx(0.048)


def test_sizes_are_among_what_holm_corrects(tmp_path):
    found = judged(tmp_path, table(radii(1)), table(radii(2)), replace(CLAIM, size=0.3))
    alone, both = replace(found, size=None), verdicts.together([found, found])
    assert verdicts.together([alone])[0].p_holm == found.p
    assert both[0].size.p_holm == pytest.approx(min(1.0, 4 * found.size.p))
    assert "less than claimed" in "\n".join(verdicts.in_lines(both))


def test_one_training_is_not_a_statement_about_training(tmp_path):
    claim = replace(CLAIM, about="training")
    found = judged(tmp_path, table(radii(0)), table(radii(1)), claim)
    assert found.seeds == 1 and "was trained once" in " ".join(found.caveats)
    for side in "ab":
        for seed in (1, 2):
            (tmp_path / f"{side}-seed{seed}").mkdir()
    found = judged(tmp_path, table(radii(0)), table(radii(1)), claim)
    assert found.seeds == 1 and "was trained once" in " ".join(found.caveats)  # nothing is measured
    for side in "ab":
        for seed in (1, 2):
            text = table(radii(10 * seed + (side == "b")))
            (tmp_path / f"{side}-seed{seed}" / "certified.csv").write_text(text)
    found = judged(tmp_path, table(radii(0)), table(radii(1)), claim)
    assert found.seeds == 3 and "trained once" not in " ".join(found.caveats)
    assert "over images and 3 trainings of each side" in " ".join(found.caveats)


def test_a_training_that_an_experiment_measured_counts_as_a_seed(tmp_path):
    claim = replace(CLAIM, about="training")
    judged(tmp_path, table(radii(0)), table(radii(1)), claim)
    for side in "ab":
        folder = tmp_path / f"{side}-seed1" / "experiments"
        folder.mkdir(parents=True)
        (folder / "certified.csv").write_text(table(radii(7)))
    assert judged(tmp_path, table(radii(0)), table(radii(1)), claim).seeds == 2


def test_growth_is_judged_over_the_seeds_there_are(tmp_path):
    far, near = [4.2 / 255], [3.8 / 255]
    for k, plain in ((64, near * 100), (32, far * 50 + near * 50)):
        for method, radii_N in (("adaptive", far * 100), ("plain", plain)):
            for end in ("", "-seed1", "-seed2"):
                (tmp_path / f"shapes-k{k}-{method}-1.0{end}").mkdir()
                log = tmp_path / f"shapes-k{k}-{method}-1.0{end}" / "certified.csv"
                log.write_text(table(radii_N[1:] + near if end == "-seed1" else radii_N))
    found = verdicts.judge_growth(
        tmp_path, read=lambda f: parse_log(f.read_text(), f.parent.name, **STATED)
    )
    assert found.seeds == 3 and found.verdict == "holds"
    assert found.gap == pytest.approx(found.ours_a - found.ours_b)
    assert "over images and 3 trainings of each side" in " ".join(found.caveats)


@pytest.fixture(scope="module")
def shipped():
    return verdicts.judge_all(catalog.root(), commands_of)


def test_no_shipped_verdict_stands_beside_a_p_value_that_says_otherwise(shipped):
    for f in shipped:
        if f.p is not None and f.verdict != "undecided":
            assert f.p <= verdicts.LEVEL, f.claim.text


def test_a_log_tells_the_command_that_made_it_and_other_seeds_theirs(shipped):
    name = "cifar10-advmacer-0.5-equal"
    found = {f.claim.a: f for f in shipped}
    commands = found[name].commands
    assert sum("train advmacer" in c for c in commands) == 3
    assert sum(f"evaluate --checkpoint {name}" in c for c in commands) == 3
    assert all("--n 10000" in c for c in commands if " evaluate " in c)
    swept = found["cifar10-dual/certified-sweep.csv"].commands
    assert any(c.endswith("certified-sweep.csv") for c in swept)


def asked(folder, name, right, radius=0.25, n=1000):
    """Write the log of the question whether this radius is certified, right for some images."""
    spec = {"name": name, "dataset": "cifar10", "method": "gaussian", "network": "compact"}
    spec |= {"sigma": 0.5, "n0": 100, "n": n, "alpha": 0.001, "until_radius": radius}
    lines = [f"# {json.dumps({'format': 'rsviz-log-1', 'spec': spec | {'bound': 'anytime'}})}"]
    lines.append("index,label,predicted,radius,correct,counts0,counts,n,seconds,answer")
    for i, yes in enumerate(right):
        said = (1, radius, "yes") if yes else (-1, 0, "no certificate")
        lines.append(f"{i},1,{said[0]},{said[1]},{int(yes)},0 100,5 60,{n},0.1,{said[2]}")
    (folder / name).mkdir(exist_ok=True)
    (folder / name / f"asked-{radius}.csv").write_text("\n".join(lines) + "\n")


def test_a_comparison_at_one_radius_takes_logs_that_asked_for_it_alone(tmp_path):
    """Their votes end early; a log of another radius, or one for an ACR, will not do."""
    at = replace(CLAIM, radius=0.25)
    asked(tmp_path, "a", [True] * 90 + [False] * 10)
    assert verdicts.judge(at, tmp_path).verdict == "not measured yet"
    asked(tmp_path, "b", [True] * 60 + [False] * 40)
    found = verdicts.judge(at, tmp_path)
    assert (found.verdict, found.ours_a, found.ours_b) == ("holds", 0.9, 0.6)
    assert found.note == verdicts.ENDED
    for other in (CLAIM, replace(CLAIM, radius=0.5)):
        assert verdicts.judge(other, tmp_path).verdict == "not measured yet"
    training = verdicts.judge(replace(at, about="training"), tmp_path)
    assert training.gap == found.gap
    asked(tmp_path, "b", [True] * 60 + [False] * 40, n=500)
    assert verdicts.judge(at, tmp_path).verdict == "not comparable"


def test_a_verdict_takes_both_the_interval_and_the_test():
    assert verdicts.verdict(0.001, 0.04, 0.04) == "holds"
    assert verdicts.verdict(-0.04, -0.001, 0.04) == "contradicted"
    assert verdicts.verdict(-0.01, 0.04, 0.04) == "undecided"
    assert verdicts.verdict(0.001, 0.04, 0.053) == "undecided"  # as the resampled interval may fall
    for p, told in ((0.04, "less"), (0.06, "fits")):
        assert verdicts.Size(0.08, 0.04, 0.01, 0.07, p).verdict == told
