"""Several methods certify one image side by side, on the same seed and number of votes.

Shape suffixes: C channels, H height, W width.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from rsviz.certification import certify
from rsviz.certification.certify import Progress, Together
from rsviz.checkpoints.catalog import Checkpoint, list_checkpoints
from rsviz.core import clock
from rsviz.core.spec import Certificate, RunSpec
from rsviz.data.catalog import INPUT_SIZE
from rsviz.methods import registry
from rsviz.methods.registry import METHODS

Entrant = tuple[Mapping[str, nn.Module], RunSpec]


def on_canvases(folder: Path | None = None) -> list[Checkpoint]:
    """Return the usable checkpoints of these methods, by size of canvas, noise and method."""
    methods = registry.on_canvases()
    found = [c for c in list_checkpoints(folder) if c.verified and c.card.method in methods]
    return sorted(
        found,
        key=lambda c: (
            INPUT_SIZE[c.card.dataset],
            c.card.dataset,
            c.card.sigma,
            methods.index(c.card.method),
        ),
    )


def partners(checkpoint: Checkpoint) -> dict[str, Checkpoint]:
    """Return a checkpoint and those trained for the same canvases and noise, one a method."""
    card = checkpoint.card
    found = {
        c.card.method: c
        for c in on_canvases(checkpoint.folder.parent)
        if (c.card.dataset, c.card.sigma) == (card.dataset, card.sigma)
    }
    found |= {card.method: checkpoint}
    return {name: found[name] for name in registry.on_canvases() if name in found}


def race(
    x_CHW: Tensor, entrants: Sequence[Entrant], device: str, cancel: threading.Event
) -> Iterator[Together]:
    """Certify one image with each entrant, a batch of votes in turn; yield every reading.

    Each entrant's readings, ``by_name`` of its method, are those it would give alone; cancelled,
    each ends as it stands.
    """
    watch = partial(certify.watch, x_CHW, device=device, cancel=cancel)
    going = {spec.method: watch(nets, spec) for nets, spec in entrants}
    latest: dict[str, Progress] = {}
    planned = sum(METHODS[spec.method].planned(spec) for _, spec in entrants)
    begun = clock.now()
    while going:
        for method, run in list(going.items()):
            if (progress := next(run, None)) is None:
                del going[method]
                continue
            latest[method] = progress
            yield Together(
                progress.certificate,
                sum(p.done for p in latest.values()),
                planned,
                clock.since(begun),
                {name: p.certificate for name, p in latest.items()},
            )


def by_method(readings: Iterable[Together]) -> dict[str, list[Certificate]]:
    """Return the readings of each method, in the order they came, each once."""
    found: dict[str, list[Certificate]] = {}
    for together in readings:
        for name, c in together.by_name.items():
            told = found.setdefault(name, [])
            if not told or told[-1] is not c:
                told.append(c)
    return found
