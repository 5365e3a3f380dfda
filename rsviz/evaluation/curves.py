"""Certified accuracy against radius, ACR, intervals, and what may be compared (no torch here).

Certified accuracy at r is the share of **all** images, abstentions included, that are correct with
radius >= r; ACR is the mean of radius * correct over all images. `logs` reads them.

Shape suffixes: N images, R radii, B resamples, F flips of all signs, M tests judged together.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from rsviz.core.bounds import binomial_interval, binomial_test
from rsviz.core.errors import UserError
from rsviz.core.radius import ceiling
from rsviz.core.spec import Norm
from rsviz.evaluation.logs import Log, images_of

# Radii at which certified accuracy is given by default.
RADII = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
BATCH = 500_000  # images drawn at once by the bootstrap
RADII_LINF = tuple(k / 255 for k in (0, 0.5, 1, 1.5, 2, 3, 4, 6, 8))


def accuracy_at(log: Log, radius: float) -> float:
    """Return the share of all images that are correct with certified radius >= ``radius``."""
    return float(np.mean(log.correct_N & (log.radius_N >= radius)))


def acr(log: Log) -> float:
    """Return the average certified radius, the mean of radius * correct over all images."""
    return float(np.mean(log.radius_N * log.correct_N))


def acr_interval(
    log: Log, generator: np.random.Generator, resamples: int = 2_000
) -> tuple[float, float]:
    """Return the 95 % interval (low, high) of the ACR over images (percentile bootstrap).

    It is of this log alone: of two logs of the same images take `paired_bootstrap`.
    """
    return bootstrap(won(log, None), generator, resamples)[1:]


@dataclass(frozen=True)
class Curve:
    """Certified accuracy against radius of one log, and what decides if it can be compared.

    ``radius_R`` and ``accuracy_R`` are equally long, accuracy in [0, 1] over **all** images,
    abstentions included; ``low_R`` and ``high_R`` bound it with 95 % binomial confidence.
    ``ceiling`` is the largest radius that n votes can certify, None when it is not known. A setting
    that is not known is None, or an empty text. ``two_class``: radii are in the two-class form,
    another protocol than the field's; so is what ended each image's votes early, a ``precision`` or
    the radius asked for, ``until_radius``. ``votes`` are those that bound the class, an image on
    average.
    """

    name: str
    radius_R: tuple[float, ...]
    accuracy_R: tuple[float, ...]
    low_R: tuple[float, ...]
    high_R: tuple[float, ...]
    acr: float
    images: int
    norm: Norm | None = Norm.L2
    dataset: str = ""
    split: str = "test"
    subset: str = ""
    method: str = ""
    network: str = ""
    sigma: float | None = None
    n0: int | None = None
    n: int | None = None
    alpha: float | None = None
    ceiling: float | None = None
    source: str = ""
    two_class: bool = False
    precision: float | None = None
    until_radius: float | None = None
    votes: float | None = None

    @property
    def form(self) -> str:
        """The form of the theorem that radii are read in, and what ended the votes if not n."""
        form = "two-class" if self.two_class else "one-sided"
        if self.until_radius is not None:
            return f"{form}, to an answer at radius {self.until_radius:g}"
        return form if self.precision is None else f"{form}, to precision {self.precision:g}"


def curve(log: Log, radii: Sequence[float]) -> Curve:
    """Return certified accuracy at each radius, with 95 % binomial intervals, and the ACR."""
    correct_R = [int(np.sum(log.correct_N & (log.radius_N >= r))) for r in radii]
    interval_R = [binomial_interval(k, len(log)) for k in correct_R]
    top, alpha = None, (log.alpha or 0) / (2 if log.two_class else 1)
    if log.norm is Norm.L2 and log.sigma and log.n and alpha:
        top = ceiling(log.sigma, log.n, alpha)
    elif log.norm is Norm.L2 and log.sigma_N is not None and log.n and log.alpha:
        top = ceiling(float(log.sigma_N.max()), log.n, log.alpha)
    return Curve(
        name=log.name,
        radius_R=tuple(map(float, radii)),
        accuracy_R=tuple(k / len(log) for k in correct_R),
        low_R=tuple(low for low, _ in interval_R),
        high_R=tuple(high for _, high in interval_R),
        acr=acr(log),
        images=len(log),
        norm=log.norm,
        dataset=log.dataset,
        split=log.split,
        subset=images_of(log),
        method=log.method,
        network=log.network,
        sigma=log.sigma,
        n0=log.n0,
        n=log.n,
        alpha=log.alpha,
        ceiling=top,
        source=log.source,
        two_class=log.two_class,
        precision=log.precision,
        until_radius=log.until_radius,
        votes=None if log.votes_N is None else float(log.votes_N.mean()),
    )


def to_dict(curve: Curve) -> dict[str, Any]:
    """Return a curve as JSON can hold it: accuracy and interval by radius, beside its settings."""
    names = [f"{r:g}" for r in curve.radius_R]
    rest = {k: v for k, v in asdict(curve).items() if not k.endswith("_R")}
    intervals = zip(curve.low_R, curve.high_R, strict=True)
    return rest | {
        "accuracy": dict(zip(names, curve.accuracy_R, strict=True)),
        "interval": {name: list(i) for name, i in zip(names, intervals, strict=True)},
    }


def comparable(curves: Sequence[Curve]) -> list[str]:
    """Return in words every reason why these curves must not be compared; none is an empty list.

    Norm, data set, split, images, n, alpha and the form that radii are read in must agree and be
    known; sigma, method and network are what is compared.
    """
    questions: tuple[tuple[str, Callable[[Curve], Any], str], ...] = (
        ("norm", lambda c: c.norm and str(c.norm), "compare one norm at a time"),
        ("data set", lambda c: c.dataset, "compare within one data set"),
        ("split", lambda c: c.split, "compare within one split"),
        ("images", lambda c: c.subset, "cut them to the same images"),
        ("n", lambda c: c.n and f"{c.n:,}", "re-read the counts of the larger at the smaller n"),
        ("alpha", lambda c: c.alpha and f"{c.alpha:g}", "re-read the counts at one alpha"),
        ("form", lambda c: c.form, "compare within one form"),
    )
    reasons = []
    for what, value, remedy in questions if len(curves) > 1 else ():
        if unknown := [c.name for c in curves if not value(c)]:
            reasons.append(f"The {what} of {', '.join(unknown)} is not stated.")
        if len({value(c) for c in curves if value(c)}) > 1:
            each = ", ".join(f"{c.name}: {value(c)}" for c in curves if value(c))
            reasons.append(f"They differ in {what} ({each}); {remedy}.")
    return reasons


def paired_bootstrap(
    log_a: Log,
    log_b: Log,
    generator: np.random.Generator,
    resamples: int = 2_000,
    radius: float | None = None,
) -> tuple[float, float, float]:
    """Return ACR(a) - ACR(b) and its 95 % bootstrap interval (low, high) over shared images.

    With a ``radius`` it is the difference of certified accuracy there.

    Images are resampled with replacement, both logs at once (percentile bootstrap; approximate).

    Raises
    ------
    UserError
        The two logs are not of the same images.
    """
    if not same_images(log_a, log_b):
        raise UserError(
            f"{log_a.name} ({images_of(log_a)}) and {log_b.name} ({images_of(log_b)}) are not of "
            "the same images; cut both to the same ones first."
        )
    return bootstrap(won(log_a, radius) - won(log_b, radius), generator, resamples)


def same_images(a: Log, b: Log) -> bool:
    """Return whether two logs are of the same images of one known split, with the same labels."""
    named = a.dataset and a.split and (a.dataset, a.split) == (b.dataset, b.split)
    same = np.array_equal(a.index_N, b.index_N) and np.array_equal(a.label_N, b.label_N)
    return bool(named and same)


def bootstrap(
    values_N: np.ndarray, generator: np.random.Generator, resamples: int = 2_000
) -> tuple[float, float, float]:
    """Return the mean of values and its 95 % percentile bootstrap interval (low, high)."""
    low, high = np.quantile(_means(values_N, generator, resamples), (0.025, 0.975))
    return float(values_N.mean()), float(low), float(high)


def _means(values_N: np.ndarray, generator: np.random.Generator, resamples: int) -> np.ndarray:
    """Return the mean of each resample, with replacement, of values: (resamples,)."""
    state = json.dumps(generator.bit_generator.state)
    times_BN, generator.bit_generator.state = _times_drawn(len(values_N), resamples, state)
    batch = max(1, BATCH // len(values_N))
    parts = (times_BN[i : i + batch].astype(float) for i in range(0, resamples, batch))
    return np.concatenate([part @ values_N for part in parts]) / len(values_N)


@lru_cache(maxsize=4)  # intervals of many gaps of one size are drawn from one seed
def _times_drawn(size: int, resamples: int, state: str) -> tuple[np.ndarray, Any]:
    """Return how often each value is drawn in each resample, (B,N), and the generator's new state.

    Parameters
    ----------
    state : of a PCG64 generator, as JSON.
    """
    generator = np.random.default_rng()
    generator.bit_generator.state = json.loads(state)
    batch = max(1, BATCH // size)
    times_BN = np.empty((resamples, size), np.uint16 if size < 2**16 else np.uint32)
    for start in range(0, resamples, batch):
        rows = min(batch, resamples - start)
        drawn_BN = generator.integers(size, size=(rows, size))
        drawn_BN += size * np.arange(rows)[:, None]
        counts = np.bincount(drawn_BN.ravel(), minlength=rows * size)
        times_BN[start : start + rows] = counts.reshape(rows, size)
    return times_BN, generator.bit_generator.state


def exchange_p(values_N: np.ndarray, generator: np.random.Generator, flips: int = 20_000) -> float:
    """Return the two-sided p-value of 'a and b may be exchanged image by image', from a - b.

    Under it every difference is as likely with the other sign, so that |sum| is compared with that
    of differences whose signs are drawn at random: p = (1 + those at least as large) / (1 + flips),
    exact at any number of images (Dwass 1957). Differences of one size make it a sign test, whose p
    is computed without drawing: the binomial test of wins against losses (McNemar 1947).
    """
    size_N = np.abs(values_N[values_N != 0])
    if len(set(size_N.tolist())) <= 1:
        return binomial_test(int(np.sum(values_N > 0)), len(size_N))
    least = abs(values_N.sum()) - 1e-9 * size_N.sum()  # sums in another order differ by rounding
    extreme = 0
    for start in range(0, flips, 5_000):
        shape = (min(5_000, flips - start), len(size_N))
        kept_FN = generator.integers(0, 2, size=shape, dtype=np.int8)
        for some_FN in np.array_split(kept_FN, 20):  # as float64 it fits a processor's cache
            sum_F = 2 * (some_FN.astype(float) @ size_N) - size_N.sum()
            extreme += int(np.sum(np.abs(sum_F) >= least))
    return (1 + extreme) / (1 + flips)


def holm(p_M: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values of M tests: reject those of at most a level.

    All rejections together are then right with probability at least 1 - level, however the tests
    depend on each other: the i-th smallest p times M - i + 1, made not to fall (Holm 1979).
    """
    adjusted_M, worst = [0.0] * len(p_M), 0.0
    for rank, i in enumerate(sorted(range(len(p_M)), key=p_M.__getitem__)):
        worst = max(worst, min(1.0, p_M[i] * (len(p_M) - rank)))
        adjusted_M[i] = worst
    return adjusted_M


