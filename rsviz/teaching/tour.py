"""A guest's way through the pages in about three minutes: seven stops, one sentence each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rsviz.core.spec import link_to


@dataclass(frozen=True)
class Stop:
    """One step: the page and its state in the address, and what to look at there."""

    page: str
    query: Mapping[str, str]
    look: str


STOPS = (
    Stop(
        "home",
        {},
        "**The picture and its noisy copies.** A network is asked about each copy; a blue frame "
        "means the common answer. Move the noise and see copies change sides.",
    ),
    Stop(
        "learn",
        {"chapter": "votes"},
        "**Noise into votes.** Click where the picture should lie, or move the sliders: thin "
        "spikes fool a network asked once, but win no vote among noisy copies.",
    ),
    Stop(
        "certify",
        link_to(image="shapes/test/3", checkpoint="shapes-gaussian-0.5", n=10_000),
        "**A certificate forms.** A first look is counted at once, Certify counts the rest: while "
        "votes come in, the proved share and with it the radius rise; each number shown holds at "
        "that moment.",
    ),
    Stop(
        "attack",
        link_to(image="shapes/test/3", checkpoint="shapes-gaussian-0.5"),
        "**The radius put to the test.** An attacker who knows the network tries: inside the "
        "radius no change alters the answer; beyond it, some do.",
    ),
    Stop(
        "levels",
        {},
        "**Noise for each picture.** Little noise keeps the picture legible, much noise reaches "
        "far: here networks choose.",
    ),
    Stop(
        "masks",
        {},
        "**Look where it matters.** A first look finds the object, a mask hides the rest, and a "
        "second look needs less noise.",
    ),
    Stop(
        "compare",
        {},
        "**Methods side by side.** Each curve says how many test pictures stay right at each "
        "distance; hover to compare all of them at one radius.",
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
