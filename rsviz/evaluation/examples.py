"""Stored certificates of a few telling images, and how they formed: no first paint is blank."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviz.checkpoints.catalog import SHIPPED, Checkpoint, root
from rsviz.core import live_bounds
from rsviz.core.errors import UserError
from rsviz.core.files import version
from rsviz.core.spec import Certificate
from rsviz.evaluation import logs

FILE = "examples.json"
TITLES = {
    "certain": "Certain",
    "borderline": "Borderline",
    "abstains": "Abstains",
    "noisy": "Too much noise",
}

NETWORK = "shapes-gaussian-0.5"
SHAPES = tuple(f"shapes-gaussian-{sigma}" for sigma in ("0.25", "0.5", "1.0"))


MOMENTS = 32  # of a run that are stored, spread evenly on a log axis of votes


@dataclass(frozen=True, eq=False)
class Walk:
    """A stored walk away from an image: its direction, and the votes kept on the way.

    ``direction`` has length 1 in half precision, all entries in a row; ``shares`` are by distance,
    in certified radii.
    """

    direction: NDArray[np.float32]
    shares: Mapping[float, float]


@dataclass(frozen=True)
class Example:
    """A preset: which image at which sigma, and the certificate stored for it.

    ``readings`` are certificates of moments of its run, the last one its own; only that one, if the
    file was written before moments were. ``walks`` are by the name of their direction.
    """

    preset: str
    certificate: Certificate
    readings: tuple[Certificate, ...]
    walks: Mapping[str, Walk]

    @property
    def title(self) -> str:
        """What the button says."""
        return TITLES[self.preset]


def load(checkpoint: Checkpoint) -> list[Example]:
    """Return the examples stored with a checkpoint, none if there are none for these weights."""
    file = checkpoint.folder / FILE
    found = _read(file, version(file))
    return [e for e in found if e.certificate.checkpoint_sha256 == checkpoint.sha256]


@lru_cache(maxsize=256)
def _read(file: Path, _version: tuple[int, ...] | None) -> tuple[Example, ...]:
    """Read a file of examples, once for each version of it."""
    try:
        return tuple(_example(r) for r in json.loads(file.read_text()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def _example(stored: Mapping[str, Any]) -> Example:
    c = Certificate.from_json(json.dumps(stored["certificate"]))
    readings = (
        replace(
            c,
            counts=tuple(map(int, m["counts"])),
            radius=float(m["radius"]),
            p_a_lower=float(m["p_a_lower"]),
            abstained=not m["radius"],
            ended="running",
        )
        for m in stored.get("moments", ())
    )
    walks = {name: _walk(w) for name, w in stored.get("walks", {}).items()}
    return Example(stored["preset"], c, (*readings, c), walks)


def _walk(stored: Mapping[str, Any]) -> Walk:
    direction = np.frombuffer(base64.b64decode(stored["direction"], validate=True), "<f2")
    shares = {float(far): float(share) for far, share in stored["shares"].items()}
    if not np.isfinite(direction).all() or not all(0 <= s <= 1 for s in shares.values()):
        raise ValueError("no walk")
    return Walk(direction.astype(np.float32), shares)


def walk_row(direction: NDArray[np.float16], shares: Mapping[float, float]) -> dict[str, Any]:
    """Return what is stored of a walk."""
    code = base64.b64encode(direction.astype("<f2").tobytes()).decode()
    return {"direction": code, "shares": {f"{far:g}": share for far, share in shares.items()}}


def row(
    preset: str, readings: Sequence[Certificate], walks: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what is stored of a run: its certificate, and votes and bound of moments before it."""
    *before, last = readings
    formed = [c for c in before if c.predicted == last.predicted and sum(c.counts) > 0]
    spread = live_bounds.evenly([sum(c.counts) for c in formed], MOMENTS) if formed else []
    moments = [
        {"counts": c.counts, "p_a_lower": c.p_a_lower, "radius": c.radius}
        for c in formed
        if sum(c.counts) in spread
    ]
    stored = {"preset": preset, "certificate": asdict(last), "moments": moments}
    return stored | ({"walks": walks} if walks else {})


def text_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return stored rows as JSON, a list of numbers a line."""
    text = json.dumps(rows, indent=1)
    return re.sub(r"\[([\d\s,]*)\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"


@dataclass(frozen=True)
class Judged:
    """A stored certificate, and the class its image really has."""

    certificate: Certificate
    label: int
    index: int

    @property
    def sigma(self) -> float:
        """The noise the certificate was made with."""
        assert self.certificate.sigma is not None  # `same_image` refuses others
        return self.certificate.sigma

    @property
    def correct(self) -> bool:
        """Whether a class is certified and it is the right one."""
        return not self.certificate.abstained and self.certificate.predicted == self.label


def _folder(name: str) -> Path:
    """Return the folder of a network, the shipped one where the chosen root has none."""
    return next((r / name for r in (root(), SHIPPED) if (r / name).is_dir()), SHIPPED / name)


def same_image() -> tuple[Judged, Judged]:
    """Return the certificates of one image at the network's own noise and at four times as much.

    Raises
    ------
    UserError
        The files shipped with the network are not there, or cannot be read.
    """
    return _same_image(_folder(NETWORK))


@lru_cache(maxsize=4)
def _same_image(folder: Path) -> tuple[Judged, Judged]:
    try:
        text = (folder / FILE).read_text()
        rows = {row["preset"]: row["certificate"] for row in json.loads(text)}
        found = [Certificate.from_json(json.dumps(rows[name])) for name in ("certain", "noisy")]
        if any(c.sigma is None for c in found):
            raise ValueError("made at no one noise level")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(
            f"The examples stored with {NETWORK} cannot be read; restore checkpoints/{NETWORK}."
        ) from None
    log = _log_in(folder)
    labels = dict(zip(log.index_N.tolist(), log.label_N.tolist(), strict=True))
    own, noisy = (
        Judged(c, labels[index], index) for c in found for index in [int(c.image.split("/")[-1])]
    )
    return own, noisy


def log_of(name: str) -> logs.Log:
    """Return the measured log shipped with a network; UserError if it cannot be read."""
    return _log_in(_folder(name))


@lru_cache(maxsize=8)
def _log_in(folder: Path) -> logs.Log:
    return logs.read_log(folder / "certified.csv")
