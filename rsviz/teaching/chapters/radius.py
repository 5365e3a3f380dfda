"""Chapter 3, why the radius is sigma times PhiInv(p_A)."""

from rsviz.core.spec import link_to
from rsviz.teaching.scene import Control, Link, Question, Scene

SHIFTS = tuple(round(i / 20, 2) for i in range(51))

SLIDE = Scene(
    key="slide",
    title="The worst classifier is a straight cut",
    sentences=(
        "Moving the image by $\\delta$ slides its cloud of noisy copies along, and nothing is "
        "known of the network except that it gives the class to a share $p_A$ of the copies round "
        "the image itself.",
        "Among all such networks, **Neyman and Pearson's lemma** names the one that loses most. It "
        "spends its $p_A$ on the copies that the shift makes rarest, and for Gaussian noise these "
        "all lie on one side of a straight cut: a **half-space**.",
        "Even this worst network keeps more than half of the moved copies until the shift is "
        "$\\sigma\\,\\Phi^{-1}(p_A)$ long. No network can lose its majority sooner, so that length "
        "is the radius.",
    ),
    controls=(
        Control(
            "p",
            "Share of the class, p_A",
            (0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999),
            0.9,
            "{:g}",
            "p_A",
        ),
        Control("noise", "Noise, sigma", (0.25, 0.5, 0.75, 1.0), 0.5, "{:g}", "sigma"),
        Control("shift", "Shift of the image", SHIFTS, 0.8, "{:.2f}", "L2"),
    ),
    question=Question(
        "The image is moved by this shift. Does the class keep its majority?",
        (
            "Yes, whatever the network",
            "Some network loses it",
            "Every network loses it",
        ),
    ),
    link=Link(
        "certify",
        "The same formula on a real picture",
        link_to(image="shapes/test/3", sigma=0.5),
    ),
)
