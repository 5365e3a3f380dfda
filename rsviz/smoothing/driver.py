"""Images + network + noise -> vote counts: the one hot loop, and the driver of every method.

A method is a generator that yields an `Ask` ('give me n votes of this voter at this noise') and is
sent `Votes`; it never runs the loop itself. The driver serves the live page (one image, a reading
after every batch) and evaluation (many images, whose chunks share a batch) alike.

Shape suffixes: N rows of a batch, C channels, H height, W width, K classes, B chunks of a batch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.core.faults import kind_of
from rsviz.core.late import torch
from rsviz.core.spec import Certificate, Ending, RunSpec, Votes
from rsviz.data.images import image_id
from rsviz.smoothing import engines, turns
from rsviz.smoothing.noise import CHUNK, Drawer, Scheme, arrays, chunk, chunk_name, newest
from rsviz.smoothing.voters import NO_VOTE, NOT_NUMBERS, Ask, MethodRun, Request, Voter, check_votes

if TYPE_CHECKING:
    from torch import Tensor, nn

NUMBERS = 2**25  # of a batch's noise on a GPU, where it takes more than 20 chunks
AHEAD = 3  # batches whose noise is drawn, or being drawn, before they are voted on


@dataclass(eq=False)
class Task:
    """An image under way: the votes of its stages so far, and in the end its certificate."""

    request: Request
    run: MethodRun
    x_CHW: Tensor
    votes: dict[str, Votes] = field(default_factory=dict)
    certificate: Certificate | None = None
    finished: bool = False
    ask: Ask | None = None
    handed_out: int = 0  # chunks of the current ask already given to a batch
    counts_K: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    settled: bool = False  # the ask's own rule ended it; votes ahead of it are not counted
    started: float = field(default_factory=clock.now)

    def advance(self, votes: Votes | None) -> None:
        """Send the method its votes (None at the start) and take its next ask or certificate."""
        try:
            self.ask = next(self.run) if votes is None else self.run.send(votes)
            self.handed_out, self.counts_K = 0, np.zeros(self.ask.classes, np.int64)
            self.settled = False
        except StopIteration as end:
            self.ask, self.certificate, self.finished = None, end.value, True

    @property
    def waiting(self) -> int:
        """Chunks of the current ask that no batch holds yet."""
        return 0 if self.ask is None else -(-self.ask.n // CHUNK) - self.handed_out


@dataclass(frozen=True, eq=False)
class _Share:
    """One chunk of a batch: whose, which, and how many of its rows count."""

    task: Task
    ask: Ask
    index: int

    @property
    def rows(self) -> int:
        return min(CHUNK, self.ask.n - self.index * CHUNK)


def default_chunks(device: str, size: int) -> int:
    """Return how many chunks share a forward pass: 1 on a CPU, 20 to 80 on a GPU.

    Parameters
    ----------
    size : of the images, height and width; the smaller, the more chunks fill a GPU.
    """
    if not device.startswith("cuda"):
        return 1
    return min(80, max(20, NUMBERS // (CHUNK * 3 * size**2)))


def path(
    device: str,
    chunks: int,
    nets: Mapping[str, nn.Module] | None = None,
    scheme: Scheme | None = None,
) -> str:
    """Name the arithmetic votes are counted on; equal paths and seeds give equal counts.

    Parameters
    ----------
    nets : that vote; None stands for the reference, float32 by torch.
    scheme : how noise is drawn, None as by new runs; paths of torch's own generator do not name it.
    """
    scheme = scheme or newest(device)
    if device.startswith("cuda"):
        kind, by = torch.cuda.get_device_name(device), ""
        if scheme == "philox" and engines.precision(nets or {}) != "float32":
            by = ", patches"  # see gpu_entry
    else:
        kind, by = f"cpu {engines.vectors(nets or {})}", f" numpy {np.__version__}"
    drawn = "" if scheme == "torch" else f", noise {scheme}{by}"
    return f"{kind}, {engines.arithmetic(nets or {})}, {chunks * CHUNK} rows{drawn}"


def drive(
    requests: Iterable[Request],
    device: str = "cpu",
    chunks: int | None = None,
    cancel: threading.Event | None = None,
    scheme: Scheme | None = None,
) -> Iterator[Task]:
    """Answer the asks of all requests; yield each task whenever some of its votes came in.

    A ``finished`` task has its certificate and is not seen again. Every forward pass has
    exactly ``chunks`` chunks, padded where fewer wait, so that an image's counts are the same
    whatever is batched beside it. Noise is drawn ahead of the networks that vote on it, and on a
    GPU one batch is computed ahead of the one being read. Between batches it gives way to other
    runs on the device (`turns`).

    Parameters
    ----------
    scheme : how noise is drawn; other than `noise.newest` only to verify certificates that used it.
    """
    queue, active = iter(requests), list[Task]()
    first = list(islice(queue, 1))
    if not first:
        return
    queue = chain(first, queue)
    chunks = chunks or default_chunks(device, first[0].x_CHW.shape[-1])
    drawn = deque[_Batch]()
    flying: deque[tuple[list[_Share], Future[Tensor]]] = deque()
    with Drawer(device, scheme) as drawer, ThreadPoolExecutor(thread_name_prefix="votes") as pool:
        while not (cancel and cancel.is_set()):
            while len(drawn) < AHEAD:
                shares = _next_shares(active, queue, chunks, device)
                if not shares:
                    break
                drawn.append(_batch(shares, chunks, drawer))
            for task in [t for t in active if t.finished and not t.votes]:  # it asked for nothing
                active.remove(task)
                yield task
            ahead = 0
            if drawn:
                batch = drawn.popleft()
                if all(share.ask is not share.task.ask for share in batch.shares):
                    continue  # its ask was settled by fewer votes
                ahead = _ahead(batch, device)
                work = partial(_forward, batch, chunks, device, drawer)
                flying.append((batch.shares, pool.submit(work) if ahead > 1 else _now(work)))
            elif not flying and not active:
                return
            for _ in range(len(flying) if turns.is_due() else len(flying) > ahead):
                shares, class_BN = flying.popleft()
                yield from _collect(shares, class_BN.result(), active)
            turns.give_way(ends=cancel is None)


def _ahead(batch: _Batch, device: str) -> int:
    """Return how many batches may be on their way while the oldest is read.

    One more waits than are computed at once, so that no core waits for this thread to be woken.
    """
    if device.startswith("cuda"):
        return 1
    at_once: int = getattr(batch.shares[0].ask.voter, "at_once", 1)
    return 0 if at_once == 1 else at_once + 1


def _now(work: Callable[[], Tensor]) -> Future[Tensor]:
    """Do it in this thread, whose own threads torch computes with."""
    done: Future[Tensor] = Future()
    done.set_result(work())
    return done


def _next_shares(
    active: list[Task], queue: Iterator[Request], chunks: int, device: str
) -> list[_Share]:
    """Take the next chunks of one voter, oldest images first; new images fill what room is left."""
    shares: list[_Share] = []
    position = 0
    while len(shares) < chunks:
        if position == len(active):
            request = next(queue, None)
            if request is None:
                break
            x_CHW = request.x_CHW
            if not isinstance(x_CHW, np.ndarray):  # channels last in memory, as its noise
                x_CHW = x_CHW.to(device).permute(1, 2, 0).contiguous().permute(2, 0, 1)
            active.append(Task(request, request.start(), x_CHW))
            active[-1].advance(None)
        task = active[position]
        position += 1
        if task.ask is None or (shares and shares[0].ask.voter != task.ask.voter):
            continue
        room = min(task.waiting, chunks - len(shares))
        first = task.handed_out
        shares += [_Share(task, task.ask, i) for i in range(first, first + room)]
        task.handed_out += room
    return shares


@dataclass(frozen=True, eq=False)
class _Batch:
    """Chunks that share a forward pass, and their noise on its way, one for each query of a vote.

    ``padded`` repeats the last share until the batch is full.
    """

    shares: list[_Share]
    padded: list[_Share]
    noise: list[Future[Tensor]]


def _batch(shares: list[_Share], chunks: int, drawer: Drawer) -> _Batch:
    padded = shares + [shares[-1]] * (chunks - len(shares))
    noise = [
        drawer.start(shares[0].task.x_CHW, [_name(share, query) for share in padded])
        for query in range(shares[0].ask.queries)
    ]
    return _Batch(shares, padded, noise)


def _name(share: _Share, query: int) -> str:
    request = share.task.request
    stage = share.ask.noise or share.ask.stage
    return chunk_name(request.seed, request.image, stage, query, share.index)


def _forward(batch: _Batch, chunks: int, device: str, drawer: Drawer) -> Tensor:
    """Return class_BN of one batch, one row of `CHUNK` votes a chunk, padding left out."""
    padded, noise = batch.padded, [drawn.result() for drawn in batch.noise]
    xp = arrays(padded[0].task.x_CHW)
    with nullcontext() if xp is np else torch.inference_mode():
        x_NCHW = _each_row([share.task.x_CHW for share in padded])
        sigma_N111 = _each_row(_sigmas([share.ask.sigma for share in padded], xp, device))
        try:
            classes_N = padded[0].ask.voter(x_NCHW, sigma_N111, *noise)
        except (MemoryError, RuntimeError) as error:
            raise _too_large(error, len(x_NCHW), device) from None
        for noise_NCHW in noise:
            drawer.give_back(noise_NCHW)
        return classes_N.reshape(chunks, CHUNK)[: len(batch.shares)]


def _each_row(x_BCHW: list[Tensor]) -> Tensor:
    """Return x_NCHW, each chunk's image once a row of it, channels last in memory where copied."""
    xp, shape = arrays(x_BCHW[0]), x_BCHW[0].shape
    if all(x_CHW is x_BCHW[0] for x_CHW in x_BCHW):
        return xp.broadcast_to(x_BCHW[0], (len(x_BCHW) * CHUNK, *shape))  # its rows stay one row
    x_B1HWC = xp.stack([xp.moveaxis(x_CHW, 0, 2) for x_CHW in x_BCHW])[:, None]
    x_BNHWC = xp.broadcast_to(x_B1HWC, (len(x_BCHW), CHUNK, *x_B1HWC.shape[2:]))
    return xp.moveaxis(x_BNHWC.reshape(-1, *x_B1HWC.shape[2:]), 3, 1)


