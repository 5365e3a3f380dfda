from rsviz.core.radius import down
from rsviz.teaching.experiments import own_world as experiment
from rsviz.teaching.experiments.own_world import World
from rsviz.ui import own_world

STARTS = experiment.starts()


def test_the_words_are_those_of_the_library():
    world = World(STARTS["Halves"], 0.2, 0.6, 0.08)
    seen = experiment.look(world)
    said = own_world.words(world)
    assert f"**{seen.count:,} of 10,000** noisy copies of your point say orange" in said
    assert f"= **{down(seen.radius, 3)}**" in said
    assert "\\n" not in said and len(said.split("\n\n")) == 3
    assert "would certify 0.299" in said or "would certify 0.3" in said


def test_no_majority_is_told_as_such():
    assert "abstains" in own_world.words(World(STARTS["Halves"], 0.5, 0.5, 0.08))


def test_a_world_of_one_class_is_told_as_such():
    assert "any radius" in own_world.words(World("0" * len(STARTS["Halves"]), 0.5, 0.5, 0.08))
