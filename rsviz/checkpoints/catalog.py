"""The checkpoints there are: cards, hashes, and whether each folder is whole (no torch)."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rsviz.core.errors import UserError
from rsviz.core.files import part_of, shown, write_whole

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"
CARD = "card.json"
OWN = "yours: "  # in front of the name of a visitor's network, which no folder holds
REQUIRED = ("name", "method", "dataset", "network", "sigma", "sha256")

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One folder: its card, the hash of its weights, and what is wrong with it, if anything."""

    name: str
    folder: Path
    card: Mapping[str, Any]
    sha256: str
    problem: str | None

    @property
    def verified(self) -> bool:
        """Whether the weights are those the card speaks of."""
        return self.problem is None

    def require_usable(self) -> None:
        """Raise UserError, saying what is wrong, unless the folder is whole."""
        if self.problem:
            raise UserError(f"Checkpoint {self.name} cannot be used: {self.problem}.")


def root() -> Path:
    """Return the folder of checkpoints: RSVIZ_CHECKPOINTS, else the one beside the package."""
    return Path(os.environ.get("RSVIZ_CHECKPOINTS") or SHIPPED)


def list_checkpoints(folder: Path | None = None) -> list[Checkpoint]:
    """Return every checkpoint found, by name; a bad one is listed with its ``problem``."""
    folder = folder or root()
    if not folder.is_dir():
        return []
    return [inspect(f) for f in sorted(folder.iterdir()) if f.is_dir()]


def find(name: str, folder: Path | None = None) -> Checkpoint:
    """Return one checkpoint by name; UserError names those there are, or what is wrong with it."""
    folder = folder or root()
    if Path(name).name != name or not os.path.isdir(folder / name):  # a name may be too long
        names = ", ".join(c.name for c in list_checkpoints(folder)) or "none"
        raise UserError(f"There is no checkpoint {shown(name)!r}; there are: {names}.")
    return inspect(folder / name)


def usable(name: str, folder: Path | None = None) -> Checkpoint:
    """Return one checkpoint by name; UserError also where it is there but must not be used."""
    checkpoint = find(name, folder)
    checkpoint.require_usable()
    return checkpoint


def inspect(folder: Path) -> Checkpoint:
    """Read a folder's card and verify the hash of its weights, executing nothing.

    A kill between the renaming of weights and card (see `weights.save`) leaves the new card beside;
    where it is the one that its weights fit, it is taken.
    """
    found = _inspect(folder, folder / CARD)
    if found.problem and part_of(folder / CARD).is_file():
        renewed = _inspect(folder, part_of(folder / CARD))
        return found if renewed.problem else renewed
    return found


def _inspect(folder: Path, file: Path) -> Checkpoint:
    try:
        card = json.loads(file.read_text())
        missing = [key for key in REQUIRED if key not in card]
        if missing:
            raise UserError(f"its card lacks {', '.join(missing)}")
        sha256 = card_hash(folder, card)
        wrong = sha256 != card["sha256"]
        problem = "its weights are not those its card names (sha256 differs)" if wrong else None
        return Checkpoint(folder.name, folder, card, sha256, problem)
    except FileNotFoundError:
        problem = f"it has no {CARD}"
    except UserError as error:
        problem = str(error)
    except (ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError):
        problem = f"its {CARD} is not a JSON object that describes a network"
    return Checkpoint(folder.name, folder, {}, "", problem)


def members(checkpoint: Checkpoint) -> list[Checkpoint]:
    """Return the members of an ensemble, none of a single network."""
    named = checkpoint.card.get("members", [])
    return [find(member["name"], checkpoint.folder.parent) for member in named]


def network_files(checkpoint: Checkpoint, precision: str) -> dict[str, tuple[Path, str]]:
    """Return a checkpoint's own network files in a precision: by part, the file and its hash.

    They lie beside the weights, and its card names them under ``precisions``.
    """
    named = checkpoint.card.get("precisions", {}).get(precision, {}).get("files", {})
    return {
        part: (checkpoint.folder / Path(file["file"]).name, file["sha256"])
        for part, file in named.items()
    }


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write card.json, readable and with a stable order, whole or not at all."""
    write_whole(folder / CARD, card_text(card))


def card_text(card: Mapping[str, Any]) -> str:
    """Return a card as it is written."""
    return json.dumps(card, indent=1) + "\n"


def card_hash(folder: Path, card: Mapping[str, Any]) -> str:
    """Return the hash of all weights that a card stands for; UserError says what is amiss."""
    if "members" in card:
        _check_others(folder, {str(m["name"]): m["sha256"] for m in card["members"]})
        return ensemble_sha256(card["members"], card["weights"])
    if "parts" in card:
        _check_others(folder, _others(card["parts"]))
        own = any("checkpoint" not in part for part in card["parts"].values())
        return parts_sha256(card["parts"], weights_hash(folder) if own else "")
    return with_normalisation(weights_hash(folder), card.get("normalisation"))


def with_normalisation(sha256: str, normalisation: Mapping[str, Any] | None) -> str:
    """Return the hash of weights and of the normalisation in front of them, where one is stated."""
    if normalisation is None:
        return sha256
    text = json.dumps([sha256, normalisation], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


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
    try:
        stat = weights.stat()
        return _sha256(weights, stat.st_mtime_ns, stat.st_size)
    except OSError:
        raise UserError(f"its {WEIGHTS} cannot be read") from None


def _check_others(folder: Path, wanted: Mapping[str, str]) -> None:
    """Refuse, in words, a checkpoint beside this one that is absent or has other weights."""
    for name, sha256 in wanted.items():
        try:
            other = folder.parent / Path(name).name
            found = with_normalisation(weights_hash(other), _stated_normalisation(other))
        except UserError:
            raise UserError(f"its member {name} is missing") from None
        if found != sha256:
            raise UserError(f"its member {name} is another network now (sha256 differs)")


def _stated_normalisation(folder: Path) -> Mapping[str, Any] | None:
    try:
        stated: Mapping[str, Any] | None = json.loads((folder / CARD).read_text())["normalisation"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return stated


def ensemble_sha256(members: Sequence[Mapping[str, str]], weights: Sequence[float] | None) -> str:
    """Return the hash of an ensemble: of its members' hashes and its weights (None: max-margin)."""
    text = json.dumps([[member["sha256"] for member in members], weights])
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)
def _sha256(file: Path, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
