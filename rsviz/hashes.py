"""Hashes of trained networks: of weights, and of what is made of several (no torch here)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from rsviz.errors import UserError

WEIGHTS = "weights.safetensors"


def card_hash(folder: Path, card: Mapping[str, Any]) -> str:
    """Return the hash of all weights that a card stands for; UserError says what is amiss."""
    if "members" in card:
        _check_others(folder, {str(m["name"]): m["sha256"] for m in card["members"]})
        return ensemble_sha256(card["members"], card["weights"])
    if "parts" in card:
        _check_others(folder, _others(card["parts"]))
        own = any("checkpoint" not in part for part in card["parts"].values())
        return parts_sha256(card["parts"], weights_hash(folder) if own else "")
    return weights_hash(folder)


def _others(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the hash of each other checkpoint among the parts, by name."""
    return {str(p["checkpoint"]): p["sha256"] for p in parts.values() if "checkpoint" in p}


def parts_sha256(parts: Mapping[str, Mapping[str, Any]], own: str) -> str:
    """Return the hash of several networks: of the weights of its own and of what else it names."""
    return hashlib.sha256(json.dumps([own, parts], sort_keys=True).encode()).hexdigest()


def weights_hash(folder: Path) -> str:
    """Return the hash of a folder's own weights; UserError says that there are none."""
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"it has no {WEIGHTS}")
    stat = weights.stat()
    return _sha256(weights, stat.st_mtime_ns, stat.st_size)


def _check_others(folder: Path, wanted: Mapping[str, str]) -> None:
    """Refuse, in words, a checkpoint beside this one that is absent or has other weights."""
    for name, sha256 in wanted.items():
        try:
            found = weights_hash(folder.parent / Path(name).name)
        except UserError:
            raise UserError(f"its member {name} is missing") from None
        if found != sha256:
            raise UserError(f"its member {name} is another network now (sha256 differs)")


def ensemble_sha256(members: Sequence[Mapping[str, str]], weights: Sequence[float] | None) -> str:
    """Return the hash of an ensemble: of its members' hashes and its weights (None: max-margin)."""
    text = json.dumps([[member["sha256"] for member in members], weights])
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)
def _sha256(file: Path, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
