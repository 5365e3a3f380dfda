"""One image, many networks: each at its own noise with the same seed and votes, as each lands.

Shape suffixes: C channels, H height, W width.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from torch import Tensor, nn

from rsviz.certification import certify
from rsviz.checkpoints.catalog import Checkpoint, list_checkpoints
from rsviz.core import clock
from rsviz.core.bounds import ANYTIME_SHARE
from rsviz.core.errors import UserError
from rsviz.core.radius import ceiling, down
from rsviz.core.spec import Certificate, Norm, RunSpec
from rsviz.data import canvases
from rsviz.data.catalog import INPUT_SIZE
from rsviz.data.datasets import from_pixels
from rsviz.methods.registry import METHODS
from rsviz.smoothing import turns

State = Literal["waiting", "running", "done", "stopped", "failed", "measured"]
Nets = Callable[[Checkpoint], Mapping[str, nn.Module]]


def title(checkpoint: Checkpoint) -> str:
    """Return a short name: the method, what it is made of, the noise it was trained with."""
    card = checkpoint.card
    words = [METHODS[card.method].title]
    if card.members:
        words.append(f"of {len(card.members)}")
    count = str(len(card.members))
    plain = [card.dataset, card.method, str(card.sigma), count]
    rest = [w for w in checkpoint.name.split("-") if w not in plain and w not in card.dataset]
    words += [w for w in rest if w not in card.method]
    if not METHODS[card.method].chooses_sigma and card.sigma is not None:
        words.append(f"σ {card.sigma:g}")
    return " ".join(words)


@dataclass(frozen=True)
class Row:
    """One network's line: what it is, and what may be said of the image at this moment.

    ``certificate`` is None before the first votes; ``error`` is a sentence where the run failed.
    A row is ``measured`` where it is read from the log of a past evaluation. ``top`` is the largest
    radius that its votes could certify, 0 where that is not known in advance.
    """

    name: str
    title: str
    state: State
    sigma: float | None
    norm: Norm = Norm.L2
    planned: int = 0
    done: int = 0
    seconds: float = 0.0
    certificate: Certificate | None = None
    error: str = ""
    top: float = 0.0

    @property
    def stands(self) -> bool:
        """Whether a class is certified."""
        c = self.certificate
        return c is not None and c.predicted is not None and not c.abstained

    @property
    def radius(self) -> float:
        """The certified radius, 0 where nothing is certified."""
        return self.certificate.radius if self.certificate is not None and self.stands else 0.0


@dataclass(frozen=True)
class Panorama:
    """All rows at one moment."""

    unit: ClassVar[str] = "votes"

    rows: tuple[Row, ...]

    @property
    def done(self) -> int:
        """Votes counted; a failed row counts as complete."""
        return sum(r.planned if r.state == "failed" else r.done for r in self.rows)

    @property
    def planned(self) -> int:
        """Votes of all rows."""
        return sum(r.planned for r in self.rows)

    @property
    def complete(self) -> bool:
        """Whether every row ended by itself."""
        return all(row.state in ("done", "failed") for row in self.rows)


@dataclass(frozen=True, eq=False)
class Contender:
    """A network, the image as it takes it, and the run it is to make."""

    checkpoint: Checkpoint
    x_CHW: Tensor
    spec: RunSpec
    row: Row = field(init=False)

    def __post_init__(self) -> None:
        method = METHODS[self.spec.method]
        sigma = self.spec.sigma
        planned = method.planned(self.spec)
        row = Row(
            self.checkpoint.name,
            title(self.checkpoint),
            "waiting",
            sigma,
            method.norm,
            planned,
            top=largest_radius(
                sigma, method.norm, self.spec.n, (1 - ANYTIME_SHARE) * self.spec.alpha
            ),
        )
        object.__setattr__(self, "row", row)


def contestants(dataset: str) -> list[Checkpoint]:
    """Return every usable checkpoint of a data set, on canvases too, by method and then noise.

    A network trained with every noise level has none of its own, so it is not among them.
    """
    found = [
        c
        for c in list_checkpoints()
        if c.verified and c.card.method in METHODS and c.card.dataset.partition("-k")[0] == dataset
    ]
    found = [c for c in found if METHODS[c.card.method].chooses_sigma or c.card.sigma is not None]

    order = list(METHODS)

    def rank(c: Checkpoint) -> tuple[int, float, str]:
        return order.index(c.card.method), c.card.sigma or 99.0, c.name

    return sorted(found, key=rank)


def on_canvas(x_CHW: Tensor, size: int, index: int = 0) -> Tensor:
    """Return the image pasted on one of rsviz's test canvases, as methods on canvases take it."""
    image_CHW = (x_CHW * 255).round().byte().numpy()
    placed_CHW = canvases.place(image_CHW, size, canvases.SEEDS["test"], index).x_CHW
    return from_pixels(placed_CHW.transpose(1, 2, 0) / 255)


