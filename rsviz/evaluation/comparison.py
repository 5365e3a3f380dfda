"""Curves of logs and papers side by side, made comparable where possible (no torch).

Shape suffixes: N images, R radii.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rsviz.core.errors import UserError
from rsviz.core.flags import is_far
from rsviz.core.radius import down
from rsviz.core.spec import Norm
from rsviz.data.catalog import PIXELS
from rsviz.evaluation import curves
from rsviz.evaluation.curves import Curve
from rsviz.evaluation.logs import TWO_CLASS, Log, images_of, subset, thin, two_sided
from rsviz.evaluation.published import AT_N, Published

TWO_CLASS_NOTE = (
    "The two-class form: alpha/2 bounds p_A and alpha/2 the most-voted other class. It is another "
    "protocol than the field's, which bounds p_A alone."
)
PRECISION_NOTE = (
    "The votes of an image end when its radius is within {:g} of what infinitely many would "
    "certify, n at the most. It is another protocol than the field's, whose n is fixed."
)
POINTS_MAX = 2_000  # of a curve drawn, whatever its largest radius
Kind = Literal["measured here", "your log", "published"]
PARTS = ("as measured", "first 500", "500-999", "every 20th")
STEP, MARK = 0.025, 0.25  # curves are drawn every STEP of L2 radius, marked every MARK
COLUMNS = (
    *("name", "kind", "method", "dataset", "network", "norm", "sigma", "subset", "images"),
    *("n0", "n", "alpha", "form", "acr", "ceiling", "radius", "accuracy", "low", "high"),
    *("source", "note"),
)


@dataclass(frozen=True, eq=False)
class Entry:
    """One curve on the page, where it is from, and the log behind it where there is one.

    ``flag`` is a warning shown wherever its name is.
    """

    curve: Curve
    kind: Kind
    log: Log | None = None
    note: str = ""
    checkpoint: str = ""
    flag: str = ""

    @property
    def name(self) -> str:
        """The name it is listed and drawn under."""
        return self.curve.name


def radii(log: Log) -> tuple[float, ...]:
    """Return the radii a log is drawn at: every 0.025 in L2; else a fiftieth of the largest."""
    top = float(log.radius_N.max(initial=0.0))
    if log.norm is not Norm.L2 or top / STEP > POINTS_MAX:
        return tuple(np.linspace(0, 1.04 * max(top, 1e-3), 53).round(6).tolist())
    return tuple((np.arange(round(_up(top) / STEP) + 1) * STEP).round(6).tolist())


def from_log(
    log: Log, kind: Kind, checkpoint: str = "", note: str = "", trained: float | None = None
) -> Entry:
    """Return a log as an entry, its curve drawn over `radii`.

    Parameters
    ----------
    trained : the noise its network was trained at, None where that is many levels or not known.
    """
    flag = far_from_trained(log.sigma, trained)
    if log.precision is not None:
        note = "; ".join(text for text in (note, PRECISION_NOTE.format(log.precision)) if text)
    return Entry(curves.curve(log, radii(log)), kind, log, note, checkpoint, flag)


def from_published(published: Published) -> Entry:
    """Return a published curve as an entry; its log is not shipped."""
    return Entry(published.curve, "published", note=published.note)


def renamed(entry: Entry, name: str) -> Entry:
    """Return an entry under another name, its log too."""
    log = entry.log and replace(entry.log, name=name)
    return replace(entry, curve=replace(entry.curve, name=name), log=log)


def cut(entries: Iterable[Entry], part: str) -> tuple[list[Entry], list[str]]:
    """Return entries with each log cut to ``part``, and a sentence for each that does not hold it.

    Those, and published curves, stay as they are.
    """
    if part == PARTS[0]:
        return list(entries), []
    return _attempt(entries, lambda log: subset(log, part))


def equal_n(entries: Sequence[Entry], seed: int) -> tuple[list[Entry], list[str]]:
    """Return entries with each log thinned to the smallest n, and why some could not be."""
    known = [e.curve.n for e in entries if e.curve.n]
    if not known:
        return list(entries), []
    n = min(known)

    def thinned(log: Log) -> Log:
        return log if log.n == n else thin(log, n, np.random.default_rng(seed))

    return _attempt(entries, thinned)


def two_class(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Return the entries, each followed by its log in the two-class form, and what has no counts.

    The one beside the other: its name says that it is another protocol than the field's.
    """
    made: list[Entry] = []
    refused = []
    for entry in entries:
        made.append(entry)
        if entry.log is None:
            continue
        try:
            log = two_sided(entry.log)
        except UserError as error:
            refused.append(str(error))
            continue
        note = "; ".join(text for text in (entry.note, TWO_CLASS_NOTE) if text)
        made.append(replace(entry, log=log, curve=curves.curve(log, radii(log)), note=note))
    return made, refused


