"""The checkpoints there are: cards, hashes, and whether each folder is whole (no torch)."""

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from rsviz.core.errors import UserError
from rsviz.core.files import PACKED, part_of, read_bytes, shown, version, write_whole
from rsviz.core.records import Count, Noise, Share, read_record, with_check, without_check
from rsviz.core.spec import Norm
from rsviz.data.catalog import DATASETS

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"
CARD = "card.json"
EXPERIMENTS_FOLDER = "experiments"  # of logs beside a network's own
WEIGHTINGS_FOLDER = "weightings"  # of an ensemble's logs, one for each way to weigh it
OWN = "yours: "  # in front of the name of a visitor's network, which no folder holds
REQUIRED = ("name", "method", "dataset", "network", "sigma", "sha256")

WEIGHTS = "weights.safetensors"
INSPECTED = (CARD, str(part_of(Path(CARD))), WEIGHTS)  # files of a folder that `inspect` reads
CARD_BYTES = 4 << 20
_checks: "list[Callable[[Card], str]]" = []  # of rooms above
_seen = threading.local()  # ``lists``: by folder, what this thread listed within `listed_once`
_moments = count()
_newest: "dict[Path, tuple[int, tuple[Checkpoint, ...]]]" = {}  # lists, by folder, and since when


def check_cards_by(check: "Callable[[Card], str]") -> None:
    """Have every card that is read checked by a room above, too; `methods.registry` calls it.

    Parameters
    ----------
    check : says what of a card cannot be used, empty if nothing.
    """
    _checks[:] = [check]


class Member(msgspec.Struct, frozen=True):
    """A network of an ensemble: a checkpoint beside it, and the hash of its weights."""

    name: str
    sha256: str = ""


class Difference(msgspec.Struct, frozen=True):
    """A log's ACR less that of the log ``beside`` it, with its paired 95 % interval."""

    mean: float
    low: float
    high: float
    beside: str = ""


class Measured(msgspec.Struct, frozen=True):
    """One log of a checkpoint, and what it says in short; ``engine`` is of another precision."""

    log: str = ""
    sigma: Noise | None = None
    subset: str = ""
    images: Count = 0
    n0: Count = 0
    n: Count = 0
    alpha: Share = 0.0
    norm: Norm = Norm.L2
    acr: float = 0.0
    accuracy: dict[str, Share] = {}
    command: str = ""
    engine: str = ""
    difference: Difference | None = None

    @property
    def precision(self) -> str:
        """What the votes were counted in where that is not float32, else empty."""
        return self.engine.partition(" ")[2]

    @property
    def ending(self) -> str:
        """What the log's name adds to noise and n: ``sweep`` of ``certified-sweep-n10000.csv``."""
        stem = self.log.removeprefix("certified").removesuffix(".csv")
        return stem.removesuffix(f"-n{self.n}").strip("-")


class NetworkFile(msgspec.Struct, frozen=True):
    """A file of one network beside the weights, and its hash."""

    file: str
    sha256: str


class Precision(msgspec.Struct, frozen=True):
    """A checkpoint in another precision: network files by part, and logs."""

    files: dict[str, NetworkFile] = {}
    recipe: dict[str, Any] = {}
    measured: tuple[Measured, ...] = ()


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint's card.json says; what else a card holds is left alone.

    ``sigma`` is None where many levels were trained or the method chooses one, ``sigma_training``
    may be ``uniform``. ``run`` holds settings of its runs, ``settings`` those of its training.
    ``parts``, ``normalisation`` and ``weights`` stay as they stand: their hash is of their JSON.
    """

    name: str = ""
    method: str = ""
    dataset: str = ""
    network: str = ""
    sigma: Noise | None = None
    sha256: str = ""
    sigma_training: float | str | None = None
    seed: int = 0
    start: str = ""
    split: str = ""
    epochs: int = 0
    dtype: str = ""
    command: str = ""
    seconds: float | None = None
    device: str = "?"
    torch: str = ""
    train_images: int = 0
    settings: dict[str, Any] = {}
    run: dict[str, float | int | str] = {}
    measured: tuple[Measured, ...] = ()
    parts: dict[str, dict[str, Any]] = {}
    members: tuple[Member, ...] = ()
    weights: tuple[float | int, ...] | None = None
    weighting: str = ""
    fit: dict[str, Any] = {}
    precisions: dict[str, Precision] = {}
    normalisation: dict[str, Any] | None = None

    @property
    def each_once(self) -> tuple[Measured, ...]:
        """The logs of float32, and of other precisions those that no log of float32 is beside."""
        others = [m for p in self.precisions.values() for m in p.measured if m.difference is None]
        return (*self.measured, *others)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One folder: its card, the hash of its weights, and what is wrong with it, if anything.

    ``stored`` is the card exactly as in its file, for code that changes it.
    """

    name: str
    folder: Path
    card: Card
    sha256: str
    problem: str | None
    stored: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verified(self) -> bool:
        """Whether the weights are those of the card."""
        return self.problem is None

    def require_usable(self) -> None:
        """Raise UserError, saying what is wrong, unless the folder is whole."""
        if self.problem:
            raise UserError(f"Checkpoint {self.name} cannot be used: {self.problem}.")


