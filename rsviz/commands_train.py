"""What the commands do that make networks: train, recipes, ensemble."""

import argparse

from rsviz.commands import _command, _device, _print_curve, _say, _which_images
from rsviz.errors import UserError


def train(args: argparse.Namespace) -> None:
    """Run ``train``."""
    from rsviz.settings import parse
    from rsviz.training import TrainSpec
    from rsviz.workshop import train_checkpoint

    try:
        sigma = args.sigma if args.sigma == "uniform" else float(args.sigma)
    except ValueError:
        raise UserError(f"--sigma must be a number or uniform, not {args.sigma!r}.") from None
    spec = TrainSpec(
        args.method,
        args.dataset,
        args.network,
        sigma,
        args.epochs,
        lr=args.lr,
        batch=args.batch,
        seed=args.seed,
        start=args.start,
        settings=parse(args.set),
        dtype=args.dtype,
    )
    train_checkpoint(spec, args.out, _device(args.device), _command(), not args.no_compile, _say)


def recipes(args: argparse.Namespace) -> None:
    """Run ``recipes``."""
    from rsviz import checkpoints
    from rsviz.recipes import RECIPES
    from rsviz.workshop import run_recipes

    chosen = [r for r in RECIPES if args.only in r.name]
    if args.action == "run":
        run_recipes(chosen, args.minutes, args.n, _device(args.device), _say)
        return
    made = {c.name for c in checkpoints.list_checkpoints() if c.verified}
    for recipe in chosen:
        state = "made" if recipe.name in made else f"about {recipe.minutes:.0f} min"
        print(f"{recipe.name:32} {state}\n    {recipe.train_command()}")


def fit_ensemble(args: argparse.Namespace) -> None:
    """Run ``ensemble fit``."""
    from rsviz.ensembles import FitSpec, fit

    spec = FitSpec(
        tuple(args.names), args.sigma, args.weighting, args.images, args.floor, args.seed
    )
    fit(spec, args.out, _device(args.device), _command(), _say)


def score_ensemble(args: argparse.Namespace) -> None:
    """Run ``ensemble score``."""
    from rsviz import checkpoints
    from rsviz.ensembles import score
    from rsviz.evaluation import spec_for

    checkpoint = checkpoints.find(args.name)
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    spec = spec_for(checkpoint, args.sigma, **_which_images(args))
    for curve in score(checkpoint, spec, args.out, _device(args.device), _command(), _say):
        _print_curve(curve)
