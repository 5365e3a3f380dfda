"""``import``: make a checkpoint of a file of weights in a layout of the field."""

import argparse
from pathlib import Path

from rsviz.checkpoints import catalog
from rsviz.checkpoints.foreign import MAX_BYTES, import_network
from rsviz.checkpoints.guesses import IMAGES, accuracy_of_each, choices, doubt, guess
from rsviz.checkpoints.sandbox import read_apart
from rsviz.cli.common import DATASET, command_line, dataset_named
from rsviz.core.errors import UserError
from rsviz.core.files import read_bytes
from rsviz.core.spec import SIGMA_MAX
from rsviz.data.catalog import CLASSES
from rsviz.networks.normalisation import in_words, parse


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``import``."""
    command.add_argument("file", type=Path, help="of torch.save or safetensors; nothing is run")
    command.add_argument(
        "--dataset", required=True, type=dataset_named, help=f"its classes: {DATASET}"
    )
    command.add_argument("--sigma", required=True, type=float, help="the noise it was trained with")
    command.add_argument(
        "--normalisation",
        metavar="HOW",
        help="none; mean-std or mean, of the data set; file, where the file states it; or numbers "
        "for pixels from 0 to 1, MEAN/STD, such as 0.49,0.48,0.45/0.25,0.24,0.26 (default: guessed "
        "from the names of its weights)",
    )
    command.add_argument("--name", help="of the checkpoint (default: the file's)")


def run(args: argparse.Namespace) -> None:
    """Run ``import``."""
    if not 0 < args.sigma < SIGMA_MAX:
        raise UserError(f"--sigma must lie between 0 and {SIGMA_MAX:g}, but is {args.sigma!r}.")
    foreign = read_apart(read_bytes(args.file, MAX_BYTES), args.file.name, args.dataset)
    name = args.name or foreign.name
    if Path(name).name != name:
        raise UserError(f"--name must be the name of a folder, not {name[:60]!r}.")
    offered = choices(foreign, args.dataset)
    word, why = (args.normalisation, "as you said") if args.normalisation else guess(foreign)
    if word == "file" and word not in offered:
        raise UserError(f"{foreign.name} states no normalisation; say which one it was made with.")
    how = offered[word] if word in offered else parse(word)
    checkpoint = import_network(
        foreign, catalog.root() / name, args.dataset, args.sigma, how, command_line()
    )
    print(f"{checkpoint.folder}: a {foreign.network} for {args.dataset}, sigma {args.sigma:g}.")
    for note in foreign.notes:
        print(note)
    print(f"In front of it, {in_words(how)} ({why}).")
    among = offered if how in offered.values() else offered | {"stated": how}
    accuracy = accuracy_of_each(foreign, args.dataset, args.sigma, among)
    if accuracy:
        told = ", ".join(f"{key} {100 * a:.1f} %" for key, a in accuracy.items())
        print(f"Right on {IMAGES} noisy test images, by normalisation: {told}.")
    if warning := doubt(accuracy, among, how, len(CLASSES[args.dataset])):
        print(f"CAREFUL: {warning}")
