"""The processes that share one run, as torchrun starts them: which one this is, waiting, averages.

A process that nobody started so is alone, and nothing here costs it anything.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rsviz.core.errors import UserError
from rsviz.core.late import torch

if TYPE_CHECKING:
    from torch import Tensor

PATIENCE = timedelta(days=30)  # of who has finished its share; torchrun ends all where one is lost


@dataclass(frozen=True)
class Processes:
    """Which of ``count`` processes this one is, over all machines; ``local`` is that on its own."""

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes what all of them share."""
        return self.rank == 0

    def share(self) -> slice:
        """Return which of a sequence are this process's: one in ``count``."""
        return slice(self.rank, None, self.count)

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.count > 1:
            _add_up(torch.zeros(1))

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor, of one dtype and device, by its mean over all processes."""
        tensors = list(tensors)
        if self.count == 1 or not tensors:
            return
        with torch.no_grad():
            flat = torch.cat([t.reshape(-1) for t in tensors])
            _add_up(flat)
            means = (flat / self.count).split([t.numel() for t in tensors])
            for tensor, mean in zip(tensors, means, strict=True):
                tensor.copy_(mean.view_as(tensor))


def here() -> Processes:
    """Return this process among those that torchrun started, by RANK, WORLD_SIZE and LOCAL_RANK."""
    names = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0}
    try:
        found = Processes(*(int(os.environ.get(name, usual)) for name, usual in names.items()))
    except ValueError:
        raise UserError(
            f"{', '.join(names)} must be whole numbers, as torchrun sets them."
        ) from None
    if not 0 <= found.rank < found.count:
        raise UserError(f"RANK is {found.rank} of a WORLD_SIZE of {found.count}; use torchrun.")
    return found


def _add_up(tensor: Tensor) -> None:
    """Replace a tensor by its sum over all processes."""
    try:
        _join()
        torch.distributed.all_reduce(tensor)
    except RuntimeError:  # of gloo and nccl alike
        raise UserError(
            "Another process of this run has ended; torchrun --max-restarts starts all of them "
            "again, and they go on from here."
        ) from None


def _join() -> None:
    if not torch.distributed.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store, rank, count = next(torch.distributed.rendezvous("env://"))
        # torchrun keeps its store when it starts processes again: what the old ones left there
        # would make the new ones wait for them.
        start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        torch.distributed.init_process_group(
            backend,
            store=torch.distributed.PrefixStore(f"start {start}", store),
            rank=rank,
            world_size=count,
            timeout=PATIENCE,
        )
        atexit.register(torch.distributed.destroy_process_group)
