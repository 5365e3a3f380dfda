"""The nouns of rsviz: what a run is, what it counted, what may be said of it (no torch here)."""

import dataclasses
import json
import re
import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from rsviz.core.errors import UserError
from rsviz.core.records import Count, Distance, Noise, Share, read_record, with_check, without_check

N_MAX = 10_000_000
SIGMA_MAX = 10.0
RADIUS_MAX = 100.0
NAMELESS = "sha256:"  # start of the name of a picture that is known by its hash alone


class Norm(StrEnum):
    """The norm a radius is measured in, on pixels in [0, 1]."""

    L2 = "L2"
    LINF = "Linf"


class Bound(StrEnum):
    """How p_a_lower is read from the votes.

    CLOPPER_PEARSON holds at the planned n only; ANYTIME holds whenever one looks; SPLIT spends
    .2 alpha on the anytime bound at any time and .8 alpha on Clopper-Pearson at the planned n;
    LOOKS is exact at every hundred votes up to the planned n, and slow to compute.
    """

    CLOPPER_PEARSON = "clopper-pearson"
    ANYTIME = "anytime"
    SPLIT = "split"
    LOOKS = "looks"


def _number(text: str) -> float:
    """Read a number of a link: ASCII digits only, no infinity, no spaces."""
    if not re.fullmatch(r"[0-9eE.+-]{1,40}", text):
        raise ValueError(text)
    return float(text)


def _whole(text: str) -> int:
    """Read a whole number of a link: ASCII digits only."""
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text):
        raise ValueError(text)
    return int(text)


QUERY: Mapping[str, Callable[[str], Any]] = {  # the fields of a run that an address can hold
    "image": str,
    "checkpoint": str,
    "sigma": _number,
    "n0": _whole,
    "n": _whole,
    "alpha": _number,
    "bound": Bound,
    "seed": _whole,
}
KINDS: Mapping[Any, str] = {
    _number: "a number",
    _whole: "a whole number",
    Bound: f"one of {', '.join(Bound)}",
}


def _short(value: object) -> str:
    """Return a value as a sentence shows it, however long it is."""
    return reprlib.repr(value)


def _check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside the open interval (low, high), in words."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and low < value < high):
        raise UserError(f"{name} must lie between {low:g} and {high:g}, but is {_short(value)}.")


