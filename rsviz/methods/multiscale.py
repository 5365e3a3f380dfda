"""Multiscale smoothing: levels tried from the most noise down; the first that is sure answers.

The cascade of Jeong and Shin 2023 (arXiv 2310.16779), with a certificate of rsviz's own. Levels
s_1 > s_2 > .. > s_L, thresholds tau_j in [1/2, 1), one classifier or an expert for each level; p_c
is the probability of class c under the noise of a level. G(x) is the class with p_c > tau_1 at
level 1 if there is one, else that with p_c > tau_2 at level 2, and so on; the last level answers
with its most probable class, so that tau_L = 1/2. No training is needed.

The certificate, for a class A and a level m. A change of length d moves PhiInv(p_c) at level j by
at most d / s_j (Cohen et al. 2019). So closer than

    R = min(a_m, b_1, .., b_{m-1}),  a_m = s_m (PhiInv(p_A at m) - PhiInv(tau_m)),
                                     b_j = s_j (PhiInv(tau_j) - PhiInv(p_B at j)),

B the most probable class other than A at level j, no class but A can answer at a level above m (if
A does, the answer is A), and A answers at m at the latest: G stays A. m need not be the level that
answers at x; every m gives a radius, and the largest is wanted.

With votes, p_A is replaced by a lower bound, p_B by an upper bound for the most-voted class other
than A. **No alpha is shared among levels, however many there are.** A and m are chosen on the n0
votes; the bounds are read from n fresh votes, each at the full alpha. Given A and m, the true R is
the least of m fixed numbers; call the least one, in truth, number i. A claim above R needs a bound
for number i that is wrong: one fixed event, of probability at most alpha. (Classes share nothing
either: if B is the most probable other class in truth, the most-voted one's bound is at least its.)
With ``split = levels`` m is picked on the bounding votes instead: the L radii have such an event
each, so each bound is read at alpha / L. Nothing here needs levels to be independent, so they share
their noise: the votes at a level are the very votes that plain RS counts there.

Shape suffixes: C channels, H height, W width, K classes, L levels, from the most noise down.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rsviz.core import reading
from rsviz.core.bounds import clopper_pearson_lower, lower, upper
from rsviz.core.cascade import Limit, distances, limit
from rsviz.core.errors import UserError
from rsviz.core.flags import PARTIAL
from rsviz.core.late import torch
from rsviz.core.radius import down
from rsviz.core.settings import options_of
from rsviz.core.spec import Bound, Certificate, Ending, RunSpec, Votes
from rsviz.methods import base
from rsviz.methods import noise_levels as levels
from rsviz.networks.inspection import class_count
from rsviz.smoothing.voters import Ask, MethodRun, NoisyClassifier

if TYPE_CHECKING:
    from torch import Tensor, nn

GUARANTEE = (
    "With probability at least 1 - alpha over the noise drawn here, the multiscale classifier "
    "(levels from the most noise down, each with infinitely many votes; the first at which a class "
    "exceeds its threshold answers) predicts this class for every image closer than the radius in "
    "L2."
)


@dataclass(frozen=True)
class Options:
    """Settings of a run.

    ``levels`` rise, and ``thresholds`` belong to them one by one, the first of them, of the least
    noise, always 1/2; none given means 1/2 for all. ``split``: see the head of this file. ``ask``
    is ``needed``, or ``every`` to give all levels all their votes, so that a log can be read again
    at other thresholds; the certificate is the same.
    """

    levels: str = "0.25,0.5,1"
    thresholds: str = ""
    split: str = "none"
    ask: str = "needed"

    def __post_init__(self) -> None:
        tau_L = self.tau_L
        right = len(tau_L) == len(self.s_L) and all(0.5 <= tau < 1 for tau in tau_L)
        if not right or tau_L[-1] != 0.5:
            raise UserError(
                "thresholds must be a number from 0.5 to below 1 for each level, the first one "
                f"0.5, but is {self.thresholds!r}."
            )
        for name, choices in (("split", ("none", "levels")), ("ask", ("needed", "every"))):
            if (value := getattr(self, name)) not in choices:
                raise UserError(f"{name} must be {' or '.join(choices)}, but is {value!r}.")

    @property
    def s_L(self) -> tuple[float, ...]:
        """The noise levels, falling."""
        return levels.parse(self.levels, least=1)[::-1]

    @property
    def tau_L(self) -> tuple[float, ...]:
        """The thresholds, in the order of ``s_L``; empty where they are no numbers."""
        if not self.thresholds:
            return (0.5,) * len(self.s_L)
        try:
            return tuple(float(word) for word in self.thresholds.split(","))[::-1]
        except ValueError:
            return ()

    @property
    def share(self) -> float:
        """The share of alpha each bound is read at."""
        return 1.0 if self.split == "none" else 1 / len(self.s_L)

    @property
    def asks_all(self) -> bool:
        """Whether every level gets all its votes."""
        return self.ask == "every" or self.split == "levels"


@dataclass(frozen=True)
class Detail:
    """What a certificate keeps beside its class; before a level answers, little more than ``why``.

    ``level`` is m, ``answers`` the level that answers at the image, ``decides`` the one whose
    distance is the radius (None while one that is not known may be less). ``limits`` has for each
    level from the most noise down to m its threshold, the distance out to which it holds, and the
    bound that says so: ``p_lower`` of the class at m, ``p_upper`` of class ``other`` above.
    ``counts0`` and ``counts`` are the votes by level.
    """

    rule: str
    split: str
    levels: Sequence[float]
    thresholds: Sequence[float]
    why: str
    level: float | None = None
    answers: float | None = None
    decides: float | None = None
    limits: Sequence[Mapping[str, Any]] = ()
    counts0: Mapping[str, Sequence[int]] = field(default_factory=dict)
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def votes_L(self) -> list[int]:
        """None: nothing votes for a level."""
        return []

    @property
    def possible(self) -> tuple[()]:
        """Nothing: other levels may answer nearby, as long as their answer is the class."""
        return ()

    @property
    def in_words(self) -> str:
        """The level that answers, and the one that proves most, where they differ."""
        if self.answers in (None, self.level):
            return ""
        return (
            f"Level **{self.answers:g}** answers here, but level **{self.level:g}** proves more: "
            "as long as the levels above it name no other class, it answers at the latest."
        )

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """The distances that the radius is the least of."""
        return tuple(
            (
                f"Level {row['level']:g} answers so within"
                if "p_lower" in row
                else f"Level {row['level']:g} names no other within",
                max(row["distance"] or 0.0, 0.0),
            )
            for row in self.limits
        )


def rival(counts_K: Sequence[int], cls: int) -> tuple[int | None, int]:
    """Return the most-voted class other than ``cls`` and its votes; (None, 0) if there is none."""
    others = [c for c in range(len(counts_K)) if c != cls]
    other = max(others, key=counts_K.__getitem__, default=None)
    return other, 0 if other is None else counts_K[other]


@dataclass(frozen=True)
class Choice:
    """What n0 votes choose: the class A, the level that answers with it, and the level m.

    Levels are numbered as in ``s_L``. ``order`` are the levels whose bounds R needs, the tightest
    by the shares first. ``final``: no level below those looked at can have a larger radius.
    """

    cls: int
    answers: int
    m: int
    order: tuple[int, ...]
    final: bool


def choose(counts_LK: Sequence[Sequence[int]], n0: int, how: Options) -> Choice | None:
    """Choose on the n0 votes of the levels looked at so far; None while none of them answers.

    A = G of the shares k / n0; m has the largest radius by the shares (k + 1/2) / (n0 + 1), or is
    the level that answers where no radius is above 0.
    """

    def share(k: int) -> float:
        return (k + 0.5) / (n0 + 1)

    looked, last = len(counts_LK), len(how.s_L) - 1
    sure = [j for j, counts_K in enumerate(counts_LK) if max(counts_K) > how.tau_L[j] * n0]
    if not sure and looked <= last:
        return None
    answers = sure[0] if sure else last
    cls = counts_LK[answers].index(max(counts_LK[answers]))
    limit_L = [
        limit(s, tau, share(counts_K[cls]), share(rival(counts_K, cls)[1]))
        for s, tau, counts_K in zip(how.s_L, how.tau_L, counts_LK, strict=False)
    ]
    radius_L = [min(distances(limit_L, m)) for m in range(looked)]
    best = max(0.0, *radius_L)
    m = radius_L.index(best) if best > 0 else answers
    distance_L = distances(limit_L, m)
    order = sorted(range(m + 1), key=distance_L.__getitem__)
    below = zip(how.s_L[looked:], how.tau_L[looked:], strict=True)
    reach = max((limit(s, tau, share(n0), 1.0).answers for s, tau in below), default=0.0)
    final = min([reach, *(level.passes for level in limit_L)]) <= best
    return Choice(cls, answers, m, tuple(order), final)


def chosen(votes: Mapping[str, Votes], spec: RunSpec) -> Choice | None:
    """Return what the n0 votes choose; None while they may still choose otherwise."""
    how, counts_LK = options_of(Options, spec), []
    for s in how.s_L:
        if not _complete(votes, f"select-{s:g}"):
            break
        counts_LK.append(votes[f"select-{s:g}"].counts_K)
        choice = choose(counts_LK, spec.n0, how)
        if choice is not None and choice.final:
            return choice
    return None


def limits(votes: Mapping[str, Votes], spec: RunSpec, cls: int) -> list[Limit]:
    """Return the `Limit` of every level that its bounding votes show, at any moment."""
    how = options_of(Options, spec)
    alpha, found = how.share * spec.alpha, []
    for s, tau in zip(how.s_L, how.tau_L, strict=True):
        stage = f"bound-{s:g}"
        early = spec.bound is Bound.CLOPPER_PEARSON and not _complete(votes, stage)
        if stage not in votes or votes[stage].total == 0 or early:
            found.append(Limit())
            continue
        bound = votes[stage]
        other, k_b = rival(bound.counts_K, cls)
        p_lower = lower(bound, bound.counts_K[cls], alpha, spec.bound)
        found.append(limit(s, tau, p_lower, upper(bound, k_b, alpha, spec.bound), other))
    return found


def _complete(votes: Mapping[str, Votes], stage: str) -> bool:
    return stage in votes and votes[stage].ended == "complete"


def next_ask(votes: Mapping[str, Votes], spec: RunSpec) -> tuple[str, float, int] | None:
    """Return (stage, level, n) of the votes wanted next, None where there are enough.

    First n0 votes a level, from the most noise down, until no level below can help; then n votes
    for each bound of R, the tightest by the shares first, until one leaves nothing.
    """
    how, choice = options_of(Options, spec), chosen(votes, spec)
    if choice is None or how.asks_all:
        for s in how.s_L:
            if not _complete(votes, f"select-{s:g}"):
                return f"select-{s:g}", s, spec.n0
    assert choice is not None  # of all levels one answers
    distance_L = distances(limits(votes, spec, choice.cls), choice.m)
    for j in range(len(how.s_L)) if how.asks_all else choice.order:
        s = how.s_L[j]
        if not _complete(votes, f"bound-{s:g}"):
            return f"bound-{s:g}", s, spec.n
        if not how.asks_all and distance_L[j] <= 0:
            return None
    return None


def _vote(
    nets: Mapping[str, nn.Module], spec: RunSpec, prefix: str = ""
) -> Generator[Ask, Votes, dict[str, Votes]]:
    """Ask for all the votes that a reading wants, and return them."""
    for s in options_of(Options, spec).s_L:
        levels.classifier_at(nets, s)  # refused now rather than when it is asked
    votes: dict[str, Votes] = {}
    while (wanted := next_ask(votes, spec)) is not None:
        votes[wanted[0]] = yield _ask(nets, *wanted, prefix)
    return votes


def _ask(nets: Mapping[str, nn.Module], stage: str, s: float, n: int, prefix: str) -> Ask:
    """Return the ask of one stage, whose noise is that of plain RS at its level."""
    net, noise = levels.classifier_at(nets, s), prefix + stage.partition("-")[0]
    return Ask(prefix + stage, NoisyClassifier(net), s, n, class_count(net), noise=noise)


def certify(x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec) -> MethodRun:
    """Certify one image: n0 votes at each level that may matter, then n for each bound needed.

    Parameters
    ----------
    x_CHW : the image, in [0, 1].
    nets : ``classifier``, or one ``classifier-<level>`` for each level.
    spec : ``settings`` fill `Options`; ``spec.sigma`` is not used.

    Raises
    ------
    UserError
        A network is missing, or a setting out of range.
    """
    votes = yield from _vote(nets, spec)
    return read(votes, spec)


def read(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Read a certificate from the votes there are, finished or not: R = min(a_m, b_1 .. b_{m-1}).

    ``sigma``, ``counts0``, ``counts`` and ``p_a_lower`` are those of level m. ``detail`` holds
    every bound that R is the least of, all counts, and ``why`` in words.
    """
    how, choice = options_of(Options, spec), chosen(votes, spec)
    ended = _ended(votes, spec)
    if choice is None:
        waiting = Votes("select", (), spec.n0, ended)
        c = reading.read(waiting, None, spec, GUARANTEE)
        waits = Detail(**_settings(how), why="No level answers yet.")
        return replace(c, sigma=None, detail=asdict(waits))
    limit_L, m = limits(votes, spec, choice.cls), choice.m
    if how.split == "levels":
        m = max(range(len(limit_L)), key=lambda j: min(distances(limit_L, j)))
    s, R = how.s_L[m], max(0.0, min(distances(limit_L, m)))
    c = reading.read(
        votes.get(f"select-{s:g}"),
        votes.get(f"bound-{s:g}"),
        replace(spec, sigma=s, alpha=how.share * spec.alpha),
        GUARANTEE,
        predicted=choice.cls,
    )
    return replace(
        c,
        radius=R,
        abstained=R <= 0,
        alpha=spec.alpha,
        alpha_split=_alpha_split(how, c),
        ended=ended,
        flags=(PARTIAL,) * (ended != "complete") + tuple(f for f in c.flags if f != PARTIAL),
        detail=asdict(_detail(how, choice, m, limit_L, votes)),
    )


