"""Several networks weighed on the spot: how their margins vary, and what each weighting certifies.

Shape suffixes: J images, L networks, C channels, H height, W width.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from rsviz.certification.certify import stamp
from rsviz.core.spec import Certificate, RunSpec, Votes
from rsviz.data.datasets import Dataset
from rsviz.data.images import image_id
from rsviz.methods import ensemble
from rsviz.networks.inspection import class_count
from rsviz.smoothing.driver import Task, drive
from rsviz.smoothing.voters import MethodRun, Request

PER_QUERY = "per query (outside the theorem)"
DRAWS, COPIES = 10, 4


@dataclass(frozen=True, eq=False)
class Weighing:
    """What is known at one moment: the margins' matrix, the weightings, and their certificates.

    ``Q_LL`` is None until the margins are measured (`ensemble.quadratic`); ``correlation_LL`` is
    the same matrix with a diagonal of ones. ``shared`` says how margins vary within methods and
    between them.
    """

    unit: ClassVar[str] = "votes"

    Q_LL: np.ndarray | None = None
    weightings: Mapping[str, Sequence[float] | None] = field(default_factory=dict)
    shared: tuple[ensemble.Shared, ...] = ()
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    done: int = 0
    planned: int = 1
    complete: bool = False

    @property
    def correlation_LL(self) -> np.ndarray | None:
        """The weighted correlations of the networks' margins."""
        if self.Q_LL is None:
            return None
        scale_L = np.sqrt(np.diag(self.Q_LL))
        return self.Q_LL / np.outer(scale_L, scale_L)


def spaced(data: Dataset, images: int) -> tuple[Tensor, Tensor]:
    """Return (x_JCHW, y_J), evenly spaced images of a data set, in [0, 1]."""
    every = max(len(data) // images, 1)
    return data.x_NCHW[::every][:images].float() / 255, data.y_N[::every][:images]


def variance(Q_LL: np.ndarray, w_ML: np.ndarray) -> np.ndarray:
    """Return w' Q w of each weighting, the bound on P(the ensemble errs) that is minimised."""
    return np.einsum("mk,kl,ml->m", w_ML, Q_LL, w_ML)


def watch(
    free: Sequence[nn.Module],
    ready: Sequence[nn.Module],
    fit: tuple[Tensor, Tensor],
    x_CHW: Tensor,
    spec: RunSpec,
    device: str = "cpu",
    cancel: threading.Event | None = None,
    methods: Sequence[str] = (),
) -> Iterator[Weighing]:
    """Measure the margins on ``fit``, then certify one image under every weighting in one pass.

    Last comes the paper's own algorithm, weights found at the image itself: heuristic, and shown
    as such. Cancelled, the certificates hold for the votes there are.

    Parameters
    ----------
    free, ready : the networks as `checkpoints.load` gives them, to be perturbed and to vote.
    fit : (x_JCHW, y_J), images that are not evaluated.
    spec : of the run; its bound must hold at any time for partial certificates.
    methods : that of each network, for the variances within and between them.
    """
    now = Weighing(planned=2 * (spec.n0 + spec.n))
    yield now
    x_JCHW, y_J = (t.to(device) for t in fit)
    generator = torch.Generator(device).manual_seed(spec.seed)
    m = ensemble.measure(free, x_JCHW, y_J, spec.noise, generator, DRAWS, COPIES)
    Q_LL = ensemble.quadratic(m)
    shared = tuple(ensemble.shared_variances(m, methods)) if methods else ()
    now = replace(now, Q_LL=Q_LL, weightings=ensemble.every_weighting(m), shared=shared)
    yield now
    voting = {str(i): net for i, net in enumerate(ready)}
    classes, found = class_count(ready[0]), dict[str, Certificate]()
    for task in _drive(
        ensemble.certify_each(ready, now.weightings, spec), x_CHW, spec, device, cancel
    ):
        votes = _ended(task, cancel)
        each = ensemble.read_each(votes, now.weightings, classes, spec)
        found = {name: stamp(c, task.request, device, 0.0, voting) for name, c in each.items()}
        now = replace(now, certificates=found, done=_count(votes))
        yield now
    before = now.done
    for task in _drive(ensemble.certify_per_query(x_CHW, free, spec), x_CHW, spec, device, cancel):
        more = {} if task.certificate is None else {PER_QUERY: task.certificate}
        now = replace(now, certificates=found | more, done=before + _count(task.votes))
        yield now
    yield replace(now, complete=PER_QUERY in now.certificates)


def _drive(
    run: MethodRun,
    x_CHW: Tensor,
    spec: RunSpec,
    device: str,
    cancel: threading.Event | None,
) -> Iterator[Task]:
    request = Request(0, x_CHW, image_id(x_CHW), spec.seed, lambda: run)
    return drive([request], device, cancel=cancel)


def _ended(task: Task, cancel: threading.Event | None) -> dict[str, Votes]:
    """Return the votes, said to be stopped where no more will come."""
    stopped = cancel is not None and cancel.is_set()
    return {
        stage: replace(v, ended="stopped") if stopped and v.ended == "running" else v
        for stage, v in task.votes.items()
    }


def _count(votes: Mapping[str, Votes]) -> int:
    return sum(v.total for v in votes.values())
