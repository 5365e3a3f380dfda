"""What a method is: its votes, its reading, its loss, its guarantee.

Everything that differs between methods is a field here, so no page or command asks for one by name.

Shape suffixes: N images, M noise draws, R = M N rows, C channels, H height, W width, K classes, L
noise levels.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from rsviz.core import reading
from rsviz.core.errors import UserError
from rsviz.core.late import torch
from rsviz.core.records import read_record
from rsviz.core.smoothed_median import quantile_index
from rsviz.core.spec import Certificate, Norm, RunSpec, Votes
from rsviz.smoothing.estimates import noisy_logits
from rsviz.smoothing.voters import Ask, MethodRun, Voter

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")
Nets = Mapping[str, "nn.Module"]
Certify = Callable[["Tensor", Nets, RunSpec], MethodRun]
Predict = Callable[["Tensor", Nets, RunSpec], Generator[Ask, Votes, int | None]]
Loss = Callable[["nn.Module", "Tensor", "Tensor", "Tensor", "torch.Generator", int], "Tensor"]
Weigh = Callable[..., "Tensor"]


@dataclass(frozen=True, eq=False)
class Aim:
    """What an attack follows: logits_MNK of x_NCHW under noise_RCHW, and the answer to leave.

    ``nets`` are held in eval mode meanwhile, their weights left alone.
    """

    logits_of: Callable[[Tensor, Tensor], Tensor]
    nets: tuple[nn.Module, ...]
    answer: int


Aims = Callable[[Nets, RunSpec, Certificate], Aim]


@dataclass(frozen=True)
class Claim:
    """What a certificate says of one stage: the answers ``among`` have at least this probability.

    ``name`` is what it calls the bound, ``of`` what is bounded.
    """

    stage: str
    among: tuple[int, ...]
    lower: float
    name: str
    of: str


@dataclass(frozen=True)
class Range:
    """The numbers a slider offers."""

    low: float
    high: float
    step: float


@dataclass(frozen=True)
class Control:
    """A setting of a run that the pages offer as a control.

    ``setting`` is a field of the method's options, which hold its default; ``offered`` are its
    values, ``words`` how those that are words are shown. ``key`` is its name in an address, that of
    the setting if empty.
    """

    setting: str
    label: str
    offered: Range | Sequence[float] | Sequence[str]
    words: Mapping[str, str] = field(default_factory=dict)
    help: str = ""
    key: str = ""


@dataclass(frozen=True)
class Choice:
    """Who votes for the level of an image, at which noise, and among which levels.

    The level is the ``quantile`` of the votes, or, where that is None, the one with most of them.
    """

    voter: Voter
    noise: float
    level_L: tuple[float, ...]
    quantile: float | None

    def index(self, counts_L: Sequence[int]) -> int:
        """Return the level these votes choose."""
        if self.quantile is None:
            return int(np.argmax(counts_L))
        return quantile_index(counts_L, self.quantile)


class LevelDetail(Protocol):
    """What the detail of a certificate says of its level, finished or not."""

    @property
    def levels(self) -> Sequence[float]:
        """The levels, rising."""

    @property
    def level(self) -> float | None:
        """The level chosen, None before there is one."""

    @property
    def why(self) -> str:
        """One sentence on what decides."""

    @property
    def votes_L(self) -> list[int]:
        """The votes for the levels so far."""

    @property
    def possible(self) -> Sequence[float]:
        """The least and the greatest level that may be the one chosen; empty if not known."""

    @property
    def in_words(self) -> str:
        """What the votes say of the level, in Markdown; empty where the picture says it."""

    @property
    def parts(self) -> Sequence[tuple[str, float]]:
        """The radii that the certificate's is the least of, each with its name."""


@dataclass(frozen=True)
class LevelChoice:
    """How a method chooses the noise level of an image, for what shows, attacks and counts it.

    ``stored`` gives the counts of each stage of a log's row, from its detail and its counts0 and
    counts; in the stages ``choosing`` the level is voted for, in all others the class. ``needed``
    are those of some votes that a run would have asked for. ``rereads`` are the settings that do
    not change a vote, only how votes are read.

    ``choice`` says who votes for the level, ``aim`` what an attack on that vote follows. Both are
    None where votes for the class settle the level: then ``settle`` returns it, as an index of the
    rising levels, from counts_LK of equally many votes at every level of ``levels``.

    ``experts``: every level has a classifier of its own. ``limit`` is a sentence on what bounds the
    radius of a run, whatever its votes.
    """

    detail: Callable[[Certificate], LevelDetail]
    levels: Callable[[RunSpec], tuple[float, ...]]
    stored: Callable[[Mapping[str, Any], Sequence[int], Sequence[int]], Mapping[str, Sequence[int]]]
    choosing: tuple[str, ...] = ()
    rereads: tuple[str, ...] = ()
    choice: Callable[[Nets, RunSpec], Choice] | None = None
    aim: Aims | None = None
    settle: Callable[[Sequence[Sequence[int]], RunSpec], int] | None = None
    needed: Callable[[Mapping[str, Votes], RunSpec], Mapping[str, Votes]] = lambda votes, spec: (
        votes
    )
    experts: bool = False
    limit: Callable[[RunSpec], str] = lambda spec: ""