def first_seed(name: str) -> str:
    """Return the name of the first of the trainings that differ from this one in their seed."""
    return re.sub(r"-seed\d+$", "", name)


def root() -> Path:
    """Return the folder of checkpoints: RSVIZ_CHECKPOINTS, else the one beside the package."""
    return Path(os.environ.get("RSVIZ_CHECKPOINTS") or SHIPPED)


def list_checkpoints(folder: Path | None = None) -> list[Checkpoint]:
    """Return every checkpoint found, by name; a bad one is listed with its ``problem``.

    A folder of nothing but logs is none: its networks were measured and are not kept.
    """
    folder = folder or root()
    seen: dict[Path, tuple[Checkpoint, ...]] | None = getattr(_seen, "lists", None)
    if seen is None:
        return list(_look(folder))
    if folder not in seen:
        began, found = _newest.get(folder, (-1, ()))
        if began < _seen.since:
            began, found = moment(), _look(folder)
            _newest[folder] = began, found
        seen[folder] = found
    return list(seen[folder])


def moment() -> int:
    """Return a number that later moments exceed, whatever the clock does."""
    return next(_moments)


@contextmanager
def listed_once(since: int | None = None) -> Iterator[None]:
    """List each folder once in this block and thread: a page asks six times while it is drawn.

    Parameters
    ----------
    since : the `moment` at which the page was asked for. It may have waited while others were
        drawn, and lists what another has listed meanwhile.
    """
    outer = getattr(_seen, "lists", None)
    _seen.lists = {} if outer is None else outer
    if outer is None:
        _seen.since = moment() if since is None else since
    try:
        yield
    finally:
        _seen.lists = outer


