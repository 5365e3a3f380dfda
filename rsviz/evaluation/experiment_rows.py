"""What the logs say of the experiments: a row a point, and every expectation judged.

A point whose log is missing, unfinished or of other weights is not measured, and says which command
would measure it. Shares have exact binomial intervals, ACR one by a bootstrap over images; two
points are set against each other by a paired bootstrap over the images that both hold.

Shape suffix: N images.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import EXPERIMENTS_FOLDER
from rsviz.core import reading
from rsviz.core.bounds import binomial_interval
from rsviz.core.errors import UserError
from rsviz.core.files import kept, version
from rsviz.core.flags import HEURISTIC
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.evaluation import attack_logs, attack_tables, curves, seconds, stored_votes
from rsviz.evaluation.contradictions import unit_ceiling
from rsviz.evaluation.experiments import (
    ACR,
    AT,
    BROKEN,
    PAPER_STYLE,
    RIGHT,
    TIMES,
    Expected,
    Experiment,
    Place,
    Point,
)
from rsviz.evaluation.logs import Log, own_rows, read_log, thin
from rsviz.methods.variational import NO_GUARANTEE

Outcome = Literal["as expected", "contradicted", "undecided", "not measured"]
SEED, RESAMPLES = 0, 2_000
SMALL = 0.1  # radii in Linf are below
MOST = 4  # series that a headline tells of


@dataclass(frozen=True, eq=False)
class Values:
    """One measure of one point, image by image; a share has values 0 and 1."""

    dataset: str
    index_N: NDArray[np.int64]
    value_N: NDArray[np.float64]

    @property
    def interval(self) -> tuple[float, float, float]:
        """The mean and its 95 % interval."""
        if set(self.value_N.tolist()) <= {0.0, 1.0}:
            low, high = binomial_interval(int(self.value_N.sum()), len(self.value_N))
            return float(self.value_N.mean()), low, high
        return curves.bootstrap(self.value_N, np.random.default_rng(SEED), RESAMPLES)


OUT_OF_REACH = "so many votes certify no such radius at this noise"


@dataclass(frozen=True)
class Row:
    """One measure at one point with its 95 % interval; without a value it is not measured.

    ``gap`` is what it is above the first series at the same x, where they share images. ``note``
    says why it is not measured. ``commands`` measure it.
    """

    x: float | str
    series: str
    measure: str
    commands: tuple[str, ...]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    images: int = 0
    n: int | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Judged:
    """An expectation and what came of it: the difference of its two points, paired, with 95 %.

    ``seen`` says whether it was written after the logs that it rests on had been read.
    """

    expected: Expected
    outcome: Outcome
    seen: bool
    gap: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Result:
    """An experiment, its rows and what came of its expectations.

    ``limit`` is where the first series tends to in its first measure, with 95 %: see `limit_of`.
    """

    experiment: Experiment
    rows: tuple[Row, ...]
    judged: tuple[Judged, ...]
    limit: tuple[float, float, float] | None = None

    def of(self, measure: str) -> list[Row]:
        """Return the rows of a measure that are measured."""
        return [row for row in self.rows if row.measure == measure and row.value is not None]

    @property
    def missing(self) -> tuple[Row, ...]:
        """The points that are not measured, one row each."""
        first = self.experiment.measures[0]
        without = [r for r in self.rows if r.measure == first and r.value is None]
        return tuple(r for r in without if r.note != OUT_OF_REACH)

    def beyond(self, measure: str) -> str:
        """Return which points have no value as their votes reach no such radius, in a sentence."""
        found = [r for r in self.rows if r.measure == measure and r.note == OUT_OF_REACH]
        if not found:
            return ""
        of = {
            series: ", ".join(map(_x, sorted(r.x for r in found if r.series == series)))
            for series in dict.fromkeys(r.series for r in found)
        }
        named = "; ".join(f"{series}: {xs}" for series, xs in of.items())
        if len(of) == len(self.experiment.series) and len(set(of.values())) == 1:
            named = f"all of {next(iter(of.values()))}"
        return f"Out of reach of their votes at that noise, and so not drawn: {named}."

    @property
    def state(self) -> str:
        """How many points are measured, in words."""
        total = len(self.experiment.points)
        return state_of(total - len(self.missing), total, "point")

    @property
    def limit_in_words(self) -> str:
        """Where the first series tends to, in a sentence, empty where it has no limit."""
        if self.limit is None:
            return ""
        value, low, high = told(self.experiment.measures[0], *self.limit)
        return (
            f"Along a - b/k, fitted by least squares, {self.experiment.series[0]} tend to {value} "
            f"({low} to {high})."
        )

    @property
    def registered(self) -> str:
        """Whether the expectations were written before the logs were read, in a sentence."""
        if self.experiment.seen:
            return f"When this was written, {self.experiment.seen}"
        return "Written before any of its logs."

    @property
    def headline(self) -> str:
        """What came out, in a sentence."""
        rows = self.of(self.experiment.measures[0])
        if not rows:
            return "Not measured yet."
        sentence = f"{_told(self.experiment, rows)} {self.limit_in_words}".strip()
        counts = [j.outcome for j in self.judged if j.outcome != "not measured"]
        if not counts:
            return sentence
        kinds = (
            (counts.count("as expected"), "came out"),
            (counts.count("contradicted"), "contradicted"),
            (counts.count("undecided"), "undecided"),
        )
        numbers = ", ".join(f"{number} {words}" for number, words in kinds if number)
        return f"{sentence} Of {len(counts)} expectations: {numbers}."


def state_of(measured: int, total: int, of: str) -> str:
    """Return how much is measured, in words; ``of`` names what is counted, in the singular."""
    counted = f"{total} {of}{'s' if total > 1 else ''}"
    if measured == total:
        return f"measured, {counted}"
    return f"{measured} of {counted} measured" if measured else "not measured"


def result(experiment: Experiment, root: Path) -> Result:
    """Return what the logs under ``root`` say of an experiment."""
    sha256 = _weights(root)
    of_log = {point.log: point for point in experiment.points}
    lacks = {log: _lacks(experiment, point, root, sha256) for log, point in of_log.items()}
    found = {p: _read(experiment, p, root / p.log, lacks[p.log]) for p in experiment.points}
    places = {(p.series, p.x): found[p] for p in experiment.points}
    rows = []
    for point, (values, n, note) in found.items():
        first = places.get((experiment.series[0], point.x), ({}, None, ""))[0]
        for measure in experiment.measures:
            row = Row(point.x, point.series, measure, (*point.first, point.command), note=note)
            if measure in values:
                own, beside = values[measure], first.get(measure)
                value, low, high = own.interval
                row = replace(row, value=value, low=low, high=high, images=len(own.index_N), n=n)
                if beside is not None and beside is not own and (gap := difference(own, beside)):
                    row = replace(row, gap=gap[0], gap_low=gap[1], gap_high=gap[2])
            elif values:
                row = replace(row, note=OUT_OF_REACH)
            rows.append(row)
    log_of = {(p.series, p.x): p.log for p in experiment.points}
    judged = [_judge(expected, places, log_of) for expected in experiment.expected]
    limit = None
    if experiment.grows:
        name, of = experiment.series[0], experiment.measures[0]
        read = {float(x): held for (series, x), (held, *_) in places.items() if series == name}
        limit = limit_of({k: held[of] for k, held in read.items() if of in held})
    return Result(experiment, tuple(rows), tuple(judged), limit)


def limit_of(values: Mapping[float, Values]) -> tuple[float, float, float] | None:
    """Return a of the line a - b/k nearest to the means at k, with 95 % over images.

    Errors that networks have in common stay however many they are, those of their own go as 1/k;
    that the mean is a line in 1/k is an assumption. None of fewer than three k, or where the images
    are not the same.

    Parameters
    ----------
    values : by k, the number of networks.
    """
    every = list(values.values())
    if len(every) < 3 or any(not np.array_equal(v.index_N, every[0].index_N) for v in every):
        return None
    design_K2 = np.stack([np.ones(len(values)), -1 / np.array(list(values))], 1)
    weight_K = np.linalg.pinv(design_K2)[0]  # a is a sum over k, so it is one over images, too
    a_N = weight_K @ np.stack([v.value_N for v in every])
    return curves.bootstrap(a_N, np.random.default_rng(SEED), RESAMPLES)


def difference(a: Values, b: Values) -> tuple[float, float, float] | None:
    """Return the mean of a - b over the images of both with 95 %, None where there are none."""
    _, i, j = np.intersect1d(a.index_N, b.index_N, return_indices=True)
    if a.dataset != b.dataset or not len(i):
        return None
    gap_N = a.value_N[i] - b.value_N[j]
    return curves.bootstrap(gap_N, np.random.default_rng(SEED), RESAMPLES)


Found = tuple[Mapping[str, Values], int | None, str]  # by measure; n; why not measured


def _judge(
    expected: Expected, places: Mapping[Place, Found], log_of: Mapping[Place, str]
) -> Judged:
    """Return what came of an expectation."""
    own = [place for place in (expected.a, expected.b) if place]
    new = any(f"/{EXPERIMENTS_FOLDER}/" in log_of[place] for place in own)
    seen = expected.seen if expected.seen is not None else not new
    unknown = Judged(expected, "not measured", seen)
    a = places[expected.a][0].get(expected.measure)
    if a is None:
        return unknown
    if expected.b is None:
        value, low, high = a.interval
        within: Outcome = "as expected" if value <= expected.limit else "undecided"
        held: Outcome = "contradicted" if low > expected.limit else within
        return Judged(expected, held, seen, value, low, high)
    b = places[expected.b][0].get(expected.measure)
    gap = None if b is None else difference(a, b)
    if gap is None:
        return unknown
    outcome: Outcome = "as expected" if gap[1] > expected.by else "undecided"
    return Judged(expected, "contradicted" if gap[2] < expected.by else outcome, seen, *gap)


def _read(experiment: Experiment, point: Point, file: Path, lacks: str) -> Found:
    """Return the values of a point, or why there are none: what its log ``lacks``, if anything."""
    if lacks:
        return {}, None, lacks
    try:
        values, n = READERS[experiment.kind](file, point, experiment.measures)
    except UserError as error:
        return {}, None, f"not measured: {error}"
    except KeyError as error:
        return {}, None, f"not measured: its log was made at other settings, without {error}"
    values = {measure: v for measure, v in values.items() if len(v.index_N)}
    return values, n, "" if values else "not measured: no image can be attacked"


def _lacks(experiment: Experiment, point: Point, root: Path, sha256: Mapping[str, str]) -> str:
    """Return why a point's log cannot be read yet, empty if it can."""
    file = root / point.log
    if not kept(file).is_file():
        return "not measured"
    try:
        held, of = HELD[experiment.kind](file)
    except UserError as error:
        return f"not measured: {error}"
    if of and of != sha256.get(point.log.partition("/")[0], of):
        return "not measured: its log is of other weights; put it away and run it anew"
    if held != point.images:
        return f"not measured: its log holds {held} of {point.images} images so far"
    return ""


