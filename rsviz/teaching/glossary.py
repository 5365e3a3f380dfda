"""Words of the field, each in one or two plain sentences, and which of them a page explains."""

from collections.abc import Mapping

TERMS: Mapping[str, str] = {
    "base classifier": "The network itself, asked once. A tiny change of its input can flip it.",
    "smoothed classifier": "Answers with the class the base classifier gives most often when "
    "Gaussian noise is added to the input. It is what a certificate speaks of, not the network "
    "itself.",
    "sigma": "Standard deviation of the noise, in units where black is 0 and white is 1. More "
    "noise reaches farther, but costs accuracy.",
    "n0": "Votes that choose the class. They are not used again, so that the bound stays honest.",
    "n": "Fresh votes that bound how probable the chosen class is. More votes allow a larger "
    "radius, slowly.",
    "alpha": "Probability, over the draw of the noise, that a certificate is wrong. Chosen "
    "in advance; 0.001 is usual.",
    "p_A": "True probability that the base classifier gives the chosen class to a noisy copy. "
    "Nobody sees it; votes only estimate it.",
    "p_a_lower": "Lower bound on p_A: at or below it except with probability alpha. The radius is "
    "computed from this, not from the share of votes.",
    "radius": "R = sigma PhiInv(p_a_lower): no change of the image shorter than this can change "
    "the smoothed classifier's answer.",
    "PhiInv": "Turns a probability into a number of standard deviations of the bell curve: "
    "0.5 gives 0, 0.84 gives 1, 0.977 gives 2, 0.9987 gives 3.",
    "certificate": "The statement that within the radius the smoothed classifier's answer is "
    "constant, with everything needed to check it. It says nothing on whether the answer is "
    "correct.",
    "abstain": "The votes leave open whether the class has a majority, so no answer is given. "
    "This is an outcome of its own, not a radius of 0 and not a mistake.",
    "Clopper-Pearson": "The exact lower bound from k of n votes: the p at which k or more votes "
    "have probability alpha. It holds at a number of votes fixed in advance, read once.",
    "anytime-valid bound": "A lower bound that is right at every number of votes at once, except "
    "with probability alpha. One may watch it and stop whenever one likes.",
    "ceiling": "sigma PhiInv(alpha^(1/n)): the largest radius n votes can certify, reached when "
    "all of them agree.",
    "L2": "The length of a change: the square root of the sum of the squares over all pixels and "
    "colours, brightness from 0 to 1.",
    "Linf": "The largest change of any one pixel's colour value. An L2 radius R contains the Linf "
    "radius R / sqrt(d), for d values.",
    "certified accuracy": "Share of all test images that are classified correctly with a radius "
    "of at least r; abstentions count as not.",
    "ACR": "Average certified radius over all test images, counting 0 where the answer is wrong "
    "or withheld.",
    "seed": "Fixes the noise, so that a run can be repeated vote for vote. Trying seeds until the "
    "radius pleases makes the certificate worthless.",
    "heuristic": "A number without a proof. A radius read at a noise level that was chosen for "
    "this image alone is one.",
    "min rule": "If the noise level stays the same within R_s and the class at that level within "
    "R_c, the class stays the same within the smaller of the two.",
    "sweep": "The noise level may move among neighbouring levels, as long as each of them "
    "certifies the same class: the radius is the smallest of these certificates and of how far the "
    "level stays among them, for the levels where that is largest.",
    "median smoothing": "Takes the median of what a selector names on noisy copies. It bounds how "
    "far the noise level can move nearby; it does not by itself keep it the same.",
    "flag": "A short warning beside a certificate: what to know before quoting it.",
    "budget": "What several noisy looks at one image may give away together: as much as one look "
    "with noise sigma would. Each look spends a share of it.",
    "trade-off curve": "How many misses an observer must accept at each number of false alarms "
    "when telling two images apart from noisy looks. The nearer to guessing, the safer.",
    "mask": "A weight between 0 and 1 for each pixel: what the second look shows of it. Fewer "
    "pixels kept need less noise for the same promise.",
    "margin": "By how much the right class leads the next one. At a noisy copy it decides the "
    "vote; of the smoothed classifier it decides the radius.",
    "variance": "How much a number wavers from one noisy copy to the next: the mean squared "
    "distance from its average.",
    "covariance": "How much two networks waver together. If they err on different noise, it is "
    "small, and their average is steadier than either.",
    "ensemble": "Several networks whose answers are averaged, with fixed weights, before the vote.",
    "PREDICT": "Asks the smoothed classifier for its class by votes of its own, and abstains where "
    "they leave it open; wrong with probability alpha at most.",
    "checkpoint": "A trained network as a file, with a card that says how it was trained.",
}

# What each page explains at its foot; a page that is not named gets those of "".
PAGE_TERMS: Mapping[str, tuple[str, ...]] = {
    "": ("smoothed classifier", "sigma", "n", "alpha", "radius", "certificate", "abstain"),
    "home": ("smoothed classifier", "sigma", "radius", "certificate", "alpha", "abstain"),
    "certify": (
        "smoothed classifier",
        "checkpoint",
        "sigma",
        "n0",
        "n",
        "seed",
        "alpha",
        "p_a_lower",
        "radius",
        "abstain",
        "anytime-valid bound",
        "Clopper-Pearson",
        "flag",
    ),
    "compare": ("certified accuracy", "ACR", "L2", "Linf", "sigma", "n", "alpha", "ensemble"),
    "learn": ("base classifier", "smoothed classifier", "sigma", "p_A", "PhiInv", "radius"),
    "levels": (
        *("sigma", "sweep", "min rule", "median smoothing"),
        *("heuristic", "radius", "certificate"),
    ),
    "masks": ("mask", "budget", "trade-off curve", "sigma", "Linf", "radius", "certificate"),
    "story": ("smoothed classifier", "radius", "p_A", "sigma", "alpha", "seed", "certificate"),
    "attack": ("smoothed classifier", "radius", "PREDICT", "L2", "Linf", "alpha", "certificate"),
}


def help_text(term: str) -> str:
    """Return the sentence on a term, for a widget's help; KeyError if it has none."""
    return TERMS[term]


def anchor(term: str) -> str:
    """Return the name of a term in an address: lower case, words joined by '-'."""
    return term.lower().replace(" ", "-").replace("_", "-")


def on_page(page: str) -> tuple[str, ...]:
    """Return the terms that a page explains at its foot."""
    return PAGE_TERMS.get(page, PAGE_TERMS[""])
