"""What is done to pixels in front of a network: (x - mean) / std per channel (no torch)."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsviz.core.errors import UserError
from rsviz.data.catalog import STATISTICS


@dataclass(frozen=True)
class Normalisation:
    """(x - mean) / std of each channel, for pixels x in [0, 1].

    Raises
    ------
    UserError
        A number is not finite, or cannot be a statistic of pixels in [0, 1].
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        numbers = (*self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, numbers)):
            raise UserError("A normalisation has three means and three stds, one a channel.")
        if not all(0 <= m <= 1 for m in self.mean) or not all(0 < s <= 1 for s in self.std):
            raise UserError(
                "Means lie between 0 and 1 and stds above 0 and up to 1, since pixels do; divide "
                "those of pixels from 0 to 255 by 255."
            )

    def __str__(self) -> str:
        """Write it as `parse` reads it."""
        if self == Normalisation():
            return "none"
        mean, std = (",".join(f"{v:.6g}" for v in values) for values in (self.mean, self.std))
        return f"{mean}/{std}"


def in_words(how: Normalisation) -> str:
    """Return what is done to pixels, for a sentence."""
    if how == Normalisation():
        return "pixels are taken as they are, from 0 to 1"
    mean, std = (", ".join(f"{v:.6g}" for v in values) for values in (how.mean, how.std))
    if how.std == Normalisation().std:
        return f"the mean ({mean}) is subtracted from pixels, and nothing is divided"
    return f"the mean ({mean}) is subtracted from pixels, and the rest divided by the std ({std})"


def of_dataset(dataset: str) -> Normalisation:
    """Return the mean and std that a data set's own networks have in front."""
    return Normalisation(*STATISTICS[dataset])


def mean_only(dataset: str) -> Normalisation:
    """Return the data set's mean alone, as an input-centring layer subtracts it."""
    return Normalisation(mean=STATISTICS[dataset][0])


def parse(text: str) -> Normalisation:
    """Read 'none', or 'MEAN/STD' with one number or three each, say 0.49,0.48,0.45/0.25.

    Raises
    ------
    UserError
        The text is neither; the sentence shows how to write it.
    """
    if text.strip().lower() == "none":
        return Normalisation()
    sides = [re.findall(r"[^\s,;()\[\]]+", side) for side in text.split("/")]
    try:
        values = [[float(word) for word in side] for side in sides]
    except ValueError:
        values = []
    if len(values) != 2 or not all(len(side) in (1, 3) for side in values):
        raise UserError(
            f"{text[:60]!r} is no normalisation; write mean/std with one number or three each, "
            "say 0.49,0.48,0.45/0.25,0.24,0.26."
        )
    return Normalisation(*(_three(side) for side in values))


def of_card(stated: Mapping[str, Any] | None) -> Normalisation | None:
    """Return the normalisation that a card states, None where it is the data set's own.

    Raises
    ------
    UserError
        The card states something else.
    """
    if stated is None:
        return None
    try:
        mean, std = ([float(v) for v in stated[side]] for side in ("mean", "std"))
        return Normalisation(_three(mean), _three(std))
    except (KeyError, TypeError, ValueError):
        raise UserError("The card's normalisation is not three means and three stds.") from None


def to_card(how: Normalisation) -> dict[str, list[float]]:
    """Return a normalisation as a card states it."""
    return {"mean": list(how.mean), "std": list(how.std)}


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    one, two, three = (values[0],) * 3 if len(values) == 1 else values
    return one, two, three
