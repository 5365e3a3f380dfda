"""Making checkpoints: train one, measure one, or run the recipes that are missing."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rsviz.checkpoints import catalog
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core import clock
from rsviz.core.errors import UserError
from rsviz.core.progress import Report
from rsviz.evaluation import evaluate, logs
from rsviz.evaluation.measure import measure, score_and_record
from rsviz.training import multiscale
from rsviz.training.ensemble import FitSpec, fit
from rsviz.training.recipes import Recipe
from rsviz.training.train import train_checkpoint


def run_recipes(
    recipes: Sequence[Recipe], minutes: float, n: int, device: str, report: Report
) -> None:
    """Train and measure what is missing, in order, starting nothing new after ``minutes``."""
    begun = clock.now()
    for recipe in recipes:
        for what, step in _missing(recipe, n, device, report):
            if clock.since(begun) > 60 * minutes:
                report("out of time; the same command goes on from here")
                return
            report(what)
            step()


def _make(recipe: Recipe, folder: Path, device: str, report: Report) -> None:
    """Train a recipe's network, or fit its ensemble or its cascade."""
    command = recipe.train_command(device)
    if not recipe.members:
        train_checkpoint(recipe.train_spec(), folder, device, command, True, report)
        return
    if recipe.method == "multiscale":
        how = multiscale.LevelsSpec(recipe.members, **dict(recipe.settings))  # type: ignore[arg-type]
        multiscale.fit(how, folder, device, command, report)
        return
    spec = FitSpec(recipe.members, seed=recipe.seed, **dict(recipe.settings))  # type: ignore[arg-type]
    fit(spec, folder, device, command, report)


def _missing(
    recipe: Recipe, n: int, device: str, report: Report
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what a recipe still lacks, as (what it is, how to make it)."""
    folder = catalog.root() / recipe.name
    problem = catalog.inspect(folder).problem
    if problem:
        for parent in recipe.parents:
            if not (catalog.root() / parent).exists():
                raise UserError(f"{recipe.name} starts from {parent}, which is missing.")
        why = f" anew, since {problem}" if folder.exists() else ""
        yield f"making {recipe.name}{why}", partial(_make, recipe, folder, device, report)
    checkpoint = catalog.find(recipe.name)
    held = {m.log for m in checkpoint.card.measured}
    step = score_and_record if recipe.method == "ensemble" else measure
    for sigma in recipe.sigmas:
        log = recipe.log(sigma, checkpoint.card.weighting)
        if log not in held:
            how = evaluate.spec_for(
                checkpoint,
                sigma,
                every=recipe.every,
                n0=100,
                n=n,
                alpha=0.001,
                seed=0,
                settings=recipe.run,
            )
            out, command = folder / log, recipe.evaluate_command(sigma, n, device)
            yield (
                f"measuring {recipe.name} at sigma {sigma}",
                partial(_measure, step, checkpoint, how, out, device, command, report),
            )


def _measure(
    step: Callable[..., object],
    checkpoint: Checkpoint,
    how: evaluate.EvaluationSpec,
    out: Path,
    *rest: object,
) -> None:
    """Measure what was made; the log of another network that stood there before is put aside."""
    if out.exists() and logs.head_of(out).checkpoint_sha256 != checkpoint.sha256:
        for log in out.parent.glob("*.csv") if out.parent != checkpoint.folder else [out]:
            log.replace(log.with_suffix(".csv.before"))
    step(checkpoint, how, out, *rest)
