"""Fixed noise levels and a selector of levels, attacked alike: what is right, clean and moved.

No certificate: an attack that fails proves nothing. A fixed level is f smoothed at it; the selector
gives each image the median of its rounded draws, and f is smoothed there. An attack leads the mean
softmax of f away from the label through noise, ``f`` with the level of the clean image held fixed,
``f and h`` with the gradient through the level too, the mean of the draws standing in for their
median, which has no gradient. The class of the moved image is the majority of fresh votes, at the
level the selector then chooses.

Shape suffixes: N images, M noise draws, R = M N rows, C channels, H height, W width, L grid levels.
"""

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rsviz.core.errors import UserError
from rsviz.core.files import begun, check_out_file, shown, sole_writer, write_whole
from rsviz.core.progress import ProgressLine
from rsviz.core.smoothed_median import median_index
from rsviz.core.spec import SIGMA_MAX, RunSpec
from rsviz.data.datasets import Dataset
from rsviz.evaluation.attack_tables import COLUMNS
from rsviz.evaluation.logs import LOG_BYTES
from rsviz.methods.base import network
from rsviz.methods.variational import Options, SelectorVoter
from rsviz.smoothing.estimates import count_votes, draw_noise, noisy_logits
from rsviz.smoothing.noise import chunk_seed
from rsviz.smoothing.pgd import ascend, frozen
from rsviz.smoothing.torch_engine import PRODUCTS
from rsviz.smoothing.voters import check_votes

Attack = Literal["none", "f", "f and h"]
BATCH, GPU_BATCH = 10, 100  # images at a time; a GPU waits for its orders at fewer
SELECTOR = Options(draws=100)  # the paper's Nh


@dataclass(frozen=True)
class AttackedSpec:
    """How images are attacked: L2 length, steps, draws a gradient, votes to judge, and the seed.

    ``sigmas`` are the fixed levels, ``lams`` the selector's inputs lambda. ``dtype``, float32 or
    bfloat16, is that of the products, of the attack and of the votes that judge it.
    """

    sigmas: tuple[float, ...] = (0.12, 0.25, 0.5, 1.0)
    lams: tuple[float, ...] = (0.0, 0.2, 0.5, 1.0)
    eps: float = 0.5
    steps: int = 20
    draws: int = 16
    n: int = 200
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in PRODUCTS:
            raise UserError(f"dtype must be {' or '.join(PRODUCTS)}, but is {self.dtype!r}.")
        if not 0 <= self.eps < math.inf:
            raise UserError(f"eps must be a number of at least 0, but is {self.eps!r}.")
        if not all(0 < sigma <= SIGMA_MAX for sigma in self.sigmas):
            raise UserError(f"Every fixed level must lie between 0 and {SIGMA_MAX:g}.")
        if not all(0 <= lam <= 1 for lam in self.lams):
            raise UserError("Every lambda must lie from 0 to 1.")
        for name in ("steps", "draws"):
            if not 1 <= getattr(self, name) <= 1000:
                raise UserError(f"{name} must be a whole number from 1 to 1,000.")
        RunSpec("", "", None, n=self.n, seed=self.seed)  # it checks both


@dataclass(frozen=True)
class Row:
    """What one setting answers to one image under one attack, and the level it answered at."""

    setting: str
    attack: Attack
    index: int
    label: int
    predicted: int
    sigma: float


def name_of(sigma: float | None, lam: float | None = None) -> str:
    """Return the name of a setting: ``sigma 0.5`` or ``lambda 0.2``."""
    return f"sigma {sigma:g}" if sigma is not None else f"lambda {lam:g}"


def measure(
    nets: Mapping[str, nn.Module],
    x_NCHW: Tensor,
    y_N: Tensor,
    index_N: Sequence[int],
    spec: AttackedSpec,
    settings: Options = SELECTOR,
) -> Iterator[Row]:
    """Attack a batch of images at every setting, with the same noise for all of them.

    Parameters
    ----------
    nets : ``classifier`` and ``selector``, as of Variational RS.
    x_NCHW : images in [0, 1]; y_N their labels, index_N their names.
    settings : the selector's grid, its noise q and its draws.
    """
    net, selector = network(nets, "classifier"), network(nets, "selector")
    asked = [(s, None) for s in spec.sigmas] + [(None, lam) for lam in spec.lams]
    for sigma, lam in asked:
        level_of = _fixed(sigma) if lam is None else _chosen(selector, settings, lam)
        attacks: tuple[Attack, ...] = ("none", "f") if lam is None else ("none", "f", "f and h")
        for attack in attacks:
            seed = chunk_seed(spec.seed, str(index_N[0]), "under attack", 0, 0)
            generator = torch.Generator(x_NCHW.device).manual_seed(seed)
            through = selector if attack == "f and h" else None
            moved_NCHW = x_NCHW
            if attack != "none":
                level_N = level_of(x_NCHW, generator)
                moved_NCHW = move(
                    net, through, x_NCHW, y_N, level_N, spec, settings.q, lam or 0.0, generator
                )
            level_N = level_of(moved_NCHW, generator)
            answer_N = _majority(net, moved_NCHW, level_N, spec.n, generator)
            for i, index in enumerate(index_N):
                yield Row(
                    name_of(sigma, lam),
                    attack,
                    index,
                    int(y_N[i]),
                    int(answer_N[i]),
                    float(level_N[i]),
                )


