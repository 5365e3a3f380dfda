import sys
from dataclasses import asdict, dataclass, replace

import pytest

from rsviz.core import settings
from rsviz.core.errors import UserError
from rsviz.methods import advmacer
from rsviz.methods.registry import METHODS
from rsviz.training.loop import TrainSpec
from rsviz.training.recipes import RECIPES
from rsviz.training.single import loss_for
from rsviz.training.train import MAKERS

SPEC = TrainSpec("advmacer", "shapes", "compact", 0.5, epochs=1)


@pytest.mark.parametrize(
    ("sigma", "eps"), [(0.25, 1.0), (0.1, 1.0), (0.5, 2.0), ("uniform", 2.0), (3.0, 2.0)]
)
def test_the_preset_is_that_of_the_nearest_sigma(sigma, eps):
    assert settings.choose(advmacer.PRESETS, sigma, ()).eps == eps


def test_changes_are_made_by_name_and_stay_whole():
    chosen = settings.choose(advmacer.PRESETS, 1.0, (("draws", 2.0), ("lam", 3.5)))
    assert chosen == replace(advmacer.PRESETS[1.0], draws=2, lam=3.5)
    assert isinstance(chosen.draws, int)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("drawss", 2), "there are: steps, draws, eps, lam, gamma, beta, warm_up"),
        (("draws", 0), "draws must be a whole number of at least 1"),
        (("draws", 2.5), "draws must be a whole number"),
        (("eps", -1.0), "eps must be a number of at least 0"),
        (("lam", float("nan")), "lam must be"),
    ],
)
def test_bad_changes_are_refused_in_words(change, says):
    with pytest.raises(UserError, match=says):
        loss_for(replace(SPEC, settings=(change,)))


def test_a_method_without_settings_says_so():
    loss, full = loss_for(replace(SPEC, method="gaussian"))
    assert loss is METHODS["gaussian"].loss
    assert full == {}
    with pytest.raises(UserError, match="has none"):
        loss_for(replace(SPEC, method="gaussian", settings=(("draws", 2),)))


def test_the_card_gets_the_settings_in_full():
    loss, full = loss_for(replace(SPEC, settings=(("draws", 2.0),)))
    assert full == asdict(replace(advmacer.PRESETS[0.5], draws=2))
    assert loss.keywords["settings"].draws == 2


def test_words_are_parsed_and_written_alike():
    pairs = settings.parse(["steps=2", "eps=0.25"])
    assert pairs == (("eps", 0.25), ("steps", 2.0))
    assert settings.as_words(pairs) == "--set eps=0.25 --set steps=2"
    assert settings.parse(["levels=.25,1"]) == (("levels", ".25,1"),)
    for bad in ("draws", "draws=", "=3,4"):
        with pytest.raises(UserError, match="name=value"):
            settings.parse([bad])


def test_every_recipe_names_known_settings_and_its_command_gives_them():
    for recipe in (r for r in RECIPES if not r.members):
        if recipe.method in MAKERS:
            maker = sys.modules[MAKERS[recipe.method].__module__]
            settings.fill(maker.Settings, recipe.settings)
        else:
            loss_for(recipe.train_spec())
        words = recipe.train_command().split()
        pairs = [words[j + 1] for j, word in enumerate(words) if word == "--set"]
        assert settings.parse(pairs) == recipe.train_spec().settings


def test_options_are_filled_and_refused_by_kind():
    @dataclass(frozen=True)
    class Options:
        levels: str = "a"
        draws: int = 3
        q: float = 0.5

    given = settings.parse(["levels=b", "draws=4", "q=1"])
    assert settings.fill(Options, given) == Options("b", 4, 1.0)
    assert isinstance(settings.fill(Options, given).draws, int)
    assert settings.fill(Options, ()) == Options()
    for name, value, words in (
        ("levels", 1.0, "must be a word"),
        ("q", "much", "must be a number"),
        ("draws", 1.5, "must be a whole number"),
        ("depth", 1.0, "no setting"),
    ):
        with pytest.raises(UserError, match=words):
            settings.fill(Options, ((name, value),))


def test_a_loss_takes_numbers_only():
    with pytest.raises(UserError, match="must be a number"):
        loss_for(replace(SPEC, settings=(("draws", "two"),)))
