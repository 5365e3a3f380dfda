"""Chapter 5, masks and budgets: what several looks at one image give away together."""

from rsviz.core.spec import link_to
from rsviz.teaching.scene import Control, Link, Question, Scene

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)

BUDGET = Scene(
    key="budget",
    title="Two looks that cost as much as one",
    sentences=(
        "A noisy look reveals little: anyone who must say which of two images it shows either "
        "raises false alarms or misses some. The **trade-off curve** is the best that anyone can "
        "do.",
        "Looks at Gaussian noise **compose** like the sides of a right triangle: a look with share "
        "$f$ of the budget and one with share $1-f$ distinguish the images exactly as well as one "
        "look with the whole budget.",
        "So a second look, aimed by what the first one showed, costs nothing as long as the shares "
        "add up to one; the dots are both looks tried out on simulated noise.",
    ),
    controls=(
        Control("share", "Share f of query 1", SHARES, 0.5, "{:g}", "budget"),
        Control(
            "apart",
            "Distance of the two images, in sigma",
            (0.5, 1.0, 1.5, 2.0, 2.5, 3.0),
            1.5,
            "{:g}",
            "trade-off curve",
        ),
    ),
    question=Question(
        "Drag the share from one end to the other. What does the curve of both looks together do?",
        ("It moves away from the corner", "It comes closer to the corner", "It does not move"),
    ),
    link=Link("masks", "Two looks at a real canvas, and their budget", {}),
)

MASK = Scene(
    key="mask",
    title="A mask that keeps fewer pixels needs less noise",
    sentences=(
        "An attacker who may move **every** pixel by $r$ moves a masked image less, by a length "
        "in proportion to $\\lVert w\\rVert_2$, so the second look pays for its share with less "
        "noise the fewer pixels the mask keeps.",
        "What both looks show of a pixel is averaged, each weighted by how sure it is: inside the "
        "mask the noise falls, outside it only the first look is left, and that is noisier than "
        "one look with the whole budget.",
        "The mask here is given by hand; **adaptive randomized smoothing** lets a network draw it "
        "from the first look alone, and the certified Linf radius is the same for every mask.",
    ),
    controls=(
        Control("side", "Side of the square kept, in pixels", tuple(range(2, 17)), 6, "{:d}"),
        Control("share", "Share f of query 1", SHARES, 0.5, "{:g}", "budget"),
        Control("noise", "Noise of the whole budget, sigma", (0.25, 0.5, 1.0), 0.5, "{:g}"),
    ),
    question=Question(
        "Both looks together, inside the mask: how noisy is a pixel beside one look with sigma?",
        ("Less noisy", "Just as noisy", "Noisier"),
    ),
    link=Link("masks", "A mask that a network draws, vote by vote", {}),
)

ROOT = Scene(
    key="root",
    title="What the square root of d costs",
    sentences=(
        "Noise of the same sigma certifies the same **L2** length whatever the size of the image: "
        "it does not matter over how many values the length is spread.",
        "An attacker who may move each of the $d$ values by $r$ makes a change of length "
        "$r\\sqrt d$, so read in **Linf** that radius is divided by $\\sqrt d$, and the larger the "
        "image, the less is left of it.",
        "A mask on a large canvas wins part of this back. It does not change the division, but it "
        "lowers the noise on the pixels that matter, so more votes agree.",
    ),
    controls=(
        Control("side", "Side of the image, in pixels", (8, 16, 32, 64, 128, 256), 32, "{:d}"),
        Control("noise", "Noise, sigma", (0.25, 0.5, 1.0), 0.5, "{:g}", "sigma"),
        Control("p", "Proved share of the class", (0.6, 0.8, 0.9, 0.99, 0.999), 0.99, "{:g}"),
    ),
    question=Question(
        "The image gets twice as wide and twice as high, sigma and votes stay. The Linf radius ...",
        ("stays the same", "is halved", "is quartered"),
    ),
    link=Link(
        "certify",
        "A radius, and what it is in grey levels",
        link_to(image="shapes/test/3", sigma=0.5),
    ),
)
