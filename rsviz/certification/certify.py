"""One image through one checkpoint: what command line, pages and five lines of Python share.

Shape suffixes: C channels, H height, W width.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rsviz.certification.engine_choice import alone, default, load
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.core.files import shown
from rsviz.core.flags import FAR_NOISE, is_far
from rsviz.core.late import torch
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.data.catalog import INPUT_SIZE
from rsviz.data.images import image_id
from rsviz.methods.registry import METHODS, check_stopping, reader
from rsviz.networks.normalisation import of_card
from rsviz.smoothing import engines
from rsviz.smoothing.driver import default_chunks, drive, path
from rsviz.smoothing.engine import Engine
from rsviz.smoothing.noise import Scheme
from rsviz.smoothing.voters import Ask, MethodRun, Request

if TYPE_CHECKING:
    from torch import Tensor, nn

Read = Callable[[dict[str, Votes], RunSpec], Certificate]


def sigma_of(checkpoint: Checkpoint, sigma: float | None = None) -> float | None:
    """Return the noise level of a run: the one asked for, or else the one trained at.

    None stands for a method that chooses the noise of each image.

    Raises
    ------
    UserError
        No level is asked for and none was trained at, or one is asked of a method that chooses.
    """
    method = METHODS[checkpoint.card.method]
    if method.chooses_sigma:
        if sigma is not None:
            raise UserError(f"{method.title} chooses the noise of each image; leave sigma out.")
        return None
    sigma = checkpoint.card.sigma if sigma is None else sigma
    if sigma is None:
        raise UserError(
            f"{checkpoint.name} was trained for many noise levels, so say which: give sigma "
            "(on the command line, --sigma)."
        )
    return sigma


def make_spec(
    checkpoint: Checkpoint,
    x_CHW: Tensor | np.ndarray,
    sigma: float | None = None,
    image: str = "",
    **rest: Any,
) -> RunSpec:
    """Return the RunSpec for an image and a checkpoint.

    Parameters
    ----------
    sigma : noise level; None takes the one trained at. A method that chooses the noise has none.
    image : the image's name; empty takes the hash of its tensor.
    rest : n0, n, alpha, bound, seed, flags, until_radius, precision, settings of `RunSpec`;
        settings change those of the card.

    Raises
    ------
    UserError
        A setting is out of range, or sigma is missing, or given where the method chooses it.
    """
    settings = dict(checkpoint.card.run) | dict(rest.pop("settings", ()))
    sigma = sigma_of(checkpoint, sigma)
    if is_far(sigma, checkpoint.card.sigma):
        rest["flags"] = (*rest.get("flags", ()), FAR_NOISE)
    spec = RunSpec(
        image=image or image_id(x_CHW),
        checkpoint=checkpoint.name,
        sigma=sigma,
        method=checkpoint.card.method,
        checkpoint_sha256=checkpoint.sha256,
        normalisation="" if (how := of_card(checkpoint.card.normalisation)) is None else str(how),
        settings=tuple(sorted(settings.items())),
        **rest,
    )
    return check_stopping(METHODS[spec.method], spec)


@dataclass(frozen=True)
class Progress:
    """A reading of a run under way: a certificate that holds now, votes done and planned."""

    unit: ClassVar[str] = "votes"

    certificate: Certificate
    done: int
    planned: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every planned vote was counted, or as many as the question needs."""
        return self.certificate.ended in ("complete", "settled")

    @property
    def votes_per_second(self) -> float:
        """Votes of both draws a second since the start."""
        return self.done / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class Together(Progress):
    """A reading of several runs of one image: the newest certificate of each, by name."""

    by_name: Mapping[str, Certificate] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every run counted every planned vote."""
        return self.done >= self.planned and all(
            c.ended == "complete" for c in self.by_name.values()
        )


def watch(
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    spec: RunSpec,
    device: str = "cpu",
    cancel: threading.Event | None = None,
    every: float = 0.0,
) -> Iterator[Progress]:
    """Certify one image and yield a reading after every batch of votes; the last one is final.

    Parameters
    ----------
    nets : the method's networks by name, as `engine_choice.load` gives them.
    every : seconds between readings, at least: one takes as long as half a batch of votes.
    """
    method = METHODS[spec.method]
    return watch_votes(
        lambda: method.certify(x_CHW, nets, spec),
        reader(method, x_CHW),
        x_CHW,
        spec,
        device,
        cancel,
        method.planned(spec),
        nets,
        every,
    )


def certify(
    x_CHW: Tensor | np.ndarray,
    checkpoint: Checkpoint,
    device: str = "cpu",
    engine: Engine | None = None,
    **settings: Any,
) -> Certificate:
    """Certify one image with a checkpoint and return its certificate; see `follow`."""
    *_, last = follow(x_CHW, checkpoint, device, engine, math.inf, **settings)
    return last.certificate


def follow(
    x_CHW: Tensor | np.ndarray,
    checkpoint: Checkpoint,
    device: str = "cpu",
    engine: Engine | None = None,
    every: float = 0.0,
    **settings: Any,
) -> Iterator[Progress]:
    """Certify one image with a checkpoint and return its readings, which end with the certificate.

    Parameters
    ----------
    x_CHW : the image in [0, 1], as large as the checkpoint's network takes it; given as an array,
        one network of int8 votes on it without torch, with the same votes.
    engine : that counts the votes; None takes the fastest that keeps the certified radius.
    settings : of `make_spec`: sigma, n0, n, alpha, bound, seed, image, flags, until_radius,
        precision, settings.
    every : seconds between readings, at least.

    Raises
    ------
    UserError
        A setting is out of range, the image has the wrong size, or the checkpoint is bad.
    """
    checkpoint.require_usable()
    if checkpoint.card.dataset not in INPUT_SIZE:
        raise UserError(
            f"{checkpoint.name} is for the data set {shown(checkpoint.card.dataset)}, which is not "
            "known here; of files of this machine, rsviz.data.local_folders.use makes it known."
        )
    size = INPUT_SIZE[checkpoint.card.dataset]
    if tuple(x_CHW.shape) != (3, size, size):
        raise UserError(f"{checkpoint.name} takes images of 3x{size}x{size}; resize it first.")
    spec = make_spec(checkpoint, x_CHW, **settings)
    engine = engine or default(checkpoint, device).engine
    image: Any = x_CHW
    nets: Mapping[str, Any] | None = None
    if isinstance(x_CHW, np.ndarray):
        nets = alone(checkpoint, engine)
    if nets is None:
        image, nets = torch.as_tensor(x_CHW), load(checkpoint, device, engine)
    return watch(image, nets, spec, device, every=every)


def count(
    ask: Ask, n: int, x_CHW: Tensor, seed: int, device: str = "cpu", scheme: Scheme | None = None
) -> tuple[int, ...]:
    """Return counts_K of the first n votes of one ask, by the driver that every run uses."""

    def start() -> MethodRun:
        yield replace(ask, n=n, until=None)
        return None  # type: ignore[return-value]  # no certificate: only the votes are wanted

    request = Request(0, x_CHW, image_id(x_CHW), seed, start)
    *_, task = drive([request], device, scheme=scheme)
    return task.votes[ask.stage].counts_K


def watch_votes(
    start: Callable[[], MethodRun],
    read: Read,
    x_CHW: Tensor,
    spec: RunSpec,
    device: str = "cpu",
    cancel: threading.Event | None = None,
    planned: int | None = None,
    nets: Mapping[str, nn.Module] | None = None,
    every: float = 0.0,
) -> Iterator[Progress]:
    """Certify one image and yield a reading after every batch; the last one is final.

    Cancelled, the last reading says ``ended = "stopped"`` and holds under an anytime bound.

    Parameters
    ----------
    planned : votes the run will count at least; None means n0 + n.
    nets : that vote, for the path; None stands for the reference.
    every : seconds between readings, at least.
    """
    at_least = spec.n0 + spec.n if planned is None else planned
    request = Request(0, x_CHW, image_id(x_CHW), spec.seed, start)
    begun = clock.now()
    votes: dict[str, Votes] = {}

    def progress(certificate: Certificate) -> Progress:
        seconds = clock.since(begun)
        done = sum(v.total for v in votes.values())
        certificate = replace(
            stamp(certificate, request, device, seconds, nets),
            settings=dict(spec.settings),
            stages={s: v.counts_K for s, v in votes.items() if s not in ("select", "bound")},
        )
        asked = sum(v.planned for v in votes.values())
        return Progress(certificate, done, max(at_least, asked), seconds)

    final, last = False, -math.inf
    for task in drive([request], device, cancel=cancel):
        votes = dict(task.votes)
        final = task.finished
        if final or clock.is_due(last, every):
            last = clock.now()
            yield progress(task.certificate or read(votes, spec))
    if not final:
        votes = {
            name: v if v.ended == "complete" else replace(v, ended="stopped")
            for name, v in votes.items()
        }
        # Stopped between two stages no votes say so, but the reading must.
        yield progress(replace(read(votes, spec), ended="stopped"))


def stamp(
    certificate: Certificate,
    request: Request,
    device: str,
    seconds: float,
    nets: Mapping[str, nn.Module] | None = None,
) -> Certificate:
    """Return the certificate with the image hash, and where and how fast votes were counted."""
    return replace(
        certificate,
        image_sha256=request.image,
        device=device,
        dtype=engines.precision(nets or {}),
        path=path(device, default_chunks(device, request.x_CHW.shape[-1]), nets),
        seconds=seconds,
    )