Levels = Callable[[Tensor, torch.Generator], Tensor]


def _fixed(sigma: float | None) -> Levels:
    return lambda x_NCHW, generator: torch.full((len(x_NCHW),), float(sigma or 0)).to(x_NCHW)


def _chosen(selector: nn.Module, settings: Options, lam: float) -> Levels:
    """Return what names each image's level: the median of the selector's rounded draws."""
    voter, level_L = SelectorVoter(selector, settings.level_L, lam), settings.level_L

    def level_of(x_NCHW: Tensor, generator: torch.Generator) -> Tensor:
        levels = []
        with torch.inference_mode():
            for x_CHW in x_NCHW:
                x_1CHW = x_CHW[None].expand(settings.draws, *x_CHW.shape)
                q_1111 = torch.full((1, 1, 1, 1), settings.q).to(x_NCHW)
                drawn_M = voter(x_1CHW, q_1111, draw_noise(x_CHW[None], settings.draws, generator))
                counts_L = torch.bincount(check_votes(drawn_M), minlength=len(level_L))
                levels.append(level_L[median_index(counts_L.tolist())])
        return torch.tensor(levels).to(x_NCHW)

    return level_of


def move(
    net: nn.Module,
    selector: nn.Module | None,
    x_NCHW: Tensor,
    y_N: Tensor,
    level_N: Tensor,
    spec: AttackedSpec,
    q: float,
    lam: float,
    generator: torch.Generator,
) -> Tensor:
    """Return the images moved by the attack, through the selector as well if there is one."""
    noise_RCHW = draw_noise(x_NCHW, spec.draws, generator)
    of_level_RCHW = draw_noise(x_NCHW, spec.draws, generator)

    def logits_of(moved_NCHW: Tensor) -> Tensor:
        at_N = level_N
        if selector is not None:
            moved_RCHW = moved_NCHW.repeat(spec.draws, 1, 1, 1)
            lam_R = torch.full((len(moved_RCHW),), lam).to(moved_NCHW)
            drawn_R = selector(moved_RCHW + q * of_level_RCHW, lam_R)
            at_N = drawn_R.unflatten(0, (spec.draws, -1)).mean(0)
        return noisy_logits(net, moved_NCHW, at_N.view(-1, 1, 1, 1), noise_RCHW)

    with frozen(net), frozen(selector or net):
        return ascend(logits_of, x_NCHW, y_N, spec.eps, spec.steps)


def _majority(
    net: nn.Module, x_NCHW: Tensor, level_N: Tensor, n: int, generator: torch.Generator
) -> Tensor:
    """Return the class with most of n votes for each image at its own level."""
    answers = [
        count_votes(net, x_CHW[None], float(level), n, generator)
        for x_CHW, level in zip(x_NCHW, level_N, strict=True)
    ]
    return torch.cat(answers).argmax(1)


def measure_to(
    nets: Mapping[str, nn.Module],
    data: Dataset,
    indices: Sequence[int],
    spec: AttackedSpec,
    head: Mapping[str, Any],
    out: Path,
    report: Callable[[str], None],
    settings: Options = SELECTOR,
) -> None:
    """Measure images a batch at a time into a table that a killed run continues.

    Raises
    ------
    UserError
        ``out`` holds a run with other settings.
    """
    check_out_file(out)
    how = {k: v for k, v in asdict(spec).items() if (k, v) != ("dtype", "float32")}  # as of old
    told = json.loads(json.dumps({"spec": how, "images": list(indices), **head}))
    device = next(network(nets, "classifier").parameters()).device
    dtype = PRODUCTS[spec.dtype]
    in_dtype = nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)
    size = BATCH if device.type == "cpu" else GPU_BATCH
    with sole_writer(out):
        done = _open(out, told)
        progress = ProgressLine(len(indices), len(done), report)
        for start in range(0, len(indices), size):
            batch = indices[start : start + size]
            if done.issuperset(batch):
                continue
            x_NCHW = torch.stack([data.image(i) for i in batch]).to(device)
            y_N = data.y_N[list(batch)].to(device)
            with in_dtype:
                rows = list(measure(nets, x_NCHW, y_N, batch, spec, settings))
            with out.open("a", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
            for _ in batch:
                progress.step()
        progress.close()


def _open(out: Path, head: Mapping[str, Any]) -> set[int]:
    """Write the head of a new table, or check an old one and return the images it holds whole.

    A batch's rows are written at once, so images whose rows are not all there are dropped.
    """
    first = f"# {json.dumps(head)}"
    data = begun(out, f"{first}\n{','.join(COLUMNS)}\n", LOG_BYTES)
    if not data:
        return set()
    lines = data[: data.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines()
    if lines[:2] != [first, ",".join(COLUMNS)]:
        raise UserError(
            f"{shown(out)} holds a run with other settings, or no table; choose another --out."
        )
    rows = list(csv.reader(lines[2:]))
    if any(len(row) != len(COLUMNS) or not row[2].isdecimal() for row in rows):
        raise UserError(f"{shown(out)} is a damaged table; choose another --out.")
    spec = head["spec"]
    each = 2 * len(spec["sigmas"]) + 3 * len(spec["lams"])
    counted = Counter(int(row[2]) for row in rows)
    whole = {index for index, count in counted.items() if count == each}
    kept = [",".join(row) for row in rows if int(row[2]) in whole]
    write_whole(out, "\n".join([*lines[:2], *kept]) + "\n")
    return whole
