"""Votes read again at other settings give the certificate that a run with them gives."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rsviz.certification import certify
from rsviz.checkpoints import catalog
from rsviz.core.errors import UserError
from rsviz.core.spec import Bound, RunSpec, Votes
from rsviz.evaluation import logs, stored_votes
from rsviz.methods.registry import METHODS


class Nearest(nn.Module):
    """Votes for the centre that the first pixel is nearest to."""

    def __init__(self, *centres):
        super().__init__()
        self.fc = nn.Linear(1, len(centres))
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor(centres)[:, None])
            self.fc.bias.copy_(-(torch.tensor(centres) ** 2) / 2)

    def forward(self, x_NCHW):
        return self.fc(x_NCHW[:, 0, 0, :1])


class Selector(nn.Module):
    """h(x, lambda): the first pixel, between .2 and 1."""

    def forward(self, x_NCHW, lam_N):
        return x_NCHW[:, 0, 0, 0].clip(0.2, 1.0)


X = torch.full((3, 4, 4), 0.5)
CLASSIFIER = Nearest(0.6, -0.4, 2.2)
NETS = {
    "dual": {"estimator": Nearest(-0.6, 0.6, 1.9), "classifier": CLASSIFIER},
    "variational": {"selector": Selector(), "classifier": CLASSIFIER},
    "multiscale": {"classifier": CLASSIFIER},
}
MIN = {"sigma_e": 0.4, "split": "half"}
SWEEP = {"rule": "sweep", "ask": "every", "sigma_e": 0.8}
EVERY = {"ask": "every"}
CASES = (  # the method, the settings that votes are counted with, and others to read them at
    ("dual", MIN, MIN | {"split": "none"}),
    ("dual", SWEEP, SWEEP | {"quantile": 0.3}),
    ("dual", SWEEP, SWEEP | {"quantile": 0.65}),
    ("variational", {"budget": 1.0}, {"budget": 0.1}),
    ("multiscale", EVERY, EVERY | {"thresholds": "0.5,0.6,0.75"}),
    ("multiscale", EVERY, EVERY | {"split": "levels"}),
)


def spec(method, settings, **changes):
    run = {"image": "x", "checkpoint": "c", "sigma": 1.0, "n0": 50, "n": 400, "alpha": 0.05}
    run |= {"method": method, "settings": tuple(sorted(settings.items()))}
    return RunSpec(**run | changes)


def certificate(run, cancel=None):
    *_, last = certify.watch(X, NETS[run.method], run, cancel=cancel)
    return last.certificate


SAID = "predicted abstained radius sigma p_a_lower alpha_split ended detail counts0 counts"


def said(c):
    return {name: getattr(c, name) for name in SAID.split()}


@pytest.mark.parametrize(("method", "first", "then"), CASES)
def test_votes_read_at_other_settings_are_those_of_a_run_with_them(method, first, then):
    votes = stored_votes.of_certificate(certificate(spec(method, first)))
    fresh = certificate(spec(method, then))
    assert fresh.radius > 0
    assert said(stored_votes.read(votes, spec(method, then))) == said(fresh)
    assert stored_votes.votes_key(spec(method, first)) == stored_votes.votes_key(spec(method, then))


@pytest.mark.parametrize("method", NETS)
def test_settings_that_change_votes_are_told_apart(method):
    changed = {
        "dual": {"sigma_e": 0.7},
        "variational": {"lam": 0.9},
        "multiscale": {"levels": "0.5,1"},
    }
    key = stored_votes.votes_key(spec(method, {}))
    assert key != stored_votes.votes_key(spec(method, changed[method]))


@pytest.mark.parametrize(("method", "settings"), [(m, first) for m, first, _ in CASES[::2]])
def test_a_run_cut_short_is_read_again_as_it_stood(method, settings):
    """With a bound that may be read at any time; the whole run then gives what it always gave."""
    run = spec(method, settings, n=3000, bound=Bound.SPLIT)
    cancel, seen = threading.Event(), []
    for reading in certify.watch(X, NETS[method], run, cancel=cancel):
        seen.append(reading.certificate)
        if len(seen) == 3:
            cancel.set()
    cut = seen[-1]
    assert cut.ended == "stopped"
    again = stored_votes.read(stored_votes.of_certificate(cut), run)
    assert (again.radius, again.predicted, again.sigma) == (cut.radius, cut.predicted, cut.sigma)
    assert again.ended != "complete"
    assert said(certificate(run)) == said(certificate(run))


@pytest.mark.parametrize(
    ("method", "settings"),
    [("multiscale", {}), ("variational", {}), ("dual", MIN), ("dual", SWEEP)],
)
def test_every_moment_of_a_run_is_read_as_it_stood(method, settings):
    run = spec(method, settings, n=300)
    for moment in certify.watch(X, NETS[method], run):
        again = stored_votes.read(stored_votes.of_certificate(moment.certificate), run)
        assert again.radius == moment.certificate.radius
        assert again.predicted == moment.certificate.predicted


def test_votes_that_do_not_reach_leave_the_reading_unfinished():
    few = stored_votes.of_certificate(certificate(spec("variational", {"budget": 0.1})))
    assert stored_votes.read(few, spec("variational", {"budget": 1.0})).ended != "complete"
    settles_at_once = {"classifier": Nearest(0.5, -2.0)}
    *_, last = certify.watch(X, settles_at_once, spec("multiscale", {}))
    assert list(last.certificate.stages) == ["select-1", "bound-1"]
    needed = stored_votes.of_certificate(last.certificate)
    strict = spec("multiscale", {"thresholds": "0.5,0.9,0.95"})
    assert stored_votes.read(needed, strict).ended != "complete"


def test_fewer_draws_are_a_random_part_of_those_there_are():
    whole, fewer = (spec("variational", {"budget": 1.0, "draws": n}) for n in (1000, 300))
    votes = stored_votes.of_certificate(certificate(whole))
    assert stored_votes.votes_key(whole) == stored_votes.votes_key(fewer)
    c = stored_votes.read(votes, fewer)
    kept_L, held_L = c.detail["selector"], votes["selector"].counts_K
    assert sum(kept_L) == 300 and all(k <= n for k, n in zip(kept_L, held_L, strict=True))
    drawn = Votes("selector", tuple(kept_L), 300, "complete")
    assert said(c) == said(METHODS["variational"].read({**votes, "selector": drawn}, fewer))
    assert c.ended == "complete" and stored_votes.read(votes, fewer) == c
    more = stored_votes.read(votes, spec("variational", {"budget": 1.0, "draws": 3000}))
    assert more.ended != "complete" and more.radius == 0  # they are to be counted first
    # Over many images the part follows the whole: left out without looking.
    share = [
        stored_votes.read(votes, replace(fewer, seed=seed)).detail["selector"][3] / 300
        for seed in range(200)
    ]
    assert abs(np.mean(share) - held_L[3] / 1000) < 4 * np.std(share) / 200**0.5 + 1e-9


def test_plain_smoothing_at_each_level_is_read_from_the_cascades_votes():
    run = spec("multiscale", EVERY)
    fixed = stored_votes.fixed_levels(stored_votes.of_certificate(certificate(run)), run)
    assert list(fixed) == [0.25, 0.5, 1.0]
    for level, c in fixed.items():
        plain = certificate_of_plain(replace(run, method="gaussian", sigma=level, settings=()))
        assert said(c) == said(plain)


def certificate_of_plain(run):
    *_, last = certify.watch(X, {"classifier": CLASSIFIER}, run)
    return last.certificate


SHIPPED = ("dual", "routing", "variational", "multiscale")


@pytest.mark.parametrize("method", SHIPPED)
def test_shipped_logs_read_to_the_radii_they_hold(method):
    head, rows = logs.own_rows(catalog.find(f"shapes-{method}").folder / "certified.csv")
    run = stored_votes.run_of(head)
    for row in rows[:40]:
        c = stored_votes.read(stored_votes.of_row(head, row), run)
        assert c.radius == pytest.approx(row.radius, abs=1e-6)
        assert (-1 if c.abstained else c.predicted) == row.predicted
        assert c.ended == "complete"


def test_only_methods_that_choose_a_level_are_read():
    assert METHODS["gaussian"].levels is None
    with pytest.raises(UserError, match="does not choose"):
        stored_votes.read({}, spec("gaussian", {}))
