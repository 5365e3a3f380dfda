"""What papers claim, as data, and what the logs here say of it (no torch here).

Each claim is that one network's curve is above its rival's, in ACR or in certified accuracy at a
radius; a paper that says by how much is judged on that too, apart. The logs decide: a paired
bootstrap interval of the difference over the same images. An interval of 95 % is of one claim
alone; of many claims some are decided by chance, so each also has a p-value, and those that survive
Holm's correction over all that is judged are told apart.

Shape suffixes: N images.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.special import ndtr

from rsviz.checkpoints.catalog import EXPERIMENTS_FOLDER, first_seed
from rsviz.core.errors import UserError
from rsviz.core.files import kept, kept_in
from rsviz.evaluation import answers, attack_tables, curves
from rsviz.evaluation.logs import Log, head_of, images_of, read_log
from rsviz.evaluation.paper_claims import ARS, CLAIMS, LYU, RADIUS_LINF, SEEDS, VRS, About, Claim
from rsviz.evaluation.seeds import over_seeds, ratio_over_seeds, summed_over_seeds
from rsviz.evaluation.training_cost import Work, training_minutes, training_work

Verdict = Literal["holds", "contradicted", "undecided", "not comparable", "not measured yet"]
SizeVerdict = Literal["less", "more", "fits"]
RESAMPLES, SEED = 10_000, 0
LEVEL = 0.05  # of all claims judged together
DECIDED = ("holds", "contradicted")
ENDED = "An image's votes ended as soon as this radius was settled for it; n is the most."
EQUAL = 1.1  # training that differs by at most a tenth counts as equal


def verdict(low: float, high: float, p: float) -> Verdict:
    """Return the verdict of a - b: its 95 % interval must exclude zero, and the test say so."""
    if p > LEVEL:  # the bootstrap's interval and the exact test may differ by a hair
        return "undecided"
    return "holds" if low > 0 else "contradicted" if high < 0 else "undecided"


@dataclass(frozen=True)
class Size:
    """By how much a is above b beside what the paper says, in the units of the claim.

    ``ours`` has its 95 % interval; ``p`` is that of 'it is just as large as claimed'.
    """

    claimed: float
    ours: float
    low: float
    high: float
    p: float
    p_holm: float | None = None

    @property
    def verdict(self) -> SizeVerdict:
        """Less or more than claimed, or neither is shown: it fits."""
        beside = verdict(self.low - self.claimed, self.high - self.claimed, self.p)
        shown: dict[Verdict, SizeVerdict] = {"holds": "more", "contradicted": "less"}
        return shown.get(beside, "fits")

    @property
    def survives(self) -> bool:
        """Whether the verdict stands with all claims judged together."""
        return self.verdict != "fits" and self.p_holm is not None and self.p_holm <= LEVEL


@dataclass(frozen=True)
class Finding:
    """What the logs say of a claim: the difference a - b with its 95 % interval, and the verdict.

    ``rival`` is the log it was judged against, the best of several. ``minutes_a`` and ``minutes_b``
    are training minutes, ``work_a`` and ``work_b`` updates and multiply-adds, those of the networks
    they start from included. ``seeds`` counts the trainings of the side that has fewest. ``p`` is
    of this claim alone (`curves.exchange_p`), ``p_holm`` adjusted for all judged with it.
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
    p: float | None = None
    p_holm: float | None = None
    rival: str = ""
    size: Size | None = None
    seeds: int | None = None
    work_a: Work | None = None
    work_b: Work | None = None

    @property
    def survives(self) -> bool:
        """Whether the verdict is a decision that stands with all claims judged together."""
        decided = self.verdict in DECIDED
        return decided and self.p_holm is not None and self.p_holm <= LEVEL

    @property
    def label(self) -> str:
        """The verdict, marked where it stands only for this claim alone."""
        fell = self.verdict in DECIDED and not self.survives
        return f"{self.verdict}, alone" if fell else self.verdict

    @property
    def gain(self) -> float | None:
        """The difference relative to b, None where b is nothing."""
        return None if self.gap is None or not self.ours_b else self.gap / self.ours_b

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a referee would say of it, in sentences."""
        if self.gap is None:
            return ()
        told = []
        if self.claim.about == "training" and self.seeds is not None and self.seeds < SEEDS:
            once = "was trained once" if self.seeds == 1 else f"has {self.seeds} trainings"
            told.append(
                f"A side {once}, where a statement about training takes {SEEDS} seeds: this is of "
                "these networks, not of the method."
            )
        elif self.claim.about == "training" and self.seeds is not None:
            told.append(f"The interval is over images and {self.seeds} trainings of each side.")
        if self.claim.rival != "log":
            told.append("The rival is the best of several on these very images, which favours it.")
        if self.claim.seen:
            told.append("This row was written after its logs had been read.")
        if self.work_a and self.work_b and not _near(self.work_a, self.work_b):
            told.append(f"The two did not train equally: {self.work_a}, against {self.work_b}.")
        return tuple(told)


Commands = Callable[[str], Sequence[str]]


def log_file(root: Path, name: str) -> Path:
    """Return the file of a checkpoint's log, or of the log named."""
    return root / (name if name.endswith(".csv") else f"{name}/certified.csv")


def _files(claim: Claim, root: Path, sides: Sequence[str]) -> dict[str, Path]:
    """Return the log of each side.

    Where a full one is missing, and one radius is compared, those that ask for this radius alone
    will do: their votes ended as soon as it was settled.
    """
    full = {side: log_file(root, side) for side in sides}
    if claim.radius is None or all(kept(file).is_file() for file in full.values()):
        return full
    asked = {side: _asked(file.parent, claim.radius) for side, file in full.items()}
    found = {side: file for side, file in asked.items() if file is not None}
    return found if len(found) == len(full) else full


def _asked(folder: Path, radius: float) -> Path | None:
    """Return the log in a folder that asks of each image whether this radius is certified."""
    found = (file for file in kept_in(folder, "*.csv") if answers.asks(file, radius))
    return next(found, None)


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
    sides = (claim.a, *claim.b)
    how = _how(root, sides, commands, claim.about)
    files = _files(claim, root, sides)
    if missing := [str(f.relative_to(root)) for f in files.values() if not kept(f).is_file()]:
        note = f"There is no log {' and no log '.join(missing)}."
        return Finding(claim, "not measured yet", note=note, commands=how)
    try:
        a, *rivals = (_read(file, read) for file in files.values())
    except UserError as error:
        return Finding(claim, "not measured yet", note=str(error), commands=how)
    if reasons := [reason for b in rivals for reason in _unlike(a, b)]:
        return Finding(claim, "not comparable", note=" ".join(reasons), commands=how)
    a_N = curves.won(a, claim.radius)
    if claim.rival == "envelope":
        name, b_N = claim.against, curves.won_by_envelope(rivals)
    else:
        won = [(side, curves.won(b, claim.radius)) for side, b in zip(claim.b, rivals, strict=True)]
        name, b_N = max(won, key=lambda pair: pair[1].mean())
    own, other = claim.a.split("/")[0], name.split("/")[0]
    one = claim.rival != "envelope"
    a_SN, b_SN = a_N[None], b_N[None]
    seeds = min(_seeds(root, own), _seeds(root, other)) if one else _seeds(root, own)
    if claim.about == "training" and one:
        a_SN, b_SN = (_over_seeds(root, side, a, claim, read) for side in (claim.a, name))
        seeds = min(len(a_SN), len(b_SN))  # those whose logs are here and alike
    if seeded := min(len(a_SN), len(b_SN)) > 1:
        gap, low, high, p = over_seeds(a_SN, b_SN)
    else:
        gap, low, high = curves.bootstrap(a_N - b_N, np.random.default_rng(SEED), RESAMPLES)
        p = _p(a_N - b_N)
    size = _size_over_seeds(claim, a_SN, b_SN) if seeded else _size(claim, a_N, b_N)
    return Finding(
        claim,
        verdict(low, high, p),
        float((a_SN if seeded else a_N).mean()),
        float((b_SN if seeded else b_N).mean()),
        gap,
        low,
        high,
        images_of(a),
        a.n,
        training_minutes(root, own),
        training_minutes(root, other) if one else None,
        note="" if a.until_radius is None else ENDED,
        commands=how,
        p=p,
        rival=name,
        size=size,
        seeds=seeds,
        work_a=training_work(root, own),
        work_b=training_work(root, other) if one else None,
    )


def _read(file: Path, read: Callable[[Path], Log]) -> Log:
    return answers.as_log(file) if answers.is_question(file) else read(file)


def _over_seeds(
    root: Path, side: str, a: Log, claim: Claim, read: Callable[[Path], Log]
) -> np.ndarray:
    """Return won_SN of a side, of each of its trainings whose log can be paired with a."""
    name = side.partition("/")[0]
    logs = []
    for other in _trainings(root, name):
        path = _log_of_seed(root, side, other)
        if a.until_radius is not None:
            path = _asked(root / other, a.until_radius) or path
        if kept(path).is_file() and not _unlike(a, log := _read(path, read)):
            logs.append(log)
    return np.array([curves.won(log, claim.radius) for log in logs])


def _log_of_seed(root: Path, side: str, training: str) -> Path:
    """Return the log of another training of a side; an experiment keeps its own apart."""
    own = log_file(root, side)
    file = root / training / own.relative_to(root / side.partition("/")[0])
    apart = file.parent / EXPERIMENTS_FOLDER / file.name
    return apart if kept(apart).is_file() and not kept(file).is_file() else file


def _how(root: Path, sides: Sequence[str], commands: Commands, about: About) -> tuple[str, ...]:
    """Return the commands that make and measure the sides, with those of further seeds.

    A log that is there states the command that made it; one that is not takes the recipe's.
    """
    found: list[str] = []
    for side in sides:
        name, _, file = side.partition("/")
        first = first_seed(name)
        others = [f"{first}-seed{s}" for s in range(1, SEEDS)] if about == "training" else []
        for training in dict.fromkeys((name, *others)):
            told = commands(f"{training}/{file}" if file else training)
            stated = _stated(_log_of_seed(root, side, training)) if told else ""
            found += (*told[:-1], stated) if stated else told
    return tuple(dict.fromkeys(found))


def _stated(log: Path) -> str:
    """Return the command that a log says made it, empty where it does not say."""
    try:
        return head_of(log).command
    except (OSError, UserError):
        return ""


def _size_over_seeds(claim: Claim, a_SN: np.ndarray, b_SN: np.ndarray) -> Size | None:
    """Return by how much a is above b over images and seeds, beside the size claimed, if any."""
    if claim.claimed is None:
        return None
    if claim.relative:
        ours, low, high = ratio_over_seeds(a_SN, b_SN)
        *_, p = over_seeds(a_SN, (1 + claim.claimed) * b_SN)
    else:
        ours, low, high, _ = over_seeds(a_SN, b_SN)
        *_, p = over_seeds(a_SN - claim.claimed, b_SN)
    return Size(claim.claimed, ours, low, high, p)


def _size(claim: Claim, a_N: np.ndarray, b_N: np.ndarray) -> Size | None:
    """Return by how much a is above b beside the size claimed; p by the central limit theorem."""
    if claim.claimed is None:
        return None
    generator = np.random.default_rng(SEED)
    if claim.relative:
        ours, low, high = curves.ratio_interval(a_N, b_N, generator, RESAMPLES)
        off_N = a_N - (1 + claim.claimed) * b_N
    else:
        ours, low, high = curves.bootstrap(a_N - b_N, generator, RESAMPLES)
        off_N = a_N - b_N - claim.claimed
    deviation = off_N.std(ddof=1) / np.sqrt(len(off_N))
    p = 2 * float(ndtr(-abs(off_N.mean()) / deviation)) if deviation else float(not off_N.any())
    return Size(claim.claimed, ours, low, high, p)


def _trainings(root: Path, name: str) -> list[str]:
    """Return the trainings of a checkpoint, that differ in their seed alone, which are here."""
    return sorted(f.name for f in root.iterdir() if first_seed(f.name) == first_seed(name))


def _seeds(root: Path, name: str) -> int:
    return len(_trainings(root, name))


def _near(a: Work, b: Work) -> bool:
    low, high = sorted((a.multiply_adds, b.multiply_adds))
    return high <= EQUAL * low


def judge_all(root: Path, commands: Commands = lambda name: ()) -> list[Finding]:
    """Return what the logs and the tables of attacked images say of every claim, all together."""
    read = cache(read_log)  # a log is a side of several claims
    found = [judge(claim, root, commands, read) for claim in CLAIMS]
    return together([*found, judge_growth(root, commands, read), *judge_every_table(root)])


def together(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with Holm's correction over all that was judged, sizes included."""
    sizes = [f.size.p if f.size else None for f in findings]
    both = zip((f.p for f in findings), sizes, strict=True)
    p_M = [p for pair in both for p in pair if p is not None]
    adjusted = iter(curves.holm(p_M))
    found = []
    for f in findings:
        if f.p is not None:
            f = replace(f, p_holm=next(adjusted))
        if f.size is not None:
            f = replace(f, size=replace(f.size, p_holm=next(adjusted)))
        found.append(f)
    return found


def tallied(f: Finding) -> str:
    """Return under which verdict a claim is counted; a decision that falls to Holm is apart."""
    return f.verdict if f.label == f.verdict else "decided alone, not together"


def tally(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many claims came out how."""
    names = [tallied(f) for f in findings]
    order = ("holds", "contradicted", "decided alone, not together", "undecided")
    return {name: names.count(name) for name in dict.fromkeys((*order, *names)) if name in names}


def headline(findings: Sequence[Finding]) -> str:
    """Return one sentence: how many claims hold or are contradicted, all judged together."""
    counts, judged = tally(findings), sum(f.p is not None for f in findings)
    if not judged:
        return f"None of {len(findings)} claims is measured yet."
    fell, no = counts.get("decided alone, not together", 0), counts.get("contradicted", 0)
    return (
        f"Of {judged} claims judged together at {100 * LEVEL:g} % (Holm), "
        f"{counts.get('holds', 0)} hold and {no} {'is' if no == 1 else 'are'} contradicted; {fell} "
        "more would be decided if each stood alone."
    )


def judge_growth(
    root: Path, commands: Commands = lambda name: (), read: Callable[[Path], Log] = read_log
) -> Finding:
    """Return whether ARS gains more over plain smoothing on large canvases than on small ones.

    The gain of an image is that of the same object on two canvases, so both gains are paired.
    """
    sides = [f"shapes-k{k}-{method}-1.0" for k in (64, 32) for method in ("adaptive", "plain")]
    how = _how(root, sides, commands, "training")
    pairs = zip(sides[::2], sides[1::2], strict=True)
    large, small = (Claim(ARS, "", LYU, a, (b,), radius=RADIUS_LINF) for a, b in pairs)
    parts = [judge(claim, root, read=read) for claim in (large, small)]
    claim = Claim(
        ARS,
        "What the mask gains over plain smoothing grows with the canvas: k = 64 above 32 (Shapes).",
        LYU,
        "the gain at k = 64",
        ("the gain at k = 32",),
        radius=RADIUS_LINF,
        about="training",
        what=f"{large.measure}, less that of plain smoothing",
    )
    for part in parts:
        if part.gap is None:
            return Finding(claim, part.verdict, note=part.note, commands=how)
    files = _files(large, root, sides[:2]) | _files(small, root, sides[2:])
    logs = [_read(files[side], read) for side in sides]
    same = logs[0].n == logs[2].n and logs[0].until_radius == logs[2].until_radius
    if not same or not np.array_equal(logs[0].index_N, logs[2].index_N):
        note = "The two sizes were not measured on the same images at the same n."
        return Finding(claim, "not comparable", note=note, commands=how)
    claims = (large, large, small, small)
    of_log = zip(sides, logs, claims, strict=True)
    won = [_over_seeds(root, side, log, part, read) for side, log, part in of_log]
    seeds = min(map(len, won))
    if seeds > 1:
        gap, low, high, p = summed_over_seeds((won[0], -won[1], -won[2], won[3]))
    else:
        won = [curves.won(log, RADIUS_LINF)[None] for log in logs]
        gaps_N = (won[0] - won[1] - (won[2] - won[3]))[0]
        gap, low, high = curves.bootstrap(gaps_N, np.random.default_rng(SEED), RESAMPLES)
        p = _p(gaps_N)
    of, n = images_of(logs[0]), logs[0].n
    first, second = (float(a.mean() - b.mean()) for a, b in (won[:2], won[2:]))
    return Finding(
        claim,
        verdict(low, high, p),
        first,
        second,
        gap,
        low,
        high,
        of,
        n,
        commands=how,
        p=p,
        rival="the gain at k = 32",
        seeds=seeds,
    )


ATTACKED, LAMBDA = "cifar10-variational", "lambda 0.2"
MANY_LAMBDAS = (LAMBDA, "lambda 0.5")
_UNDER = {
    "none": ("on clean images", "accuracy, clean"),
    "f": ("under attack on f alone", "accuracy, attacked through f"),
    "f and h": ("under attack on f and h together", "accuracy, attacked through f and h"),
}


def judge_every_table(root: Path) -> list[Finding]:
    """Return the findings of every table of attacked images, that of most images last."""
    many = [judge_attacked(root, table=attack_tables.MANY, lam=lam) for lam in MANY_LAMBDAS]
    return [*judge_attacked(root), *(finding for found in many for finding in found)]


def judge_attacked(
    root: Path, name: str = ATTACKED, table: str = attack_tables.FILE, lam: str = LAMBDA
) -> list[Finding]:
    """Return whether the selector is right more often than the best fixed level, attacked or not.

    The best fixed level is found on the same images, which favours it a little.
    """
    found, missing = None, f"There is no table {name}/{table}."
    try:
        if kept(file := root / name / table).is_file():
            found = attack_tables.read(file)
    except UserError as error:
        missing = str(error)
    findings, of = [], lam.replace("lambda", "λ")
    if many := table == attack_tables.MANY:
        of += ", 2,500 images, 100 of which had been read"
    for attack, (where, what) in _UNDER.items():
        text = f"A level for each image is right more often than any fixed one {where} ({of})."
        if found is None:
            rivals = ("the best fixed level",)
            claim = Claim("Variational RS", text, VRS, name, rivals, what=what, seen=not many)
            findings.append(Finding(claim, "not measured yet", note=missing))
            continue
        best = found.best_fixed(attack)
        a_N, b_N = found.of(lam, attack), found.of(best, attack)
        side, rival = f"{name}, {lam}", f"{best} for all"
        claim = Claim("Variational RS", text, VRS, side, (rival,), what=what, seen=not many)
        gaps_N = a_N.astype(float) - b_N
        gap, low, high = curves.bootstrap(gaps_N, np.random.default_rng(SEED), RESAMPLES)
        p = _p(gaps_N)
        eps, n = found.head.spec.eps, found.head.spec.n
        findings.append(
            Finding(
                claim,
                verdict(low, high, p),
                float(a_N.mean()),
                float(b_N.mean()),
                gap,
                low,
                high,
                f"{len(a_N):,} test images",
                n,
                note=f"Not certified: attacks of L2 length {eps:g}, {found.head.spec.steps} "
                "steps, through noise.",
                commands=(found.head.command,),
                p=p,
                rival=rival,
            )
        )
    return findings


def to_dict(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON can hold it."""
    told = {
        "measure": finding.claim.measure,
        "gain": finding.gain,
        "survives": finding.survives,
        "caveats": finding.caveats,
    }
    size = finding.size
    return asdict(finding) | told | ({"size_verdict": size.verdict} if size else {})


def p_in_words(f: Finding) -> str:
    """Return the p-value and whether the decision survives, empty before a claim is judged."""
    if f.p is None or f.p_holm is None:
        return ""
    p = f"p {'at most ' if f.p < 1e-4 else ''}{max(f.p, 1e-4):.2g}"
    if f.verdict == "undecided":
        return f"{p}, alone"
    stands = "survives" if f.survives else "does not survive"
    return f"{p}, alone; {stands} Holm's correction over all claims judged ({f.p_holm:.2g})"


def size_in_words(f: Finding) -> str:
    """Return by how much it is above beside what the paper says, empty where it says nothing."""
    if (s := f.size) is None:
        return ""
    number = "{:+.1%}" if f.claim.relative else "{:+.3f}"
    told = {
        "less": "less than claimed",
        "more": "more than claimed",
        "fits": "which the claimed size fits",
    }[s.verdict]
    alone = "" if s.verdict == "fits" or s.survives else ", alone"
    claimed, ours, low, high = map(number.format, (s.claimed, s.ours, s.low, s.high))
    return f"claimed {claimed}; here {ours}, 95 % interval {low} to {high}: {told}{alone}"


def in_lines(findings: Iterable[Finding]) -> list[str]:
    """Return findings as text, a claim a paragraph of a few lines."""
    findings = list(findings)
    lines = [headline(findings)]
    for f in findings:
        lines.append(f"{f.label.upper()}: {f.claim.text} [{f.claim.source}]")
        if f.gap is not None:
            gain = "" if f.gain is None else f" ({f.gain:+.1%})"
            lines.append(
                f"  {f.claim.measure}: {f.claim.a} {f.ours_a:.4f}, {f.rival} {f.ours_b:.4f}; "
                f"difference {f.gap:+.4f}{gain}, 95 % interval {f.low:+.4f} to {f.high:+.4f} "
                f"({f.images}, n {f.n:,})"
            )
        if told := p_in_words(f):
            lines.append(f"  {told}")
        if told := size_in_words(f):
            lines.append(f"  size: {told}")
        lines += [f"  {told}" for told in (f.note, *f.caveats) if told]
    return lines


def _p(gaps_N: np.ndarray) -> float:
    return curves.exchange_p(gaps_N, np.random.default_rng(SEED))


def _unlike(a: Log, b: Log) -> list[str]:
    """Return why two logs cannot be paired: another norm, data set, images, n or alpha."""
    reasons = curves.comparable([curves.curve(log, [0.0]) for log in (a, b)])
    if not reasons and not np.array_equal(a.index_N, b.index_N):
        reasons = [f"{a.name} and {b.name} are not of the same images."]
    return reasons
