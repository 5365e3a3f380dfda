"""Runs that end before n by a rule: the certificate, its check, and the command."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from rsviz.certification import certify, verify
from rsviz.cli.main import main
from rsviz.core import bounds, decision, reading
from rsviz.core.errors import UserError
from rsviz.core.flags import PARTIAL
from rsviz.core.radius import radius_l2
from rsviz.core.spec import Bound, Certificate, RunSpec, Votes
from rsviz.data import images
from rsviz.methods.registry import METHODS, check_stopping
from rsviz.smoothing import driver
from rsviz.smoothing.voters import NoisyClassifier
from tests.helpers import constant_network

SIGMA, DISTANCE, ALPHA = 0.3, 0.3, 0.001  # p_A = Phi(1) at the half-space's image


def certificate_of(half_space, x_CHW=None, **rest):
    net, own_CHW, _ = half_space
    x_CHW = own_CHW if x_CHW is None else x_CHW
    base = {"n0": 20, "n": 3_000, "alpha": ALPHA, "seed": 0, "sigma": SIGMA}
    spec = RunSpec(images.image_id(x_CHW), "net", **(base | rest))
    *_, last = certify.watch(x_CHW, {"classifier": net}, spec)
    return last.certificate


def one_by_one(half_space, n, seed=0):
    """Whether each of the first n bounding votes is for class 1, in order."""
    net, x_CHW, _ = half_space
    hits, counts = [], 0
    ask = driver.Ask("bound", NoisyClassifier(net), SIGMA, n, 2)
    for t in range(1, n + 1):
        now = certify.count(ask, t, x_CHW, seed)[1]
        hits.append(now > counts)
        counts = now
    return np.array(hits)


@pytest.mark.parametrize(
    ("asked", "answer"), [(0.15, "yes"), (0.0, "yes"), (0.45, "no certificate")]
)
def test_a_run_ends_at_the_very_vote_that_settles_it(half_space, asked, answer):
    c = certificate_of(half_space, until_radius=asked)
    plan = decision.plan(asked / SIGMA, c.n, ALPHA)
    used = sum(c.counts)
    assert (c.detail["answer"], c.ended, used < 600) == (answer, "settled", True)
    assert plan.settles(0, 0, one_by_one(half_space, used)) == used
    assert (c.radius, c.abstained) == ((asked, False) if answer == "yes" else (0.0, True))
    assert c.p_a_lower == (plan.p if answer == "yes" else 0.0)
    assert PARTIAL not in c.flags and c.alpha_split == {"at any look": ALPHA}
    assert c.detail["why"].startswith({"yes": "Yes"}.get(answer, "No certificate"))


def test_at_the_cap_it_is_undecided(half_space):
    c = certificate_of(half_space, until_radius=DISTANCE, n=600)
    assert (c.detail["answer"], c.ended, sum(c.counts), c.radius) == (
        "undecided", "complete", 600, 0.0
    )  # fmt: skip
    assert c.detail["why"].startswith("Undecided")


def test_a_cancelled_run_is_undecided_so_far_and_partial():
    spec = RunSpec("i", "c", SIGMA, n0=10, n=10_000, until_radius=0.3)
    votes = Votes("bound", (159, 841), 10_000, "stopped")
    c = reading.read(Votes("select", (0, 10), 10, "complete"), votes, spec, "g")
    assert c.detail["answer"] == "undecided" and "so far" in c.detail["why"]
    assert PARTIAL in c.flags and c.abstained


def test_the_class_never_changes_though_another_leads():
    spec = RunSpec("i", "c", SIGMA, n0=10, n=10_000, until_radius=0.1)
    votes = Votes("bound", (900, 100), 10_000, "settled")
    c = reading.read(Votes("select", (0, 10), 10, "complete"), votes, spec, "g")
    assert (c.predicted, c.detail["answer"]) == (1, "no certificate")


def test_an_answer_can_be_checked_and_a_forged_one_is_refused(half_space):
    net, x_CHW, _ = half_space

    def recheck(c):
        found = verify.recheck(c, x_CHW, {"classifier": net}, 1, fresh=4_000)
        return {check.name: check for check in found}

    for asked in (0.15, 0.45):
        c = certificate_of(half_space, until_radius=asked)
        assert Certificate.from_json(c.to_json()) == c
        assert verify.holds(recheck(c).values())
    yes = certificate_of(half_space, until_radius=0.15)
    for forged in (
        replace(yes, until_radius=0.2, radius=0.2),
        replace(yes, until_radius=None),
        replace(yes, detail=dict(yes.detail) | {"answer": "no certificate"}),
        replace(yes, ended="complete"),
        replace(certificate_of(half_space, n=300), ended="settled"),
    ):
        assert not verify.holds(recheck(forged).values())


def test_an_answer_is_not_read_again_otherwise(half_space):
    c = certificate_of(half_space, until_radius=0.15)
    with pytest.raises(UserError, match="one question"):
        reading.reread(c, 0.01)
    with pytest.raises(UserError, match="one question"):
        reading.two_sided(c)


def test_images_that_settle_make_room_and_keep_their_counts(half_space):
    """Beside others, on several chunks a batch, each image's votes end where they do alone."""
    net, x_CHW, _ = half_space

    def request(key, seed):
        spec = RunSpec("i", "c", SIGMA, n0=20, n=2_000, seed=seed, until_radius=0.15)
        start = lambda: METHODS["gaussian"].certify(x_CHW, {"classifier": net}, spec)  # noqa: E731
        return driver.Request(key, x_CHW, images.image_id(x_CHW), seed, start)

    alone = {
        seed: [t.certificate.counts for t in driver.drive([request(0, seed)]) if t.finished]
        for seed in range(6)
    }
    for chunks in (1, 3, 8):
        together = driver.drive([request(seed, seed) for seed in range(6)], chunks=chunks)
        ended = [(t.request.key, t.certificate.counts) for t in together if t.finished]
        assert len(ended) == 6
        assert {key: [counts] for key, counts in ended} == alone
    assert len({sum(counts[0]) for counts in alone.values()}) > 1