def _sigmas(sigma_B: list[float], xp: Any, device: str) -> list[Tensor]:
    """Return each chunk's sigma_111, the same array where the level is; a GPU is not waited for."""
    of = {s: xp.full((1, 1, 1), s, dtype=xp.float32, device=device) for s in set(sigma_B)}
    return [of[sigma] for sigma in sigma_B]


def _too_large(error: Exception, rows: int, device: str) -> Exception:
    """Return a sentence for a batch that ran out of memory; any other error unchanged."""
    if kind_of(error) != "memory":
        return error
    return UserError(
        f"There is not enough memory on {device} for {rows:,} votes at once: close what else runs "
        "there, or choose a smaller network."
    )


def _collect(shares: list[_Share], classes_BN: Tensor, active: list[Task]) -> Iterator[Task]:
    """Count one batch's votes, let methods that have all of theirs go on, and yield each task."""
    touched = dict.fromkeys(share.task for share in shares if share.ask is share.task.ask)
    counted = classes_BN if isinstance(classes_BN, np.ndarray) else classes_BN.cpu().numpy()
    for task, pairs in groupby(zip(shares, counted, strict=True), key=lambda pair: pair[0].task):
        own = [class_N[: share.rows] for share, class_N in pairs if share.ask is task.ask]
        if own and task.ask and not task.ask.until:
            own = [np.concatenate(own)]  # a rule, though, looks after each chunk
        for class_N in own:
            _count(task, class_N)
    for task in touched:
        ask = task.ask
        assert ask is not None
        ended: Ending = "settled" if task.settled else "running"
        if task.counts_K.sum() == ask.n:
            ended = "complete"
        votes = Votes(ask.stage, tuple(task.counts_K.tolist()), ask.n, ended)
        task.votes[ask.stage] = votes
        if ended != "running":
            task.advance(votes)
        if task.finished:
            active.remove(task)
        yield task


