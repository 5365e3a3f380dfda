"""One image through one checkpoint: what command line, pages and five lines of Python share.

Shape suffixes: C channels, H height, W width.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from rsviz.checkpoints import Checkpoint, load_nets
from rsviz.errors import UserError
from rsviz.images import image_id
from rsviz.methods import METHODS, reader
from rsviz.networks import INPUT_SIZE
from rsviz.spec import Certificate, RunSpec
from rsviz.voting import Ask, MethodRun, Progress, Request, drive
from rsviz.voting import watch as watch_votes


def make_spec(
    checkpoint: Checkpoint, x_CHW: Tensor, sigma: float | None = None, image: str = "", **rest: Any
) -> RunSpec:
    """Return the RunSpec for an image and a checkpoint.

    Parameters
    ----------
    sigma : noise level; None takes the one trained at, or .5 for a universal network.
    image : the image's name; empty takes the hash of its tensor.
    rest : n0, n, alpha, bound, seed, settings of `RunSpec`; settings change those of the card.
    """
    trained = checkpoint.card.get("sigma")
    settings = dict(checkpoint.card.get("run", {})) | dict(rest.pop("settings", ()))
    return RunSpec(
        image=image or image_id(x_CHW),
        checkpoint=checkpoint.name,
        sigma=sigma if sigma is not None else (trained if trained is not None else 0.5),
        method=checkpoint.card["method"],
        checkpoint_sha256=checkpoint.sha256,
        settings=tuple(sorted(settings.items())),
        **rest,
    )


def watch(
    x_CHW: Tensor,
    nets: Mapping[str, nn.Module],
    spec: RunSpec,
    device: str = "cpu",
    cancel: threading.Event | None = None,
) -> Iterator[Progress]:
    """Certify one image and yield a reading after every batch of votes; the last one is final.

    Parameters
    ----------
    nets : the method's networks by name, as `checkpoints.load_nets` gives them.
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
    )


def certify(
    x_CHW: Tensor, checkpoint: Checkpoint, device: str = "cpu", **settings: Any
) -> Certificate:
    """Certify one image with a checkpoint and return its certificate.

    Parameters
    ----------
    x_CHW : the image in [0, 1], as large as the checkpoint's network takes it.
    settings : of `make_spec`: sigma, n0, n, alpha, bound, seed, image, settings.

    Raises
    ------
    UserError
        A setting is out of range, the image has the wrong size, or the checkpoint is bad.
    """
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    size = INPUT_SIZE[checkpoint.card["dataset"]]
    if tuple(x_CHW.shape) != (3, size, size):
        raise UserError(f"{checkpoint.name} takes images of 3x{size}x{size}; resize it first.")
    spec = make_spec(checkpoint, x_CHW, **settings)
    *_, last = watch(x_CHW, load_nets(checkpoint, device), spec, device)
    return last.certificate


def count(ask: Ask, n: int, x_CHW: Tensor, seed: int, device: str = "cpu") -> tuple[int, ...]:
    """Return counts_K of the first n votes of one ask, by the driver that every run uses."""

    def start() -> MethodRun:
        yield replace(ask, n=n)
        return None  # type: ignore[return-value]  # no certificate: only the votes are wanted

    *_, task = drive([Request(0, x_CHW, image_id(x_CHW), seed, start)], device)
    return task.votes[ask.stage].counts_K
