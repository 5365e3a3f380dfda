"""Chapter 1: many noisy copies instead of one."""

from rsviz.core.spec import link_to
from rsviz.teaching.experiments import two_pixels
from rsviz.teaching.scene import Control, Link, Question, Scene

BRIGHTNESS = tuple(round(i / 40, 3) for i in range(41))

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
        Control("noise", "Noise, sigma", two_pixels.SIGMAS, 0.08, "{:g}", "sigma"),
        Control("votes", "Votes, n", (100, 1_000, 10_000), 1_000, "{:d}", "n"),
    ),
    question=Question(
        "Suppose sigma doubles. What happens to the certified disc at this very point?",
        ("It grows", "It shrinks", "It stays the same"),
    ),
    link=Link(
        "certify",
        "The same on a real picture",
        link_to(image="shapes/test/3", sigma=0.5),
    ),
)
