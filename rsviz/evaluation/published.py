"""Published numbers: a table of facts, each with its paper and its caveat, read into curves.

``published.csv`` beside this file has one row a curve and radius. A row that came from a public
log of single images names it in ``log``; the logs themselves are not shipped.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from rsviz.core.bounds import binomial_interval
from rsviz.core.errors import UserError
from rsviz.core.radius import ceiling
from rsviz.core.spec import Norm
from rsviz.evaluation.curves import Curve

TABLE = Path(__file__).with_suffix(".csv")
AT_N = ", at n "  # in the name of a curve read at fewer votes than were drawn (`fewer_votes`)
# What to look at first: names of curves that stand well beside each other.
SETS = {
    "One method, four σ": tuple(
        f"Gaussian, Cohen et al. 2019, σ {sigma}" for sigma in ("0.12", "0.25", "0.5", "1")
    ),
    "Five methods, σ 0.5": tuple(
        f"{method}, Sun et al. 2025, σ 0.5"
        for method in ("Gaussian", "SmoothAdv", "MACER", "Consistency", "SmoothMix")
    ),
    "Ensembles, σ 0.5": (
        "AdvMacer, Liu et al. 2023, σ 0.5",
        "EsbRS of 3 AdvMacer nets, Liu et al. 2023, σ 0.5",
        "EsbRS of 3 SmoothAdv nets, Liu et al. 2023, σ 0.5",
        "SmoothAdv, Liu et al. 2023, σ 0.5",
        "MACER, Liu et al. 2023, σ 0.5",
    ),
    "σ per image": (
        "Dual RS, 2025",
        "Gaussian, Sun et al. 2025, σ 0.25",
        "Gaussian, Sun et al. 2025, σ 0.5",
        "Gaussian, Sun et al. 2025, σ 1",
    ),
    "ImageNet, σ 0.5": (
        "ImageNet: Gaussian, Cohen et al. 2019, σ 0.5",
        "ImageNet: SmoothAdv, Salman et al. 2019, σ 0.5",
        "ImageNet: Consistency, Jeong & Shin 2020, σ 0.5",
        "ImageNet: SmoothMix, Sun et al. 2025, σ 0.5",
    ),
}


@dataclass(frozen=True)
class Published:
    """One published curve, where it stands, and what to know before comparing it.

    What the paper leaves out is nan (acr, intervals), None, 0 or empty in ``curve``.
    """

    curve: Curve
    paper: str
    arxiv: str
    note: str
    log: str


@dataclass(frozen=True)
class NotFound:
    """A paper that should stand here, of whose curves no numbers could be read.

    ``known`` is what was read of its results, ``where`` is where its numbers would be.
    """

    method: str
    arxiv: str
    known: str
    where: str


# Searched for in public pages, repositories and the tables of later papers.
NOT_FOUND = (
    NotFound(
        "Input-specific sampling (ISS), Chen et al. 2022",
        "2112.12084",
        "its abstract says ACR 0.958 on ImageNet at σ 1 in 250 minutes, where plain smoothing of "
        "as many minutes has 0.917",
        "its tables; its repository (roy-ch/Input-Specific-Certification) holds no logs",
    ),
    NotFound(
        "Insta-RS, Chen et al. 2021",
        "2103.04436",
        "its abstract says more ACR and clean accuracy, without a number",
        "its tables; no repository was found",
    ),
    NotFound(
        "Data-dependent RS, Alfarra et al. 2020",
        "2012.04351",
        "its abstract says 9 % and 6 % above the strongest rival's certified accuracy at radius "
        "0.5 on CIFAR-10 and ImageNet",
        "its tables; its repository (MotasemAlfarra/Data_Dependent_Randomized_Smoothing) and that "
        "of ANCER hold no logs",
    ),
)


@lru_cache(maxsize=1)
def load(table: Path = TABLE) -> tuple[Published, ...]:
    """Return every published curve, in the order of the table."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(_read(list(group)) for _, group in groupby(rows, key=lambda row: row["curve"]))


def find(name: str) -> Published:
    """Return one published curve by the name of its curve; UserError says that there is none."""
    for entry in load():
        if entry.curve.name == name:
            return entry
    raise UserError(f"There is no published curve {name!r}; choose one of the list.")


def _read(rows: Sequence[Mapping[str, str]]) -> Published:
    """Return the curve of its rows; what they share is taken from the first."""
    first = rows[0]
    accuracy_R = tuple(float(row["accuracy"]) for row in rows)
    images = int(first["images"] or 0)
    interval_R = [_interval(accuracy, images) for accuracy in accuracy_R]
    norm = Norm(first["norm"])
    sigma, n, alpha = _number(first["sigma"]), _number(first["n"]), _number(first["alpha"])
    top = None
    if norm is Norm.L2 and sigma and n and alpha:
        top = ceiling(sigma, int(n), alpha)
    curve = Curve(
        name=first["curve"],
        radius_R=tuple(float(row["radius"]) for row in rows),
        accuracy_R=accuracy_R,
        low_R=tuple(low for low, _ in interval_R),
        high_R=tuple(high for _, high in interval_R),
        acr=float(first["acr"] or "nan"),
        images=images,
        norm=norm,
        dataset=first["dataset"],
        subset=first["subset"],
        method=first["method"],
        network=first["network"],
        sigma=sigma,
        n0=int(first["n0"]) if first["n0"] else None,
        n=int(n) if n else None,
        alpha=alpha,
        ceiling=top,
        source=f"{first['paper']}, arXiv:{first['arxiv']}; {first['source']}",
    )
    return Published(curve, first["paper"], first["arxiv"], first["note"], first["log"])


def _number(text: str) -> float | None:
    return float(text) if text else None


def _interval(accuracy: float, images: int) -> tuple[float, float]:
    """Return the 95 % binomial interval of a printed accuracy, nan where images are not known."""
    if not images:
        return math.nan, math.nan
    return binomial_interval(round(accuracy * images), images)
