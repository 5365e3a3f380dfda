"""How fast votes are counted here, by each engine beside the field's loop, and what that gives.

Everything is timed in one run and in turn, since only ratios of such a run mean anything on a
machine that does other things too; of each timing the best of several turns is kept.

Shape suffixes: N rows of a batch, C channels, H height, W width.
"""

import copy
import hashlib
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsviz.certification import engine_choice
from rsviz.certification.certify import make_spec, watch
from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.bounds import clopper_pearson_lower, clopper_pearson_upper
from rsviz.core.errors import UserError
from rsviz.core.progress import Report
from rsviz.core.radius import radius_l2
from rsviz.data import datasets
from rsviz.data.catalog import INPUT_SIZE
from rsviz.data.images import image_id
from rsviz.evaluation.seconds import Neighbours, Seconds, SecondsHead
from rsviz.methods.registry import METHODS
from rsviz.networks import int8_files
from rsviz.networks.classifiers import build, fold
from rsviz.networks.inspection import multiply_adds
from rsviz.smoothing import benchmark, engines
from rsviz.smoothing.driver import default_chunks, drive
from rsviz.smoothing.engine import INT8, Engine, cores
from rsviz.smoothing.graphs import Graph
from rsviz.smoothing.make_ready import ready
from rsviz.smoothing.noise import CHUNK, chunk
from rsviz.smoothing.voters import Ask, MethodRun, Request

DEFAULT = "cifar10-gaussian-0.5"
NETWORKS = {
    "compact": DEFAULT,
    "resnet20": "",  # no trained one is shipped: its speed does not depend on its weights
    "resnet110": "",
    "ensemble of 3": "cifar10-ensemble-mixed-3-0.5",
    "Adaptive RS, k 48": "cifar10-k48-adaptive-0.5",
}
RADII = (0.25, 0.5, 1.0)
TURNS = 3
FIELD_BATCH, FIELD_N, ALPHA = 400, 10_000, 0.001


@dataclass(frozen=True)
class Rate:
    """One engine's votes a second, times the field's loop, and share of the matmul rate."""

    votes_per_second: float
    ratio: float
    gops: float
    matmul_share: float | None


@dataclass(frozen=True)
class Decision:
    """Whether a radius is certified, over images and radii: by rsviz and by the field's loop."""

    ratio: float
    contradictions: int
    undecided: int
    questions: int
    seconds: float
    field_seconds: float
    votes: int


def rates(
    name: str, device: str, seconds: float, report: Report
) -> tuple[float, dict[str, Rate], dict[str, float]]:
    """Return the field's votes a second, each engine's `Rate`, and the matmul rates, in turn."""
    plain, made, operations = _made(name, device)
    size = INPUT_SIZE["cifar10"] if not NETWORKS[name] else _size(NETWORKS[name])
    x_CHW = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    work: dict[str, Callable[[], int]] = {"field": lambda: _field(plain, x_CHW, device)}
    for engine, nets in made.items():
        arrays = all(isinstance(net, Graph) for net in nets.values())
        picture = x_CHW.numpy() if arrays else x_CHW
        work[str(engine)] = _voting(_ask(name, nets, picture), picture, device, seconds)
    best, matmul = dict.fromkeys(work, 0.0), dict[str, float]()
    for _ in range(TURNS):
        for precision in {engine.precision for engine in made}:
            rate = benchmark.matmul_gops(device, precision, seconds / 4)
            if rate is not None:
                matmul[precision] = max(matmul.get(precision, 0.0), rate)
        for which, do in work.items():
            best[which] = max(best[which], benchmark.rate(do, seconds))
    found = {}
    for engine in made:
        votes = best[str(engine)]
        gops, top = votes * operations / 1e9, matmul.get(engine.precision)
        found[str(engine)] = Rate(votes, votes / best["field"], gops, gops / top if top else None)
        report(
            f"{name}: {engine} {votes:,.0f} votes/s, {votes / best['field']:.2f} times the field"
        )
    return best["field"], found, matmul


def _size(checkpoint: str) -> int:
    return INPUT_SIZE[catalog.find(checkpoint).card.dataset]


