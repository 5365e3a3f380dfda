"""Records read from files: every field is checked by its type, and an error is one sentence."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from rsviz.core.errors import UserError

T = TypeVar("T")
Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Distance = Annotated[float, Meta(ge=0, le=1e6)]
Noise = Annotated[float, Meta(ge=0, le=10)]

CHECK = "check"  # the entry of a record that tells whether the others were changed


def with_check(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with a check of all else it holds: SHA-256 of its JSON, cut to 64 bits.

    It finds accidents and hasty edits; whoever wants to can compute it anew.
    """
    plain = {key: value for key, value in data.items() if key != CHECK}
    return plain | {CHECK: _check(plain)}


def without_check(data: Any, what: str) -> Any:
    """Return a record without its check, which may be absent: records made before have none.

    Raises
    ------
    UserError
        The rest is not what the check was made of.
    """
    if not isinstance(data, Mapping) or CHECK not in data:
        return data
    plain = {key: value for key, value in data.items() if key != CHECK}
    if data[CHECK] != _check(plain):
        raise UserError(f"{what}: it was changed since, for its check differs.")
    return plain


def _check(plain: Mapping[str, Any]) -> str:
    as_read = json.loads(json.dumps(plain))  # whose names are all text
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()[:16]


_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a list of names with values",
    "null": "empty",
}
_LIMITS = {"<=": "of at most", "<": "below", ">=": "of at least", ">": "above"}


def read_record(data: Any, kind: type[T], what: str) -> T:
    """Return plain data, as JSON holds it, as a record: a dataclass or a `msgspec.Struct`.

    Parameters
    ----------
    what : how the sentence begins, say ``This file is not an rsviz certificate``.

    Raises
    ------
    UserError
        A field is missing, of another type or out of range; a dataclass knows no further fields, a
        `msgspec.Struct` leaves them out.
    """
    if isinstance(data, Mapping) and is_dataclass(kind):
        known = {f.name for f in fields(kind)}
        if unknown := sorted(map(str, set(data) - known)):
            raise UserError(f"{what}: it has an unknown entry, {_short(unknown[0])}.")
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, UserError):  # of the record itself, already in words
            raise error.__cause__ from None
        raise UserError(f"{what}: {in_words(str(error))}.") from None
    except RecursionError:
        raise UserError(f"{what}: it is nested too deeply.") from None


def in_words(said: str) -> str:
    """Return what msgspec says of a field that is wrong as part of a sentence.

    ``Expected `float` < 0.5 - at `$.alpha``` becomes ``alpha must be a number below 0.5``.
    """
    said, _, path = said.partition(" - at `")
    name = path.rstrip("`").removeprefix("$").removeprefix(".") or "it"
    name = re.sub(r"\[\.\.\.\]", "", name).replace(".", ", ")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", said):
        return f"it lacks {missing[1]}"
    if expected := re.fullmatch(r"Expected `([^`]+)`(?: ([<>]=?) (\S+))?(?:, got `(.+)`)?", said):
        kinds, sign, limit, got = expected.groups()
        names = kinds.split(" | ")
        wanted = " or ".join(_KINDS.get(k, k) for k in names if k != "int" or "float" not in names)
        if sign:
            most = f"{int(float(limit)):,}" if float(limit).is_integer() else limit
            return f"{name} must be {wanted} {_LIMITS[sign]} {most}"
        return f"{name} must be {wanted}, not {_KINDS.get(got, got)}"
    if invalid := re.fullmatch(r"Invalid enum value (.+)", said):
        return f"{name} cannot be {_short(invalid[1])}"
    return f"{name} is wrong ({said})"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
