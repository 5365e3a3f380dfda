"""What papers claim, as data, and what the logs here say of it (no torch here).

Each claim is that one network's curve is above another's, in ACR or in certified accuracy at a
radius. The logs decide: a paired bootstrap interval of the difference over the same images.

Shape suffixes: N images.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rsviz import curves
from rsviz.errors import UserError
from rsviz.logs import Log, images_of, read_log

Verdict = Literal["holds", "contradicted", "undecided", "not comparable", "not measured yet"]
RESAMPLES, SEED = 10_000, 0
EQUAL = 1.1  # training times within a tenth of each other count as equal


@dataclass(frozen=True)
class Claim:
    """A statement that ``a`` is above ``b``.

    ``a`` and ``b`` name a checkpoint, or a log in its folder as ``NAME/FILE.csv``. ``radius`` None
    compares ACR, else certified accuracy there. ``paper_a`` and ``paper_b`` are the paper's own
    numbers for the two, None where it prints none.
    """

    system: str
    text: str
    source: str
    a: str
    b: str
    radius: float | None = None
    paper_a: float | None = None
    paper_b: float | None = None

    @property
    def measure(self) -> str:
        """What is compared, in words."""
        return "ACR" if self.radius is None else f"certified accuracy at {self.radius:g}"


@dataclass(frozen=True)
class Finding:
    """What the logs say of a claim: the difference a - b with its 95 % interval, and the verdict.

    ``minutes_a`` and ``minutes_b`` are training minutes, those of the networks they start from
    included.
    """

    claim: Claim
    verdict: Verdict
    ours_a: float | None = None
    ours_b: float | None = None
    gap: float | None = None
    low: float | None = None
    high: float | None = None
    images: str = ""
    n: int | None = None
    minutes_a: float | None = None
    minutes_b: float | None = None
    note: str = ""
    commands: tuple[str, ...] = ()

    @property
    def gain(self) -> float | None:
        """The difference relative to b, None where b is nothing."""
        return None if self.gap is None or not self.ours_b else self.gap / self.ours_b


_ICDM = "arXiv 2310.07780, ICDM 2023, first 500 test images, n 100,000"
_ACR = {  # of its table, by sigma
    "advmacer": {0.25: 0.554, 0.5: 0.742, 1.0: 0.794},
    "smoothadv": {0.25: 0.541, 0.5: 0.735, 1.0: 0.758},
    "macer": {0.25: 0.518, 0.5: 0.682, 1.0: 0.768},
}
_TITLES = {"smoothadv": "SmoothAdv", "macer": "MACER"}


def _advmacer() -> tuple[Claim, ...]:
    return tuple(
        Claim(
            "AdvMacer",
            f"AdvMacer's ACR is above {_TITLES[other]}'s at σ {sigma:g}.",
            _ICDM,
            f"cifar10-advmacer-{sigma}",
            f"cifar10-{other}-{sigma}",
            None,
            _ACR["advmacer"][sigma],
            _ACR[other][sigma],
        )
        for sigma in (0.5, 0.25, 1.0)
        for other in ("macer", "smoothadv")
    )


_NAMES = ("advmacer-2", "mixed-2", "mixed-3")
_PAIR, _MIXED, _THREE = (f"cifar10-ensemble-{n}-0.5/weightings/optimal.csv" for n in _NAMES)
_ESBRS = (
    Claim(
        "EsbRS",
        "An ensemble adds about 8 % to SmoothAdv's ACR (three networks, σ 0.5).",
        _ICDM,
        _THREE,
        "cifar10-smoothadv-0.5",
        paper_a=0.783,
        paper_b=0.735,
    ),
    Claim(
        "EsbRS",
        "An ensemble adds about 15 % to MACER's ACR (three networks, σ 0.5).",
        _ICDM,
        _THREE,
        "cifar10-macer-0.5",
        paper_a=0.783,
        paper_b=0.682,
    ),
    Claim(
        "EsbRS",
        "Two AdvMacer networks together are above one (σ 0.5; the paper's pair is at σ 0.25).",
        _ICDM,
        _PAIR,
        "cifar10-advmacer-0.5",
        paper_a=0.576,
        paper_b=0.554,
    ),
    Claim(
        "EsbRS",
        "Optimal weights are above the average (two networks; the paper's are at σ 0.25).",
        _ICDM,
        _PAIR,
        _PAIR.replace("optimal", "average"),
        paper_a=0.576,
        paper_b=0.572,
    ),
    Claim(
        "EsbRS",
        "Optimal weights are above max-margin (two networks; the paper's are at σ 0.25).",
        _ICDM,
        _PAIR,
        _PAIR.replace("optimal", "max-margin"),
        paper_a=0.576,
        paper_b=0.567,
    ),
    Claim(
        "EsbRS",
        "Networks of unlike methods make a better ensemble than those of one (σ 0.5; the paper's "
        "own table, with three networks, goes both ways).",
        _ICDM,
        _MIXED,
        _PAIR,
        paper_a=0.783,
        paper_b=0.772,
    ),
)

_COHEN = "arXiv 1902.02918, ICML 2019, every 20th test image, n 100,000"
_NOISE = (
    Claim(
        "Gaussian",
        "Less noise in training and test keeps more images right: σ 0.25 above σ 1 at radius 0.",
        _COHEN,
        "cifar10-gaussian-0.25",
        "cifar10-gaussian-1.0",
        0.0,
    ),
    Claim(
        "Gaussian",
        "More noise certifies more images far away: σ 1 above σ 0.5 at radius 1.",
        _COHEN,
        "cifar10-gaussian-1.0",
        "cifar10-gaussian-0.5",
        1.0,
    ),
)
CLAIMS: tuple[Claim, ...] = (*_advmacer(), *_ESBRS, *_NOISE)

Commands = Callable[[str], Sequence[str]]


def log_file(root: Path, name: str) -> Path:
    """Return the file of a checkpoint's log, or of the log named."""
    return root / (name if name.endswith(".csv") else f"{name}/certified.csv")


