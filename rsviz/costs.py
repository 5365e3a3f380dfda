"""What a certificate of a method that chooses noise costs beside plain RS, from its log."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from rsviz.speed import multiply_adds


@dataclass(frozen=True)
class Cost:
    """Means over the images of a log.

    ``chooser`` and ``classifier`` are votes an image; ``share`` the chooser's multiply-adds a vote
    over the classifier's; ``plain`` the votes n0 + n of plain RS; ``seconds`` as recorded, by a
    machine whose load nobody wrote down.
    """

    chooser: float
    classifier: float
    share: float
    plain: int
    seconds: float

    @property
    def ratio(self) -> float:
        """Multiply-adds over those of plain RS with the same n0 and n."""
        return (self.chooser * self.share + self.classifier) / self.plain


def share(nets: Mapping[str, nn.Module], size: int) -> float:
    """Return the chooser's multiply-adds a vote over those of one classifier."""
    chooser = nets["estimator"] if "estimator" in nets else nets["selector"].trunk
    classifier = next(net for name, net in nets.items() if name.startswith("classifier"))
    assert isinstance(chooser, nn.Module)
    return multiply_adds(chooser, size) / multiply_adds(classifier, size)


def of_log(file: Path, share: float) -> Cost:
    """Return what the images of a finished log cost.

    Votes of a stage that was never reached, as where no level is certain, are not counted.
    """
    first, *lines = file.read_text(encoding="utf-8").splitlines()
    spec = json.loads(first.removeprefix("# "))["spec"]
    rows = list(csv.DictReader(lines))
    votes = np.array([_votes(json.loads(row["detail"]), row) for row in rows], dtype=float)
    chooser, classifier = votes.mean(0)
    seconds = float(np.mean([float(row["seconds"]) for row in rows]))
    return Cost(float(chooser), float(classifier), share, spec["n0"] + spec["n"], seconds)


def _votes(detail: Mapping[str, Any], row: Mapping[str, str]) -> tuple[int, int]:
    """Return the votes of an image for its level, and for its class at every level asked."""
    counted = sum(map(int, row["counts0"].split()))
    if "estimate" in detail:
        estimate = detail["estimate"]
        chooser = sum(estimate["counts0"]) + sum(estimate["counts"])
        return chooser, counted + sum(map(int, row["counts"].split()))
    levels = detail.get("counts", {}).values()
    return sum(detail["selector"]), counted + sum(map(sum, levels))