def test_votes_ahead_of_an_answer_are_not_counted(half_space, monkeypatch):
    """A device computes one batch ahead of the one being read, as a GPU does."""
    net, x_CHW, _ = half_space
    spec = RunSpec("i", "c", SIGMA, n0=20, n=2_000, until_radius=0.15)
    start = lambda: METHODS["gaussian"].certify(x_CHW, {"classifier": net}, spec)  # noqa: E731
    task = driver.Task(driver.Request(0, x_CHW, "i", 0, start), start(), x_CHW)
    task.advance(None)
    task.advance(Votes("select", (0, 20), 20, "complete"))
    shares = [driver._Share(task, task.ask, i) for i in range(4)]
    ones = torch.ones(2, 100, dtype=torch.long)
    active = [task]
    first = list(driver._collect(shares[:2], ones, active))
    counts = task.certificate.counts
    assert [t.finished for t in first] == [True] and 0 < sum(counts) < 100 and active == []
    assert list(driver._collect(shares[2:], ones, active)) == []
    assert task.votes["bound"].counts_K == counts


def test_precision_ends_within_that_share_of_the_truth(half_space):
    c = certificate_of(half_space, precision=0.2, n=20_000, bound=Bound.ANYTIME)
    n, k = sum(c.counts), c.counts[1]
    low = radius_l2(SIGMA, bounds.anytime_lower(k, n, ALPHA))
    high = radius_l2(SIGMA, bounds.anytime_upper(k, n, ALPHA))
    assert c.ended == "settled" and n < c.n and n % 100 == 0
    assert (c.radius, c.detail["most"]) == (low, pytest.approx(high))
    assert low >= 0.8 * high and low <= DISTANCE <= high and c.detail["reached"]
    assert verify.holds(
        verify.recheck(c, half_space[1], {"classifier": half_space[0]}, 1, fresh=4_000)
    )


def test_precision_is_never_reached_while_all_votes_agree():
    spec = RunSpec("i", "c", SIGMA, n0=10, n=500, precision=0.2, bound=Bound.ANYTIME)
    votes = Votes("bound", (0, 500), 500, "complete")
    c = reading.read(Votes("select", (0, 10), 10, "complete"), votes, spec, "g")
    assert c.radius > 0 and not c.detail["reached"] and c.detail["most"] is None
    assert "All 500 votes agree" in c.detail["why"]


