"""Chapter 2: a bound takes the place of the truth."""

from rsviz.core.spec import Bound, link_to
from rsviz.teaching.scene import Control, Link, Question, Scene

SHARES = (50, 52, 55, 60, 65, 70, 75, 80, 85, 90, 95, 98, 99, 99.9, 100)  # per cent
ALPHAS = (0.001, 0.01, 0.05, 0.1)

PRICE = Scene(
    key="price",
    title="A bound takes the place of the truth, and has its price",
    sentences=(
        "You never see the true probability $p_A$ of a vote, only $n$ votes. So a certificate uses "
        "a lower bound: the $p_A$ so small that this many votes or more would come up with "
        "probability alpha only.",
        "More votes, or a larger alpha, lift the certified radius towards what perfect knowledge "
        "of $p_A$ would give. Even if **all** $n$ votes agree, it cannot exceed a ceiling.",
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
        link_to(image="shapes/test/3", sigma=0.5, n=1000),
    ),
)

PEEK = Scene(
    key="peek",
    title="Looking early and often makes errors more likely",
    sentences=(
        "Clopper-Pearson, the bound the field reports, keeps its promise when it is read **once**, "
        "at a number of votes fixed in advance.",
        "If it is read again and again while votes come in, every look is another chance to be too "
        "high. Stopping at the best look gives a certificate that is wrong far more often than "
        "alpha.",
        "An **anytime-valid** bound gives up a little radius and in return may be read after every "
        "vote. The live pages show it while they count.",
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
        link_to(image="shapes/test/3", sigma=0.5, bound=Bound.ANYTIME),
    ),
)