def _ended(votes: Mapping[str, Votes], spec: RunSpec) -> Ending:
    """Return how the votes came to an end: complete where a reading wants no more."""
    wanted = next_ask(votes, spec)
    if wanted is None:
        return "complete"
    return votes[wanted[0]].ended if wanted[0] in votes else "running"


def _alpha_split(how: Options, c: Certificate) -> dict[str, float]:
    """Return alpha of each event: one bound, or one for each level that m may be."""
    if how.split == "none":
        return dict(c.alpha_split)
    return {f"level {s:g}, {event}": a for s in how.s_L for event, a in c.alpha_split.items()}


def _settings(how: Options) -> dict[str, Any]:
    return {
        "rule": "cascade",
        "split": how.split,
        "levels": list(how.s_L[::-1]),
        "thresholds": list(how.tau_L[::-1]),
    }


def _detail(
    how: Options, choice: Choice, m: int, limit_L: Sequence[Limit], votes: Mapping[str, Votes]
) -> Detail:
    """Return what the radius rests on, from the most noise down, and the counts of every level."""
    rows: list[dict[str, Any]] = []
    for j, distance in enumerate(distances(limit_L, m)):
        level, known = limit_L[j], distance > -math.inf
        row: dict[str, Any] = {"level": how.s_L[j], "threshold": how.tau_L[j]}
        row |= (
            {"p_lower": level.p_lower}
            if j == m
            else {"p_upper": level.p_upper, "other": level.other}
        )
        rows.append(row | {"distance": distance if known else None})
    counted = {
        name: {
            f"{s:g}": list(votes[f"{stage}-{s:g}"].counts_K)
            for s in how.s_L
            if f"{stage}-{s:g}" in votes
        }
        for name, stage in (("counts0", "select"), ("counts", "bound"))
    }
    decides = _decides(rows)
    return Detail(
        **_settings(how),
        level=how.s_L[m],
        answers=how.s_L[choice.answers],
        limits=rows,
        decides=None if decides is None else decides["level"],
        why=_why(rows, decides),
        counts0=counted["counts0"],
        counts=counted["counts"],
    )