def enter(
    checkpoint: Checkpoint,
    x_CHW: Tensor,
    image: str,
    flags: tuple[str, ...] = (),
    **counts: int,
) -> Contender:
    """Return a network's contest on an image of a plain data set, or on an upload (no name).

    ``counts`` are n, n0 and seed of the run.

    A network of canvases gets the image pasted on one: the test canvas of the same index, or the
    first one for an upload.
    """
    base, _, size = checkpoint.card.dataset.partition("-k")
    if size:
        index = image.split("/")[2] if image else "0"
        x_CHW = on_canvas(x_CHW, int(size), int(index))
        image = image and f"{base}-k{size}/{'/'.join(image.split('/')[1:])}"
    expected = INPUT_SIZE[checkpoint.card.dataset]
    if tuple(x_CHW.shape) != (3, expected, expected):
        raise UserError(f"{checkpoint.name} takes images of 3x{expected}x{expected}; resize it.")
    spec = certify.make_spec(
        checkpoint,
        x_CHW,
        image=image,
        bound="split",
        flags=flags,
        **counts,
    )
    return Contender(checkpoint, x_CHW, spec)


def watch(
    contenders: Sequence[Contender],
    nets: Nets,
    device: str = "cpu",
    cancel: threading.Event | None = None,
    landed: Mapping[RunSpec, Row] | None = None,
) -> Iterator[Panorama]:
    """Certify one image by each contender in turn; yield all rows whenever votes came in.

    A network that cannot be used fails in its own row. Cancelled, the row under way is ``stopped``
    with what its votes prove, and those behind it keep waiting.

    Parameters
    ----------
    nets : gives a checkpoint's networks by name.
    landed : rows finished before, which are not computed again.
    """
    landed = landed or {}
    rows = [landed.get(c.spec, c.row) for c in contenders]
    yield Panorama(tuple(rows))
    for i, contender in enumerate(contenders):
        if cancel is not None and cancel.is_set():
            break
        if rows[i].state == "done":
            continue
        for rows[i] in _one(contender, nets, device, cancel):
            yield Panorama(tuple(rows))
    yield Panorama(tuple(rows))


def _one(
    contender: Contender, nets: Nets, device: str, cancel: threading.Event | None
) -> Iterator[Row]:
    """Yield one network's row while its votes come in."""
    row, begun = replace(contender.row, state="running"), clock.now()
    yield row
    try:
        with turns.aside():
            loaded = nets(contender.checkpoint)
        for p in certify.watch(contender.x_CHW, loaded, contender.spec, device, cancel):
            c = p.certificate
            state: State = "running" if c.ended == "running" else "stopped"
            row = replace(
                row,
                state="done" if p.complete else state,
                certificate=c,
                sigma=c.sigma if c.sigma is not None else row.sigma,
                done=p.done,
                planned=p.planned,
                seconds=p.seconds,
            )
            yield row
    except UserError as error:
        yield replace(row, state="failed", error=str(error), seconds=clock.since(begun))


def against(row: Row, pinned: Row) -> float | None:
    """Return how much farther a row is certified than the pinned one; None in another norm.

    A row that certifies nothing counts as 0, one that has no votes yet as unknown.
    """
    if row.certificate is None or pinned.certificate is None or row.norm is not pinned.norm:
        return None
    return row.radius - pinned.radius


def summary(rows: Sequence[Row], classes: Sequence[str], label: int | None) -> str:
    """Say in a sentence or two what the rows agree on, and who certifies farthest."""
    ended = [r for r in rows if r.state in ("done", "measured")]
    stand = [r for r in ended if r.stands]
    if not ended:
        return "No network has landed yet."
    if not stand:
        return f"None of the {len(ended)} networks that ended certifies a class."
    votes: dict[int, int] = {}
    for r in stand:
        votes[_class(r)] = votes.get(_class(r), 0) + 1
    said = [f"{classes[c]} ({k})" for c, k in sorted(votes.items(), key=lambda item: -item[1])]
    told = f"{len(stand)} of {len(ended)} networks certify a class: {', '.join(said)}."
    right = [r for r in stand if r.norm is Norm.L2 and label in (None, _class(r))]
    if right:
        best = max(right, key=lambda r: r.radius)
        kind = "" if label is None else " for the right class"
        told += f" Farthest in L2{kind}: {best.title}, {down(best.radius, 3)}."
    return told


def largest_radius(sigma: float | None, norm: Norm, n: int, alpha: float) -> float:
    """Return the largest L2 radius n votes can certify; 0 where none is known."""
    return ceiling(sigma, n, alpha) if sigma is not None and norm is Norm.L2 else 0.0


def _class(row: Row) -> int:
    c = row.certificate
    return -1 if c is None or c.predicted is None else c.predicted
