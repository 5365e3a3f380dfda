"""Settings of a training loss: frozen dataclasses with presets by sigma, changed by name."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar, get_type_hints

from rsviz.core.errors import UserError
from rsviz.core.spec import RunSpec

T = TypeVar("T")


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


def check_word(name: str, given: str, known: Sequence[str]) -> None:
    """Refuse, in words, a setting that is none of the words it may be."""
    if given not in known:
        words = f"{', '.join(known[:-1])} or {known[-1]}"
        raise UserError(f"{name} must be {words}, but is {given!r}.")


def choose(
    presets: Mapping[float, Any], sigma: float | str, changes: Iterable[tuple[str, float | str]]
) -> Any:
    """Return the preset of the nearest sigma (uniform: .5) with the changes made.

    Raises
    ------
    UserError
        A name is not known (the sentence lists those that are), or a value is out of range.
    """
    wanted = 0.5 if sigma == "uniform" else float(sigma)
    preset = presets[min(presets, key=lambda s: abs(s - wanted))]
    kinds = get_type_hints(type(preset))
    values: dict[str, float] = {}
    for name, value in changes:
        if name not in kinds:
            raise UserError(f"There is no setting {name!r}; there are: {', '.join(kinds)}.")
        if isinstance(value, str):
            raise UserError(f"{name} must be a number, but is {value!r}.")
        whole = kinds[name] is int and float(value).is_integer()
        values[name] = int(value) if whole else value
    return replace(preset, **values)


def parse(words: Iterable[str]) -> tuple[tuple[str, float | str], ...]:
    """Return sorted (name, value) pairs of words like ``draws=2``; other values stay words.

    Raises
    ------
    UserError
        A word is not of the form name=value.
    """
    pairs: dict[str, float | str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name.strip() or not value.strip():
            raise UserError(f"Write a setting as name=value, not {word!r}.")
        pairs[name.strip()] = _number(value.strip())
    return tuple(sorted(pairs.items()))


def _number(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def fill(kind: type[T], given: Iterable[tuple[str, float | str]]) -> T:
    """Return a dataclass of options, each with a default, changed by (name, value) pairs.

    Raises
    ------
    UserError
        A name is not one of its fields, a value is a word where a number belongs, or a number where
        a word or a whole number does.
    """
    defaults = {f.name: f.default for f in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, float | int | str] = {}
    for name, value in given:
        if name not in defaults:
            raise UserError(f"There is no setting {name!r}; there are: {', '.join(defaults)}.")
        default = defaults[name]
        word = isinstance(default, str)
        if isinstance(value, str) != word:
            raise UserError(f"{name} must be a {'word' if word else 'number'}, but is {value!r}.")
        if isinstance(default, int) and not isinstance(value, str):
            if not float(value).is_integer():
                raise UserError(f"{name} must be a whole number, but is {value!r}.")
            value = int(value)
        values[name] = value
    return kind(**values)


def as_words(settings: Iterable[tuple[str, float | str]]) -> str:
    """Return settings as the command line takes them: ``--set draws=2 --set eps=1``."""
    return " ".join(
        f"--set {name}={value if isinstance(value, str) else f'{value:g}'}"
        for name, value in settings
    )


def options_of(kind: type[T], spec: RunSpec) -> T:
    """Return a dataclass of options, each with a default, filled from ``spec.settings``.

    Raises
    ------
    UserError
        A name is not one of its fields, or a value is a word where a number belongs.
    """
    return fill(kind, spec.settings)