def won(log: Log, radius: float | None) -> np.ndarray:
    """Return what each image adds to the ACR, or to certified accuracy at a radius."""
    if radius is None:
        return log.radius_N * log.correct_N
    return (log.correct_N & (log.radius_N >= radius)).astype(float)


def won_by_envelope(logs: Sequence[Log]) -> np.ndarray:
    """Return what each image adds to the area under the best, at each radius, of several curves.

    At every radius the log with the highest certified accuracy there answers for all images; its
    mean over images is the integral of max_l accuracy_l(r) dr, at least the largest ACR of one.
    """
    ends_R = np.unique(np.concatenate([log.radius_N[log.correct_N] for log in logs]))
    ends_R = ends_R[ends_R > 0]
    reach = [np.sort(np.where(log.correct_N, log.radius_N, -1.0)) for log in logs]
    above_LR = np.array([len(r) - np.searchsorted(r, ends_R, side="left") for r in reach])
    best_R, step_R = above_LR.argmax(0), np.diff(ends_R, prepend=0.0)
    won_N = np.zeros(len(logs[0]))
    for which, log in enumerate(logs):
        until_R = np.concatenate([[0.0], np.cumsum(step_R * (best_R == which))])
        until_N = until_R[np.searchsorted(ends_R, log.radius_N, side="right")]
        won_N += np.where(log.correct_N, until_N, 0.0)
    return won_N


def ratio_interval(
    a_N: np.ndarray, b_N: np.ndarray, generator: np.random.Generator, resamples: int = 2_000
) -> tuple[float, float, float]:
    """Return mean(a) / mean(b) - 1 and its 95 % bootstrap interval (low, high), pairs resampled."""
    state = generator.bit_generator.state
    a_B = _means(a_N, generator, resamples)
    generator.bit_generator.state = state  # the same images
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_B = a_B / _means(b_N, generator, resamples) - 1
        low, high = np.quantile(ratio_B, (0.025, 0.975))
        return float(a_N.mean() / b_N.mean() - 1), float(low), float(high)
