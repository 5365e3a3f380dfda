import itertools
import shlex
from functools import partial
from types import SimpleNamespace

import pytest

from rsviz.checkpoints import catalog, weights
from rsviz.cli.main import parser
from rsviz.core import clock
from rsviz.evaluation import curves, logs
from rsviz.networks import classifiers
from rsviz.training import run_recipes
from rsviz.training.recipes import RECIPES, Recipe, commands_of, find_recipe
from tests.helpers import TINY, constant_network


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.name)
def test_every_command_is_one_the_command_line_takes(recipe):
    words = shlex.split(recipe.train_command())
    assert words[:3] == ["python", "-m", "rsviz"]
    args = parser(words[3]).parse_args(words[3:])
    if recipe.members:
        assert tuple(args.names) == recipe.members
    else:
        assert (args.method, args.epochs) == (recipe.method, recipe.epochs)
    assert args.out.name == recipe.name
    for sigma in recipe.sigmas:
        words = shlex.split(recipe.evaluate_command(sigma, 2000))[3:]
        args = parser(words[0]).parse_args(words)
        assert (args.name if recipe.method == "ensemble" else args.checkpoint) == recipe.name
        assert args.sigma == sigma
        assert args.n == 2000


def test_what_a_recipe_starts_from_comes_before_it():
    names = [r.name for r in RECIPES]
    assert len(set(names)) == len(names)
    for i, recipe in enumerate(RECIPES):
        assert set(recipe.parents) <= set(names[:i])


def test_a_further_seed_of_any_network_is_made_as_the_first():
    recipe = find_recipe("shapes-k64-adaptive-1.0-seed2")
    assert recipe is not None and recipe.seed == 2
    assert recipe.train_command() == (
        find_recipe("shapes-k64-adaptive-1.0")
        .train_command()
        .replace("--seed 0", "--seed 2")
        .replace("shapes-k64-adaptive-1.0", "shapes-k64-adaptive-1.0-seed2")
    )
    assert find_recipe("cifar10-advmacer-0.5-seed1").seed == 1  # one of the recipes
    assert find_recipe("nothing-seed1") is None
    assert find_recipe("cifar10-ensemble-mixed-3-0.5-seed1") is None  # its seed trains nothing


def test_a_further_seed_of_an_ensemble_is_of_further_seeds_of_its_networks():
    for kind in ("", "-equal"):
        for seed in (1, 2):
            of = {m: f"cifar10-{m}-0.5{kind}-seed{seed}" for m in ("advmacer", "smoothadv")}
            another = f"cifar10-advmacer-0.5{kind}{'-seed2' if seed == 1 else ''}"
            alike, mixed = (
                find_recipe(f"cifar10-ensemble-{n}-0.5{kind}-seed{seed}")
                for n in ("advmacer-2", "mixed-2")
            )
            assert alike.members == (of["advmacer"], another)
            assert mixed.members == tuple(of.values())
            assert {find_recipe(name).seed for name in mixed.members} == {seed}


def test_every_shipped_checkpoint_is_verified_and_made_by_its_recipe():
    shipped = catalog.list_checkpoints()
    assert shipped
    for c in shipped:
        assert c.problem is None, (c.name, c.problem)
        recipe = find_recipe(c.name)
        assert recipe is not None, c.name
        device = "cuda" if c.card.command.endswith(" --device cuda") else "cpu"
        assert c.card.command == recipe.train_command(device)
        assert ("NVIDIA" in c.card.device) == (device == "cuda")


def test_every_measurement_on_a_card_is_what_its_log_says():
    seen = 0
    for c in catalog.list_checkpoints():
        for m in c.card.measured:
            log = logs.read_log(c.folder / m.log)
            curve = curves.curve(log, [float(r) for r in m.accuracy])
            assert curve.acr == pytest.approx(m.acr, abs=5e-5)
            assert curve.images == m.images
            assert curve.accuracy_R == pytest.approx(tuple(m.accuracy.values()), abs=5e-5)
            assert (curve.n, curve.alpha, curve.sigma) == (m.n, m.alpha, m.sigma)
            seen += 1
    assert seen