def marks(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """Return, by name, in what each entry differs from the first: norm, data set, images, ...

    An unknown setting differs from every other; see `unknown` for the first entry.
    """
    questions: tuple[tuple[str, Callable[[Curve], object]], ...] = (
        ("norm", lambda c: c.norm),
        ("data set", lambda c: c.dataset),
        ("split", lambda c: c.split),
        ("images", lambda c: c.subset),
        ("n", lambda c: c.n),
        ("alpha", lambda c: c.alpha),
        ("form", lambda c: c.form),
    )
    marked = {}
    for entry in entries:
        a, b = entries[0].curve, entry.curve
        unlike = [
            w for w, value in questions if value(a) != value(b) or (b is not a and not value(b))
        ]
        marked[entry.name] = tuple(unlike)
    return marked


def namesakes(entry: Entry, papers: Iterable[Entry], most: int = 2) -> list[Entry]:
    """Return the published curves of an entry's method, data set, norm and noise, the likest first.

    Those of the same n stand before others, then those as they were published, then those of the
    same images.
    """
    own = entry.curve
    same = [
        p
        for p in papers
        if (p.curve.method, p.curve.dataset, p.curve.norm, p.curve.sigma)
        == (own.method, own.dataset, own.norm, own.sigma)
    ]
    unlike = [(p.curve.n != own.n, AT_N in p.name, p.curve.subset != own.subset) for p in same]
    order = sorted(range(len(same)), key=lambda i: unlike[i])
    return [same[i] for i in order[:most]]


def as_linf(entry: Entry) -> Entry:
    """Return an L2 entry read in Linf, its radii over sqrt(d): the largest cube inside the ball.

    Raises
    ------
    UserError
        The data set of the entry, and so d, is not known.
    """
    c = entry.curve
    if c.norm is Norm.LINF:
        return entry
    if c.norm is None:
        raise UserError(f"{entry.name} cannot be read in Linf: its norm is not stated.")
    if c.dataset not in PIXELS:
        raise UserError(f"{entry.name} cannot be read in Linf: the size of its images is unknown.")
    scale = 1 / math.sqrt(PIXELS[c.dataset])
    curve = replace(
        c,
        norm=Norm.LINF,
        radius_R=tuple(r * scale for r in c.radius_R),
        acr=c.acr * scale,
        ceiling=c.ceiling * scale if c.ceiling else None,
    )
    log = entry.log and replace(entry.log, norm=Norm.LINF, radius_N=entry.log.radius_N * scale)
    return replace(entry, curve=curve, log=log)


def envelopes(entries: Sequence[Entry]) -> list[Entry]:
    """Return the best accuracy at each radius of each method and network shown at several sigmas.

    Logs are joined only where their method is known, and those measured here only if their networks
    are of one family (`family`). Where a curve is not known at a radius, its value at the next
    larger one stands for it, which is never more than the truth.
    """
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for e in entries:
        c = e.curve
        if e.kind != "published" and not (c.method and c.network and c.norm):
            continue
        paper = c.source if e.kind == "published" else (e.kind, family(e.checkpoint))
        radii_of = (c.norm, c.form)
        key = (paper, c.method, c.network, c.dataset, c.split, radii_of, c.subset, c.n, c.alpha)
        groups.setdefault(key, []).append(e)
    return [
        _envelope(group)
        for group in groups.values()
        if len({e.curve.sigma for e in group if e.curve.sigma}) > 1
    ]


def unknown(curve: Curve) -> tuple[str, ...]:
    """Return which settings that decide what a curve compares to are not known."""
    known = {
        "norm": curve.norm,
        "data set": curve.dataset,
        "split": curve.split,
        "n": curve.n,
        "alpha": curve.alpha,
    }
    return tuple(what for what, value in known.items() if not value)


def family(checkpoint: str) -> str:
    """Return a checkpoint's name without the noise it was trained at: cifar10-gaussian-0.5."""
    return re.sub(r"-\d+(\.\d+)?$", "", checkpoint)


def not_joined(entries: Sequence[Entry]) -> str:
    """Say which logs `envelopes` leaves out since their method or network is not known."""
    names = [
        e.name
        for e in entries
        if e.kind != "published" and not (e.curve.method and e.curve.network and e.curve.norm)
    ]
    if not names:
        return ""
    be = "is" if len(names) == 1 else "are"
    return (
        f"{', '.join(names)} {be} not joined over σ, since method, network or norm are not stated."
    )


def far_from_trained(sigma: float | None, trained: float | None) -> str:
    """Say that a network is smoothed with much more or less noise than it was trained at.

    Such a curve shows a network at noise it has not seen, not its method.
    """
    if not is_far(sigma, trained):
        return ""
    return f"smoothed at σ {sigma:g}, but trained at σ {trained:g}"


def accuracy(entry: Entry, radius: float) -> float | None:
    """Return certified accuracy at a radius; None where a published curve does not give it."""
    if entry.log is not None:
        return curves.accuracy_at(entry.log, radius)
    c = entry.curve
    for r, a in zip(c.radius_R, c.accuracy_R, strict=True):
        if math.isclose(r, radius, abs_tol=1e-9):
            return a
    return 0.0 if c.ceiling and radius > c.ceiling else None


def table(entries: Sequence[Entry], at_R: Sequence[float]) -> list[dict[str, object]]:
    """Return a row an entry: ACR, accuracy in percent at each radius, and every setting."""
    marked = marks(entries)
    rows: list[dict[str, object]] = []
    for entry in entries:
        c = entry.curve
        percent: dict[str, object] = {f"at {r:g}": _percent(accuracy(entry, r)) for r in at_R}
        rows.append(
            {"curve": entry.name, "from": entry.kind, "ACR": None if math.isnan(c.acr) else c.acr}
            | percent
            | {
                "unlike the first in": ", ".join(marked[entry.name]) or None,
                "not stated": ", ".join(unknown(c)) or None,
                "norm": str(c.norm) if c.norm else "unknown",
                "data set": c.dataset or "unknown",
                "split": c.split or "unknown",
                "images": c.subset or None,
                "count": c.images or None,
                "n": c.n,
                "alpha": c.alpha,
                "form": c.form,
                "sigma": c.sigma,
                "method": c.method or None,
                "network": c.network or None,
                "ceiling": float(down(c.ceiling, 3)) if c.ceiling else None,
                "note": "; ".join(t for t in (entry.flag, entry.note) if t) or None,
                "source": c.source or None,
            }
        )
    return rows


def to_csv(entries: Iterable[Entry]) -> str:
    """Return every curve as CSV, one row a radius, with its settings; unknowns are empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for e in entries:
        c = e.curve
        facts = {k: getattr(c, k, None) for k in COLUMNS} | {"kind": e.kind, "note": e.note}
        for r, a, low, high in zip(c.radius_R, c.accuracy_R, c.low_R, c.high_R, strict=True):
            row = facts | {"radius": r, "accuracy": a, "low": low, "high": high}
            writer.writerow({k: _blank(v) for k, v in row.items()})
    return out.getvalue()


def acr_by_part(logs: Iterable[Log]) -> list[dict[str, object]]:
    """Return the ACR of each log on each part it holds, and the range, of logs that hold two."""
    rows = []
    for log in logs:
        found: dict[str, float] = {}
        for part in PARTS[1:]:
            try:
                found[part] = curves.acr(subset(log, part))
            except UserError:
                continue
        if images_of(log) not in (*found, "first 500") and len(log) > 500:
            found[f"all {len(log):,}"] = curves.acr(log)
        if len(found) > 1:
            spread = max(found.values()) - min(found.values())
            rows.append({"log": log.name, **found, "moves by": spread})
    return rows


def _attempt(
    entries: Iterable[Entry], change: Callable[[Log], Log]
) -> tuple[list[Entry], list[str]]:
    """Return the entries with their logs changed where that can be done, and why not elsewhere."""
    changed, refused = [], []
    for entry in entries:
        try:
            log = change(entry.log) if entry.log is not None else None
        except UserError as error:
            refused.append(str(error))
            log = None
        if log is not None:
            entry = replace(entry, log=log, curve=curves.curve(log, radii(log)))
        changed.append(entry)
    return changed, refused


def _envelope(group: Sequence[Entry]) -> Entry:
    first = group[0].curve
    radius_R = sorted({r for e in group for r in e.curve.radius_R})
    best_R = [max(_at_least(e.curve, r) for e in group) for r in radius_R]
    unknown = (math.nan,) * len(radius_R)
    sigmas = sorted(e.curve.sigma for e in group if e.curve.sigma)
    whose = first.source.split(",")[0] if group[0].kind == "published" else first.network
    curve = replace(
        first,
        name=f"best over σ: {first.method} {whose}{TWO_CLASS if first.two_class else ''}",
        radius_R=tuple(radius_R),
        accuracy_R=tuple(best_R),
        low_R=unknown,
        high_R=unknown,
        acr=math.nan,
        sigma=None,
        ceiling=None,
    )
    levels = ", ".join(f"{s:g}" for s in sigmas)
    note = f"The best of σ {levels} at each radius, chosen afterwards; no single run reaches it."
    return Entry(curve, group[0].kind, None, note)


def _at_least(curve: Curve, radius: float) -> float:
    """Return the accuracy at the next radius that a curve gives, 0 beyond the last."""
    pairs = zip(curve.radius_R, curve.accuracy_R, strict=True)
    return next((a for r, a in pairs if r >= radius - 1e-9), 0.0)


def _up(radius: float) -> float:
    """Return the next multiple of MARK above a radius."""
    return MARK * (math.floor(radius / MARK) + 1)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _blank(value: object) -> object:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
