"""The rules of the house, read from the source: what may import what, and what needs no torch."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import rsviz
from rsviz.smoothing import engines
from rsviz.smoothing.engine import INT8

ROOT = Path(__file__).parent.parent
# A room imports only from rooms before it; ui and cli not from each other.
ROOMS = (
    "core",
    "data",
    "networks",
    "checkpoints",
    "smoothing",
    "methods",
    "certification",
    "evaluation",
    "training",
    "figures",
    "teaching",
    "cli",
    "ui",
)
APART = {("figures", "training"), ("smoothing", "checkpoints"), ("ui", "cli")}
LOCAL = {  # each says why
    "rsviz/cli/main.py",
    "rsviz/certification/engine_choice.py",
    "rsviz/smoothing/noise.py",
    "rsviz/smoothing/torch_engine.py",
    "rsviz/teaching/pictures/training.py",
}


def modules():
    found = {}
    for file in sorted((ROOT / "rsviz").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()


def imports(file):
    """Every module a file imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in full}
    return found


EDGES = {name: {i for i in imports(file) if i in MODULES} for name, file in MODULES.items()}


def room(module):
    return module.split(".")[1] if "." in module else ""


def test_no_module_lies_outside_a_room():
    assert {room(name) for name in MODULES} - {"", "__main__"} == set(ROOMS)
    flat = {f.name for f in (ROOT / "rsviz").glob("*.py")}
    assert flat == {"__init__.py", "__main__.py"}


def test_rooms_import_only_from_rooms_below():
    wrong = []
    for name, targets in EDGES.items():
        for target in targets:
            a, b = room(name), room(target)
            if a not in ROOMS or b not in ROOMS or a == b:
                continue
            if ROOMS.index(b) > ROOMS.index(a) or (a, b) in APART:
                wrong.append(f"{name} -> {target}")
    assert wrong == []
    assert EDGES["rsviz.core.reading"]  # the test above has something to read


def test_no_circle_of_files():
    state = {}

    def visit(name, path):
        state[name] = "open"
        for target in EDGES[name]:
            assert state.get(target) != "open", " -> ".join([*path, name, target])
            if target not in state:
                visit(target, [*path, name])
        state[name] = "done"

    for name in EDGES:
        if name not in state:
            visit(name, [])


def test_the_library_does_not_know_pages_or_tests():
    for name, file in MODULES.items():
        assert not any(i.split(".")[0] in ("pages", "tests", "app") for i in imports(file)), name


def test_only_the_screen_imports_streamlit():
    using = {n for n, f in MODULES.items() if any(i.startswith("streamlit") for i in imports(f))}
    assert using and all(room(name) == "ui" for name in using)
    pages = [f for f in (ROOT / "pages").glob("*.py")]
    assert any(any(i.startswith("streamlit") for i in imports(f)) for f in pages)


def test_pages_define_nothing():
    kinds = (ast.FunctionDef, ast.ClassDef)
    for file in (ROOT / "pages").glob("*.py"):
        assert not any(isinstance(n, kinds) for n in ast.walk(ast.parse(file.read_text()))), file


def test_imports_of_rsviz_stand_at_the_top():
    for file in MODULES.values():
        tree = ast.parse(file.read_text())
        inner = [
            node.lineno
            for top in tree.body
            if not (isinstance(top, ast.If) and ast.unparse(top.test) == "TYPE_CHECKING")
            for node in ast.walk(top)
            if node is not top
            and isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("rsviz")
        ]
        assert not inner or str(file.relative_to(ROOT)) in LOCAL, (file, inner)


def test_no_private_name_crosses_a_file():
    for name, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rsviz"):
                assert not [a.name for a in node.names if a.name.startswith("_")], name


def no_torch(statement):
    code = f"import sys\n{statement}\nsys.exit(7 if 'torch' in sys.modules else 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode
    assert done in (0, 7)
    return done == 0


def test_statistics_catalogue_lessons_and_logs_need_no_torch():
    names = [n for n in MODULES if room(n) in ("core", "teaching")]
    names = [n for n in names if "two_pixel_training" not in n and "pictures.training" not in n]
    names += ["rsviz", "rsviz.checkpoints.catalog", "rsviz.methods.registry"]
    names += ["rsviz.smoothing.driver", "rsviz.smoothing.graphs", "rsviz.certification.certify"]
    names += [
        f"rsviz.evaluation.{n}"
        for n in (
            "logs",
            "curves",
            "comparison",
            "published",
            "examples",
            "attack_logs",
            "attack_tables",
            "evaluate",
            "experiments",
            "experiment_rows",
            "training_cost",
            "paper_claims",
            "verdicts",
        )
    ]
    assert no_torch("\n".join(f"import {name}" for name in names))


def test_help_needs_no_torch():
    assert no_torch(
        "from rsviz.cli import main\n"
        "try:\n    main.main(['--help'])\nexcept SystemExit as done:\n    assert not done.code"
    )


@pytest.mark.parametrize("name", sorted(rsviz._FACE))
def test_every_public_name_is_there_and_none_is_called_like_a_room(name):
    assert getattr(rsviz, name) is not None
    assert name in dir(rsviz) and name not in ROOMS


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'certificate'"):
        _ = rsviz.certificate


def test_nothing_is_unpickled():
    for file in MODULES.values():
        text = file.read_text()
        assert "import pickle" not in text
        for line in text.splitlines():
            if "torch.load(" in line:
                assert "weights_only=True" in line, file.name


@pytest.mark.parametrize(
    "words",
    [
        ["curves", "checkpoints/shapes-gaussian-0.5/certified.csv", "--two-sided"],
        ["reread", "CERTIFICATE", "--two-sided"],
    ],
)
def test_what_only_reads_votes_again_needs_no_torch(words, tmp_path):
    example = json.loads((ROOT / "checkpoints/shapes-gaussian-0.5/examples.json").read_text())[0]
    (tmp_path / "c.json").write_text(json.dumps(example["certificate"]))
    words = [str(tmp_path / "c.json") if word == "CERTIFICATE" else word for word in words]
    assert no_torch(f"from rsviz.cli import main\nassert not main.main({words!r})")


@pytest.mark.skipif(engines.absent(INT8, "cpu") is not None, reason="int8 needs openvino here")
@pytest.mark.parametrize("rule", [[], ["--until-radius", "0.5"], ["--two-sided"]])
@pytest.mark.parametrize("checkpoint", ["shapes-gaussian-0.5", "cifar10-smoothadv-0.25-equal"])
def test_an_int8_certificate_needs_no_torch(checkpoint, rule, tmp_path):
    image = "shapes/test/3"
    if checkpoint.startswith("cifar10"):
        image = str(tmp_path / "photo.png")
        Image.new("RGB", (40, 50), "teal").save(image)
    words = ["certify", image, "--checkpoint", checkpoint, "--n", "1000", "--precision", "int8"]
    assert no_torch(f"from rsviz.cli import main\nassert not main.main({[*words, *rule]!r})")