@pytest.mark.parametrize("damage", ["weights.safetensors", "card.json"])
def test_a_damaged_checkpoint_is_made_anew_and_not_passed_over(tmp_path, monkeypatch, damage):
    recipe = next(r for r in RECIPES if not r.parents and not r.members)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    card = {"method": recipe.method, "dataset": recipe.dataset, "network": recipe.network}
    net = classifiers.build(recipe.network, recipe.dataset)
    weights.save(net, tmp_path / recipe.name, card | {"sigma": 0.25})
    says = next(run_recipes._missing(recipe, 100, "cpu", print))[0]
    assert says.startswith("measuring")
    file = tmp_path / recipe.name / damage
    file.write_bytes(file.read_bytes()[:-20])
    says = next(run_recipes._missing(recipe, 100, "cpu", print))[0]
    assert says.startswith(f"making {recipe.name} anew, since its ")


def test_the_log_of_a_network_that_was_made_anew_stands_in_nobodys_way(tmp_path, monkeypatch):
    """Its weights were damaged, so another network was trained into its folder."""
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    recipe = Recipe("net", "gaussian", "shapes", TINY, 0.5, 1, 0.1, (0.5,), 1, every=1_000)
    constant_network(tmp_path / "net")
    for step in (0, 1):
        what, measure = next(run_recipes._missing(recipe, 100, "cpu", lambda _: None))
        assert what == "measuring net at sigma 0.5"
        measure()
        if not step:
            old = (tmp_path / "net" / "certified.csv").read_text()
            card = catalog.find("net").stored | {"measured": []}
            weights.save(classifiers.build(TINY, "shapes"), tmp_path / "net", card)
    made = catalog.find("net")
    assert logs.head_of(tmp_path / "net" / "certified.csv").checkpoint_sha256 == made.sha256
    assert len(made.card.measured) == 1
    assert (tmp_path / "net" / "certified.csv.before").read_text() == old


@pytest.mark.parametrize(("step", "made"), [(-86_400.0, 3), (1.0, 3), (86_400.0, 1)])
def test_recipes_begin_nothing_after_the_minutes_by_a_clock_that_may_jump(monkeypatch, step, made):
    """Set back, it stops nothing; set forward, it ends between two steps, and says so."""
    looks, done, said = itertools.count(1), [], []
    jumping = SimpleNamespace(perf_counter=lambda: next(looks) * step)
    monkeypatch.setattr(clock, "time", jumping)
    steps = [(str(i), partial(done.append, i)) for i in range(3)]
    monkeypatch.setattr(run_recipes, "_missing", lambda *_: iter(steps))
    run_recipes.run_recipes(RECIPES[:1], 25 * 60, 100, "cpu", said.append)
    assert len(done) == made
    assert ("out of time; the same command goes on from here" in said) == (made < 3)


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("cifar10-dual", "--n 2000 --alpha 0.001 --precision float32"),
        ("cifar10-dual/certified-sweep-n10000.csv", "--set rule=sweep --set ask=every"),
        ("cifar10-variational-q1/certified-lam1-n10000.csv", "--n 10000 --alpha 0.001 --set lam=1"),
        ("cifar10-gaussian-universal/certified-0.25-n10000.csv", "--sigma 0.25 "),
        ("cifar10-gaussian-universal/experiments/sigma-0.12-n10000.csv", "--sigma 0.12 "),
    ],
)
def test_the_command_of_a_log_is_that_which_writes_it(side, words):
    train, evaluate = commands_of(side)
    name, _, file = side.partition("/")
    assert train.startswith("python -m rsviz train ") and words in evaluate
    args = parser("evaluate").parse_args(shlex.split(evaluate)[3:])
    assert str(args.out) == f"checkpoints/{name}/{file or 'certified.csv'}"
    assert args.n == (10_000 if file else 2_000)
