"""Arguments of the commands that make networks: train, recipes, ensemble."""

from pathlib import Path
from typing import Any

from rsviz import commands_train as do
from rsviz.arguments import add, add_device, add_images


def add_train(commands: Any) -> None:
    """Add ``train``."""
    from rsviz.datasets import CLASSES
    from rsviz.methods import METHODS
    from rsviz.networks import NETWORKS
    from rsviz.workshop import MAKERS

    command = add(commands, "train", "train a network; killed, the same command resumes", do.train)
    command.add_argument("method", choices=[m for m in METHODS if METHODS[m].loss or m in MAKERS])
    command.add_argument("--dataset", required=True, choices=list(CLASSES))
    command.add_argument("--sigma", required=True, help="a number, or uniform: U(0, 1) per image")
    command.add_argument("--network", default="compact", choices=list(NETWORKS))
    command.add_argument("--epochs", type=int, required=True)
    command.add_argument("--lr", type=float, default=0.4, help="peak of the one-cycle rate")
    command.add_argument("--batch", type=int, default=256)
    command.add_argument(
        "--dtype",
        default="float32",
        choices=["float32", "bfloat16"],
        help="of convolutions while training; bfloat16 is about 1.7 times faster where the "
        "processor has it (default: %(default)s)",
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--start", default="", help="checkpoint whose weights training starts from"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the method's loss, say draws=2; may be repeated",
    )
    command.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    command.add_argument("--no-compile", action="store_true", help="without torch.compile")
    add_device(command)


def add_ensemble(commands: Any) -> None:
    """Add ``ensemble fit`` and ``ensemble score``."""
    about = "weigh several networks into one, and measure every weighting in one pass"
    actions = add(commands, "ensemble", about, do.fit_ensemble).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    fit = add(
        actions,
        "fit",
        "find the weights on training images and write a checkpoint",
        do.fit_ensemble,
    )
    fit.add_argument("names", nargs="+", metavar="NAME", help="checkpoints of one data set")
    fit.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    fit.add_argument("--sigma", type=float, help="noise level (default: the members')")
    fit.add_argument(
        "--weighting",
        default="optimal",
        choices=["optimal", "average", "max-margin", "printed"],
        help="which one the checkpoint votes with (%(default)s); printed: as the paper has it",
    )
    fit.add_argument("--images", type=int, default=200, help="training images (%(default)s)")
    fit.add_argument(
        "--floor", type=float, default=0.1, help="least mean margin counted with (%(default)s)"
    )
    fit.add_argument("--seed", type=int, default=0)
    add_device(fit)
    score = add(actions, "score", "measure every weighting in one pass", do.score_ensemble)
    score.add_argument("name", metavar="NAME", help="an ensemble's checkpoint")
    score.add_argument("--sigma", type=float, help="noise level (default: the one fitted at)")
    add_images(score)
    score.add_argument("--out", type=Path, required=True, help="folder of a log each")
    add_device(score)


def add_recipes(commands: Any) -> None:
    """Add ``recipes``."""
    command = add(commands, "recipes", "list or make the shipped checkpoints", do.recipes)
    command.add_argument("action", choices=["list", "run"])
    command.add_argument(
        "--minutes", type=float, default=60, help="start nothing after (%(default)s)"
    )
    command.add_argument("--n", type=int, default=2_000, help="votes when measuring (%(default)s)")
    command.add_argument("--only", default="", help="recipes whose name contains this")
    add_device(command)