def _weights(root: Path) -> dict[str, str]:
    return {c.name: c.sha256 for c in catalog.list_checkpoints(root) if c.verified}


Read = tuple[dict[str, Values], int | None]  # by measure; n


def _of_log(file: Path, point: Point, measures: Sequence[str]) -> Read:
    """Read a log, at fewer votes if the point says so.

    Accuracy at a radius that its votes cannot reach is left out.
    """
    log = read_log(file)
    if (n := dict(point.settings).get("n")) is not None:
        log = thin(log, int(n), np.random.default_rng(SEED))
    reach = _reach(log)
    values = {
        m: Values(log.dataset, log.index_N, curves.won(log, radius_of(m)).astype(float))
        for m in measures
        if (radius_of(m) or 0) <= reach
    }
    return values, log.n


def _reach(log: Log) -> float:
    """Return the largest radius that so many votes can certify at one noise level."""
    unit = unit_ceiling(log)
    return unit * log.sigma if unit and log.sigma else math.inf


def radius_of(measure: str) -> float | None:
    """Return the radius of an accuracy, None of any other measure."""
    return float(Fraction(measure.removeprefix(AT))) if measure.startswith(AT) else None


@lru_cache(maxsize=8)
def _votes(file: Path, changed: tuple[int, ...] | None) -> Any:
    head, rows = own_rows(file)
    return head, rows, [stored_votes.of_row(head, row) for row in rows]


