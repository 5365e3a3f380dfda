"""What a certificate does not say: the last chapter."""

from rsviz.core.spec import link_to
from rsviz.teaching.scene import Control, Link, Question, Scene

WRONG = Scene(
    key="wrong",
    title="Certified is not correct",
    sentences=(
        "A certificate says that an answer **stays the same** nearby. It cannot know whether the "
        "answer is correct.",
        "It speaks of the **smoothed** classifier at one sigma, not of the network asked once: "
        "the one here was trained at sigma 0.5, and these are its stored votes on one picture, "
        "there and at four times the noise.",
        "It does not speak of the photograph the picture came from either: the radius is a length "
        "over the pixels of the small picture, 32 x 32 in three colours from 0 to 1. The ball is "
        "**open**, so a change of exactly $R$ is no longer covered.",
    ),
    controls=(Control("noise", "Noise, sigma", (0.5, 2.0), 0.5, "{:g}", "sigma"),),
    question=Question(
        "Four times the noise this network was trained with: what will its certificate say?",
        (
            "It abstains",
            "The right class, with a smaller radius",
            "A wrong class, with a larger radius",
        ),
    ),
    link=Link(
        "certify",
        "This picture, at too much noise",
        link_to(image="shapes/test/1990", checkpoint="shapes-gaussian-0.5", sigma=2.0),
    ),
)

HUNT = Scene(
    key="hunt",
    title="A hunted seed makes a certificate worthless",
    sentences=(
        "A certificate is wrong with probability at most alpha **over the noise drawn**, and "
        "nothing on it shows whether it is the unlucky one.",
        "That holds for a seed fixed **before** its votes are seen. Whoever tries $k$ seeds and "
        "keeps the largest radius keeps the one most likely to be wrong.",
        "Running the same seed again gives the same votes and reveals nothing. To check a "
        "certificate, repeat it with a seed of your own.",
    ),
    controls=(
        Control("p", "True p_A", (0.6, 0.7, 0.8, 0.9), 0.8, "{:g}", "p_A"),
        Control("risk", "Chance to be wrong, alpha", (0.001, 0.01, 0.05), 0.01, "{:g}", "alpha"),
        Control("seeds", "Seeds tried, k", (1, 2, 5, 10, 20, 50, 100), 20, "{:d}", "seed"),
        Control("again", "Repeat the experiment, seed", tuple(range(1, 21)), 1, "{:d}", "seed"),
    ),
    question=Question(
        "2,000 people try this many seeds each and keep their best. How many keep a wrong one?",
        (
            "No more than alpha allows",
            "More, but at most ten times as many",
            "More than ten times as many",
        ),
    ),
    link=Link(
        "certify",
        "Try another seed on a real picture",
        link_to(image="shapes/test/3", sigma=0.5, seed=1),
    ),
)