def test_precision_ends_too_where_nothing_can_be_certified():
    spec = RunSpec("i", "c", SIGMA, n0=10, n=10_000, precision=0.02, bound=Bound.ANYTIME)
    votes = Votes("bound", (300, 100), 10_000, "settled")
    c = reading.read(Votes("select", (0, 10), 10, "complete"), votes, spec, "g")
    assert c.abstained and c.detail["reached"] and "at most 1/2" in c.detail["why"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"until_radius": 0.5, "precision": 0.1}, "not for both"),
        ({"until_radius": -1.0}, "radius asked for"),
        ({"until_radius": float("nan")}, "radius asked for"),
        ({"precision": 0.1}, "clopper-pearson bound does not hold"),
        ({"precision": 0.1, "bound": Bound.LOOKS}, "looks bound does not hold"),
        ({"precision": 1.5, "bound": Bound.ANYTIME}, "precision"),
    ],
)
def test_rules_that_make_no_sense_are_refused(given, told):
    with pytest.raises(UserError, match=told):
        RunSpec("i", "c", SIGMA, **given)


@pytest.mark.parametrize("method", [m for m in METHODS if METHODS[m].chooses_sigma])
def test_methods_that_choose_the_noise_refuse_them(method):
    spec = RunSpec("i", "c", SIGMA, until_radius=0.5)
    with pytest.raises(UserError, match="several counts"):
        check_stopping(METHODS[method], spec)


def test_the_command_answers_and_says_no_more_than_it_may(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    constant_network(tmp_path / "net")
    how = ["certify", "shapes/test/3", "--checkpoint", "net", "--n0", "10", "--n", "400"]
    assert main([*how, "--until-radius", "0.25"]) == 0
    text = capsys.readouterr().out
    assert "Yes: certified at radius 0.25 after" in text and "closer than the radius" in text
    assert main([*how, "--until-radius", "0.25", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["until_radius"], row["radius"], row["bound"]) == (0.25, 0.25, "anytime")
    assert sum(row["counts"]) < 50
    assert main([*how, "--until-radius", "2"]) == 2
    assert "raise n" in capsys.readouterr().err
    assert main([*how, "--until-radius", "1", "--bound", "split"]) == 2
    assert main([*how, "--precision", "0.1"]) == 0
    text = capsys.readouterr().out
    assert "certified within L2 radius" in text and "All 400 votes agree" in text


def test_a_radius_may_be_written_as_a_fraction(capsys):
    with pytest.raises(SystemExit):
        main(["certify", "x", "--checkpoint", "net", "--until-radius", "4/zero"])
    assert "write .5 or 4/255" in capsys.readouterr().err


def test_a_question_cancelled_and_asked_again_ends_at_the_same_vote(half_space):
    """The votes before a cancel are the first ones of the whole run, whatever else is certified."""
    net, x_CHW, _ = half_space
    spec = RunSpec("i", "net", SIGMA, n0=20, n=5_000, seed=3, until_radius=0.24)
    cancel, cut = threading.Event(), []
    for progress in certify.watch(x_CHW, {"classifier": net}, spec, cancel=cancel):
        cut.append(progress.certificate)
        if sum(progress.certificate.counts) >= 200:
            cancel.set()
    whole = [p.certificate for p in certify.watch(x_CHW, {"classifier": net}, spec)]
    assert (cut[-1].ended, cut[-1].detail["answer"]) == ("stopped", "undecided")
    assert PARTIAL in cut[-1].flags and cut[-1].radius == 0
    assert cut[-1].counts in [c.counts for c in whole]
    assert whole[-1].ended == "settled" and sum(whole[-1].counts) > sum(cut[-1].counts) == 200

    def request(key, until):
        own = replace(spec, until_radius=until)
        start = lambda: METHODS["gaussian"].certify(x_CHW, {"classifier": net}, own)  # noqa: E731
        return driver.Request(key, x_CHW, images.image_id(x_CHW), own.seed, start)

    for chunks in (1, 4):
        asked = [request(0, 0.05), request(1, 0.24), request(2, None)]
        ended = {t.request.key: t for t in driver.drive(asked, chunks=chunks) if t.finished}
        assert ended[1].certificate.counts == whole[-1].counts
        assert sum(ended[0].certificate.counts) < sum(ended[2].certificate.counts) == spec.n
