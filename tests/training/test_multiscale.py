"""A cascade is there with its thresholds chosen, or not at all."""

import json

import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.core.errors import UserError
from rsviz.core.files import sole_writer
from rsviz.evaluation import row_checks
from rsviz.networks import classifiers
from rsviz.training import multiscale, run_recipes
from rsviz.training.multiscale import LevelsSpec
from rsviz.training.recipes import Recipe
from tests.helpers import TINY

SPEC = LevelsSpec(("one", "two"), images=6, n=100)


class KilledError(Exception):
    pass


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Two networks, and a folder for the votes of unfinished choices."""
    folder = tmp_path / "checkpoints"
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(folder))
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    card = {"method": "gaussian", "dataset": "shapes", "network": TINY, "measured": []}
    for name, sigma in (("one", 0.5), ("two", 0.25)):
        weights.save(classifiers.build(TINY, "shapes"), folder / name, card | {"sigma": sigma})
    return folder


def kill_after(monkeypatch, rows):
    """Let the process 'die' as it writes so many rows of a log."""
    real, count = row_checks.check, iter(range(10**6))

    def dies(*given):
        if next(count) >= rows:
            raise KilledError
        return real(*given)

    monkeypatch.setattr(row_checks, "check", dies)


def test_a_killed_choice_leaves_no_cascade_and_goes_on(home, monkeypatch):
    whole = multiscale.fit(SPEC, home / "whole", report=lambda _: None)
    for rows in (1, 3):
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            kill_after(patch, rows)
            multiscale.fit(SPEC, home / "cut", report=lambda _: None)
        assert not (home / "cut").exists()
    made = multiscale.fit(SPEC, home / "cut", report=lambda _: None)
    assert made.verified and made.card.run == whole.card.run and "thresholds" in made.card.run
    assert made.card.fit["acr"] == whole.card.fit["acr"]


def test_recipes_choose_the_thresholds_that_a_kill_left_unchosen(home, monkeypatch):
    """Without them it would be measured with those of no choice."""
    how = (("images", 6), ("n", 100))
    recipe = Recipe(
        "cut", "multiscale", "shapes", TINY, "uniform", 0, 0.0, (None,), 1,
        members=("one", "two"), settings=how,
    )  # fmt: skip
    (_, make) = next(run_recipes._missing(recipe, 100, "cpu", lambda _: None))
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_after(patch, 2)
        make()
    assert next(run_recipes._missing(recipe, 100, "cpu", print))[0] == "making cut"


def test_a_second_choice_is_told_who_writes(home):
    with sole_writer(home / "new"), pytest.raises(UserError, match="new is being written by"):
        multiscale.fit(SPEC, home / "new", report=lambda _: None)
    assert not (home / "new").exists()


def test_another_choice_of_the_same_networks_goes_its_own_way(home):
    multiscale.fit(SPEC, home / "new", report=lambda _: None)
    more = LevelsSpec(("one", "two"), images=8, n=100)
    made = multiscale.fit(more, home / "new", report=lambda _: None)
    assert "8 images" in json.dumps(made.card.fit)
    assert catalog.find("new").verified
