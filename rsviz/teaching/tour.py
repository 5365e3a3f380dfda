"""A guest's way through the pages in about three minutes: eight stops, each with one act."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rsviz.core.spec import link_to


@dataclass(frozen=True)
class Stop:
    """One step: the page and its state in the address, what to look at, and what to do there.

    Attributes
    ----------
    act : what the guest does, in words, as a button says it.
    control : the control that it needs, as a CSS selector.
    text : how what stands on the control begins, where several fit the selector.
    done : a regular expression that the page's text matches once it is done; empty: at once.
    """

    page: str
    query: Mapping[str, str]
    look: str
    act: str
    control: str
    text: str = ""
    done: str = ""


RUN = ".st-key-certify button"  # the button of a stage, while nothing runs
PICTURE = link_to(image="shapes/test/3", checkpoint="shapes-gaussian-0.5", n=2_000)
STOPS = (
    Stop(
        "home",
        {},
        "**The picture and its noisy copies.** A network is asked about each copy; a blue frame "
        "means the common answer. Another picture, and copies change sides.",
        "Take the arrow",
        ".st-key-picture button",
        "arrow",
        "R = |Too few copies",
    ),
    Stop(
        "learn",
        {"chapter": "votes"},
        "**Noise into votes.** Thin spikes fool a network asked once, but win no vote among noisy "
        "copies. Guess before you are told.",
        "Make a guess",
        ".st-key-votes_guess [role=radiogroup] label",
        done=r"Yes\.|Here:",
    ),
    Stop(
        "certify",
        PICTURE,
        "**A certificate forms.** While votes come in, the proved share and with it the radius "
        "rise; each number shown holds at that moment.",
        "Count all votes",
        RUN,
        done="live, complete",
    ),
    Stop(
        "attack",
        PICTURE | {"n": "1000"},
        "**The radius put to the test.** Inside the radius no change alters the answer; beyond "
        "it, some do. Each dot is an attack.",
        "Attack at every length",
        RUN,
        done="How the votes give way|Again",
    ),
    Stop(
        "levels",
        {},
        "**Noise for each picture.** Little noise keeps a picture legible, much noise reaches far: "
        "here networks choose.",
        "Take a faint picture",
        '[class*="st-key-preset"] button',
        "Faint",
    ),
    Stop(
        "masks",
        {},
        "**Look where it matters.** A first look finds the object, a mask hides the rest, and a "
        "second look needs less noise.",
        "Count again",
        RUN,
        done="Again",
    ),
    Stop(
        "compare",
        {},
        "**Methods side by side.** Each curve says how many test pictures stay right at each "
        "distance. Beside them: what papers claim, and what the logs here say.",
        "See the claims",
        ".st-key-view button",
        "Claims",
        "How it is judged",
    ),
    Stop(
        "story",
        {},
        "**All of it on one page.** What you found of a picture is gathered here, and goes along "
        "as one file. The link below opens your certificate anywhere, and counts it again.",
        "Go to your results",
        "[data-testid=stMain] h1",
    ),
)


def stops(pages: Collection[str]) -> tuple[Stop, ...]:
    """Return the stops whose pages there are."""
    return tuple(stop for stop in STOPS if stop.page in pages)


def step_of(given: str | None, count: int) -> int | None:
    """Return the step, from 1, that an address asks for; None where it asks for none of them."""
    if given is None or not given.isdecimal() or len(given) > 3:
        return None
    step = int(given)
    return step if 1 <= step <= count else None