def _reread(file: Path, point: Point, measures: Sequence[str]) -> Read:
    """Read the votes of a log of a method that chooses levels at the point's settings."""
    head, rows, votes = _votes(file, version(file))
    run = stored_votes.run_of(head, {k: _whole(v) for k, v in point.settings})
    certify = unproved if point.series == PAPER_STYLE else stored_votes.read
    read = [certify(found, run) for found in votes]
    if lacking := sum(c.ended != "complete" for c in read):
        raise UserError(f"{lacking} images would ask for more votes than the log holds.")
    index_N = np.array([row.index for row in rows])
    radius_N = np.array([c.radius for c in read])
    correct_N = np.array([c.predicted == r.label for c, r in zip(read, rows, strict=True)])
    correct_N &= np.array([not c.abstained for c in read])
    values = {}
    for measure in measures:
        at = radius_of(measure)
        value_N = radius_N * correct_N if at is None else (correct_N & (radius_N >= at))
        values[measure] = Values(head.dataset, index_N, value_N.astype(float))
    return values, head.n


def _whole(value: float | str) -> float | int | str:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def unproved(votes: Mapping[str, Votes], run: RunSpec) -> Certificate:
    """Return what the votes at the chosen level give, as if no other were possible: no certificate.

    All of alpha is for the class, as papers have it.
    """
    c = stored_votes.read(votes, run)
    level = c.detail.get("level")
    if level is None:
        return c
    select, bound = (
        votes.get(stage) or votes.get(f"{stage}-{level:g}") for stage in ("select", "bound")
    )
    if bound is None:  # a chooser that abstained asked for none
        return c
    return reading.read(select, bound, replace(run, sigma=level), NO_GUARANTEE, flags=(HEURISTIC,))


