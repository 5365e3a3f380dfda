"""The experiments as data: commands that parse, expectations that name points."""

import shlex

import pytest

from rsviz.checkpoints import catalog
from rsviz.cli.main import parser
from rsviz.core.errors import UserError
from rsviz.evaluation.experiments import EXPERIMENTS, find
from rsviz.training.recipes import RECIPES

EACH = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.key)


@EACH
def test_every_command_parses_and_writes_the_log_it_is_of(experiment):
    commands = {p.command: p.log for p in experiment.points}
    assert len(commands) == len(set(commands.values()))  # a log has one command
    for command in {*commands, *(c for p in experiment.points for c in p.first)}:
        words = shlex.split(command)
        assert words[:3] == ["python", "-m", "rsviz"]
        given = parser(words[3]).parse_args(words[3:])
        assert str(given.out) in {f"checkpoints/{commands.get(command)}", words[-1]}


@EACH
def test_every_expectation_names_points_and_a_measure(experiment):
    places = [(p.series, p.x) for p in experiment.points]
    assert len(set(places)) == len(places)
    for expected in experiment.expected:
        assert expected.a in places and expected.b in [*places, None]
        assert expected.measure in experiment.measures
        assert expected.text.endswith(".") and expected.a != expected.b


@EACH
def test_a_point_needs_a_shipped_network_or_says_how_it_is_made(experiment):
    shipped = {c.name for c in catalog.list_checkpoints()}
    recipes = {r.name: r.train_command() for r in RECIPES}
    made = recipes.keys() | {p.log.partition("/")[0] for p in experiment.points}
    for point in experiment.points:
        name, _, file = point.log.partition("/")
        needed = {name, *point.arguments} & made
        if point.arguments[0] == "ensemble":  # its members have recipes, and too many to list
            assert needed & shipped and not point.first
        else:
            made_by = {c.split("checkpoints/")[-1]: c for c in point.first}
            assert set(made_by) == needed - shipped
            for known in made_by.keys() & recipes.keys():  # where both say it, they say the same
                assert made_by[known] == recipes[known]
        beside = name in shipped or (catalog.root() / point.log).is_file()
        assert file.startswith("experiments/") or beside
        assert point.images >= 40


def test_keys_are_unique_and_another_is_refused():
    assert len({e.key for e in EXPERIMENTS}) == len(EXPERIMENTS)
    with pytest.raises(UserError, match="no experiment 'nothing'"):
        find("nothing")