def _check_count(name: str, value: int, low: int, high: int) -> None:
    """Refuse a whole number outside [low, high], in words."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UserError(
            f"{name} must be a whole number from {low} to {high:,}, but is {_short(value)}."
        )


@dataclass(frozen=True)
class RunSpec:
    """Everything needed to repeat one certification.

    Attributes
    ----------
    image : its name: ``shapes/test/3``, ``cifar10/test/17``, or ``sha256:...`` of an upload
        (`images.image_id`). The noise depends on the hash of the tensor, not on the name.
    checkpoint, checkpoint_sha256 : name and hash of the weights.
    sigma : standard deviation of the noise, in [0, 1] pixel units; None where the method chooses it
        for each image.
    n0, n : votes that choose the class, and fresh votes that bound its probability.
    alpha : probability, over the noise, that the certificate is wrong.
    bound : how p_a_lower is read (`Bound`).
    seed : of all noise.
    settings : what one method needs beyond these, as sorted (name, value) pairs.
    flags : what is known of the image before any vote, names of `flags.FLAGS`.
    normalisation : what is done to pixels in front of a network whose owner stated it, else empty.
    until_radius : votes end as soon as it is settled whether this radius, in the method's norm, is
        certified (`core.decision`); n is the cap, and the bound is that question's own.
    precision : votes end as soon as the radius is within this share of what infinitely many votes
        would certify; n is the cap, and the bound one that may be read at any time.

    Raises
    ------
    UserError
        A number is out of range; the sentence names it and the range.
    """

    image: str
    checkpoint: str
    sigma: float | None
    method: str = "gaussian"
    checkpoint_sha256: str = ""
    n0: int = 100
    n: int = 10_000
    alpha: float = 0.001
    bound: Bound = Bound.CLOPPER_PEARSON
    seed: int = 0
    settings: tuple[tuple[str, float | int | str], ...] = ()
    flags: tuple[str, ...] = ()
    normalisation: str = ""
    until_radius: float | None = None
    precision: float | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None:
            _check_number("sigma", self.sigma, 0.0, SIGMA_MAX)
        _check_number("alpha", self.alpha, 0.0, 0.5)
        _check_count("n0", self.n0, 1, N_MAX)
        _check_count("n", self.n, 1, N_MAX)
        _check_count("seed", self.seed, 0, 2**31 - 1)
        object.__setattr__(self, "flags", tuple(self.flags))
        try:
            object.__setattr__(self, "bound", Bound(self.bound))
        except ValueError:
            choices = ", ".join(Bound)
            raise UserError(
                f"bound must be one of {choices}, but is {_short(self.bound)}."
            ) from None
        self._check_stopping()

    def _check_stopping(self) -> None:
        """Refuse a rule to stop by that no bound allows."""
        if self.until_radius is not None and self.precision is not None:
            raise UserError("Ask for a radius or for a precision, not for both.")
        if self.until_radius is not None:
            if self.until_radius != 0:
                _check_number("The radius asked for", self.until_radius, 0.0, RADIUS_MAX)
            object.__setattr__(self, "bound", Bound.ANYTIME)  # it holds whenever votes end
        if self.precision is not None:
            _check_number("precision", self.precision, 0.0, 1.0)
            if self.bound not in (Bound.ANYTIME, Bound.SPLIT):
                raise UserError(
                    "Votes that end at a precision have no planned number, so the "
                    f"{self.bound} bound does not hold for them; choose anytime or split."
                )

    @property
    def noise(self) -> float:
        """Sigma, of a run that has one; UserError where the method chooses it for each image."""
        if self.sigma is None:
            raise UserError("This run states no noise level; give it a sigma.")
        return self.sigma

    def to_query(self, names: Collection[str] = QUERY) -> dict[str, str]:
        """Return this run as the query of a page's address; `from_query` is its inverse.

        It holds the requested names of `QUERY`. What follows from picture and checkpoint (method,
        hash, settings of the card, flags) is left out. So are a sigma that the method chooses, and
        a picture without a name, which no link can hold.
        """
        stated = {name: getattr(self, name) for name in QUERY if name in names}
        said = {name: str(value) for name, value in stated.items() if value is not None}
        if "image" in said and self.image.startswith(NAMELESS):
            del said["image"]
        return said

    def from_query(self, query: Mapping[str, str]) -> "RunSpec":
        """Return this run with what an address changes; names that are not of a run are ignored.

        Raises
        ------
        UserError
            A value is not of its kind, or out of range; the sentence names it.
        """
        given: dict[str, Any] = {}
        for name in (name for name in QUERY if name in query):
            kind = QUERY[name]
            try:
                given[name] = kind(query[name])
            except ValueError:
                raise UserError(
                    f"{name} must be {KINDS[kind]}, but is {_short(query[name])}."
                ) from None
        return dataclasses.replace(self, **given)


def link_to(**stated: Any) -> dict[str, str]:
    """Return the query of a link that states only these fields of a run; see `RunSpec.to_query`.

    Raises
    ------
    UserError
        A value is out of range.
    """
    return dataclasses.replace(RunSpec("", "", None), **stated).to_query(stated)


Ending = Literal["running", "complete", "settled", "stopped", "extended"]


@dataclass(frozen=True)
class Votes:
    """The votes of one stage, and how their count came to an end.

    ``complete`` is exactly the planned number; ``running`` and ``stopped`` are fewer, ``extended``
    more, because someone looked, ``settled`` fewer by a rule stated in advance. For all but
    ``complete``, only an anytime bound may be read.
    """

    stage: str
    counts_K: tuple[int, ...]
    planned: int
    ended: Ending = "running"

    @property
    def total(self) -> int:
        """Votes counted so far."""
        return sum(self.counts_K)

    @property
    def top(self) -> int:
        """The class with most votes, the lowest index among equals."""
        return self.counts_K.index(max(self.counts_K))


@dataclass(frozen=True)
class Tries:
    """How many statements were made of one picture, and what a claim chosen among them is worth.

    ``alpha`` bounds the probability that any of them is wrong, and ``changed`` names what differs
    between them; see `core.tries`.
    """

    runs: Count
    alpha: Share
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """What is certified of one image, with everything needed to check it.

    ``predicted`` is the class chosen on the n0 votes (None before there is one); when
    ``abstained`` is true nothing is certified for it and ``radius`` is 0.0. ``n`` is the planned
    number of votes, ``sum(counts)`` the number behind this reading. ``alpha_split`` says how alpha
    was shared among events, ``path`` on which arithmetic the votes were counted. ``settings`` are
    the run's, ``stages`` the counts of what a method votes on beside the class. With
    ``until_radius`` it answers that question alone, and ``detail["answer"]`` says how.
    ``normalisation`` is what was taken to be done to pixels in front of a network from a foreign
    file, else empty. ``tries`` is known where a session keeps its runs of a picture.
    """

    predicted: Count | None
    abstained: bool
    norm: Norm
    radius: Distance
    sigma: Noise | None
    counts: tuple[Count, ...]
    n0: int
    n: int
    alpha: float
    p_a_lower: Share
    seed: int
    method: str
    checkpoint: str
    guarantee: str
    counts0: tuple[Count, ...] = ()
    bound: Bound = Bound.CLOPPER_PEARSON
    ended: Ending = "complete"
    alpha_split: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    image: str = ""
    image_sha256: str = ""
    checkpoint_sha256: str = ""
    device: str = ""
    dtype: str = ""
    path: str = ""
    seconds: float = 0.0
    detail: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, float | int | str] = field(default_factory=dict)
    stages: Mapping[str, Sequence[Count]] = field(default_factory=dict)
    normalisation: str = ""
    until_radius: float | None = None
    precision: float | None = None
    tries: Tries | None = None

    def to_json(self) -> str:
        """Serialise to JSON; `from_json` is its inverse."""
        return json.dumps(with_check(dataclasses.asdict(self)), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Certificate":
        """Read a certificate back; raises UserError when the text is not one."""
        what = "This file is not an rsviz certificate"
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{what}: {error}.") from None
        except RecursionError:
            raise UserError(f"{what}: it is nested too deeply.") from None
        except ValueError:
            raise UserError(f"{what}: a number in it has too many digits.") from None
        return read_record(
            without_check(data, "This certificate is not as rsviz wrote it"), cls, what
        )
