"""What Learn teaches, as data: the chapters with their scenes.

A scene is one idea: one picture to play with, three sentences, a formula, a question asked before
its answer, and a link into the live pages. Its picture is the function of the same key in
`rsviz.figures_learn.PICTURES`, called with the values of the scene's controls by name.
"""

from rsviz import toy
from rsviz.scenes.base import Chapter, Control, Link, Question, Scene
from rsviz.scenes.levels import CHOSEN, ENVELOPE
from rsviz.scenes.limits import HUNT, WRONG
from rsviz.scenes.masks import BUDGET, MASK, ROOT
from rsviz.scenes.training import PAIR, PUSH
from rsviz.scenes.worst_case import SLIDE

BRIGHTNESS = tuple(round(i / 40, 3) for i in range(41))
SHARES = (50, 52, 55, 60, 65, 70, 75, 80, 85, 90, 95, 98, 99, 99.9, 100)  # per cent
ALPHAS = (0.001, 0.01, 0.05, 0.1)

VOTES = Scene(
    key="votes",
    title="Ask many noisy copies instead of asking once",
    sentences=(
        "The images of this little world have two pixels, so each is a point in the square, and "
        "the classifier's two answers are two colours: a thin spike of the wrong one lies close "
        "to almost every point, and stepping into it is how a network gets fooled.",
        "Noise scatters copies of your point around it, each copy votes with the colour it lands "
        "on, and the answer most copies give is that of the **smoothed classifier**.",
        "Spikes are too thin to win a vote, so the smoothed boundary passes them by; and from the "
        "share of the votes alone follows a disc around your point that this boundary cannot "
        "enter.",
    ),
    controls=(
        Control("left", "Left pixel", BRIGHTNESS, 0.75, "{:.3g}"),
        Control("right", "Right pixel", BRIGHTNESS, 0.45, "{:.3g}"),
        Control("noise", "Noise, sigma", toy.SIGMAS, 0.08, "{:g}", "sigma"),
        Control("votes", "Votes, n", (100, 1_000, 10_000), 1_000, "{:d}", "n"),
    ),
    question=Question(
        "Suppose sigma doubles. What happens to the certified disc at this very point?",
        ("It grows", "It shrinks", "It stays the same"),
    ),
    link=Link(
        "certify",
        "The same on a real picture",
        {"image": "shapes/test/3", "sigma": "0.5"},
    ),
)

PRICE = Scene(
    key="price",
    title="A bound takes the place of the truth, and has its price",
    sentences=(
        "You never see the true probability $p_A$ of a vote, only $n$ votes, so a certificate "
        "stands on a lower bound: the $p_A$ so small that this many votes or more would come up "
        "with probability alpha only.",
        "More votes, or a larger alpha, lift the certified radius towards what perfect knowledge "
        "would give; but even if **all** $n$ votes agree, it ends at a ceiling.",
        "Where the bound is not above one half, the votes leave open whether the class has a "
        "majority at all, and the honest answer is to **abstain**.",
    ),
    controls=(
        Control("share", "Votes for the class, per cent", SHARES, 90, "{:g}", "p_A"),
        Control("n", "Votes, n", (100, 1_000, 10_000, 100_000), 1_000, "{:d}", "n"),
        Control("alpha", "Chance to be wrong, alpha", ALPHAS, 0.001, "{:g}", "alpha"),
    ),
    question=Question(
        "You take ten times as many votes, and again all agree. How far away is the ceiling now?",
        ("Ten times as far", "About three times as far", "Less than twice as far"),
    ),
    link=Link(
        "certify",
        "A real picture, 1,000 votes",
        {"image": "shapes/test/3", "sigma": "0.5", "n": "1000"},
    ),
)

PEEK = Scene(
    key="peek",
    title="Who looks early and often is wrong more often",
    sentences=(
        "Clopper-Pearson, the bound the field reports, keeps its promise when it is read **once**, "
        "at a number of votes fixed beforehand.",
        "Read again and again while votes come in, every look is another chance to be too high, "
        "and whoever stops at the most pleasing one has a certificate that is wrong far more "
        "often than alpha.",
        "An **anytime-valid** bound gives up a little radius and in return may be read after every "
        "single vote; it is what the live pages show while they count.",
    ),
    controls=(
        Control("p", "True $p_A$", (0.6, 0.7, 0.8, 0.9, 0.99), 0.8, "{:g}", "p_A"),
        Control("risk", "Chance to be wrong, alpha", ALPHAS[1:], 0.05, "{:g}", "alpha"),
        Control("again", "Repeat the experiment, seed", tuple(range(1, 21)), 1, "{:d}", "seed"),
    ),
    question=Question(
        "200 runs of 10,000 votes, both bounds read after every 100. In how many runs will "
        "Clopper-Pearson be too high at least once?",
        ("In alpha of them or fewer", "In up to twice as many", "In more than twice as many"),
    ),
    link=Link(
        "certify",
        "A bound that may be watched",
        {"image": "shapes/test/3", "sigma": "0.5", "bound": "anytime"},
    ),
)

# In reading order; a chapter that is put in between moves the numbers after it, not the slugs.
_CHAPTERS = (
    ("votes", "Noise turns a classifier into votes", (VOTES,)),
    ("bound", "From votes to a bound", (PRICE, PEEK)),
    ("radius", "Why the radius is sigma times PhiInv(p_A)", (SLIDE,)),
    ("levels", "One noise level is not enough", (ENVELOPE, CHOSEN)),
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
CARDS = {  # of Home: what one does on each page
    "certify": "Take a picture of your own or one from the gallery, and watch its certificate form "
    "vote by vote: the noisy copies, the count, the radius, and what each of them means.",
    "attack": "Let an attacker who knows the network try to change the answer: inside the radius "
    "it must fail, beyond it you see how far it gets.",
    "compare": "See how many test pictures keep a certified, correct answer at each distance, for "
    "the networks shipped here, published results and your own logs; or send one picture through "
    "all of them.",
    "levels": "Networks that choose the noise for each picture: what they choose, what it "
    "certifies, and what every fixed level would have.",
    "masks": "A network that looks twice and hides what does not matter: its masks, vote by vote, "
    "and the certificate they buy.",
    "learn": "Short chapters, each one picture to play with and a question to guess at first.",
}


def nearest_step(scene: Scene, name: str, value: float) -> float | int:
    """Return the step of a scene's control that is nearest to a value, as from a click."""
    options = next(c for c in scene.controls if c.key == name).options
    return min(options, key=lambda option: abs(option - value))


def chapter(slug: str | None) -> Chapter:
    """Return the chapter of that slug, the first when there is none such."""
    return next((c for c in CHAPTERS if c.slug == slug), CHAPTERS[0])
