"""What every way to train shares: where states lie, what a card says, the first weights."""

import os
from pathlib import Path
from typing import Any

import torch

from rsviz.checkpoints import catalog, weights
from rsviz.evaluation.evaluate import EvaluationSpec, log_path
from rsviz.networks import classifiers
from rsviz.training import loop


def state_folder() -> Path:
    """Return where the states of unfinished trainings lie: RSVIZ_STATES, else the cache."""
    return Path(os.environ.get("RSVIZ_STATES") or Path.home() / ".cache" / "rsviz" / "training")


def kept_log(spec: EvaluationSpec, device: str, log: str) -> Path:
    """Return where the votes of a choice on training images grow until it is made.

    Its name holds all that decides them, so that another choice begins its own.
    """
    return state_folder() / f"{log_path(spec, device).stem}-{log}"


def card_of(
    spec: loop.TrainSpec, out: Path, device: str, command: str, seconds: float
) -> dict[str, Any]:
    """Return what every card says of how its networks were trained; nothing is measured yet."""
    return {
        "name": out.name,
        "method": spec.method,
        "dataset": spec.dataset,
        "split": spec.split,
        "network": spec.network,
        "sigma": None if spec.sigma == "uniform" else spec.sigma,
        "sigma_training": spec.sigma,
        "seed": spec.seed,
        "start": spec.start,
        "epochs": spec.epochs,
        "dtype": spec.dtype,
        "command": command,
        "seconds": round(seconds),
        "device": device_name(device),
        "torch": torch.__version__,
        "measured": [],
    }


def seeded_network(spec: loop.TrainSpec) -> torch.nn.Module:
    """Return the network training starts from: a checkpoint's, or fresh weights by the seed.

    A checkpoint of a narrower network is widened (`classifiers.widen`), new channels by the seed.

    Raises
    ------
    UserError
        The checkpoint to start from is not of this network and not a narrower one.
    """
    start = catalog.find(spec.start) if spec.start else None
    if start and start.card.network == spec.network:
        return weights.load(start, ready=False)
    with torch.random.fork_rng(devices=[]):  # torch's initialisers take no generator
        torch.manual_seed(spec.seed)
        net = classifiers.build(spec.network, spec.dataset)
    if start:
        classifiers.widen(weights.load(start, ready=False), net)
    return net


def copy_all_but_the_end(trained: torch.nn.Module, net: torch.nn.Module) -> None:
    """Copy the weights of a network to another, except last layers that are others."""
    own, found = net.state_dict(), trained.state_dict()
    same = {k: v for k, v in found.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict(own | same)


def device_name(device: str) -> str:
    """Return what a card calls the device."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"CPU ({torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()})"
