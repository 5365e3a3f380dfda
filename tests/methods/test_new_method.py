"""A method is one file and its line in the registry: all that is above takes it from there."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rsviz.certification import attack, certify
from rsviz.checkpoints import catalog
from rsviz.cli.main import main
from rsviz.core.spec import Certificate, RunSpec
from rsviz.data import datasets
from rsviz.data.images import image_id
from rsviz.evaluation.logs import read_log
from rsviz.methods.registry import METHODS
from tests import mirror
from tests.helpers import ALWAYS, constant_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def registered(monkeypatch, tmp_path):
    """Register the method, and keep what is made with it out of the shipped folders."""
    monkeypatch.setitem(METHODS, "mirror", mirror.METHOD)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    return tmp_path


def mirrored(folder):
    """A checkpoint of the method whose every vote is for class ALWAYS."""
    made = constant_network(folder)
    catalog.write_card(folder, dict(made.stored) | {"method": "mirror"})
    return catalog.inspect(folder)


def test_it_is_trained_from_the_command_line(registered, monkeypatch, capsys):
    load, seen = datasets.load, []

    def few(name, split):
        whole = load(name, "test")
        return replace(whole, x_NCHW=whole.x_NCHW[:64], y_N=whole.y_N[:64])

    def spied(net, x_NCHW, *rest):
        seen.append(len(x_NCHW))
        return mirror.loss(net, x_NCHW, *rest)

    monkeypatch.setattr(datasets, "load", few)
    monkeypatch.setitem(METHODS, "mirror", replace(mirror.METHOD, loss=spied))
    words = "train mirror --dataset shapes --sigma 0.5 --epochs 1 --batch 32 --no-compile --out"
    assert main([*words.split(), str(registered / "made")]) in (0, None)
    assert seen == [32, 32]
    card = catalog.find("made").card
    assert (card.method, card.settings, card.sigma) == ("mirror", {}, 0.5)
    with pytest.raises(SystemExit):
        main(["train", "mirrors", "--dataset", "shapes"])
    assert "'mirror'" in capsys.readouterr().err


def test_it_is_certified_verified_and_attacked_from_the_command_line(registered, capsys):
    mirrored(registered / "net")
    words = "certify shapes/test/5 --checkpoint net --n 300 --set axis=down --json"
    assert main(words.split()) in (0, None)
    text = capsys.readouterr().out
    c = Certificate.from_json(text)
    assert (c.predicted, c.method, dict(c.detail)) == (ALWAYS, "mirror", {"axis": "down"})
    assert c.guarantee == mirror.GUARANTEE and c.radius > 0
    file = registered / "c.json"
    file.write_text(text)
    check = ["verify", str(file), "shapes/test/5", "--fresh-n", "200"]
    assert main(check) == 0
    file.write_text(replace(c, radius=c.radius + 0.01).to_json())
    assert main(check) == 1
    capsys.readouterr()
    words = "attack shapes/test/5 --checkpoint net --budgets 0.99 --steps 2 --draws 2 --n 200"
    assert main([*words.split(), "--n-predict", "100", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"][0]["holds"] == 1
    assert main("certify shapes/test/5 --checkpoint net --set axis=up".split()) == 2
    assert "axis must be across or down" in capsys.readouterr().err


def test_it_is_evaluated_and_its_log_keeps_its_detail(registered, capsys):
    mirrored(registered / "net")
    out = registered / "log.csv"
    words = f"evaluate --checkpoint net --first 2 --n 200 --n0 20 --out {out} --set axis=down"
    assert main(words.split()) in (0, None)
    assert "ACR" in capsys.readouterr().out
    head, columns, *rows = out.read_text().splitlines()
    assert json.loads(head.removeprefix("# "))["spec"]["method"] == "mirror"
    assert columns.endswith(",detail,check") and all('{""axis"": ""down""}' in row for row in rows)
    assert read_log(out).method == "mirror" and len(rows) == 2
    assert main(["curves", str(out)]) in (0, None)


def test_its_votes_are_those_of_the_mirrored_image(registered, half_space):
    net, x_CHW, distance = half_space
    nets, settings = {"classifier": net}, (("axis", "across"),)
    spec = RunSpec(image_id(x_CHW), "net", 0.3, "mirror", n0=50, n=2_000, settings=settings)
    *_, last = certify.watch(x_CHW.flip(2), nets, spec)
    c = last.certificate
    assert (c.predicted, c.abstained) == (1, False)  # of the class of x_CHW, seen in the mirror
    how = attack.AttackSpec((3 * distance / c.radius,), draws=4, n=500)
    (attempt,) = attack.attack(x_CHW.flip(2), nets, spec, c, how)
    assert (attempt.verdict, attempt.predicted) == ("broken", 0)  # the gradient goes through it


def is_name(node, names):
    return isinstance(node, ast.Constant) and node.value in names


def compared(tree, names):
    """The lines that compare with a method's name, match it, or look something up by it."""
    found = []
    for node in ast.walk(tree):
        inside = []
        if isinstance(node, ast.Compare):
            inside = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            inside = [node.value]
        elif isinstance(node, ast.Dict):
            inside = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.Subscript):
            inside = [node.slice]
        several = [part for part in inside if isinstance(part, ast.Tuple | ast.List | ast.Set)]
        inside += [element for part in several for element in part.elts]
        found += [node.lineno for part in inside if is_name(part, names)]
    return found


# Claims of papers speak of methods as papers do; the one style file gives each a look, and one to
# those it does not know; `ensemble` and `multiscale` are commands as well.
WORDS = {
    "rsviz/figures/style.py": set(METHODS),
    "rsviz/evaluation/paper_claims.py": {"advmacer", "smoothadv", "macer"},
    "rsviz/cli/main.py": {"ensemble", "multiscale"},
    "rsviz/teaching/glossary.py": {"ensemble"},
}


def test_no_room_above_asks_for_a_method_by_name():
    files = [f for f in (ROOT / "rsviz").rglob("*.py")]
    files = [f for f in files if f.relative_to(ROOT).parts[1] not in ("methods", "training")]
    files += [*(ROOT / "pages").glob("*.py"), ROOT / "app.py"]
    assert len(files) > 80
    found = []
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        names = set(METHODS) - WORDS.get(path, set())
        found += [f"{path}:{line}" for line in compared(ast.parse(file.read_text()), names)]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "m == 'dual'",
        "'dual' != m",
        "m in ('x', 'routing')",
        "T = {'static': 1}",
        "runs['adaptive']",
        "match m:\n case 'macer': pass",
    ],
)
def test_a_name_that_is_compared_is_found(code):
    assert compared(ast.parse(code), set(METHODS)) != []


def test_a_name_that_is_made_is_not_a_comparison():
    assert compared(ast.parse("replace(spec, method='gaussian')"), set(METHODS)) == []
