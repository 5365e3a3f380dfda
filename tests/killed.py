"""Commands killed before any change they make of a file, in processes of their own.

`python -m tests.killed HOME FIRST STEP MOST NAME...`: each NAME of `COMMANDS` is run on a copy of
what stands before it, killed (SIGKILL) before its change FIRST, FIRST + STEP, ... of a file, MOST
times at most, and given again. A line of JSON for each kill: the command, the number of the change,
the checkpoints that the kill left otherwise than they were, how the command given again ended, and
the files that are then unlike those of the unbroken run.
"""

import contextlib
import importlib
import io
import json
import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path

import torch

from rsviz.checkpoints import catalog, weights
from rsviz.cli import main as cli
from rsviz.cli import recipes as recipes_command
from rsviz.core.errors import UserError
from rsviz.data import datasets, shapes
from rsviz.networks import classifiers
from rsviz.smoothing import engines
from rsviz.training.recipes import Recipe
from tests.helpers import TINY, make_selectors

TRAIN = f"train gaussian --dataset shapes --sigma 0.5 --network {TINY} --epochs 2 --lr 0.1"
TRAIN += " --batch 160 --no-compile --out {folder}"
EVALUATE = "evaluate --checkpoint one --every 20 --n 100 --out {folder}"
FIT = "--images 8"
COMMANDS = {
    "train": TRAIN.format(folder="checkpoints/new"),
    "retrain": TRAIN.format(folder="checkpoints/one"),
    "evaluate": EVALUATE.format(folder="checkpoints/one/certified.csv"),
    "quantize": "quantize measured --images 32",
    "requantize": "quantize measured --images 16 --no-measure",
    "ensemble": f"ensemble fit one two --sigma 0.5 {FIT} --out checkpoints/both",
    "quantile": "quantile shapes-dual --images 32",
    "multiscale": f"multiscale one two {FIT} --n 100 --out checkpoints/both",
    "recipes": "recipes run --only r- --n 100",
}
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.fsync")
NOT_THE_SAME = ("seconds", "check", "command", "generated")


def _shared(name, dataset="shapes", sigma=0.5, **more):
    return Recipe(name, "gaussian", dataset, TINY, sigma, 1, 0.1, (sigma,), 1, every=20, **more)


RECIPES = (
    _shared("r-one"),
    _shared("r-two", sigma=0.25),
    Recipe(
        "r-levels",
        "multiscale",
        "shapes",
        TINY,
        "uniform",
        0,
        0.0,
        (None,),
        1,
        every=20,
        members=("r-one", "r-two"),
        settings=(("images", 8), ("n", 100)),
    ),
)


def prepare(home):
    """Make what the commands begin with."""
    for folder in ("checkpoints", "states"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    card = {"method": "gaussian", "dataset": "shapes", "network": TINY}
    for seed, (name, sigma) in enumerate({"one": 0.5, "two": 0.25, "measured": 0.5}.items()):
        torch.manual_seed(seed)
        net = classifiers.build(TINY, "shapes")
        weights.save(net, home / "checkpoints" / name, card | {"sigma": sigma, "measured": []})
    make_selectors(home / "checkpoints", ["dual"])


def ready():
    """Import and load what every command needs, so that a fork of this process begins at once."""
    torch.set_num_threads(1)
    torch.compile = lambda net, **_: net
    shapes.SIZES |= {"train": 640, "test": 100}
    for split in shapes.SIZES:
        datasets.load("shapes", split)
    for name in cli.COMMANDS:
        importlib.import_module(f"rsviz.cli.{cli._module(name)}")
    recipes_command.RECIPES = RECIPES


def run(words, at=None, home=Path()):
    """Run a command in a fork, killed before change ``at``; return its exit code and last words."""
    inside, outside = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(outside, 2)
        os.close(inside)
        with contextlib.redirect_stdout(io.StringIO()):
            if at is not None:
                kill_at(at, home)
            code = cli.main(words)
        os._exit(code)
    os.close(outside)
    with os.fdopen(inside) as said:
        told = said.read().strip().splitlines()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), told[-1] if told else ""


def kill_at(at, home):
    """Kill this process before its change number ``at`` of a file under ``home``."""
    changes = count()

    def hook(event, given):
        writes = event in CHANGES
        if event == "open" and isinstance(given[2], int):
            writes = bool(given[2] & (os.O_WRONLY | os.O_RDWR))
        if not writes or not isinstance(given[0], str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(given[0]))
        if path.startswith(str(home)) and not path.endswith(".lock") and next(changes) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    fsync = os.fsync
    os.fsync = lambda handle: (
        hook("os.fsync", (os.readlink(f"/proc/self/fd/{handle}"),)) or fsync(handle)
    )
    sys.addaudithook(hook)


def state(home):
    """Return what each folder of checkpoints is now: its problem, or its weights and its seed."""
    catalog._listed.cache_clear()
    return {c.name: c.problem or f"{c.sha256[:8]}{_int8(c)}" for c in catalog.list_checkpoints()}


def _int8(checkpoint):
    """Say whether the int8 files that a card names are there, and those it names."""
    files = catalog.network_files(checkpoint, "int8")
    try:
        return [bool(engines.read_checked(*file)) for file in files.values()] or ""
    except UserError as error:
        return str(error)


def plain(value):
    """Return JSON without what differs from run to run."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in NOT_THE_SAME}
    return [plain(v) for v in value] if isinstance(value, list) else value


def end(home):
    """Return what the files of all checkpoints say, but for seconds."""
    found = {}
    for file in sorted((home / "checkpoints").rglob("*")):
        if not file.is_file() or file.name.endswith(".lock"):
            continue
        name = str(file.relative_to(home))
        if file.suffix == ".json":
            found[name] = plain(json.loads(file.read_text()))
        elif file.suffix == ".csv":
            rows = [r.split(",") for r in file.read_text().splitlines()]
            found[name] = [r[:8] + r[9:-1] for r in rows[2:]]
        else:
            found[name] = catalog.hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return found


def main(home, first, step, most, *names):
    home = Path(home).resolve()
    home.mkdir(parents=True)
    os.environ |= {f"RSVIZ_{k.upper()}": str(home / k) for k in ("checkpoints", "states", "logs")}
    os.chdir(home)
    prepare(home)
    ready()
    pristine = home.with_name(home.name + "-before")
    code, told = run(
        EVALUATE.format(folder="checkpoints/measured/certified.csv")
        .replace("one", "measured")
        .split()
    )
    assert code == 0, told
    if "requantize" in names:
        assert run("quantize measured --images 32 --no-measure".split())[0] == 0
    shutil.copytree(home, pristine)
    for name in names:
        words = COMMANDS[name]

        def afresh():
            shutil.rmtree(home), shutil.copytree(pristine, home)
            os.chdir(home)

        afresh()
        code, told = run(words.split())
        assert code == 0, (name, told)
        whole = end(home)
        for at in range(int(first), int(first) + int(most) * int(step), int(step)):
            afresh()
            before = state(home)
            code, told = run(words.split(), at, home)
            if code != -signal.SIGKILL:
                break
            between = state(home)
            code, told = run(words.split())
            found = end(home)
            wrong = [k for k in whole | found if whole.get(k) != found.get(k)]
            changed = {k: v for k, v in between.items() if before.get(k) != v}
            print(json.dumps([name, at, changed, code, told if code else "", wrong]), flush=True)
        afresh()


if __name__ == "__main__":
    main(*sys.argv[1:])