def _of_attacks(file: Path, point: Point, measures: Sequence[str]) -> Read:
    """Read a log of attacks at one budget: of the images attacked, those broken."""
    head, rows = attack_logs.read(file)
    found = [(r.image, dict(r.verdicts)[float(point.x)]) for r in rows if r.verdicts]
    index_N = np.array([int(image.rpartition("/")[2]) for image, _ in found], np.int64)
    broken_N = np.array([verdict == "broken" for _, verdict in found], float)
    dataset = rows[0].image.partition("/")[0]
    return {BROKEN: Values(dataset, index_N, broken_N)}, head.n_predict


def _of_table(file: Path, point: Point, measures: Sequence[str]) -> Read:
    """Read a table of attacked images: what stays right, and what breaks of what was right."""
    table, how = attack_tables.read(file), dict(point.settings)
    setting, attack = str(how["setting"]), str(how["attack"])
    right_N, clean_N = table.of(setting, attack), table.of(setting, "none")
    index_N, dataset = np.array(table.head.images, np.int64), point.log.partition("-")[0]
    values = {
        RIGHT: Values(dataset, index_N, right_N.astype(float)),
        BROKEN: Values(dataset, index_N[clean_N], (~right_N[clean_N]).astype(float)),
    }
    return values, table.head.spec.n


def _of_seconds(file: Path, point: Point, measures: Sequence[str]) -> Read:
    """Read a table of seconds: those of one network over another's mean."""
    table, how = seconds.read(file), dict(point.settings)
    if table.head.others is None or table.head.others > seconds.QUIET:
        raise UserError("its table was made on a machine that did other things; put it away.")
    times_N = table.times(str(how["name"]), str(how["beside"]))
    return {m: Values(table.head.dataset, table.index_N, times_N) for m in measures}, table.head.n


def _held_of_seconds(file: Path) -> tuple[int, str]:
    table = seconds.read(file)
    of = dict(zip(table.head.networks, table.head.sha256, strict=True))
    return len(table.index_N), of.get(file.parent.parent.name, "")


def _held_of_log(file: Path) -> tuple[int, str]:
    log = read_log(file)
    return len(log), log.checkpoint_sha256


def _held_of_attacks(file: Path) -> tuple[int, str]:
    head, rows = attack_logs.read(file)
    return len(rows), head.checkpoint_sha256


def _held_of_table(file: Path) -> tuple[int, str]:
    head = attack_tables.read(file).head
    return len(head.images), head.checkpoint_sha256


HELD = {  # how many images a log holds, and of which weights
    "log": _held_of_log,
    "reread": _held_of_log,
    "attack": _held_of_attacks,
    "under attack": _held_of_table,
    "seconds": _held_of_seconds,
}
READERS = {
    "log": _of_log,
    "reread": _reread,
    "attack": _of_attacks,
    "under attack": _of_table,
    "seconds": _of_seconds,
}


def is_share(measure: str) -> bool:
    """Whether a measure is a share of the images, told in per cent."""
    return measure not in (ACR, TIMES)


def told(measure: str, *values: float, sign: str = "") -> list[str]:
    """Return values of a measure as they are told: radii, or shares in per cent, without a unit.

    Radii in Linf are small and get a digit more.
    """
    if measure == TIMES:
        return [f"{value:{sign}.2f}" for value in values]
    if measure != ACR:
        return [f"{100 * value:{sign}.1f}" for value in values]
    digits = 3 if max(map(abs, values)) >= SMALL else 4
    return [f"{value:{sign}.{digits}f}" for value in values]


def number(row: Row) -> str:
    """Return a value as it is told: a share in per cent, a radius."""
    if row.value is None:
        return "not measured"
    return told(row.measure, row.value)[0] + (" %" if is_share(row.measure) else "")


def interval(row: Row) -> str:
    """Return its interval as it is told."""
    if row.low is None or row.high is None:
        return ""
    low, high = told(row.measure, row.low, row.high)
    return f"{low} to {high}" + (" %" if is_share(row.measure) else "")


