"""Chapter 5, which level settles a picture, and what could change its mind."""

from rsviz.teaching.scene import Control, Link, Question, Scene

PLACES = tuple(round(-1.5 + i / 20, 2) for i in range(61))
LEVEL_NAMES = ("Level 1, much noise", "Level 0.5", "Level 0.25, little noise")

SETTLES = Scene(
    key="settles",
    title="The nearest change of the answer, and the level that makes it",
    sentences=(
        "A **cascade** asks the levels from much noise to little: the first at which some class "
        "exceeds its threshold settles the picture, and only what is too faint for much noise is "
        "passed on. Here pictures are points of a line, cut into pieces of three classes, some too "
        "narrow for much noise to see.",
        "Walk from the picture to the nearest point with another answer. Either a level **above** "
        "the one that proves most settles another class there, and the walk is at least $b_j$ "
        "long; or that level no longer exceeds its threshold, and the walk is at least $a_m$ long. "
        "So the smallest of these distances is a **proved radius**, and which of them it is says "
        "what could change the answer's mind.",
        "Only **one** of these bounds has to be wrong for the radius to be wrong, and which one is "
        "a fact of the picture, not of the votes: that is why every bound may be read at the full "
        "alpha, however many levels there are.",
    ),
    controls=(
        Control("place", "Where the picture lies", PLACES, 0.75, "{:.2f}"),
        Control("tau", "Threshold of the two upper levels", (0.5, 0.6, 0.7, 0.8), 0.5, "{:g}"),
    ),
    question=Question(
        "Walk to the nearest point where the answer is another one. Which level gives it?",
        LEVEL_NAMES,
    ),
    link=Link(
        "levels",
        "The cascade on a real picture",
        {"image": "shapes/test/60", "selector": "multiscale"},
    ),
)