def judge(
    claim: Claim,
    root: Path,
    commands: Commands = lambda name: (),
    read: Callable[[Path], Log] = read_log,
) -> Finding:
    """Return what the logs under ``root`` say of a claim; it never guesses what is missing.

    Parameters
    ----------
    commands : gives the commands that make and measure a side.
    read : reads a log, say from a cache.
    """
    how = tuple(dict.fromkeys(c for side in (claim.a, claim.b) for c in commands(side)))
    files = [log_file(root, side) for side in (claim.a, claim.b)]
    if missing := [str(f.relative_to(root)) for f in files if not f.is_file()]:
        note = f"There is no log {' and no log '.join(missing)}."
        return Finding(claim, "not measured yet", note=note, commands=how)
    try:
        a, b = map(read, files)
    except UserError as error:
        return Finding(claim, "not measured yet", note=str(error), commands=how)
    minutes = [training_minutes(root, side.split("/")[0]) for side in (claim.a, claim.b)]
    if reasons := _unlike(a, b):
        return Finding(claim, "not comparable", note=" ".join(reasons), commands=how)
    gap, low, high = curves.paired_bootstrap(
        a, b, np.random.default_rng(SEED), RESAMPLES, claim.radius
    )
    return Finding(
        claim,
        verdict(low, high),
        _value(a, claim.radius),
        _value(b, claim.radius),
        gap,
        low,
        high,
        images_of(a),
        a.n,
        minutes[0],
        minutes[1],
        _minutes_note(minutes),
        how,
    )


def judge_all(root: Path, commands: Commands = lambda name: ()) -> list[Finding]:
    """Return what the logs say of every claim."""
    return [judge(claim, root, commands) for claim in CLAIMS]


def verdict(low: float, high: float) -> Verdict:
    """Return the verdict of a 95 % interval of a - b: it must exclude zero to decide."""
    return "holds" if low > 0 else "contradicted" if high < 0 else "undecided"


def training_minutes(root: Path, name: str) -> float | None:
    """Return the training minutes of a checkpoint and of all it starts from or is made of, once.

    None where a card lacks them.
    """
    todo, seen, total = [name], set[str](), 0.0
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        try:
            card = json.loads((root / here / "card.json").read_text())
            total += float(card["seconds"]) / 60
        except (OSError, ValueError, KeyError, TypeError):
            return None
        others = [p["checkpoint"] for p in card.get("parts", {}).values() if "checkpoint" in p]
        members = [m["name"] for m in card.get("members", ())]
        todo += [*filter(None, [card.get("start")]), *members, *others]
    return total


def to_dict(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON can hold it."""
    return asdict(finding) | {"measure": finding.claim.measure, "gain": finding.gain}


def in_lines(findings: Iterable[Finding]) -> list[str]:
    """Return findings as text, a claim a paragraph of two or three lines."""
    lines = []
    for f in findings:
        lines.append(f"{f.verdict.upper()}: {f.claim.text} [{f.claim.source}]")
        if f.gap is not None:
            lines.append(
                f"  {f.claim.measure}: {f.claim.a} {f.ours_a:.4f}, {f.claim.b} {f.ours_b:.4f}; "
                f"difference {f.gap:+.4f}, 95 % interval {f.low:+.4f} to {f.high:+.4f} "
                f"({f.images}, n {f.n:,})"
            )
        if f.note:
            lines.append(f"  {f.note}")
    return lines


def _value(log: Log, radius: float | None) -> float:
    return curves.acr(log) if radius is None else curves.accuracy_at(log, radius)


def _unlike(a: Log, b: Log) -> list[str]:
    """Return why two logs cannot be paired: another norm, data set, images, n or alpha."""
    reasons = curves.comparable([curves.curve(log, [0.0]) for log in (a, b)])
    if not reasons and not np.array_equal(a.index_N, b.index_N):
        reasons = [f"{a.name} and {b.name} are not of the same images."]
    return reasons


def _minutes_note(minutes: Sequence[float | None]) -> str:
    known = sorted(m for m in minutes if m is not None)
    if len(known) < 2 or known[1] <= EQUAL * known[0]:
        return ""
    return "The two did not train equally long; the figure below sets ACR against minutes."
