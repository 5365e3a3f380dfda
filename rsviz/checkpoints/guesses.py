"""Which normalisation a foreign network was made with: what may be chosen, guessed, and checked.

Shape suffixes: N images, C channels, H height, W width.
"""

from collections.abc import Mapping

import torch

from rsviz.checkpoints.foreign import Foreign, build_foreign
from rsviz.checkpoints.weights import settle
from rsviz.data import datasets
from rsviz.networks.normalisation import Normalisation, in_words, mean_only, of_dataset

IMAGES = 300  # a difference of 10 points is then no chance
MUCH = 0.1
GUESSING = 2.0  # times the share that guessing gets right: less says that something is amiss


def choices(foreign: Foreign, dataset: str) -> dict[str, Normalisation]:
    """Return what may stand in front of a network, by name; ``file`` where the file states it."""
    usual = {
        "none": Normalisation(),
        "mean-std": of_dataset(dataset),
        "mean": mean_only(dataset),
    }
    return usual if foreign.stated is None else {"file": foreign.stated} | usual


def guess(foreign: Foreign) -> tuple[str, str]:
    """Return the name of the likeliest choice, and why, for a sentence."""
    if foreign.stated is not None:
        return "file", "found in the file"
    if foreign.in_front:
        return "mean-std", "guessed, since the names of its weights say that a layer lies in front"
    return "none", "guessed, since the names of its weights tell of no layer in front"


def accuracy_of_each(
    foreign: Foreign, dataset: str, sigma: float, among: Mapping[str, Normalisation], seed: int = 0
) -> dict[str, float]:
    """Return the share of noisy test images each choice gets right; empty without the data set.

    One noisy copy x + sigma e of each of `IMAGES` images spread over the test set, the same for
    every choice. Answers that are not numbers are no class, and never right.
    """
    if not datasets.available(dataset):
        return {}
    data = datasets.load(dataset, "test")
    at_N = torch.linspace(0, len(data) - 1, IMAGES).round().long()
    x_NCHW = data.x_NCHW[at_N].float() / 255
    noise_NCHW = torch.randn(x_NCHW.shape, generator=torch.Generator().manual_seed(seed))
    noisy_NCHW, found = x_NCHW + sigma * noise_NCHW, {}
    with torch.inference_mode():
        for name, how in among.items():
            net = settle(build_foreign(foreign, dataset, how), "cpu", True)
            logits_NK = torch.cat([net(part) for part in noisy_NCHW.split(100)])
            class_N = torch.where(logits_NK.isfinite().all(1), logits_NK.argmax(1), -1)
            found[name] = float((class_N == data.y_N[at_N]).float().mean())
    return found


def doubt(
    accuracy: Mapping[str, float],
    among: Mapping[str, Normalisation],
    chosen: Normalisation,
    classes: int,
) -> str:
    """Say that another choice is much better than the one taken, or that none is of any use.

    Empty where neither is so.
    """
    taken = [accuracy[name] for name, how in among.items() if how == chosen and name in accuracy]
    if not taken:
        return ""
    best = max(accuracy, key=lambda name: accuracy[name])
    if accuracy[best] < GUESSING / classes:
        return (
            f"Whichever is taken, it is right on {100 * accuracy[best]:.0f} % of the noisy test "
            "images at most, little more than guessing gets: are these its classes, in its order, "
            "and is this the noise it was trained with?"
        )
    if accuracy[best] - taken[0] < MUCH:
        return ""
    return (
        f"If {in_words(among[best])}, it is right on {100 * accuracy[best]:.0f} % of the noisy "
        f"test images instead of {100 * taken[0]:.0f} %: its normalisation may be another than the "
        "one taken."
    )
