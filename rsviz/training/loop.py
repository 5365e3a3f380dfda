"""The one training loop that all methods share; a method contributes only its loss.

Shape suffixes: N images, C channels, H height, W width.
"""

import copy
import hashlib
import io
import math
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.core.files import sole_writer, write_whole
from rsviz.core.progress import Report
from rsviz.core.settings import check_counts
from rsviz.data.catalog import DATASETS
from rsviz.data.datasets import Dataset
from rsviz.methods.base import Loss, Weigh
from rsviz.smoothing.processes import Processes, here
from rsviz.smoothing.torch_engine import PRODUCTS

WATCH = 50  # steps from one look at the loss to the next on a GPU, which a look waits for


@dataclass(frozen=True)
class TrainSpec:
    """Everything that decides how a network is trained.

    ``sigma`` is a number, or ``"uniform"``: drawn from U(0, 1) for each image and step. ``start``
    names the checkpoint whose weights training begins from; empty means from scratch. ``settings``
    are changes to the loss's own preset at this sigma, as sorted (name, value) pairs. ``dtype`` is
    that of convolutions and matrix products; weights, losses and their gradients stay float32.
    ``split`` is ``train``, or ``fit`` to leave out the images on which settings are chosen.
    """

    method: str
    dataset: str
    network: str
    sigma: float | str
    epochs: int
    lr: float = 0.4
    batch: int = 256
    weight_decay: float = 5e-4
    warm_up: float = 0.2
    seed: int = 0
    start: str = ""
    settings: tuple[tuple[str, float | str], ...] = ()
    dtype: str = "float32"
    split: str = "train"

    def __post_init__(self) -> None:
        check_counts(epochs=(self.epochs, 1), batch=(self.batch, 1))
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed must be from 0 to {2**31 - 1:,}, but is {self.seed!r}.")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise UserError(f"lr must be a number above 0, but is {self.lr!r}.")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise UserError(f"weight_decay must be at least 0, but is {self.weight_decay!r}.")
        if not 0 <= self.warm_up <= 1:
            raise UserError(f"warm_up must lie from 0 to 1, but is {self.warm_up!r}.")
        if self.dtype not in PRODUCTS:
            raise UserError(f"dtype must be one of {', '.join(PRODUCTS)}, but is {self.dtype!r}.")
        if self.sigma != "uniform" and not (
            isinstance(self.sigma, int | float) and 0 <= self.sigma <= 10
        ):
            raise UserError(
                f"sigma must be a number from 0 to 10 or 'uniform', not {self.sigma!r}."
            )


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of all randomness of one epoch, so that a resumed run repeats it exactly."""
    return (seed + 1) * 1_000_003 + epoch


def augment(
    x_NCHW: Tensor, generator: torch.Generator, pad: int = 4, mirrored: bool = True
) -> Tensor:
    """Return the batch flipped at random per image and cropped at one random offset for all.

    Parameters
    ----------
    mirrored : whether to flip: a mirrored digit is none.
    """
    size = x_NCHW.shape[-1]
    if mirrored:
        coin_N111 = torch.rand(len(x_NCHW), 1, 1, 1, generator=generator) < 0.5
        x_NCHW = torch.where(coin_N111.to(x_NCHW.device), x_NCHW.flip(-1), x_NCHW)
    x_NCHW = nn.functional.pad(x_NCHW, (pad, pad, pad, pad))
    i, j = torch.randint(0, 2 * pad + 1, (2,), generator=generator).tolist()
    return x_NCHW[..., i : i + size, j : j + size]


def draw_sigma(sigma: float | str, n: int, generator: torch.Generator) -> Tensor:
    """Return sigma_N111: the given level, or U(0, 1) for each image."""
    if sigma == "uniform":
        return torch.rand(n, 1, 1, 1, generator=generator)
    return torch.full((n, 1, 1, 1), float(sigma))


def train(
    net: nn.Module,
    data: Dataset,
    loss: Loss,
    spec: TrainSpec,
    state_file: Path,
    device: str = "cpu",
    compiled: bool = True,
    report: Report = print,
    weigh: Weigh | None = None,
) -> float:
    """Train net in place with SGD (Nesterov .9) and a one-cycle rate; return seconds spent.

    The state is written to ``state_file`` after every epoch; called again with the same spec a
    killed run continues from there, with the same images and noise as if it had never stopped.

    An epoch takes each image once, or, where ``weigh`` gives them weights, as many with replacement
    in proportion to these; the state keeps them.

    Processes that torchrun started share each batch and average their gradients; each normalises
    its own share (batch norm) and draws its own noise, so that another number of them makes another
    network. The first writes the state, which all of them read.

    Raises
    ------
    UserError
        The batch is larger than the data set, or cannot be shared evenly; the loss is no longer a
        number; ``state_file`` is of other settings, of a network that began otherwise, damaged, or
        written by another training.
    """
    if spec.batch > len(data):
        raise UserError(
            f"--batch must be at most {len(data):,}, the images of {data.name}/{data.split}, but "
            f"is {spec.batch:,}."
        )
    workers = here()
    if spec.batch % workers.count:
        raise UserError(
            f"--batch must be a multiple of the {workers.count} processes, but is {spec.batch:,}."
        )
    begun = _digest(net)
    # All images lie beside the network: on a GPU a batch is then gathered there, not sent.
    data = replace(data, x_NCHW=data.x_NCHW.to(device), y_N=data.y_N.to(device))
    net.to(device).to(memory_format=torch.channels_last)
    forward = _ready(net, spec.dtype, device, compiled)
    steps = len(data) // spec.batch
    optimiser = torch.optim.SGD(
        net.parameters(), lr=spec.lr, momentum=0.9, nesterov=True, weight_decay=spec.weight_decay
    )
    total = spec.epochs * steps + 1
    # Where the warm-up is over with the first step, torch would divide by its length, 0.
    warm_up = spec.warm_up if spec.warm_up * total != 1 else 0.0
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, spec.lr, total_steps=total, pct_start=warm_up
    )
    with sole_writer(state_file) if workers.first else nullcontext():
        first, seconds, weight_N = 0, 0.0, None
        if state_file.exists():
            first, seconds, weight_N = _restore(
                state_file, spec, begun, net, optimiser, schedule, device
            )
            report(f"continuing after epoch {first} of {spec.epochs}")
        for epoch in range(first, spec.epochs):
            start = clock.now()
            if weigh:
                seen = _ready(net, spec.dtype, device, compiled=False)
                weight_N = _weights(weigh, seen, data, spec, epoch, weight_N, workers)
                report(f"of {len(data):,} images {int((weight_N > 0).sum()):,} are kept")
            mean_loss = _epoch(
                forward, data, loss, spec, epoch, optimiser, schedule, device, workers, weight_N
            )
            workers.average(b for b in net.buffers() if b.is_floating_point())
            if not math.isfinite(mean_loss) or not_numbers(net):
                raise UserError(
                    f"Training ended in epoch {epoch + 1}: its loss or its weights are no longer "
                    "numbers (NaN or infinite), so nothing was written; lower --lr, now "
                    f"{spec.lr:g}."
                )
            spent = clock.since(start)
            seconds += spent
            if workers.first:
                reached = epoch + 1, seconds
                _save_state(state_file, spec, begun, net, optimiser, schedule, *reached, weight_N)
            left = (spec.epochs - epoch - 1) * spent / 60
            report(
                f"epoch {epoch + 1}/{spec.epochs}  loss {mean_loss:.4f}  "
                f"{steps * spec.batch / max(spent, 1e-9):,.0f} images/s  {left:.1f} min left"
            )
        return seconds


class _InDtype(nn.Module):
    """A network whose convolutions and products run in a lower dtype; its outputs are float32."""

    def __init__(self, net: nn.Module, dtype: torch.dtype, device: str) -> None:
        super().__init__()
        self.net, self.dtype, self.kind = net, dtype, torch.device(device).type

    def forward(self, *inputs: Tensor) -> Tensor:
        with torch.autocast(self.kind, self.dtype):
            return self.net(*inputs).float()


def _ready(net: nn.Module, dtype: str, device: str, compiled: bool) -> nn.Module:
    """Return net, in a lower dtype and compiled if so wished; of a ModuleDict each network."""
    if isinstance(net, nn.ModuleDict):
        each = copy.copy(net)  # of the same class: it may hold a network in eval mode
        each._modules = {k: _ready(v, dtype, device, compiled) for k, v in net.items()}
        return each
    if dtype != "float32":
        net = _InDtype(net, PRODUCTS[dtype], device)
    return torch.compile(net) if compiled else net  # type: ignore[return-value]


def _epoch(
    net: nn.Module,
    data: Dataset,
    loss: Loss,
    spec: TrainSpec,
    epoch: int,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    device: str,
    workers: Processes,
    weight_N: Tensor | None,
) -> float:
    """Train one epoch and return its mean loss."""
    on_cpu = torch.Generator().manual_seed(epoch_seed(spec.seed, epoch))
    own_noise = epoch_seed(spec.seed, epoch + 10_000 * workers.rank)
    on_device = torch.Generator(device).manual_seed(own_noise)
    if weight_N is None:
        order_N = torch.randperm(len(data), generator=on_cpu)
    else:
        order_N = torch.multinomial(weight_N.cpu(), len(data), True, generator=on_cpu)
    order_N = order_N.to(device)
    steps, own = len(data) // spec.batch, workers.share()
    mirrored = data.name not in DATASETS or DATASETS[data.name].mirrored
    total = torch.zeros((), device=device)
    net.train()
    for i in range(steps):
        rows_N = order_N[i * spec.batch : (i + 1) * spec.batch]
        x_NCHW = augment(data.x_NCHW[rows_N].float() / 255, on_cpu, mirrored=mirrored)[own]
        x_NCHW = x_NCHW.contiguous(memory_format=torch.channels_last)
        sigma_N111 = draw_sigma(spec.sigma, spec.batch, on_cpu)[own].to(device)
        value = loss(net, x_NCHW, data.y_N[rows_N[own]], sigma_N111, on_device, epoch * steps + i)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        value = value.detach()
        workers.average([value, *(p.grad for p in net.parameters() if p.grad is not None)])
        optimiser.step()
        schedule.step()
        total += value
        if (total.device.type == "cpu" or i % WATCH == 0) and not bool(total.isfinite()):
            break
    return float(total) / steps


def _weights(
    weigh: Weigh,
    net: nn.Module,
    data: Dataset,
    spec: TrainSpec,
    epoch: int,
    weight_N: Tensor | None,
    workers: Processes,
) -> Tensor:
    """Return the weights of one epoch's images, the same for all processes."""
    device, seed = data.y_N.device, epoch_seed(spec.seed, -1 - epoch)  # of no epoch's own noise
    on_cpu = torch.Generator().manual_seed(seed)
    sigma_N111 = draw_sigma(spec.sigma, len(data), on_cpu).to(device)
    on_device = torch.Generator(device).manual_seed(seed)
    weight_N = weigh(net, data, sigma_N111, epoch, weight_N, on_device)
    workers.average([weight_N])
    return weight_N