def _made(
    name: str, device: str
) -> tuple[dict[str, nn.Module], dict[Engine, Mapping[str, Any]], float]:
    """Return a network as the field runs it, ready in each engine, and its operations."""
    made: dict[Engine, Mapping[str, Any]] = {}
    if NETWORKS[name]:
        checkpoint = catalog.usable(NETWORKS[name])
        if checkpoint.card.members:
            plain = weights.load_nets(checkpoint, device)
        else:
            plain = weights.load_nets(checkpoint, device, ready=False)
        made = {  # a file that votes by itself does so on arrays, as `certify` lets it
            engine: engine_choice.alone(checkpoint, engine)
            or engine_choice.load(checkpoint, device, engine)
            for engine in engines.usable(device)
            if engine.precision != "int8" or engine_choice.has_files(checkpoint)
        }
        size = INPUT_SIZE[checkpoint.card.dataset]
        return _contiguous(plain), made, _operations(plain, size)
    net = untrained(name)
    folded = fold(copy.deepcopy(net).requires_grad_(False))
    folded = folded.to(device).to(memory_format=torch.channels_last)
    for engine in engines.usable(device):
        if engine != INT8:
            made[engine] = {"classifier": ready(folded, engine, device)}
        elif (quantised := _quantised(folded)) is not None:
            made[engine] = {"classifier": quantised}
    plain = {"classifier": net.to(device)}
    return plain, made, _operations(plain, 32)


def untrained(name: str) -> nn.Module:
    """Return a fresh network whose batch norms know what they are given, as after training.

    Else its numbers grow from block to block, and after 110 layers float16 cannot hold them.
    """
    torch.manual_seed(0)
    net = build(name, "cifar10")
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a mean over all batches, here one
    with torch.no_grad():
        net(chunk((3, 32, 32), "bench"))
    return net.eval()