def gap_in_words(of: Judged) -> str:
    """Return the difference of an expectation and its interval, or the value set against a limit.

    It is empty before it is measured.
    """
    if of.gap is None or of.low is None or of.high is None:
        return ""
    measure, single = of.expected.measure, of.expected.b is None
    value, low, high = told(measure, of.gap, of.low, of.high, sign="" if single else "+")
    unit = "" if not is_share(measure) else " %" if single else " points"
    return f"{value}{unit}, 95 % interval {low} to {high}"


def _told(experiment: Experiment, rows: Sequence[Row]) -> str:
    """Say of each series where it is highest, or how it changes; of names, where two differ.

    Of many series, those that are certificates are told of by the best alone.
    """
    measure = experiment.measures[0]
    called = measure[0].upper() + measure[1:]
    if isinstance(rows[0].x, str):
        return _told_of_names(experiment, rows, called)
    if experiment.x == "seed":
        low, high = (pick(rows, key=lambda r: r.value or 0) for pick in (min, max))
        return f"{called} lies between {number(low)} and {number(high)} over {len(rows)} seeds."
    by = {s: [r for r in rows if r.series == s] for s in experiment.series}
    of = [sorted(own, key=lambda r: float(r.x)) for own in by.values() if own]
    if experiment.trend:
        return f"{called} {'; '.join(map(_change, of))}."
    best = [max(own, key=lambda r: r.value or 0) for own in of]
    if len(best) > MOST:
        proved = [r for r in best if r.series != PAPER_STYLE]
        best = [max(proved, key=lambda r: r.value or 0), *(r for r in best if r not in proved)]
    places = (f"{r.x:g} ({number(r)}, {interval(r)}) for {r.series}" for r in best)
    return f"{called} is highest at {'; at '.join(places)}."


def _change(own: Sequence[Row]) -> str:
    a, b = own[0], own[-1]
    if a is b:
        return f"is {number(a)} at {a.x:g} ({a.series})"
    return f"goes from {number(a)} at {a.x:g} to {number(b)} at {b.x:g} ({b.series})"


def _told_of_names(experiment: Experiment, rows: Sequence[Row], called: str) -> str:
    apart = [r for r in rows if r.gap is not None]
    if not apart:
        best = max(rows, key=lambda r: r.value or 0)
        return f"{called} is highest for {best.x} ({number(best)}, {interval(best)})."
    most = max(apart, key=lambda r: abs(r.gap or 0))
    beside = next(r for r in rows if r.x == most.x and r.series == experiment.series[0])
    return (
        f"{called} differs most for {most.x}: {number(beside)} ({beside.series}), {number(most)} "
        f"({most.series})."
    )


def in_lines(found: Result) -> list[str]:
    """Return a result as text."""
    e = found.experiment
    lines = [f"{e.key}: {e.question} [{e.paper}]", f"  {found.state}. {found.headline}"]
    beyond = [f"{measure}: {told}" for measure in e.measures if (told := found.beyond(measure))]
    lines += [f"  {text}" for text in (found.registered, e.note, *beyond) if text]
    for j in found.judged:
        gap = f" ({words})" if (words := gap_in_words(j)) else ""
        when = " [written after its logs had been read]" if j.seen else ""
        lines.append(f"  {j.outcome.upper()}: {j.expected.text}{gap}{when}")
    for row in found.rows:
        if row.value is not None:
            lines.append(
                f"  {e.x} {_x(row.x)}, {row.series}, {row.measure}: {number(row)} "
                f"({interval(row)}), {row.images} images"
                + ("" if row.n is None else f", n {row.n:,}")
            )
    for row in found.missing:
        lines.append(f"  {e.x} {_x(row.x)}, {row.series}: {row.note}; to measure it:")
        lines += [f"    {command}" for command in row.commands]
    return lines


def _x(x: float | str) -> str:
    return x if isinstance(x, str) else f"{x:g}"


def to_dict(found: Result) -> dict[str, Any]:
    """Return a result as JSON can hold it."""
    e = found.experiment
    own = ("key", "paper", "question", "x", "measures", "seen", "note")
    return {
        **{name: getattr(e, name) for name in own},
        "state": found.state,
        "headline": found.headline,
        "limit": found.limit,
        "expected": [asdict(j.expected) | asdict(j) for j in found.judged],
        "rows": [asdict(row) for row in found.rows],
    }


def to_measure(experiments: Iterable[Experiment], root: Path) -> list[Point]:
    """Return one point for each log that is missing or unfinished, in order."""
    sha256 = _weights(root)
    of_log = {p.log: (e, p) for e in experiments for p in e.points}
    return [point for e, point in of_log.values() if _lacks(e, point, root, sha256)]