def not_numbers(net: nn.Module) -> str:
    """Return the name of a weight or running statistic that is NaN or infinite; else nothing."""
    for name, value in net.state_dict().items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            return name
    return ""


def _digest(net: nn.Module) -> str:
    """Return the hash of a network's weights, by which a training knows what it began with."""
    found = hashlib.sha256()
    for name, value in net.state_dict().items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _save_state(
    file: Path,
    spec: TrainSpec,
    begun: str,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    epoch: int,
    seconds: float,
    weight_N: Tensor | None,
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "spec": asdict(spec),
        "begun": begun,
        "net": net.state_dict(),
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "epoch": epoch,
        "seconds": seconds,
    }
    if weight_N is not None:
        state["weight_N"] = weight_N
    packed = io.BytesIO()
    torch.save(state, packed)
    write_whole(file, packed.getvalue())


def _restore(
    file: Path,
    spec: TrainSpec,
    begun: str,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    device: str,
) -> tuple[int, float, Tensor | None]:
    try:
        state = torch.load(file, map_location=device, weights_only=True)
        asked = state["spec"]
    except Exception:  # torch raises pickle, zip, runtime and value errors alike here
        raise UserError(f"{file} is no state of a training; delete it to begin anew.") from None
    early = {"settings": (), "dtype": "float32", "split": "train"}  # what early states do not hold
    if early | asked != asdict(spec):
        raise UserError(
            f"{file} holds a training with other settings; delete it or choose another --out."
        )
    if state.get("begun", begun) != begun:  # early states do not hold it
        raise UserError(
            f"{file} holds a training that began with other weights; delete it or choose another "
            "--out."
        )
    net.load_state_dict(state["net"])
    if not_numbers(net):
        raise UserError(
            f"{file} holds a training whose weights are not numbers; delete it and lower --lr."
        )
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    return state["epoch"], state["seconds"], state.get("weight_N")
