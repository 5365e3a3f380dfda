"""Chapter 6, training for the radius, and averaging networks."""

from rsviz.teaching.scene import Control, Link, Question, Scene

PUSH = Scene(
    key="push",
    title="Four ways to push a boundary away",
    sentences=(
        "A point's radius is the **margin** of the smoothed network there, in length: training "
        "with noise makes the base network right on noisy copies, and so moves the smoothed "
        "boundary off the points.",
        "**SmoothAdv** trains at the worst point that an attack finds nearby. **MACER** also "
        "maximises the radius itself wherever the answer is already right. **AdvMacer** does what "
        "MACER does, at SmoothAdv's points.",
        "All four are trained here while you look, with the losses that train the real networks, "
        "on 120 images of two pixels, and the radii are those that infinitely many votes would "
        "give.",
    ),
    controls=(
        Control(
            "method",
            "Trained by",
            (1, 2, 3),
            2,
            term="margin",
            names=("SmoothAdv", "MACER", "AdvMacer"),
        ),
        Control("noise", "Noise, sigma", (0.08, 0.12, 0.2), 0.12, "{:g}", "sigma"),
    ),
    question=Question(
        "Beside training with noise alone, what does this do to the average radius of the points?",
        ("It grows", "It shrinks", "It changes by less than one per cent"),
    ),
    link=Link("compare", "What the methods reach on real pictures", {"view": "Claims"}),
)

PAIR = Scene(
    key="pair",
    title="An average varies less than its parts",
    sentences=(
        "Whether a noisy copy gets the class depends on the margin the network gives it; its mean "
        "$e$ and variance bound the share of votes from below, $p_A \\ge 1 - \\mathrm{Var}/e^2$, "
        "so a margin that wavers less is worth more votes.",
        "Mix two networks with weights $w$ and $1-w$, and the variance is a parabola in $w$ made "
        "of their variances $b$, $d$ and their covariance $c$: the less they err **together**, "
        "the deeper it sags.",
        "Its lowest point is $(d-c)/(b+d-2c)$; the paper that introduced these weights prints it "
        "with the sign of $c$ turned round, which goes wrong unless $b = d$ or $c = 0$.",
    ),
    controls=(
        Control("b", "Variance of network 1, b", (0.5, 1.0, 1.5, 2.0), 1.0, "{:g}", "variance"),
        Control("d", "Variance of network 2, d", (0.5, 1.0, 1.5, 2.0), 2.0, "{:g}", "variance"),
        Control(
            "together",
            "How much they err together, correlation",
            (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 0.95),
            0.5,
            "{:g}",
            "covariance",
        ),
    ),
    question=Question(
        "Is there a mix of both that wavers less than the steadier network alone?",
        ("Yes", "No"),
    ),
    link=Link("compare", "Weigh real networks, and see their margins", {"view": "Ensembles"}),
)