def _contiguous(nets: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """Leave networks in memory as the field's scripts do."""
    return {name: net.to(memory_format=torch.contiguous_format) for name, net in nets.items()}


def _operations(nets: Mapping[str, nn.Module], size: int) -> float:
    """Return the multiplications and additions of one vote."""
    return 2.0 * sum(multiply_adds(net, size) for net in nets.values())


def _quantised(net: nn.Module) -> nn.Module | None:
    """Return an untrained network in int8; None where the packages that quantise are missing."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "int8.onnx")
            out.write_bytes(int8_files.quantized(net, [(chunk((3, 32, 32), "bench"),)]))
            return ready(net, INT8, "cpu", out, hashlib.sha256(out.read_bytes()).hexdigest())
    except UserError:
        return None


def _ask(name: str, nets: Mapping[str, Any], x_CHW: Any) -> Ask:
    """Return what a run of this network asks for first."""
    if not NETWORKS[name]:
        spec = make_spec(catalog.find(DEFAULT), x_CHW, 0.5)
    else:
        spec = make_spec(catalog.find(NETWORKS[name]), x_CHW)
    return next(METHODS[spec.method].certify(x_CHW, nets, spec))


def _voting(ask: Ask, x_CHW: Any, device: str, seconds: float) -> Callable[[], int]:
    """Return the counting of votes through the driver, noise and counting included.

    After a first short run, each is of the 10,000 votes of a certificate, or of as many as these
    seconds hold.
    """
    least = n = 20 * CHUNK * default_chunks(device, x_CHW.shape[-1])

    def method() -> MethodRun:
        yield Ask("bench", ask.voter, ask.sigma, n, ask.classes, ask.queries)
        return None  # type: ignore[return-value]  # no certificate: only the time is wanted

    def work() -> int:
        nonlocal n
        begun, counted = time.perf_counter(), n
        for _ in drive([Request(0, x_CHW, image_id(x_CHW), 0, method)], device):
            pass
        fit = seconds / (time.perf_counter() - begun) * counted // CHUNK * CHUNK
        n = max(least, min(FIELD_N, int(fit)))
        return counted

    return work


def _field(plain: Mapping[str, nn.Module], x_CHW: Tensor, device: str) -> int:
    """Count some votes as the field's scripts do."""
    if len(plain) == 1:
        (net,) = plain.values()
        return sum(benchmark.field_counts(net, x_CHW, 0.5, 800, FIELD_BATCH, device))
    spec = make_spec(catalog.find(NETWORKS["Adaptive RS, k 48"]), x_CHW)
    ask = next(METHODS[spec.method].certify(x_CHW, plain, spec))
    counts = [0] * ask.classes
    with torch.no_grad():
        x_NCHW = x_CHW.to(device).repeat((FIELD_BATCH, 1, 1, 1))
        sigma_N111 = torch.full((FIELD_BATCH, 1, 1, 1), ask.sigma, device=device)
        noise = [torch.randn_like(x_NCHW) for _ in range(ask.queries)]
        for c in ask.voter(x_NCHW, sigma_N111, *noise).cpu().numpy():
            counts[c] += 1
    return sum(counts)


def decide(
    checkpoint: Checkpoint, device: str, engine: Engine, images: int, report: Report
) -> Decision:
    """Ask of test images whether each of `RADII` is certified: by rsviz, and as the field would.

    The field counts 10,000 votes in float32, whatever is asked, and reads them by Clopper-Pearson;
    rsviz stops as soon as the answer is settled. They contradict each other where rsviz proved one
    answer and the field's votes prove, at its alpha, the other: a field that merely certifies less
    does not. The field's time answers all radii at once and is so counted once for each.
    """
    data = datasets.load(checkpoint.card.dataset, "test")
    nets = engine_choice.load(checkpoint, device, engine)
    plain = _contiguous(weights.load_nets(checkpoint, device, ready=False))["classifier"]
    sigma = checkpoint.card.sigma
    if sigma is None:
        raise UserError(f"{checkpoint.name} has no one noise level to ask about; take another.")
    seconds = field_seconds = 0.0
    contradictions = undecided = votes = 0
    for i in range(images):
        x_CHW = data.image(i * (len(data) // images))
        begun = time.perf_counter()
        first = benchmark.field_counts(plain, x_CHW, sigma, 100, FIELD_BATCH, device)
        counts = benchmark.field_counts(plain, x_CHW, sigma, FIELD_N, FIELD_BATCH, device)
        top = max(range(len(first)), key=first.__getitem__)
        low = radius_l2(sigma, clopper_pearson_lower(counts[top], FIELD_N, ALPHA))
        high = radius_l2(sigma, clopper_pearson_upper(counts[top], FIELD_N, ALPHA))
        field_seconds += len(RADII) * (time.perf_counter() - begun)
        for r in RADII:
            begun = time.perf_counter()
            spec = make_spec(
                checkpoint, x_CHW, sigma, n=FIELD_N, alpha=ALPHA, until_radius=r, bound="anytime"
            )
            *_, last = watch(x_CHW, nets, spec, device, every=float("inf"))
            seconds += time.perf_counter() - begun
            c = last.certificate
            votes += sum(c.counts0) + sum(c.counts)
            same = c.predicted == top
            undecided += c.detail["answer"] == "undecided"
            contradictions += same and c.detail["answer"] == "yes" and high < r
            contradictions += same and c.detail["answer"] == "no certificate" and low >= r
        if (i + 1) % 10 == 0:
            report(f"decisions: {i + 1} of {images} images")
    ratio = field_seconds / seconds if seconds else float("nan")
    questions = images * len(RADII)
    return Decision(ratio, contradictions, undecided, questions, seconds, field_seconds, votes)


# Its peak is read by a small process: one started by this one would be told this one's, if larger.
_STARTED = """
import resource, subprocess, sys, time
begun = time.perf_counter()
command = [sys.executable, "-m", "rsviz", *sys.argv[1:]]
subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - begun, used.ru_maxrss / 1024)
"""


def first_certificate(checkpoint: Checkpoint, device: str, image: str) -> dict[str, float]:
    """Return the seconds to a first certificate, and the peak memory of the process, in MB.

    ``cold`` is from the start of a process to the end of its printed radius; ``warm`` from a
    picture to its certificate where networks are loaded.
    """
    words = ["certify", image, "--checkpoint", checkpoint.name, "--device", device]
    started = subprocess.run([sys.executable, "-c", _STARTED, *words], stdout=subprocess.PIPE)
    if started.returncode:
        raise UserError(f"'python -m rsviz {' '.join(words)}' failed.")
    cold, peak_memory_mb = map(float, started.stdout.split())
    x_CHW, _ = datasets.find_image(image)
    nets = engine_choice.load(checkpoint, device)
    spec, taken = make_spec(checkpoint, x_CHW), []
    for _ in range(2):
        begun = time.perf_counter()
        list(watch(x_CHW, nets, spec, device, every=float("inf")))
        taken.append(time.perf_counter() - begun)
    return {"cold": cold, "warm": min(taken), "peak_memory_mb": peak_memory_mb}


def bench(
    device: str, seconds: float, images: int, networks: tuple[str, ...], report: Report
) -> dict[str, Any]:
    """Return everything that is timed, as JSON can hold it; the keys are those of the README."""
    checkpoint = catalog.usable(DEFAULT)
    image = f"{checkpoint.card.dataset}/test/0"
    datasets.find_image(image)  # refused in words now, not after minutes of timing
    if device == "cpu":
        torch.set_num_threads(cores())  # the field's loop, too, has what the engines take
    choice = engine_choice.default(checkpoint, device)
    by_network, matmul = {}, dict[str, float]()
    for name in networks:
        field, found, top = rates(name, device, seconds, report)
        matmul |= {p: max(rate, matmul.get(p, 0.0)) for p, rate in top.items()}
        by_network[name] = {
            "field_votes_per_second": field,
            "engines": {engine: asdict(rate) for engine, rate in found.items()},
        }
    told: dict[str, Any] = {
        "machine": _machine(device),
        "default_engine": str(choice.engine),
        "why_not_faster": choice.why,
        "matmul_gops": matmul,
        "networks": by_network,
    }
    if "compact" in by_network:
        own = by_network["compact"]["engines"]
        assert isinstance(own, dict)
        told["engines"] = own
        told["ratio"] = own[str(choice.engine)]["ratio"]
        told["matmul_share"] = own[str(choice.engine)]["matmul_share"]
    told["first_certificate_seconds"] = first_certificate(checkpoint, device, image)
    told["peak_memory_mb"] = told["first_certificate_seconds"].pop("peak_memory_mb")
    if images:
        told["decision"] = asdict(decide(checkpoint, device, choice.engine, images, report))
    return told


@dataclass(frozen=True)
class Side:
    """How certificates are timed side by side: which test images, how many votes, how computed."""

    every: int
    n: int
    precision: str | None = None
    command: str = ""


def beside(names: Sequence[str], side: Side, device: str, report: Report) -> Seconds:
    """Time whole certificates of the same test images by several networks, in turn.

    Each network certifies the first image once before anything is timed; then every image goes to
    each network, which of them is first changing from image to image.

    Raises
    ------
    UserError
        The networks are of unlike data sets, or one cannot be computed so here.
    """
    found = [catalog.usable(name) for name in names]
    if len({c.card.dataset for c in found}) > 1:
        raise UserError("Networks timed side by side must be of one data set.")
    if side.every < 1:
        raise UserError(f"--every must be at least 1, but is {side.every}.")
    chosen = [engine_choice.choose(c, device, precision=side.precision) for c in found]
    nets = [engine_choice.load(c, device, e) for c, e in zip(found, chosen, strict=True)]
    data = datasets.load(found[0].card.dataset, "test")
    index_N = np.arange(0, len(data), side.every)

    def certify(m: int, i: int) -> float:
        spec = make_spec(found[m], x_CHW := data.image(i), n=side.n, alpha=ALPHA)
        begun = time.perf_counter()
        list(watch(x_CHW, nets[m], spec, device, every=float("inf")))
        return time.perf_counter() - begun

    for m in range(len(found)):
        certify(m, 0)
    neighbours, seconds_NM = Neighbours(), np.zeros((len(index_N), len(found)))
    for row, index in enumerate(index_N.tolist()):
        for m in np.roll(np.arange(len(found)), row).tolist():
            seconds_NM[row, m] = certify(m, index)
        report(f"{row + 1} of {len(index_N)} images")
    head = SecondsHead(
        tuple(names),
        tuple(c.sha256 for c in found),
        found[0].card.dataset,
        side.n,
        neighbours.share(),
        side.command,
    )
    return Seconds(head, index_N, seconds_NM)


def _machine(device: str) -> dict[str, Any]:
    """Return what the numbers were measured on."""
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    else:
        named = [w for w in _cpuinfo() if w.startswith("model name")]
        name = named[0].partition(":")[2].strip() if named else platform.processor()
    arithmetic = torch.backends.cpu.get_cpu_capability()
    return {"name": name, "cores": cores(), "cpu": arithmetic, "torch": torch.__version__}


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []
