"""Experiments that the papers leave open, as data; `experiment_rows` reads their logs (no torch).

Question, points, commands and what was expected are written down before a point is measured; an
experiment some of whose logs had been read by then says so: `seen`. An expectation has a direction,
so that the logs can contradict it.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rsviz.checkpoints.catalog import EXPERIMENTS_FOLDER
from rsviz.core.errors import UserError
from rsviz.core.files import shown

Kind = Literal["log", "reread", "attack", "under attack", "seconds"]
ACR, BROKEN, RIGHT = "ACR", "share broken", "share right under attack"
TIMES = "times plain smoothing"
AT = "accuracy at "  # before a radius
TEST_IMAGES = {"cifar10": 10_000, "shapes": 2_000}
PAPER_STYLE = "paper-style: no certificate"
Setting = tuple[str, float | str]


@dataclass(frozen=True)
class Point:
    """One point of a figure and how its log is made; several points may share a log.

    Parameters
    ----------
    x : where it stands, a name where the axis has none but names.
    log : as ``NAME/FILE.csv`` in the folder of checkpoints.
    arguments : of ``python -m rsviz``, but for ``--out``, which names the log.
    first : the commands that make what these need, as of training a network.
    settings : what the log is read at, where one log is read in several ways.
    """

    x: float | str
    series: str
    log: str
    arguments: tuple[str, ...]
    first: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()

    def words(self, out: str) -> list[str]:
        """Return the arguments with the file they write."""
        return [*self.arguments, "--out", out]

    @property
    def images(self) -> int:
        """How many images the log holds when it is finished."""
        every = int(self.arguments[self.arguments.index("--every") + 1])
        return -(-TEST_IMAGES[self.log.partition("-")[0]] // every)

    @property
    def command(self) -> str:
        """The command that makes the log, on the shipped checkpoints."""
        return f"python -m rsviz {shlex.join(self.words(f'checkpoints/{self.log}'))}"


Place = tuple[str, float | str]  # series, x


@dataclass(frozen=True)
class Expected:
    """What was expected: ``a`` is above ``b`` in a measure, or at most a limit, if there is no b.

    Parameters
    ----------
    a, b : points, by series and x.
    limit : what ``a`` may reach: contradicted if its interval lies above, undecided if only its
        value does. Few images may leave room above a value that is within: the interval is told.
    by : how far above ``b`` it is; below 0, how far it may stay behind.
    seen : whether its logs had been read; where nothing is said, those shipped with a network had.
    """

    text: str
    measure: str
    a: Place
    b: Place | None = None
    limit: float = 0.0
    by: float = 0.0
    seen: bool | None = None


@dataclass(frozen=True)
class Experiment:
    """A question, the points that answer it, and what was expected before they were measured.

    Parameters
    ----------
    x : what the axis is.
    measures : what is read of each point, the first one drawn first.
    seen : which logs had been read when this was written; empty if none of them.
    note : what else to know when reading it.
    trend : whether it is told from its first to its last x, and not by where it is highest.
    curves : whether the logs are drawn as certified accuracy against radius, too, a line for each
        x, which is a number.
    grows : whether x counts networks, so that the first series has a limit;
        see `experiment_rows.limit_of`.
    """

    key: str
    paper: str
    question: str
    x: str
    kind: Kind
    measures: tuple[str, ...]
    points: tuple[Point, ...]
    expected: tuple[Expected, ...]
    seen: str = ""
    note: str = ""
    trend: bool = False
    log_x: bool = False
    curves: bool = False
    grows: bool = False

    @property
    def trains(self) -> bool:
        """Whether a network must be trained first."""
        return any(point.first for point in self.points)

    @property
    def series(self) -> tuple[str, ...]:
        """The series, in order."""
        return tuple(dict.fromkeys(point.series for point in self.points))


VRS, DUAL = "Variational RS, arXiv 2407.11844", "Dual RS, arXiv 2512.01782"
ARS, ADVMACER = "Adaptive RS, arXiv 2406.10427", "AdvMacer, arXiv 2310.07780"
ESBRS = "EsbRS, arXiv 2310.07780"
COHEN = "Cohen et al., arXiv 1902.02918"
_AT = tuple(f"{AT}{r:g}" for r in (0, 0.25, 0.5, 0.75, 1))


def _evaluate(
    name: str, every: int, n: int, *more: str, precision: str = "int8"
) -> tuple[str, ...]:
    return (
        *("evaluate", "--checkpoint", name, *more, "--split", "test", "--every", str(every)),
        *("--n0", "100", "--n", str(n), "--alpha", "0.001", "--precision", precision),
    )


def _sets(**settings: float | str) -> tuple[str, ...]:
    words = (f"{name}={value}" for name, value in settings.items())
    return tuple(word for setting in words for word in ("--set", setting))


def _file(name: str, stem: str) -> str:
    return f"{name}/{EXPERIMENTS_FOLDER}/{stem}.csv"


_SHIPPED = {  # logs of int8 that are there, of these very settings
    ("cifar10-gaussian-0.25", 0.25): "certified-int8.csv",
    ("cifar10-gaussian-0.5", 0.5): "certified-int8.csv",
    ("cifar10-gaussian-1.0", 1.0): "certified-int8.csv",
    ("cifar10-gaussian-universal", 0.25): "certified-0.25-int8.csv",
    ("cifar10-gaussian-universal", 0.5): "certified-int8.csv",
    ("cifar10-gaussian-universal", 1.0): "certified-1.0-int8.csv",
}


def _sigma_s() -> Experiment:
    nets = tuple(f"cifar10-gaussian-{a}" for a in ("0.25", "0.5", "1.0", "universal"))
    quarter, half, one, universal = nets

    def point(name: str, sigma: float) -> Point:
        own = _SHIPPED.get((name, sigma))
        log = f"{name}/{own}" if own else _file(name, f"sigma-{sigma}")
        return Point(sigma, name, log, _evaluate(name, 20, 2_000, "--sigma", str(sigma)))

    levels = (0.12, 0.25, 0.5, 1.0, 0.35, 0.7, 0.18)  # in the order they are measured
    return Experiment(
        "sigma-s",
        f"{COHEN}; {VRS}",
        "How much noise should a network be smoothed with that was trained with another level?",
        "σ_s, the noise of the votes",
        "log",
        (ACR, *_AT),
        tuple(point(name, sigma) for sigma in levels for name in nets),
        (
            Expected(
                "The network of σ 0.25 has its largest ACR at its own noise: above σ 0.35.",
                ACR,
                (quarter, 0.25),
                (quarter, 0.35),
            ),
            Expected(
                "It breaks down beyond: above its ACR at σ 0.7.",
                ACR,
                (quarter, 0.25),
                (quarter, 0.7),
            ),
            Expected(
                "The network of σ 0.5 has its largest ACR at its own noise: above σ 0.7.",
                ACR,
                (half, 0.5),
                (half, 0.7),
            ),
            Expected(
                "Less noise than in training keeps more images right: the network of σ 1 at σ 0.5.",
                f"{AT}0",
                (one, 0.5),
                (one, 1.0),
            ),
            Expected(
                "At little noise (σ 0.12) the universal network keeps more right than that of σ 1.",
                f"{AT}0",
                (universal, 0.12),
                (one, 0.12),
            ),
            Expected(
                "Between the levels of the others (σ 0.35) the universal network has a larger ACR "
                "than that of σ 0.25.",
                ACR,
                (universal, 0.35),
                (quarter, 0.35),
            ),
        ),
        seen="float32 logs of the network of σ 0.5 at three levels, and int8 logs of each network "
        "at its own level and of the universal one at three, had been read.",
        log_x=True,
    )


BUDGETS = (0.9, 0.99, 1.0, 1.01, 1.5, 2.0, 3.0)


def _radius() -> Experiment:
    networks = {
        "Gaussian σ 0.5, CIFAR-10": ("cifar10-gaussian-0.5", 200, ()),
        "Gaussian σ 0.5, Shapes": ("shapes-gaussian-0.5", 50, ()),
        "Multiscale, CIFAR-10": ("cifar10-multiscale-gaussian", 200, ()),
        "Dual RS by the sweep, CIFAR-10": ("cifar10-dual", 200, _sets(rule="sweep")),
        "Variational RS, CIFAR-10": ("cifar10-variational", 200, ()),
    }

    def points(series: str, name: str, every: int, more: tuple[str, ...]) -> tuple[Point, ...]:
        budgets = ",".join(f"{b:g}" for b in BUDGETS)
        arguments = (
            *("attack", "--checkpoint", name, "--split", "test", "--every", str(every), *more),
            *("--budgets", budgets, "--precision", "int8"),
        )
        log = _file(name, "attacks")
        made = _MADE.get(name, ())
        return tuple(Point(b, series, log, arguments, made) for b in BUDGETS)

    gaussian, varied = "Gaussian σ 0.5, CIFAR-10", "Variational RS, CIFAR-10"
    return Experiment(
        "radius",
        "Every system here",
        "Does an attack break what is certified just inside the radius, on it, or only beyond?",
        "length of the attack, in certified radii",
        "attack",
        (BROKEN,),
        tuple(p for series, of in networks.items() for p in points(series, *of)),
        (
            *(
                Expected(
                    f"Inside the radius (0.99) none but by chance is broken: {series}.",
                    BROKEN,
                    (series, 0.99),
                    limit=0.002,
                )
                for series in networks
            ),
            *(
                Expected(
                    f"At 3 radii more are broken than at 1.01: {series}.",
                    BROKEN,
                    (series, 3.0),
                    (series, 1.01),
                )
                for series in networks
            ),
            Expected(
                "A radius that also has to prove the level is the looser: at 2 radii more of plain "
                "smoothing are broken than of Variational RS.",
                BROKEN,
                (gaussian, 2.0),
                (varied, 2.0),
            ),
        ),
        note="Images that abstain are not attacked. 20 steps of 16 draws, judged by PREDICT at "
        "alpha 0.001: a certificate and its judge may each fail, so 0.002 is the limit inside the "
        "radius. An attack that fails proves nothing.",
        trend=True,
    )


def _lambda() -> Experiment:
    def point(name: str, every: int, lam: float) -> Point:
        log = _file(name, f"lambda-{lam:g}")
        return Point(lam, name, log, _evaluate(name, every, 2_000, *_sets(lam=f"{lam:g}")))

    nets = {"cifar10-variational": 20, "shapes-variational": 10}
    order = (0.0, 1.0, 0.5, 0.2, 0.75, 0.35)
    return Experiment(
        "lambda",
        VRS,
        "What does turning λ, the selector's input, trade?",
        "λ",
        "log",
        (ACR, *_AT),
        tuple(point(name, every, lam) for lam in order for name, every in nets.items()),
        (
            *(
                Expected(f"More λ is more ACR: 1 above 0, {name}.", ACR, (name, 1.0), (name, 0.0))
                for name in nets
            ),
            *(
                Expected(
                    f"Less λ is more accuracy at radius 0: 0 above 1, {name}.",
                    f"{AT}0",
                    (name, 0.0),
                    (name, 1.0),
                )
                for name in nets
            ),
            Expected(
                "Most of the way is short: λ 0.5 is above λ 0 in ACR, CIFAR-10.",
                ACR,
                ("cifar10-variational", 0.5),
                ("cifar10-variational", 0.0),
            ),
        ),
        seen="float32 logs of both at λ 0.2 had been read.",
        note="The selector is trained with λ from U(0, 1); Nh 1,000, D 0.25.",
        trend=True,
        curves=True,
    )


# Networks that are kept as logs alone, and how each is made.
_MADE = {
    "cifar10-dual": (
        "python -m rsviz train dual --dataset cifar10 --network compact --sigma 1.0 --epochs 10 "
        "--lr 0.1 --seed 0 --start cifar10-gaussian-universal --set class_epochs=12 "
        "--set images=20000 --set lam=8 --set temperature=0.05 --dtype bfloat16 "
        "--out checkpoints/cifar10-dual",
    ),
    "cifar10-dual-proof": (
        "python -m rsviz train dual --dataset cifar10 --network compact --sigma 0.85 --epochs 12 "
        "--lr 0.015 --seed 0 --start cifar10-gaussian-universal --set eta=0 --set fine_epochs=0 "
        "--set images=25000 --set lam=3 --set levels=0.25,0.5,1 --set proof_epochs=16 "
        "--set risk=none --set temperature=0.1 --set trunk=headed --set weigh=alike "
        "--dtype bfloat16 --out checkpoints/cifar10-dual-proof",
    ),
    "cifar10-routing": (
        "python -m rsviz train routing --dataset cifar10 --network compact --sigma 1.0 "
        "--epochs 10 --lr 0.1 --seed 0 --set class_epochs=12 --set experts=cifar10-gaussian "
        "--set images=20000 --set lam=8 --set temperature=0.05 --dtype bfloat16 "
        "--out checkpoints/cifar10-routing",
    ),
    "shapes-dual-head": (
        "python -m rsviz train dual --dataset shapes --network compact --sigma 1.0 --epochs 12 "
        "--lr 0.015 --seed 0 --start shapes-gaussian-universal --set eta=0 --set fine_epochs=0 "
        "--set lam=3 --set levels=0.25,0.5,1 --set risk=none --set temperature=0.1 "
        "--set trunk=headed --set weigh=alike --dtype bfloat16 --out checkpoints/shapes-dual-head",
    ),
    "shapes-dual-proof": (
        "python -m rsviz train dual --dataset shapes --network compact --sigma 1.0 --epochs 12 "
        "--lr 0.015 --seed 0 --start shapes-gaussian-universal --set eta=0 --set fine_epochs=0 "
        "--set lam=3 --set levels=0.25,0.5,1 --set proof_epochs=16 --set risk=none "
        "--set temperature=0.1 --set trunk=headed --set weigh=alike --dtype bfloat16 "
        "--out checkpoints/shapes-dual-proof",
    ),
    "shapes-dual-rounds2": (
        "python -m rsviz train dual --dataset shapes --network compact --sigma 1.0 --epochs 10 "
        "--lr 0.1 --seed 0 --start shapes-gaussian-universal --set images=4000 --set lam=20 "
        "--set rounds=2 --set temperature=0.05 --dtype bfloat16 "
        "--out checkpoints/shapes-dual-rounds2",
    ),
    "shapes-routing": (
        "python -m rsviz train routing --dataset shapes --network compact --sigma 1.0 "
        "--epochs 10 --lr 0.1 --seed 0 --set experts=shapes-gaussian --set images=4000 "
        "--set lam=20 --set temperature=0.05 --dtype bfloat16 --out checkpoints/shapes-routing",
    ),
}


def _seconds() -> Experiment:
    plain = "cifar10-gaussian-0.5"
    networks = {
        "Dual RS": "cifar10-dual",
        "Routing": "cifar10-routing",
        "Variational RS": "cifar10-variational",
        "Multiscale": "cifar10-multiscale",
    }
    how = ("--every", "250", "--n", "5000", "--precision", "float32")
    arguments = ("bench", "--certify", plain, *networks.values(), *how)
    log, series = _file("cifar10-dual", "seconds"), f"beside {plain}"

    def point(x: str, name: str) -> Point:
        made = (*_MADE["cifar10-dual"], *_MADE["cifar10-routing"])  # all certify in one run
        return Point(x, series, log, arguments, made, (("name", name), ("beside", plain)))

    return Experiment(
        "level-seconds",
        f"{DUAL}; {VRS}",
        "How much longer does a certificate take where a level is chosen for each image?",
        "method",
        "seconds",
        (TIMES,),
        tuple(point(*of) for of in networks.items()),
        (
            Expected(
                "Dual RS takes at most 1.6 times as long as plain smoothing, as its paper says.",
                TIMES,
                (series, "Dual RS"),
                limit=1.6,
            ),
            Expected(
                "Dual RS takes longer than Multiscale, as in its paper (22.6 and 20.2 seconds).",
                TIMES,
                (series, "Dual RS"),
                (series, "Multiscale"),
            ),
        ),
        note="Every network certifies the same images in turn, in one run, 5,000 votes a stage. A "
        "table is believed only if others took at most 5 % of the machine meanwhile.",
    )


def _far_lambda() -> Experiment:
    name = "cifar10-variational-q1"

    def point(lam: float, log: str) -> Point:
        sets = () if log == "certified" else _sets(lam=f"{lam:g}")
        arguments = _evaluate(name, 20, 2_000, *sets, precision="float32")
        return Point(lam, name, f"{name}/{log}.csv", arguments)

    return Experiment(
        "lambda-q1",
        VRS,
        "What does λ trade where the selector's proof reaches far (q 1)?",
        "λ",
        "log",
        (ACR, *_AT),
        (
            point(0.0, f"{EXPERIMENTS_FOLDER}/lambda-0"),
            point(0.2, "certified"),
            point(0.5, f"{EXPERIMENTS_FOLDER}/lambda-0.5"),
            point(1.0, "certified-lam1"),
        ),
        (
            Expected("More λ is more ACR: 0.5 above 0.2.", ACR, (name, 0.5), (name, 0.2)),
            Expected("And 1 above 0.5.", ACR, (name, 1.0), (name, 0.5)),
            Expected(
                "Less λ is more accuracy at radius 0: 0 above 1.",
                f"{AT}0",
                (name, 0.0),
                (name, 1.0),
            ),
        ),
        seen="the logs at λ 0.2 and 1 had been read.",
        trend=True,
        curves=True,
    )


DRAWS = (10.0, 30.0, 100.0, 300.0, 1000.0)
DISTANCES = (0.01, 0.05, 0.15, 0.25, 0.35, 0.5)


def _draws(name: str, every: int, q: float) -> Experiment:
    sets = _sets(draws=1000, budget=9, lam=0.2)
    arguments = _evaluate(name, every, 2_000, *sets, precision="int8")
    log = _file(name, "every-level")
    proved = tuple(
        Point(draws, f"proved, D {d:g}", log, arguments, (), (("draws", draws), ("budget", d)))
        for d in DISTANCES
        for draws in DRAWS
    )
    unproved = tuple(
        Point(draws, PAPER_STYLE, log, arguments, (), (("draws", draws), ("budget", 0.25)))
        for draws in DRAWS
    )
    paper = ("proved, D 0.25", 100.0)
    return Experiment(
        f"draws-{name.partition('-')[0]}",
        VRS,
        f"How many draws Nh does the selector need, and at which distance D? ({name}, q {q:g}; "
        "the paper: Nh 100, D 0.25)",
        "Nh, draws of the selector",
        "reread",
        (ACR, f"{AT}0", f"{AT}0.25", f"{AT}0.5"),
        proved + unproved,
        (
            Expected(
                "Ten times the paper's draws prove more: Nh 1,000 above Nh 100, both at D 0.25.",
                ACR,
                ("proved, D 0.25", 1000.0),
                paper,
            ),
            Expected(
                "At the paper's Nh and D the proof costs ACR: the paper-style reading is above.",
                ACR,
                (PAPER_STYLE, 100.0),
                paper,
            ),
            Expected(
                "At Nh 1,000 more distance gives more levels votes: D 0.5 above D 0.05.",
                ACR,
                ("proved, D 0.5", 1000.0),
                ("proved, D 0.05", 1000.0),
            ),
            Expected(
                "The paper-style reading hardly needs draws; 1,000 of them are no worse than 10: "
                "its ACR is above.",
                ACR,
                (PAPER_STYLE, 1000.0),
                (PAPER_STYLE, 10.0),
            ),
        ),
        seen="the shipped log had been read with fewer draws, at D up to 0.25, where more levels "
        "stay possible than it has votes at.",
        note="One log with votes at every level: a random part of its draws stands for those of a "
        "run that drew fewer, which is exact but for the class, chosen at the level of "
        "all draws; D only decides which votes are used. "
        f"'{PAPER_STYLE.partition(':')[0]}' takes the level as if it were the same nearby.",
        log_x=True,
    )


def _distance() -> Experiment:
    name = "cifar10-variational"
    series = {
        "fixed σ 0.25": ("sigma 0.25", "f"),
        "fixed σ 0.5": ("sigma 0.5", "f"),
        "λ 0.2, attack on f": ("lambda 0.2", "f"),
        "λ 0.2, attack on f and h": ("lambda 0.2", "f and h"),
    }

    def arguments(eps: float) -> tuple[str, ...]:
        return (
            *("under-attack", "--checkpoint", name, "--every", "100", "--eps", f"{eps:g}"),
            *("--sigmas", "0.25,0.5", "--lams", "0.2"),
        )

    both, alone = "λ 0.2, attack on f and h", "λ 0.2, attack on f"
    return Experiment(
        "attack-distance",
        VRS,
        "How far must an attack on the chosen level go, and is a fixed level safer?",
        "D, the L2 length of the attack",
        "under attack",
        (BROKEN, RIGHT),
        tuple(
            Point(
                eps,
                label,
                _file(name, f"under-attack-{eps:g}"),
                arguments(eps),
                (),
                (("setting", setting), ("attack", attack)),
            )
            for eps in (0.25, 0.5, 1.0, 0.75)
            for label, (setting, attack) in series.items()
        ),
        (
            Expected(
                "An attack that sees the selector breaks more than one on f alone, at D 0.5.",
                BROKEN,
                (both, 0.5),
                (alone, 0.5),
            ),
            Expected(
                "Longer attacks break more: D 1 above 0.25.", BROKEN, (both, 1.0), (both, 0.25)
            ),
            Expected(
                "At D 0.5 a fixed σ 0.5 stays right more often than λ 0.2 attacked through both.",
                RIGHT,
                ("fixed σ 0.5", 0.5),
                (both, 0.5),
            ),
        ),
        seen="a table at D 0.5 of other images had been read.",
        note="No certificate: 20 steps of 16 draws, classes by the majority of 200 votes. Broken: "
        "of the images that are right when clean.",
        trend=True,
    )


def _many_attacked() -> Experiment:
    name = "cifar10-variational"
    settings = {
        "fixed σ 0.25": "sigma 0.25",
        "fixed σ 0.5": "sigma 0.5",
        "λ 0.2": "lambda 0.2",
        "λ 0.5": "lambda 0.5",
    }
    arguments = (
        *("under-attack", "--checkpoint", name, "--every", "4", "--eps", "0.5"),
        *("--sigmas", "0.25,0.5", "--lams", "0.2,0.5", "--dtype", "bfloat16"),
    )

    def point(x: str, attack: str) -> Point:
        how = (("setting", settings[x]), ("attack", attack))
        log = _file(name, "under-attack-2500")
        return Point(x, f"attack on {attack}", log, arguments, (), how)

    alone, both = "attack on f", "attack on f and h"
    return Experiment(
        "attack-many",
        VRS,
        "Does a chosen level stay right more often than a fixed one, attacked at D 0.5?",
        "level",
        "under attack",
        (RIGHT, BROKEN),
        tuple(point(x, attack) for attack in ("f", "f and h") for x in settings),
        (
            Expected(
                "An attack that sees the selector breaks more than one on f alone: λ 0.2.",
                BROKEN,
                (both, "λ 0.2"),
                (alone, "λ 0.2"),
            ),
            Expected(
                "Attacked through both, λ 0.5 stays right more often than a fixed σ 0.5.",
                RIGHT,
                (both, "λ 0.5"),
                (both, "fixed σ 0.5"),
            ),
            Expected(
                "Attacked through both, λ 0.2 stays right more often than a fixed σ 0.5.",
                RIGHT,
                (both, "λ 0.2"),
                (both, "fixed σ 0.5"),
            ),
        ),
        seen="tables of 100 and of 200 images at D 0.5 had been read, 100 of them among these; "
        "they left all three undecided, at +0.7 points of broken, +2 and +0 of right.",
        note="2,500 images, for what fewer left undecided. No certificate: 20 steps of 16 draws, "
        "classes by the majority of 200 votes, all in bfloat16. A fixed level has no h to attack.",
    )


def _looser() -> Experiment:
    nets = {
        "Gaussian σ 0.5, CIFAR-10": "cifar10-gaussian-0.5",
        "Variational RS, CIFAR-10": "cifar10-variational",
    }

    def point(series: str, name: str) -> Point:
        arguments = (
            *("attack", "--checkpoint", name, "--split", "test", "--every", "10"),
            *("--budgets", "2", "--precision", "float32"),
        )
        return Point(2.0, series, _file(name, "attacks-2"), arguments)

    gaussian, varied = nets
    return Experiment(
        "radius-looser",
        VRS,
        "Is a radius that also has to prove the level the looser one?",
        "length of the attack, in certified radii",
        "attack",
        (BROKEN,),
        tuple(point(*of) for of in nets.items()),
        (
            Expected(
                "It is: at 2 radii more of plain smoothing are broken than of Variational RS.",
                BROKEN,
                (gaussian, 2.0),
                (varied, 2.0),
            ),
        ),
        seen="logs of 50 of these images had been read, which left it undecided, at -5 points.",
        note="1,000 images, for what fewer left undecided; those certified by both are compared.",
    )


def _trunks() -> Experiment:
    own, trunk = "own trunk, fewer images", "the classifier's trunk, all images"
    head = "a head on the classifier's trunk"
    proof = "a head that learns the proof"
    headed = ("Dual RS, CIFAR-10", "Dual RS, Shapes")

    def points(called: str, name: str) -> tuple[Point, ...]:
        every, swept = 20 if name.startswith("cifar10") else 10, _sets(rule="sweep", ask="every")
        return tuple(
            Point(
                called,
                series,
                f"{n}/certified-sweep-n10000.csv",
                _evaluate(n, every, 10_000, *swept, precision="float32"),
                _MADE.get(n, ()),
            )
            for series, n in (
                (own, name),
                (trunk, f"{name}-trunk"),
                (head, f"{name}-head"),
                (proof, f"{name}-proof"),
            )
            if series not in (head, proof) or called in headed
        )

    of = {
        "Dual RS, CIFAR-10": "cifar10-dual",
        "Routing, CIFAR-10": "cifar10-routing",
        "Dual RS, Shapes": "shapes-dual",
        "Routing, Shapes": "shapes-routing",
    }
    return Experiment(
        "chooser-trunk",
        DUAL,
        "Does an estimator choose better that begins as the classifier and learns claimed radii?",
        "chooser, by the sweep",
        "log",
        (ACR, *_AT),
        tuple(point for called, name in of.items() for point in points(called, name)),
        tuple(
            Expected(f"{what}: {called}.", ACR, (a, called), (b, called), seen=False)
            for what, a, b, among in (
                ("Its ACR is above that of the estimator before", trunk, own, tuple(of)),
                ("With a head of more layers it is above that with one layer", head, trunk, headed),
                ("A head that learns the proof is above one that does not", proof, head, headed),
                ("A head that learns the proof is above one layer", proof, trunk, headed),
            )
            for called in among
        ),
        seen="logs at n 2,000 of the estimators before had been read; of those with a head none; "
        "of those that learn the proof none, but all before them. On Shapes a first one of these, "
        "trained with other constants, had been measured when this one was trained.",
        note="The estimator begins with the weights of the classifier of most noise and learns, on "
        "all training images, the radii claimed for the class with most votes; its consistency is "
        "weighed by the radius at the largest level its noisy copies predict. With a head two "
        "hidden layers read the same trunk, since a sum of features cannot tell how sure they are; "
        "they learn alone first, on radii of the label, every image counting alike, and the "
        "classifier stays as it is. The quantile is chosen on training images; of a head it is "
        "that of largest ACR within 8 points of the best single level at radius 0, .25, .5 and 1 "
        "(`quantile NAME --within 8`). One that learns the proof is such a head that then goes on "
        "alone towards the radius that the sweep would prove, and accuracy at radius 0 and .25.",
    )


def _more_images() -> Experiment:
    levels, chooser, cascade = ("0.25", "0.5", "1.0"), "learned chooser", "cascade"

    def points(data: str, name: str, every: int) -> tuple[Point, ...]:
        universal, end = f"{data}-gaussian-universal", f"n10000-every{every}"
        fixed = {s: _file(universal, f"certified-{s}-{end}") for s in levels}
        from_logs = ("--from-logs", *(f"checkpoints/{log}" for log in fixed.values()))
        read = _evaluate(f"{data}-multiscale", every, 10_000, *_sets(ask="every"), *from_logs)
        swept = _evaluate(name, every, 10_000, *_sets(rule="sweep"))
        return (
            Point(data, chooser, _file(name, f"certified-sweep-{end}"), swept),
            *(
                Point(
                    data,
                    f"level {float(s):g} for all",
                    log,
                    _evaluate(universal, every, 10_000, "--sigma", s),
                )
                for s, log in fixed.items()
            ),
            Point(data, cascade, _file(f"{data}-multiscale", f"certified-{end}"), read),
        )

    of = {"shapes": ("shapes-dual-trunk", "1", 2), "cifar10": ("cifar10-dual-head", "0.5", 4)}
    nearest = {0.0: "0.25", 0.25: "0.25", 0.5: "0.25", 1.0: "0.5"}
    return Experiment(
        "chooser-images",
        DUAL,
        "Is a learned chooser .03 above the best level, and near every level at each radius?",
        "data set",
        "log",
        (ACR, *_AT),
        tuple(p for data, (name, _, every) in of.items() for p in points(data, name, every)),
        tuple(
            wanted
            for data, (name, best, _) in of.items()
            for wanted in (
                Expected(
                    f"Its ACR is at least .03 above that of level {best}: {name}.",
                    ACR,
                    (chooser, data),
                    (f"level {best} for all", data),
                    by=0.03,
                ),
                *(
                    Expected(
                        f"At radius {r:g} it is at most 8 points behind level {s}: {name}.",
                        f"{AT}{r:g}",
                        (chooser, data),
                        (f"level {s} for all", data),
                        by=-0.08,
                    )
                    for r, s in nearest.items()
                ),
                Expected(
                    f"Its ACR is above the cascade's: {name}.",
                    ACR,
                    (chooser, data),
                    (cascade, data),
                ),
            )
        ),
        seen="one in five of these images had been read: on 200 of Shapes the chooser was .121 "
        "above level 1, and 1.0, 1.5, 5.5 and 8.5 points behind; on 500 of CIFAR-10 .027 above "
        "level .5, and 5.0, 6.6, 3.6 and 2.2 behind. The levels named were the best on those.",
        note="1,000 images of Shapes, 2,500 of CIFAR-10, for what fewer left open.",
    )


def _split() -> Experiment:
    nets = ("shapes-k48-adaptive-1.0", "shapes-k64-adaptive-1.0")

    def point(name: str, f: float) -> Point:
        own = f == 0.5  # the default, measured in int8 already
        log = f"{name}/certified-int8.csv" if own else _file(name, f"split-{f:g}")
        more = () if own else _sets(f=f"{f:g}")
        return Point(f, name, log, _evaluate(name, 20, 1_000, "--sigma", "1.0", *more))

    return Experiment(
        "split",
        ARS,
        "How much of its budget should the first query of Adaptive RS spend?",
        "f, the first query's share",
        "log",
        (ACR, f"{AT}0", f"{AT}4/255"),
        tuple(point(name, f) for f in (0.5, 0.2, 0.8, 0.35, 0.65) for name in nets),
        tuple(
            Expected(
                f"The even split is best: f 0.5 above {other:g}, {name}.",
                ACR,
                (name, 0.5),
                (name, other),
            )
            for name in nets
            for other in (0.2, 0.8)
        ),
        seen="the logs at f 0.5 had been read.",
        note="Measured without training anew: mask and classifier were trained at f 0.5, which "
        "favours it. Radii are Linf.",
    )


def _proof() -> Experiment:
    def of(name: str, every: int, log: str = "certified", **sets: str) -> tuple[Point, ...]:
        more = _sets(**sets)
        if sets:
            more += ("--from-logs", f"checkpoints/{name}/certified.csv")
            more += tuple(
                f"checkpoints/{name.replace('routing', 'gaussian')}-{s}/certified.csv"
                for s in ("0.25", "0.5", "1.0")
            )
        arguments = _evaluate(name, every, 2_000, *more, precision="float32")
        called = name + (", sweep" if sets else "")
        return tuple(
            Point(called, series, f"{name}/{log}.csv", arguments, _MADE.get(name, ()))
            for series in ("proved", PAPER_STYLE)
        )

    sweep = {"rule": "sweep", "ask": "every"}
    points = (
        *of("shapes-dual", 10),
        *of("shapes-dual-rounds2", 10),
        *of("shapes-routing", 10),
        *of("shapes-routing", 10, "certified-sweep", **sweep),
        *of("shapes-variational", 10),
        *of("cifar10-dual", 20),
        *of("cifar10-routing", 20),
        *of("cifar10-routing", 20, "certified-sweep", **sweep),
        *of("cifar10-variational", 20),
    )
    return Experiment(
        "level-proof",
        f"{DUAL}; {VRS}",
        "What does it cost to prove that the chosen noise level stays?",
        "network",
        "reread",
        (ACR, f"{AT}0", f"{AT}0.5", f"{AT}1"),
        points,
        tuple(
            Expected(f"The proof costs ACR: {name}.", ACR, (PAPER_STYLE, name), ("proved", name))
            for name in dict.fromkeys(str(point.x) for point in points)
        ),
        seen="all of these logs had been read, and for shapes-dual the two numbers compared.",
        note="Without the proof the radius is σ PhiInv(p_A) at the chosen level, with all of alpha "
        "for the class and none for the level: a heuristic, and no certificate. An estimator that "
        "abstains asked for no votes on the class, so that its images count nothing in either.",
    )


def _trained(
    command: str,
    name: str,
    start: str,
    dataset: str,
    method: str,
    sigma: str,
    network: str = "compact",
    **settings: str,
) -> tuple[str, ...]:
    """Return the command that trains a network."""
    sets = " ".join(_sets(**settings))
    return (
        f"python -m rsviz train {method} --dataset {dataset} --network {network} --sigma {sigma} "
        f"{command} --start {start} {sets} --dtype bfloat16 --out checkpoints/{name}",
    )


def _selectors() -> tuple[Experiment, ...]:
    own = "cifar10-variational"
    shipped = (own, _file(own, "lambda-0.2"), ())

    def trained(name: str, start: str, **more: str) -> tuple[str, str, tuple[str, ...]]:
        settings = {"draws": "2", "images": "10000", "q": "0.25", **more}
        how = "--epochs 8 --lr 0.3 --seed 0"
        return (
            name,
            _file(name, "lambda-0.2"),
            _trained(how, name, start, "cifar10", "variational", "1.0", **settings),
        )

    def points(of: Mapping[Any, tuple[str, str, tuple[str, ...]]]) -> tuple[Point, ...]:
        return tuple(
            Point(x, "λ 0.2", log, _evaluate(name, 20, 2_000, *_sets(lam="0.2")), first)
            for x, (name, log, first) in of.items()
        )

    universal = "cifar10-gaussian-universal"
    fixed = {
        "universal": shipped,
        "σ_a 0.5": trained(f"{own}-on-0.5", "cifar10-gaussian-0.5"),
        "σ_a 1": trained(f"{own}-on-1.0", "cifar10-gaussian-1.0"),
    }
    widths = {
        8.0: trained(f"{own}-width8", universal, width="8"),
        16.0: shipped,
        32.0: trained(f"{own}-width32", universal, width="32"),
    }
    return (
        Experiment(
            "fixed-sigma-a",
            VRS,
            "Does a selector need a network trained with every level?",
            "trained with",
            "log",
            (ACR, *_AT),
            points(fixed),
            (
                Expected(
                    "Universal training serves the selector better than σ_a 0.5 in accuracy at 0.",
                    f"{AT}0",
                    ("λ 0.2", "universal"),
                    ("λ 0.2", "σ_a 0.5"),
                ),
            ),
        ),
        Experiment(
            "selector-width",
            VRS,
            "Does a larger selector choose better?",
            "channels of the selector's trunk",
            "log",
            (ACR, *_AT),
            points(widths),
            (
                Expected(
                    "Four times the width is above in ACR.", ACR, ("λ 0.2", 32.0), ("λ 0.2", 8.0)
                ),
            ),
        ),
    )


def _selector_noise() -> Experiment:
    own, half = "cifar10-variational", "cifar10-variational-q0.5"
    more = f"{own}-q1"
    how = ("cifar10-gaussian-universal", "cifar10", "variational", "1.0")
    first = _trained("--epochs 8 --lr 0.3 --seed 0", half, *how, draws="2", images="10000", q="0.5")

    def point(q: float, lam: float, log: str, precision: str) -> Point:
        name = log.partition("/")[0]
        sets = () if log.endswith("certified.csv") else _sets(lam=f"{lam:g}")
        arguments = _evaluate(name, 20, 2_000, *sets, precision=precision)
        return Point(q, f"λ {lam:g}", log, arguments, first if name == half else ())

    return Experiment(
        "selector-noise",
        VRS,
        "How much noise does the selector itself need, so that its proof reaches far?",
        "q, the noise on the selector's input",
        "log",
        (ACR, *_AT),
        (
            point(0.25, 0.2, f"{own}/certified.csv", "float32"),
            point(1.0, 0.2, f"{more}/certified.csv", "float32"),
            point(0.25, 1.0, _file(own, "lambda-1"), "int8"),
            point(1.0, 1.0, f"{more}/certified-lam1.csv", "float32"),
            point(0.5, 0.2, _file(half, "lambda-0.2"), "float32"),
            point(0.5, 1.0, _file(half, "lambda-1"), "float32"),
        ),
        tuple(
            Expected(
                f"More noise on the selector is more ACR: q 1 above q 0.25, λ {lam}.",
                ACR,
                (f"λ {lam}", 1.0),
                (f"λ {lam}", 0.25),
                seen=True,
            )
            for lam in ("0.2", "1")
        ),
        seen="the logs at q 0.25 and q 1 had been read.",
        note="With Nh 1,000 draws no level is held farther than about 3 q. One of the logs at q "
        "0.25 is of the int8 classifier, the others are float32.",
    )


def _sizes() -> Experiment:
    def point(k: int, method: str, sigma: str) -> Point:
        name = f"shapes-k{k}-{method}-{sigma}"
        shipped = sigma == "1.0" and k < 96
        log = f"{name}/certified.csv" if shipped else _file(name, "certified")
        dataset = "shapes" if k == 32 else f"shapes-k{k}"
        kind = "plain-linf" if method == "plain" else method
        how = "--epochs 8 --lr 0.1 --seed 0"
        start = f"shapes-gaussian-{sigma}"
        first = () if shipped else _trained(how, name, start, dataset, kind, sigma, images="10000")
        arguments = _evaluate(name, 20, 1_000, "--sigma", sigma, precision="float32")
        return Point(float(k), f"{method}, σ {float(sigma):g}", log, arguments, first)

    sizes, methods = (32, 48, 64, 96), ("adaptive", "static", "plain")
    return Experiment(
        "canvas-sizes",
        ARS,
        "On how large a canvas, and at which noise, does a mask pay?",
        "k, pixels a side",
        "log",
        (f"{AT}4/255", ACR),
        tuple(point(k, m, sigma) for sigma in ("1.0", "0.5") for k in sizes for m in methods),
        tuple(
            Expected(
                f"Adaptive RS is above plain smoothing at k = 96 (σ {sigma}), in ACR.",
                ACR,
                (f"adaptive, σ {sigma}", 96.0),
                (f"plain, σ {sigma}", 96.0),
            )
            for sigma in ("0.5", "1")
        ),
        seen="the logs at σ 1 and k up to 64 had been read.",
    )


def _mask_images() -> Experiment:
    tasks = {  # noise, every so many images, the radius judged at
        "shapes-k32": ("1.0", 2, "4/255"),
        "shapes-k48": ("1.0", 2, "4/255"),
        "shapes-k64": ("1.0", 2, "4/255"),
        "shapes-attribute-k64": ("1.0", 2, "4/255"),
        "cifar10-k48": ("0.5", 10, "2/255"),
    }
    adaptive, rivals = "a mask for each image", ("one mask for all", "no mask")
    called = (("adaptive", adaptive), *zip(("static", "plain"), rivals, strict=True))

    def point(task: str, method: str, series: str) -> Point:
        sigma, every, _ = tasks[task]
        name = f"{task}-{method}-{sigma}"
        arguments = _evaluate(name, every, 1_000, "--sigma", sigma)
        return Point(task, series, _file(name, f"certified-every{every}"), arguments)

    return Experiment(
        "mask-images",
        ARS,
        "Does a mask pay, to within three points of accuracy?",
        "task",
        "log",
        (f"{AT}2/255", f"{AT}4/255", ACR),
        tuple(point(task, method, series) for task in tasks for method, series in called),
        tuple(
            Expected(
                f"A mask for each image is above {series} at {radius}: {task}.",
                f"{AT}{radius}",
                (adaptive, task),
                (series, task),
            )
            for task, (_, _, radius) in tasks.items()
            for series in rivals
        ),
        seen="one in ten of these images of Shapes and one in five of CIFAR-10's had been read, "
        "in float32 and int8.",
        note="1,000 images each. The three of a task are trained equally.",
    )


def _learned_split() -> Experiment:
    def point(k: int, learned: bool) -> Point:
        shipped = f"shapes-k{k}-adaptive-1.0"
        name = f"{shipped}-learned" if learned else shipped
        log = _file(name, "certified") if learned else f"{name}/certified.csv"
        how = "--epochs 8 --lr 0.1 --seed 0"
        given = (name, "shapes-gaussian-1.0", f"shapes-k{k}", "adaptive", "1.0")
        first = _trained(how, *given, images="10000", learn_split="1") if learned else ()
        arguments = _evaluate(name, 20, 1_000, "--sigma", "1.0", precision="float32")
        return Point(float(k), "f learned" if learned else "f 0.5", log, arguments, first)

    return Experiment(
        "split-learned",
        ARS,
        "Does a budget split learned beside mask and classifier certify more than the even one?",
        "k, pixels a side",
        "log",
        (ACR, f"{AT}4/255"),
        tuple(point(k, learned) for learned in (False, True) for k in (48, 64)),
        (
            Expected(
                "The learned split is above the even one, k 64.",
                ACR,
                ("f learned", 64.0),
                ("f 0.5", 64.0),
            ),
        ),
        seen="the logs at f 0.5 had been read.",
    )


def _mask_seeds() -> Experiment:
    def point(seed: int) -> Point:
        name = "shapes-k48-adaptive-1.0" + (f"-seed{seed}" if seed else "")
        log = _file(name, "certified") if seed else f"{name}/certified.csv"
        how = f"--epochs 8 --lr 0.1 --seed {seed}"
        given = (name, "shapes-gaussian-1.0", "shapes-k48", "adaptive", "1.0")
        first = _trained(how, *given, images="10000") if seed else ()
        arguments = _evaluate(name, 20, 1_000, "--sigma", "1.0", precision="float32")
        return Point(float(seed), "shapes-k48-adaptive-1.0", log, arguments, first)

    return Experiment(
        "mask-seeds",
        ARS,
        "How much does a mask depend on the seed of its training?",
        "seed",
        "log",
        (ACR, f"{AT}4/255"),
        tuple(map(point, (0, 1, 2))),
        (),
        seen="the log of seed 0 had been read.",
    )


def _mask_consistency() -> Experiment:
    k, sigma = 48, "1.0"
    plainly, agreed = "one vote's cross-entropy", "Consistency, λ 10"

    def point(method: str, how_trained: str) -> Point:
        shipped = f"shapes-k{k}-{method}-{sigma}"
        new = how_trained == agreed
        name = f"{shipped}-consistency" if new else shipped
        kind = "plain-linf" if method == "plain" else method
        given = (name, f"shapes-gaussian-{sigma}", f"shapes-k{k}", kind, sigma)
        how = "--epochs 8 --lr 0.1 --seed 0"
        first = _trained(how, *given, images="10000", consistency="10") if new else ()
        log = _file(name, "certified") if new else f"{name}/certified.csv"
        arguments = _evaluate(name, 20, 1_000, "--sigma", sigma, precision="float32")
        return Point(how_trained, method, log, arguments, first)

    methods = ("adaptive", "static", "plain")
    return Experiment(
        "mask-consistency",
        ARS,
        "Does a mask gain from training for votes that agree, and does it still pay then?",
        "trained for",
        "log",
        (ACR, f"{AT}4/255"),
        tuple(point(m, how) for how in (plainly, agreed) for m in methods),
        (
            Expected(
                "Adaptive RS with Consistency is above without, in ACR.",
                ACR,
                ("adaptive", agreed),
                ("adaptive", plainly),
            ),
            Expected(
                "With Consistency, Adaptive RS is above plain smoothing in ACR.",
                ACR,
                ("adaptive", agreed),
                ("plain", agreed),
            ),
        ),
        seen="the logs without Consistency had been read.",
        note="k 48, σ 1. Two votes of an image are twice the passes of one.",
    )


def _steps() -> Experiment:
    ways = {1: ("plain-linf", 9, 1_142), 2: ("adaptive", 8, 1_000), 3: ("adaptive", 7, 889)}

    def point(steps: int, seed: int) -> Point:
        method, epochs, n = ways[steps]
        name = {1: "shapes-k48-plain-1.0-epochs9", 3: "shapes-k48-adaptive-1.0-steps3"}.get(
            steps, "shapes-k48-adaptive-1.0"
        ) + (f"-seed{seed}" if seed else "")
        shipped = steps == 2 and not seed
        given = (name, "shapes-gaussian-1.0", "shapes-k48", method, "1.0")
        more = {"steps": "3"} if steps == 3 else {}
        how = f"--epochs {epochs} --lr 0.1 --seed {seed}"
        first = () if shipped else _trained(how, *given, images="10000", **more)
        log = f"{name}/certified.csv" if shipped else _file(name, "certified")
        arguments = _evaluate(name, 20, n, "--sigma", "1.0", precision="float32")
        return Point(float(steps), f"seed {seed}", log, arguments, first)

    seeds = (0, 1, 2)
    return Experiment(
        "mask-steps",
        ARS,
        "Does a third look, through a mask drawn from the first two, pay at equal cost?",
        "looks of a vote",
        "log",
        (ACR, f"{AT}4/255"),
        tuple(point(steps, seed) for seed in seeds for steps in ways),
        tuple(
            Expected(
                f"{many} looks are above {few} in ACR, seed {seed}.",
                ACR,
                (f"seed {seed}", float(steps)),
                (f"seed {seed}", steps - 1.0),
            )
            for seed in seeds
            for many, few, steps in (("Two", "one", 2), ("Three", "two", 3))
        ),
        seen="the logs of two looks had been read.",
        note="k 48, σ 1. A vote takes 38.0, 43.5 and 48.9 million multiply-adds at one, two and "
        "three looks, so 9, 8 and 7 epochs, and 1,142, 1,000 and 889 votes, cost the same within "
        "2 %. The first look spends half of the budget, the later ones share the rest equally. "
        "One look is plain smoothing, without a mask.",
        trend=True,
    )


def _advmacer_point(
    x: float, series: str, lam: int = 4, steps: int = 2, gamma: int = 8, draws: int = 2
) -> Point:
    """Return AdvMacer of two epochs; its name tells what is not as in most of them."""
    name = f"cifar10-advmacer-0.5-lam{lam}-steps{steps}"
    name += f"-gamma{gamma}" * (gamma != 8) + f"-draws{draws}" * (draws != 2)
    settings = {"draws": str(draws), "eps": "0.5", "lam": str(lam), "steps": str(steps)}
    if gamma != 8:
        settings |= {"gamma": str(gamma)}
    given = (name, "cifar10-gaussian-0.5", "cifar10", "advmacer", "0.5")
    first = _trained("--epochs 2 --lr 0.03 --seed 0", *given, **settings, warm_up="50")
    arguments = _evaluate(name, 20, 2_000, "--sigma", "0.5", precision="float32")
    return Point(x, series, _file(name, "certified"), arguments, first)


def _advmacer() -> tuple[Experiment, ...]:
    grid = tuple(_advmacer_point(lam, f"T {t}", lam, t) for t in (1, 2, 4) for lam in (2, 4, 8, 12))
    hinge = tuple(
        _advmacer_point(gamma, f"m {m}", gamma=gamma, draws=m)
        for m in (2, 4)
        for gamma in (8, 4, 16)
    )
    return (
        Experiment(
            "advmacer-grid",
            ADVMACER,
            "How do λ and the attack's steps T shape AdvMacer?",
            "λ",
            "log",
            (ACR, *_AT),
            grid,
            (
                Expected(
                    "More λ is more ACR and less accuracy: λ 12 above λ 2 in ACR, T 2.",
                    ACR,
                    ("T 2", 12.0),
                    ("T 2", 2.0),
                ),
            ),
        ),
        Experiment(
            "advmacer-hinge",
            ADVMACER,
            "How do γ, up to which the radius counts, and the draws m shape AdvMacer?",
            "γ",
            "log",
            (ACR, *_AT),
            hinge,
            (
                Expected(
                    "A larger γ pushes more images further: γ 16 above γ 4 in ACR, m 2.",
                    ACR,
                    ("m 2", 16.0),
                    ("m 2", 4.0),
                ),
                Expected(
                    "More draws help at the same epochs: m 4 above m 2 in ACR, γ 8.",
                    ACR,
                    ("m 4", 8.0),
                    ("m 2", 8.0),
                ),
            ),
            note="λ 4, T 2. Twice the draws are twice the passes.",
            log_x=True,
        ),
        _advmacer_defaults(),
    )


def _advmacer_defaults() -> Experiment:
    ours, papers = "as here: m 2, ε 0.5, λ 4", "the paper's: m 8, ε 2, λ 12"

    def point(x: str, end: str, **settings: str) -> Point:
        name = f"cifar10-advmacer-0.5-{end}"
        given = (name, "cifar10-gaussian-0.5", "cifar10", "advmacer", "0.5")
        first = _trained("--epochs 12 --lr 0.03 --seed 0", *given, **settings)
        arguments = _evaluate(name, 20, 2_000, "--sigma", "0.5", precision="float32")
        return Point(x, "12 epochs", _file(name, "certified"), arguments, first)

    small = {"draws": "2", "eps": "0.5", "lam": "4", "steps": "2", "warm_up": "200"}
    return Experiment(
        "advmacer-defaults",
        ADVMACER,
        "Do the paper's own settings serve a small network and few epochs?",
        "settings",
        "log",
        (ACR, *_AT),
        (point(ours, "small", **small), point(papers, "defaults")),
        (
            Expected(
                "The smaller attack and weight are above the paper's in ACR.",
                ACR,
                ("12 epochs", ours),
                ("12 epochs", papers),
            ),
        ),
        note="Both start from the Gaussian network of σ 0.5. The paper's settings take four times "
        "the passes an image, and the ball grows for 1,950 of the 2,340 updates.",
    )


def _easy_first() -> Experiment:
    ways = {"Consistency": "consistency", "Sun et al. from it": "sun"}
    epochs = {0.25: 4, 0.5: 3, 1.0: 4}

    def point(sigma: float, series: str) -> Point:
        name, start = (f"cifar10-{way}-w64-{sigma}" for way in (ways[series], "consistency"))
        how = f"--epochs {epochs[sigma]} --lr 0.05 --seed 0"
        given = (how, name, start, "cifar10", "sun", str(sigma), "compact-64")
        kept = name == start or sigma == 1.0
        first = () if kept else _trained(*given, drop_draws="32", every="2")
        arguments = _evaluate(name, 20, 10_000, "--sigma", str(sigma), precision="float32")
        return Point(sigma, series, f"{name}/certified.csv", arguments, first)

    sun, start = reversed(ways)
    return Experiment(
        "easy-first",
        "Sun et al., arXiv 2410.06895",
        "What does it buy, and cost, to give up hard images and to attack the noise?",
        "σ",
        "log",
        (ACR, f"{AT}0", f"{AT}0.5", f"{AT}1.5"),
        tuple(point(sigma, series) for sigma in epochs for series in ways),
        tuple(
            Expected(text, measure, (a, sigma), (b, sigma), seen=True)
            for sigma in (0.5, 1.0)
            for text, measure, a, b in (
                (f"It raises ACR (σ {sigma:g}).", ACR, sun, start),
                (f"It costs accuracy at radius 0 (σ {sigma:g}).", f"{AT}0", start, sun),
                (f"It gains at radius 1.5 (σ {sigma:g}).", f"{AT}1.5", sun, start),
            )
        ),
        seen="all of its logs had been read; what is expected is what the paper says.",
        note="Three or four epochs from a network trained with Consistency, where the paper takes "
        "ninety from a Gaussian one. Of the 50,000 training images 40,072, 34,997 and 25,016 are "
        "kept at σ 0.25, 0.5 and 1.",
        curves=True,
    )


def _size_of_ensemble() -> Experiment:
    ways = ("advmacer", "smoothadv", "macer")
    nets = [f"cifar10-{m}-0.5-equal{end}" for end in ("", "-seed1", "-seed2") for m in ways]
    together, alone = "equal parts", "one network, as many votes in all"

    def point(k: int) -> Point:
        how = ("--split", "test", "--every", "50", "--n0", "100", "--n", "2000", "--alpha", "0.001")
        log = f"cifar10-ensemble-equal-0.5/experiments/first-{k}.csv"
        return Point(float(k), together, log, ("ensemble", "grow", *nets[:k], *how))

    def single(k: int) -> Point:
        arguments = _evaluate(nets[0], 50, 16_000, "--sigma", "0.5", precision="float32")
        votes = (("n", 2_000.0 * k),)
        return Point(float(k), alone, _file(nets[0], "n-16000"), arguments, (), votes)

    sizes = (8, 5, 4, 3, 2, 1)
    return Experiment(
        "ensemble-size",
        ESBRS,
        "What does each further network of an ensemble add, beside as many votes of one?",
        "networks",
        "log",
        (ACR, f"{AT}0", f"{AT}0.5"),
        (*map(point, sizes), *map(single, sizes)),
        (
            *(
                Expected(
                    f"{many} networks are above {few} in ACR.",
                    ACR,
                    (together, float(k)),
                    (together, float(m)),
                )
                for many, few, k, m in (("Two", "one", 2, 1), ("Eight", "three", 8, 3))
            ),
            *(
                Expected(
                    f"{many} networks are above as many votes of the first of them, in ACR.",
                    ACR,
                    (together, float(k)),
                    (alone, float(k)),
                )
                for many, k in (("Three", 3), ("Eight", 8))
            ),
        ),
        seen="the logs of ensembles had been read, of one network with more votes none; that a "
        "part of 16,000 votes stands for fewer was settled after those had been read.",
        note="One network of each way to train, AdvMacer, SmoothAdv and MACER at equal cost, then "
        "their second and third seeds. A vote of k networks costs k times one network's: beside "
        "2,000 votes of k networks stand 2,000 k votes of the first, a random part of 16,000.",
        grows=True,
    )


def _best_together() -> Experiment:
    together, alone = "all together", "the best of them alone"
    best = {0.25: "consistency", 0.5: "consistency", 1.0: "sun"}

    def point(sigma: float, series: str) -> Point:
        name = "ensemble-best" if series == together else f"{best[sigma]}-w64"
        name = f"cifar10-{name}-{sigma}"
        arguments = _evaluate(name, 20, 2_000, "--sigma", str(sigma))
        return Point(sigma, series, f"{name}/certified-int8.csv", arguments)

    return Experiment(
        "best-together",
        ESBRS,
        "Do all networks of a noise level together certify more than the best of them?",
        "σ",
        "log",
        (ACR, f"{AT}0", f"{AT}0.5"),
        tuple(point(sigma, series) for sigma in best for series in (together, alone)),
        tuple(
            Expected(
                f"Together they are above the best of them (σ {sigma:g}).",
                ACR,
                (together, sigma),
                (alone, sigma),
            )
            for sigma in best
        ),
        seen="the logs of single networks had been read, by which one is the best, and those of "
        "the ensembles.",
        note="All wide networks of the level but Gaussian's, and its three of equal cost; weights "
        "and their kind are chosen on training images.",
        curves=True,
    )


EXPERIMENTS: tuple[Experiment, ...] = (
    _sigma_s(),
    _radius(),
    _lambda(),
    _far_lambda(),
    _draws("shapes-variational", 10, 0.5),
    _draws("cifar10-variational", 50, 0.25),
    _distance(),
    _many_attacked(),
    _looser(),
    _more_images(),
    _split(),
    _proof(),
    _seconds(),
    _selector_noise(),
    *_selectors(),
    _trunks(),
    _sizes(),
    _mask_images(),
    _learned_split(),
    _mask_seeds(),
    _mask_consistency(),
    _steps(),
    *_advmacer(),
    _easy_first(),
    _size_of_ensemble(),
    _best_together(),
)


def find(key: str) -> Experiment:
    """Return an experiment by its key.

    Raises
    ------
    UserError
        There is none.
    """
    for experiment in EXPERIMENTS:
        if experiment.key == key:
            return experiment
    keys = ", ".join(e.key for e in EXPERIMENTS)
    raise UserError(f"There is no experiment {shown(key)!r}; there are: {keys}.")
