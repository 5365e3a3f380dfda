"""Settings of a training loss: frozen dataclasses with presets by sigma, changed by name."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from rsviz.errors import UserError


def check_counts(**counts: tuple[int, int]) -> None:
    """Refuse, in words, a setting that is not a whole number from its least value up."""
    for name, (value, least) in counts.items():
        if not isinstance(value, int) or value < least:
            raise UserError(f"{name} must be a whole number of at least {least}, not {value!r}.")


def check_numbers(**numbers: float) -> None:
    """Refuse, in words, a setting that is not a finite number of at least 0."""
    for name, value in numbers.items():
        if not (math.isfinite(value) and value >= 0):
            raise UserError(f"{name} must be a number of at least 0, not {value!r}.")


def choose(
    presets: Mapping[float, Any], sigma: float | str, changes: Iterable[tuple[str, float]]
) -> Any:
    """Return the preset of the nearest sigma (uniform: .5) with the changes made.

    Raises
    ------
    UserError
        A name is not known (the sentence lists those that are), or a value is out of range.
    """
    wanted = 0.5 if sigma == "uniform" else float(sigma)
    preset = presets[min(presets, key=lambda s: abs(s - wanted))]
    kinds = {f.name: f.type for f in fields(preset)}
    values: dict[str, float] = {}
    for name, value in changes:
        if name not in kinds:
            raise UserError(f"There is no setting {name!r}; there are: {', '.join(kinds)}.")
        whole = kinds[name] is int and float(value).is_integer()
        values[name] = int(value) if whole else value
    return replace(preset, **values)


def parse(words: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """Return sorted (name, value) pairs of words like ``draws=2``; a bad one is refused."""
    pairs: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            pairs[name.strip()] = float(value)
        except ValueError:
            raise UserError(f"Write a setting as name=number, not {word!r}.") from None
    return tuple(sorted(pairs.items()))


def as_words(settings: Iterable[tuple[str, float]]) -> str:
    """Return settings as the command line takes them: ``--set draws=2 --set eps=1``."""
    return " ".join(f"--set {name}={value:g}" for name, value in settings)