def network(nets: Nets, name: str) -> nn.Module:
    """Return one network by name; a missing one is refused in words."""
    if name not in nets:
        raise UserError(f"This method needs a network named {name!r}; give it one.")
    return nets[name]


def aim_at(net: Callable[[Tensor], Tensor], sigma: float, answer: int) -> Aim:
    """Return the aim at one network, or what is read from one, seen through noise of one level."""

    def logits_of(x_NCHW: Tensor, noise_RCHW: Tensor) -> Tensor:
        sigma_N111 = torch.full((1, 1, 1, 1), sigma, device=x_NCHW.device)
        return noisy_logits(net, x_NCHW, sigma_N111, noise_RCHW)

    return Aim(logits_of, (net,) if isinstance(net, torch.nn.Module) else (), answer)


def aim_at_class(nets: Nets, spec: RunSpec, c: Certificate) -> Aim:
    """Return the aim at the classifier, at the run's noise."""
    assert c.predicted is not None
    return aim_at(
        network(nets, "classifier"), spec.noise if c.sigma is None else c.sigma, c.predicted
    )


def claim_of_class(c: Certificate) -> list[Claim]:
    """Return what a certificate read from one count rests on."""
    if c.predicted is None:
        return []
    claims = [Claim("bound", (c.predicted,), c.p_a_lower, "p_a_lower", "p_A")]
    if "p_b_upper" in c.detail and len(c.counts) > 1:  # in the two-class form
        others = [i for i in range(len(c.counts)) if i != c.predicted]
        second = max(others, key=c.counts.__getitem__)
        rest = tuple(i for i in range(len(c.counts)) if i != second)
        claims.append(Claim("bound", rest, 1 - c.detail["p_b_upper"], "1 - p_b_upper", "1 - p_B"))
    return claims


def detail_as(kind: type[T], c: Certificate) -> T:
    """Return the detail of a certificate as the dataclass its method exports.

    Raises
    ------
    UserError
        The certificate does not hold such a detail.
    """
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    own = {name: value for name, value in c.detail.items() if name in known}
    return read_record(own, kind, "This certificate's detail is not that of its method")


@dataclass(frozen=True)
class Method:
    """What a page, the command line, training and evaluation need of a method.

    ``certify`` is the generator that asks for votes, ``read`` turns any votes into a certificate,
    ``loss`` trains; ``guarantee`` is the exact statement proved, ``source`` the paper. ``presets``
    are the settings of a loss that has any, by sigma: it takes them as its keyword ``settings``. An
    ensemble has no loss: its members are trained, each by its own method. ``weigh`` gives the
    weights by which an epoch draws its images (`sun.weigh`), None where it takes each once.

    ``options`` is the dataclass that ``spec.settings`` fill, None where a run has none, and
    ``controls`` those of them that the pages offer; ``planned`` is how many votes a run will count
    at least. ``logged`` names what of a certificate's detail a log keeps.

    ``predict`` is PREDICT, None where it is that of one count; ``aim`` what an attack on the class
    follows; ``claims`` all that a certificate rests on, as lower bounds of probabilities.

    ``chooses_sigma``: the noise is chosen for each image, and a run's sigma is not used; ``levels``
    says how, where votes choose among levels. ``heuristic`` reads a finished certificate as the
    paper would, without proof, None where nothing is read so.

    ``needs`` names parts of a card without which there is no run.

    ``page`` shows the method live; there it is called ``short``, and ``about`` says how it works.
    ``on_canvases``: it is made for small objects on canvases; ``rivals`` names what its networks
    are measured beside there. ``plain``: plain smoothing and training, which others are held
    against.
    """

    title: str
    source: str
    certify: Certify
    read: Callable[..., Certificate]
    loss: Loss | None
    guarantee: str
    presets: Mapping[float, Any] = field(default_factory=dict)
    weigh: Weigh | None = None
    options: type | None = None
    controls: tuple[Control, ...] = ()
    norm: Norm = Norm.L2
    planned: Callable[[RunSpec], int] = lambda spec: spec.n0 + spec.n
    logged: tuple[str, ...] = ()
    predict: Predict | None = None
    aim: Aims = aim_at_class
    claims: Callable[[Certificate], list[Claim]] = claim_of_class
    chooses_sigma: bool = False
    levels: LevelChoice | None = None
    needs: tuple[str, ...] = ()
    heuristic: Callable[[Certificate, RunSpec], Certificate | None] | None = None
    page: str = "certify"
    short: str = ""
    about: str = ""
    on_canvases: bool = False
    rivals: tuple[str, ...] = ()
    plain: bool = False

    @property
    def label(self) -> str:
        """Its name beside others on its page."""
        return self.short or self.title

    def predict_run(
        self, x_CHW: Tensor, nets: Nets, spec: RunSpec
    ) -> Generator[Ask, Votes, int | None]:
        """Return the run of PREDICT: the class of one image by n votes, or None to abstain.

        The smoothed classifier's class is another one with probability at most alpha.
        """
        if self.predict is not None:
            return self.predict(x_CHW, nets, spec)
        return _predict_by_one_count(next(self.certify(x_CHW, nets, spec)), spec)


def _predict_by_one_count(ask: Ask, spec: RunSpec) -> Generator[Ask, Votes, int | None]:
    votes = yield replace(ask, stage="predict", n=spec.n)
    return reading.predict(votes.counts_K, spec.alpha)
