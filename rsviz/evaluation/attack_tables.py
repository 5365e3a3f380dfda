"""Tables of attacks on chosen and fixed levels: shares right, and the selector beside the best.

No torch here. Shape suffix: N images.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from rsviz.core.errors import UserError
from rsviz.core.files import read_bytes
from rsviz.core.records import Count, Distance, Noise, read_record
from rsviz.evaluation.logs import LOG_BYTES

FILE = "under-attack.csv"
MANY = "experiments/under-attack-2500.csv"  # of fewer settings and more images
ATTACKS = ("none", "f", "f and h")
COLUMNS = ("setting", "attack", "index", "label", "predicted", "sigma")


class AttackSettings(msgspec.Struct, frozen=True):
    """How the images of a table were attacked and judged; see `under_attack.AttackedSpec`."""

    sigmas: tuple[Noise, ...]
    lams: tuple[float, ...]
    eps: Distance
    steps: int
    draws: int
    n: Count
    seed: int
    dtype: str = "float32"


class AttackHead(msgspec.Struct, frozen=True):
    """What the first line of a table states; what else it holds is left out."""

    spec: AttackSettings
    images: tuple[int, ...]
    checkpoint_sha256: str = ""
    command: str = ""


@dataclass(frozen=True, eq=False)
class UnderAttack:
    """Which images each setting gets right under each attack, and the median level it chose."""

    head: AttackHead
    right: Mapping[tuple[str, str], NDArray[np.bool_]]
    sigma: Mapping[str, float]

    @property
    def fixed(self) -> tuple[str, ...]:
        """Names of the fixed levels."""
        return tuple(s for s, attack in self.right if attack == "none" and s.startswith("sigma"))

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the selector's settings."""
        return tuple(s for s, attack in self.right if attack == "none" and s.startswith("lambda"))

    def of(self, setting: str, attack: str) -> NDArray[np.bool_]:
        """Return right_N; a fixed level has no selector, so there both attacks are one."""
        fixed = setting.startswith("sigma") and attack == "f and h"
        return self.right[setting, "f" if fixed else attack]

    def best_fixed(self, attack: str) -> str:
        """Return the fixed level with most images right, found on these very images."""
        return max(self.fixed, key=lambda s: float(self.of(s, attack).mean()))


def read(file: Path) -> UnderAttack:
    """Read a table.

    Raises
    ------
    UserError
        It is not one, or is not finished.
    """
    try:
        first, *lines = read_bytes(file, LOG_BYTES).decode().splitlines()
        stated, rows = json.loads(first.removeprefix("# ")), list(csv.DictReader(lines))
        found: dict[tuple[str, str], dict[int, bool]] = {}
        levels: dict[str, list[float]] = {}
        for row in rows:
            key = row["setting"], row["attack"]
            found.setdefault(key, {})[int(row["index"])] = row["label"] == row["predicted"]
            if row["attack"] == "none":
                levels.setdefault(row["setting"], []).append(float(row["sigma"]))
        head = read_record(stated, AttackHead, f"{file} is no table of attacked images")
        right = {key: np.array([of[i] for i in head.images]) for key, of in found.items()}
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{file} is not a finished table of attacked images.") from None
    return UnderAttack(head, right, {s: float(np.median(v)) for s, v in levels.items()})
