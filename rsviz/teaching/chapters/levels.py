"""Chapter 4, one noise level is not enough, and why a level per image needs care."""

from rsviz.core.spec import link_to
from rsviz.teaching.scene import Control, Link, Question, Scene

PLACES = tuple(round(0.6 + i / 80, 4) for i in range(25))

ENVELOPE = Scene(
    key="envelope",
    title="No single noise level is best",
    sentences=(
        "Little noise keeps pictures recognizable but cannot reach far, and much noise reaches "
        "far but loses pictures: each curve here, measured on shipped networks, wins somewhere.",
        "The **envelope** takes the best level at every radius. It is not the curve of any one "
        "classifier: each of its stretches belongs to a different one.",
        "Knowing the best level of each picture would give a little more. That line needs the true "
        "label, so it shows what could be gained and certifies nothing.",
    ),
    controls=(
        Control(
            "radius",
            "Radius to certify, r",
            tuple(round(i / 10, 1) for i in range(27)),
            1.0,
            "{:.1f}",
            "certified accuracy",
        ),
    ),
    question=Question(
        "Which noise level certifies the most pictures at this radius?",
        ("sigma = 0.25", "sigma = 0.5", "sigma = 1"),
    ),
    link=Link(
        "compare",
        "These three curves, with their intervals",
        {
            "measured": (
                "shapes-gaussian-0.25, σ 0.25",
                "shapes-gaussian-0.5, σ 0.5",
                "shapes-gaussian-1.0, σ 1",
            )
        },
    ),
)

CHOSEN = Scene(
    key="chosen",
    title="A level chosen for each image is not a proof by itself",
    sentences=(
        "In the two-pixel world, a selector now chooses sigma by the brightness of the image, 0.04 "
        "in a middling range and 0.32 elsewhere, and the image is smoothed with the sigma it got.",
        "Claiming $\\sigma(x)\\,\\Phi^{-1}(p_A)$ as its radius is a **heuristic**: a neighbour may "
        "get another sigma and with it another answer. This is so whether the level was found by "
        "search or named by a network that looked at this image alone.",
        "**Dual randomized smoothing** makes it a **proof**: smooth the selector too, so that the "
        "level stays the same within $R_s$, and if the class is certified up to $R_c$ at that "
        "level, it holds within the smaller of the two.",
    ),
    controls=(
        Control("left", "Left pixel", PLACES, 0.725, "{:.4g}"),
        Control("right", "Right pixel", PLACES, 0.8, "{:.4g}"),
    ),
    question=Question(
        "The dashed ball is claimed from $p_A$ at this point's sigma. Does the answer stay the "
        "same in it?",
        ("Yes, everywhere", "No, not everywhere"),
    ),
    link=Link(
        "certify",
        "One sigma for all: a proof",
        link_to(image="shapes/test/3", sigma=0.5),
    ),
)