def _count(task: Task, class_N: np.ndarray) -> None:
    """Add votes to a task's counts, up to where its ask's own rule ends it."""
    ask = task.ask
    if ask is None or task.settled:
        return
    if (class_N == NO_VOTE).any():
        raise UserError(NOT_NUMBERS)
    last = ask.until(task.counts_K, class_N) if ask.until else None
    task.settled = last is not None
    task.counts_K += np.bincount(class_N[:last], minlength=ask.classes)


def noisy_votes(
    voter: Voter, x_CHW: Tensor, spec: RunSpec, first: int, device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Return the first noisy copies of the bound stage, (N,C,H,W), and class_N, the votes they got.

    A run with this spec counts exactly these copies; at most `CHUNK` are shown.
    """
    C, H, W = x_CHW.shape
    name = chunk_name(spec.seed, image_id(x_CHW), "bound", 0, 0)
    with torch.inference_mode():
        e_NCHW = chunk((C, H, W), name, device)
        x_NCHW = x_CHW.to(device).expand(CHUNK, C, H, W)
        sigma_N111 = torch.full((CHUNK, 1, 1, 1), spec.noise, device=device)
        class_N = check_votes(voter(x_NCHW, sigma_N111, e_NCHW))
        return torch.addcmul(x_NCHW, sigma_N111, e_NCHW)[:first], class_N[:first]