def _decides(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the row that R is read from; None while one that is not known may be less."""
    known = [row for row in rows if row["distance"] is not None]
    least = min(known, key=lambda row: row["distance"], default=None)
    if least is None or (least["distance"] > 0 and len(known) < len(rows)):
        return None
    return least


def _why(rows: Sequence[Mapping[str, Any]], least: Mapping[str, Any] | None) -> str:
    """Return one sentence on what decides this reading."""
    if least is None:
        waiting = next(row["level"] for row in rows if row["distance"] is None)
        return f"The votes of level {waiting:g} are not in yet, so nothing is certified."
    level, tau, here = f"level {least['level']:g}", f"{least['threshold']:g}", least["distance"] > 0
    if "p_lower" in least:
        if here:
            return (
                f"Closer than {down(least['distance'], 4)} the class stays above {tau} at {level}; "
                "farther out that is the first thing that may change."
            )
        return (
            f"At {level} the votes show a probability of at least {down(least['p_lower'], 4)}, not "
            f"above {tau}, so nothing is certified."
        )
    if here:
        return (
            f"Closer than {down(least['distance'], 4)} no other class exceeds {tau} at {level}; "
            "farther out that is the first thing that may change."
        )
    return f"At {level} another class may exceed {tau} and answer first, so nothing is certified."


def claims(c: Certificate) -> list[base.Claim]:
    """Return what the radius rests on: its class at level m, and all but one other above it.

    An upper bound on the other class is a lower bound on all the rest.
    """
    found = []
    for row in c.detail.get("limits", ()):
        level, predicted = row["level"], c.predicted
        if row["distance"] is None or predicted is None:
            continue
        stage = f"bound-{level:g}"
        if "p_lower" in row:
            of = f"p_A at level {level:g}"
            found.append(base.Claim(stage, (predicted,), row["p_lower"], "p_a_lower", of))
            continue
        classes = range(len(c.detail["counts"][f"{level:g}"]))
        rest = tuple(k for k in classes if k != row["other"])
        of = f"that of all but class {row['other']} at level {level:g}"
        found.append(base.Claim(stage, rest, 1 - row["p_upper"], "a bound above it", of))
    return found


def towards(logits_MNK: Tensor, cls: int) -> Tensor:
    """Return logits_MN2, of all other classes and of class B: away from the first raises B."""
    index = torch.tensor([cls], device=logits_MNK.device)
    rest_MNK = logits_MNK.index_fill(-1, index, -torch.inf)
    return torch.stack([rest_MNK.logsumexp(-1), logits_MNK[..., cls]], -1)


def aim(nets: Mapping[str, nn.Module], spec: RunSpec, c: Certificate) -> base.Aim:
    """Return the aim at what the radius rests on: its class at level m, or a rival above it."""
    assert c.predicted is not None
    level = c.detail["decides"]
    net = levels.classifier_at(nets, level)
    row = next(row for row in c.detail["limits"] if row["level"] == level)
    if "p_lower" in row:
        return base.aim_at(net, level, c.predicted)
    at_all = base.aim_at(net, level, 0)
    return replace(at_all, logits_of=lambda *given: towards(at_all.logits_of(*given), row["other"]))


def predict(
    x_CHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec
) -> Generator[Ask, Votes, int | None]:
    """Predict the class of one image, or None to abstain: a certificate at distance 0.

    At the last level A need not exceed 1/2, only lead: one-sided binomial test against the
    most-voted other class, at alpha. As with the radius one fixed event must fail, so G's class is
    another one with probability at most alpha.
    """
    how, spec = options_of(Options, spec), replace(spec, bound=Bound.CLOPPER_PEARSON)
    votes = yield from _vote(nets, spec, "predict-")
    c = read(votes, spec)
    if not c.abstained or c.predicted is None or c.sigma != how.s_L[-1] or not c.counts:
        return None if c.abstained else c.predicted
    k_a, (_, k_b) = c.counts[c.predicted], rival(c.counts, c.predicted)
    if clopper_pearson_lower(k_a, k_a + k_b, how.share * spec.alpha) <= 0.5:
        return None
    for s in how.s_L[:-1]:  # the run ended at the last level, which says nothing of those above
        if f"bound-{s:g}" not in votes:
            votes[f"bound-{s:g}"] = yield _ask(nets, f"bound-{s:g}", s, spec.n, "predict-")
    above = distances(limits(votes, spec, c.predicted), len(how.s_L) - 1)[:-1]
    return c.predicted if all(distance > 0 for distance in above) else None


def detail_of(c: Certificate) -> Detail:
    """Return the detail of a certificate of Multiscale."""
    return base.detail_as(Detail, c)


def stored(
    detail: Mapping[str, Any], counts0: Sequence[int], counts: Sequence[int]
) -> dict[str, Sequence[int]]:
    """Return the counts of every stage that a row of a log holds."""
    return {
        f"{stage}-{level}": counts_K
        for name, stage in (("counts0", "select"), ("counts", "bound"))
        for level, counts_K in detail.get(name, {}).items()
    }


def needed(votes: Mapping[str, Votes], spec: RunSpec) -> dict[str, Votes]:
    """Return those of some votes that a run would have asked for."""
    found: dict[str, Votes] = {}
    while (wanted := next_ask(found, spec)) is not None:
        if wanted[0] not in votes or wanted[0] in found:  # votes that still come in end it
            break
        found[wanted[0]] = votes[wanted[0]]
    return found


def settle(counts_LK: Sequence[Sequence[int]], spec: RunSpec) -> int:
    """Return which of the rising levels answers, from as many votes at each: an estimate."""
    how = options_of(Options, spec)
    choice = choose(counts_LK[::-1], sum(counts_LK[0]), how)
    assert choice is not None  # of all levels one answers
    return len(counts_LK) - 1 - choice.answers


LEVELS = base.LevelChoice(
    detail_of,
    lambda spec: options_of(Options, spec).s_L[::-1],
    stored,
    rereads=("thresholds", "split", "ask"),
    settle=settle,
    needed=needed,
)
CONTROLS = (
    base.Control(
        "split",
        "alpha of the bounds",
        ("none", "levels"),
        words={"none": "whole each", "levels": "shared by the levels"},
        help="Whole each: the level that proves most is chosen on the first votes. Shared: it is "
        "the one whose bounds prove most, which costs every bound a part of alpha.",
        key="shares",
    ),
)
