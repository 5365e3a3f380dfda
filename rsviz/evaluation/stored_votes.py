"""Votes that a log or a certificate holds, read again: at other settings, as if run with them.

Only of methods that choose the noise of each image, whose logs keep the votes of every stage. Where
fewer draws of the chooser are asked for than there are, a random part of them stands for the draws
of a run that drew fewer: left out without looking, what is left is as independent as before.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from rsviz.core.errors import UserError
from rsviz.core.settings import fill
from rsviz.core.spec import Bound, Certificate, Ending, RunSpec, Votes
from rsviz.evaluation.evaluate import EvaluationSpec
from rsviz.evaluation.logs import LogHead, LogRow
from rsviz.methods import gaussian
from rsviz.methods.base import LevelChoice
from rsviz.methods.registry import METHODS

Setting = float | int | str


def _levels(method: str) -> LevelChoice:
    levels = METHODS[method].levels if method in METHODS else None
    if levels is None:
        raise UserError(f"{method} does not choose the noise of each image.")
    return levels


def run_of(
    head: LogHead | EvaluationSpec, settings: Mapping[str, Setting] | None = None
) -> RunSpec:
    """Return the run that a log's head states, with some settings changed."""
    given = dict(head.settings) | dict(settings or {})
    return RunSpec(
        image="",
        checkpoint=head.name or "",
        sigma=None,
        method=head.method,
        checkpoint_sha256=head.checkpoint_sha256,
        n0=head.n0,
        n=head.n,
        alpha=head.alpha,
        bound=Bound(head.bound),
        seed=head.seed,
        settings=tuple(sorted(given.items())),
    )


def of_row(head: LogHead, row: LogRow) -> dict[str, Votes]:
    """Return the votes of one row of a finished log, by stage."""
    found = _levels(head.method).stored(row.detail, row.counts0, row.counts)
    return {stage: _all_of(stage, counts_K) for stage, counts_K in found.items() if sum(counts_K)}


def _all_of(stage: str, counts_K: Any) -> Votes:
    return Votes(stage, tuple(counts_K), sum(counts_K), "complete")


def of_certificate(c: Certificate) -> dict[str, Votes]:
    """Return the votes behind a certificate, by stage; fewer than planned ended as it did."""
    found = {"select": c.counts0, "bound": c.counts} | dict(c.stages)
    draws = getattr(_options(c.method, c.settings), "draws", None)
    cut = "stopped" if c.ended == "complete" else c.ended
    votes = {}
    for stage, counts_K in found.items():
        n = c.n0 if "select" in stage.split("-") else c.n
        if draws is not None and stage in _levels(c.method).choosing:
            n = draws
        if total := sum(counts_K):
            votes[stage] = Votes(stage, tuple(counts_K), n, "complete" if total == n else cut)
    return votes


def _options(method: str, settings: Mapping[str, Setting]) -> Any:
    kind = METHODS[method].options
    assert kind is not None  # it has a level to choose
    return fill(kind, settings.items())


def votes_key(spec: RunSpec) -> tuple[Any, ...]:
    """Return what decides the votes of a run; what only reads them is left out."""
    options = asdict(_options(spec.method, dict(spec.settings)))
    held = {*_levels(spec.method).rereads, "draws"}
    kept = tuple(sorted((k, v) for k, v in options.items() if k not in held))
    return spec.method, spec.checkpoint_sha256, kept


def read(votes: Mapping[str, Votes], spec: RunSpec) -> Certificate:
    """Return what a run with these settings reads from votes that were counted for another.

    Its ``ended`` is ``complete`` exactly where they are all that the run would have asked for.
    """
    own = _levels(spec.method).needed(_as_drawn(votes, spec), spec)
    return replace(METHODS[spec.method].read(own, spec), settings=dict(spec.settings))


def _as_drawn(votes: Mapping[str, Votes], spec: RunSpec) -> dict[str, Votes]:
    """Return the votes with as many draws of the chooser as the run plans, where it plans them."""
    found, draws = dict(votes), getattr(_options(spec.method, dict(spec.settings)), "draws", None)
    if draws is None:
        return found
    for stage in set(_levels(spec.method).choosing) & set(votes):
        held = votes[stage]
        if held.total > draws:
            generator = np.random.default_rng([spec.seed, draws, *held.counts_K])
            kept_L = generator.multivariate_hypergeometric(held.counts_K, draws)
            found[stage] = Votes(stage, tuple(kept_L.tolist()), draws, "complete")
        elif held.planned < draws:
            cut: Ending = "stopped" if held.ended == "complete" else held.ended
            found[stage] = replace(held, planned=draws, ended=cut)
    return found


def fixed_levels(votes: Mapping[str, Votes], spec: RunSpec) -> dict[float, Certificate]:
    """Return what plain smoothing at each level of a cascade reads from its votes, which it shares.

    The best of them, picked afterwards, is not a certificate.
    """
    found = {}
    for level in _levels(spec.method).levels(spec):
        at_level = replace(spec, method="gaussian", sigma=level, settings=())
        stages = (votes.get(f"{stage}-{level:g}") for stage in ("select", "bound"))
        select, bound = (v and replace(v, stage=v.stage.partition("-")[0]) for v in stages)
        if select is not None:
            plain = {v.stage: v for v in (select, bound) if v is not None}
            found[level] = gaussian.read(plain, at_level)
    return found