def _look(folder: Path) -> tuple[Checkpoint, ...]:
    if not folder.is_dir():
        return ()
    paths = [(name, os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
    stamps = [_stamp(name, path) for name, path in paths if os.path.isdir(path)]
    kept = tuple(s for s in stamps if any(s[1:]) or not _logs_alone(folder / s[0]))
    return _listed(folder, kept, tuple(_checks))


def of_logs_alone(folder: Path | None = None) -> list[Checkpoint]:
    """Return the folders of nothing but logs, as checkpoints that cannot be used, by name."""
    folder = folder or root()
    found = sorted(f for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
    problem = "its network was measured and is not kept"
    return [Checkpoint(f.name, f, Card(), "", problem) for f in found if _logs_alone(f)]


def _logs_alone(folder: Path) -> bool:
    return _holds_logs_alone(folder, version(folder))


@lru_cache(maxsize=1024)
def _holds_logs_alone(folder: Path, _version: tuple[int, ...] | None) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:  # its problem is told where it is read
        return False
    return bool(names) and all(
        n.endswith((".csv", f".csv{PACKED}")) or n in (EXPERIMENTS_FOLDER, WEIGHTINGS_FOLDER)
        for n in names
    )


@lru_cache(maxsize=8)
def _listed(
    folder: Path, stamps: tuple[Any, ...], _checked_by: tuple[Any, ...]
) -> tuple[Checkpoint, ...]:
    """List a folder's checkpoints, read again when the files of one of them have changed."""
    return tuple(inspect(folder / name) for name, *_ in stamps)


def _stamp(name: str, folder: str) -> tuple[Any, ...]:
    """Return a folder's name, and what changes when a file that `inspect` reads does.

    Every page asks for it, so paths are joined as text.
    """
    return (name, *(version(os.path.join(folder, file)) for file in INSPECTED))


def find(name: str, folder: Path | None = None) -> Checkpoint:
    """Return one checkpoint by name; UserError lists the names there are, or says what is wrong."""
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
    if that card fits the weights, it is used.
    """
    found = _inspect(folder, folder / CARD)
    if found.problem and part_of(folder / CARD).is_file():
        renewed = _inspect(folder, part_of(folder / CARD))
        return found if renewed.problem else renewed
    return found


def _inspect(folder: Path, file: Path) -> Checkpoint:
    try:
        if not file.exists():
            raise FileNotFoundError
        stored = without_check(json.loads(read_bytes(file, CARD_BYTES)), "its card is wrong")
        missing = [key for key in REQUIRED if key not in stored]
        if missing:
            raise UserError(f"its card lacks {', '.join(missing)}")
        card = read_record(stored, Card, "its card is wrong")
        _check_known(card)
        sha256 = card_hash(folder, card)
        wrong = sha256 != card.sha256
        problem = "its weights are not those its card names (sha256 differs)" if wrong else None
        return Checkpoint(folder.name, folder, card, sha256, problem, stored)
    except FileNotFoundError:
        problem = f"it has no {CARD}"
    except UserError as error:
        problem = str(error).removesuffix(".")
    except (ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError):
        problem = f"its {CARD} is not a JSON object that describes a network"
    return Checkpoint(folder.name, folder, Card(), "", problem)


def _check_known(card: Card) -> None:
    """Refuse a data set that this version does not have, and what the rooms above refuse."""
    if card.dataset not in DATASETS:
        raise UserError(f"its data set, {shown(card.dataset)!r}, is not known here")
    for amiss in filter(None, (check(card) for check in _checks)):
        raise UserError(amiss)


def draft(folder: Path, stored: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint that a card describes which its folder does not hold yet.

    Raises
    ------
    UserError
        The card is wrong, or a checkpoint it names is missing or another one.
    """
    card = read_record(dict(stored), Card, "its card is wrong")
    return Checkpoint(folder.name, folder, card, card_hash(folder, card), None, stored)


def read_card(folder: Path) -> Card:
    """Return the card of a folder, without checking its weights.

    Raises
    ------
    UserError
        There is none, or it is not a card.
    """
    try:
        stored = json.loads(read_bytes(folder / CARD, CARD_BYTES))
    except UserError:
        raise
    except (ValueError, RecursionError):
        raise UserError(
            f"The card of {shown(folder.name)} cannot be read: it is no JSON."
        ) from None
    stored = without_check(stored, f"The card of {shown(folder.name)} is wrong")
    return read_record(stored, Card, f"The card of {folder.name} is wrong")


def members(checkpoint: Checkpoint) -> list[Checkpoint]:
    """Return the members of an ensemble, none of a single network."""
    return [find(member.name, checkpoint.folder.parent) for member in checkpoint.card.members]


def network_files(checkpoint: Checkpoint, precision: str) -> dict[str, tuple[Path, str]]:
    """Return a checkpoint's own network files in a precision: by part, the file and its hash.

    They lie beside the weights, and its card names them under ``precisions``.
    """
    named = checkpoint.card.precisions.get(precision, Precision()).files
    return {
        part: (checkpoint.folder / Path(file.file).name, file.sha256)
        for part, file in named.items()
    }


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write card.json, readable and with a stable order, whole or not at all.

    Who calls it holds the folder's card (`files.sole_writer`).
    """
    settle_card(folder)
    write_whole(folder / CARD, card_text(card))


def settle_card(folder: Path) -> None:
    """Put a card that a kill left beside into its place, if it is the one that fits (`inspect`).

    Whatever is written next is written beside, too, and would take it away.
    """
    beside = part_of(folder / CARD)
    if beside.is_file() and _inspect(folder, folder / CARD).problem:
        if not _inspect(folder, beside).problem:
            beside.replace(folder / CARD)


def find_unchanged(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint as its folder holds it now, to write on its card what was found of it.

    Raises
    ------
    UserError
        It is another network by now, of which nothing was found, or none.
    """
    found = inspect(checkpoint.folder)
    if found.problem or found.sha256 != checkpoint.sha256:
        why = found.problem or "it was trained anew"
        raise UserError(
            f"{found.name} was changed meanwhile: {why}, so nothing is recorded on its card; give "
            "the command again."
        )
    return found


def card_text(card: Mapping[str, Any]) -> str:
    """Return a card as it is written."""
    return json.dumps(with_check(card), indent=1) + "\n"


def card_hash(folder: Path, card: Card) -> str:
    """Return the hash of all weights that a card stands for; UserError says what is amiss."""
    if card.members:
        _check_others(folder, {m.name: m.sha256 for m in card.members})
        for name in {m.name for m in card.members}:
            if _stated(folder.parent / Path(name).name, "members"):  # it may be this very folder
                raise UserError(f"its member {shown(name)} is made of several networks itself")
        return ensemble_sha256([m.sha256 for m in card.members], card.weights)
    if card.parts:
        _check_others(folder, _others(card.parts))
        own = any("checkpoint" not in part for part in card.parts.values())
        return parts_sha256(card.parts, weights_hash(folder) if own else "")
    return with_normalisation(weights_hash(folder), card.normalisation)


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
        return _sha256(weights, version(weights))
    except OSError:
        raise UserError(f"its {WEIGHTS} cannot be read") from None


def _check_others(folder: Path, wanted: Mapping[str, str]) -> None:
    """Refuse, in words, a checkpoint beside this one that is absent or has other weights."""
    for name, sha256 in wanted.items():
        try:
            other = folder.parent / Path(name).name
            found = with_normalisation(weights_hash(other), _stated(other, "normalisation"))
        except UserError:
            raise UserError(f"its member {name} is missing") from None
        if found != sha256:
            raise UserError(f"its member {name} is another network now (sha256 differs)")


def _stated(folder: Path, name: str) -> Any:
    """Return one entry of a folder's card, None where there is none."""
    try:
        return json.loads(read_bytes(folder / CARD, CARD_BYTES))[name]
    except (UserError, ValueError, TypeError, KeyError, RecursionError):
        return None


def ensemble_sha256(members: Sequence[str], weights: Sequence[float] | None) -> str:
    """Return the hash of an ensemble: of its members' hashes and its weights (None: max-margin)."""
    text = json.dumps([list(members), weights])
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)
def _sha256(file: Path, _version: tuple[int, ...] | None) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
