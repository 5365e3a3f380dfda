"""What Learn teaches, as data: the chapters with their scenes.

A scene is one idea: one picture to play with, three sentences, a formula, a question asked before
its answer, and a link into the live pages. Its picture is the function of the same key in
`rsviz.teaching.pictures.by_scene.PICTURES`, called with the values of the scene's controls by name.
"""

from rsviz.teaching.chapters.bound import PEEK, PRICE
from rsviz.teaching.chapters.cascade import SETTLES
from rsviz.teaching.chapters.levels import CHOSEN, ENVELOPE
from rsviz.teaching.chapters.limits import HUNT, WRONG
from rsviz.teaching.chapters.masks import BUDGET, MASK, ROOT
from rsviz.teaching.chapters.radius import SLIDE
from rsviz.teaching.chapters.training import PAIR, PUSH
from rsviz.teaching.chapters.votes import VOTES
from rsviz.teaching.scene import Chapter, Scene

# In reading order; a chapter that is put in between moves the numbers after it, not the slugs.
_CHAPTERS = (
    ("votes", "Noise turns a classifier into votes", (VOTES,)),
    ("bound", "From votes to a bound", (PRICE, PEEK)),
    ("radius", "Why the radius is sigma times PhiInv(p_A)", (SLIDE,)),
    ("levels", "One noise level is not enough", (ENVELOPE, CHOSEN)),
    ("cascade", "Which level settles a picture, and what could change its mind", (SETTLES,)),
    ("masks", "Masks and budgets", (BUDGET, MASK, ROOT)),
    ("training", "Training for the radius, and averaging", (PUSH, PAIR)),
    ("limits", "What a certificate does not say", (WRONG, HUNT)),
)
CHAPTERS = tuple(Chapter(number, *entry) for number, entry in enumerate(_CHAPTERS, start=1))

INTRODUCTION = """
Change a picture so slightly that nobody would notice, and a neural network may call it something
else. **Randomized smoothing** asks the network not once but about many noisy copies of the picture,
counts the answers as votes, and **proves** from them that no change smaller than a certain
radius can turn the result.
"""


def nearest_step(scene: Scene, name: str, value: float) -> float | int:
    """Return the step of a scene's control that is nearest to a value, as from a click."""
    options = next(c for c in scene.controls if c.key == name).options
    return min(options, key=lambda option: abs(option - value))


def chapter(slug: str | None) -> Chapter:
    """Return the chapter of that slug, or the first one if there is none."""
    return next((c for c in CHAPTERS if c.slug == slug), CHAPTERS[0])
