"""``folder:PATH`` is a data set wherever the command line names one, and nowhere else."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsviz.cli.main import main
from rsviz.core.errors import UserError
from rsviz.core.spec import Certificate
from rsviz.data import catalog, datasets, local_folders

ROOT = Path(__file__).parents[2]
TABLES = (catalog.DATASETS, catalog.CLASSES, catalog.STATISTICS, catalog.CLASS_COUNT)


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """Pictures of two classes, one dark and one light, in folders; and room for checkpoints."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 3)):
        for name, light in (("cat", 40), ("dog", 200)):
            folder = tmp_path / "pets-k9s" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                x_HWC = (light + draw.integers(-20, 20, (20, 30, 3))).astype(np.uint8)
                Image.fromarray(x_HWC).save(folder / f"{i}.png")
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "nets"))
    monkeypatch.setenv("RSVIZ_STATES", str(tmp_path / "states"))
    yield tmp_path / "pets-k9s"
    for table in (*TABLES, catalog.INPUT_SIZE, datasets.LOCAL):
        for name in [name for name in table if ":" in name]:
            del table[name]


def run(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def forget():
    """Begin like another process, which knows of no folder."""
    for table in (*TABLES, catalog.INPUT_SIZE, datasets.LOCAL):
        for name in [name for name in table if ":" in name]:
            del table[name]


def test_a_folder_is_trained_evaluated_certified_verified_and_attacked(pets, capsys, tmp_path):
    how = f"--dataset folder:{pets}:24 --sigma 0.1 --epochs 2 --batch 8 --no-compile".split()
    code, _, err = run(capsys, "train", "gaussian", *how, "--out", tmp_path / "nets" / "pets")
    assert code == 0, err
    full = f"folder:{pets}:24"
    card = json.loads((tmp_path / "nets" / "pets" / "card.json").read_text())
    assert card["dataset"] == full

    forget()
    out = tmp_path / "log.csv"
    words = ("--checkpoint", "pets", "--every", 2, "--n", 200, "--n0", 20)
    code, said, err = run(capsys, "evaluate", *words, "--out", out)
    assert code == 0, err
    assert "3 images" in said and json.loads(out.read_text()[2:].splitlines()[0])["spec"]["dataset"]

    forget()
    words = ("certify", f"{full}/test/4", "--checkpoint", "pets", "--n", 200, "--json")
    code, text, err = run(capsys, *words)
    assert code == 0, err
    c = Certificate.from_json(text)
    assert c.image == f"{full}/test/4" and len(c.counts) == 2
    (tmp_path / "c.json").write_text(text)

    forget()
    words = ("verify", tmp_path / "c.json", f"{full}/test/4", "--fresh-n", 200)
    code, said, err = run(capsys, *words)
    assert code == 0, said + err
    assert run(capsys, "verify", tmp_path / "c.json", f"{full}/test/3")[0] == 1

    forget()
    few = "--n 200 --n-predict 100 --steps 1 --draws 1 --budgets 0.9".split()
    code, said, err = run(capsys, "attack", "--checkpoint", "pets", "--every", 3, *few)
    assert code == 0, err
    assert "2 images" in said

    forget()
    file = next((pets / "test" / "dog").glob("*.png"))
    code, said, err = run(capsys, "certify", file, "--checkpoint", "pets", "--n", 200)
    assert code == 0 and ("dog" in said or "cat" in said), err


BAD = {
    "folder:NOWHERE": "There is no folder",
    "folder:": "names no folder",
    "folder:EMPTY": "has no folder train, test or val",
    "folder:ONE": "at least two classes",
    "folder:PETS:9999": "8 to 512 pixels a side",
    "celeba:NOWHERE": "There is no folder",
    "shapes-k17": "there is no data set 'shapes-k17'; choose from cifar10",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_gets_one_sentence(pets, capsys, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "one" / "train" / "cat").mkdir(parents=True)
    where = {"NOWHERE": tmp_path / "no", "EMPTY": tmp_path / "empty", "ONE": tmp_path / "one"}
    given = name
    for word, path in {**where, "PETS": pets}.items():
        given = given.replace(word, str(path))
    with pytest.raises(SystemExit) as stopped:
        main(["train", "gaussian", "--dataset", given, "--sigma", "1", "--epochs", "1"])
    err = capsys.readouterr().err
    assert stopped.value.code == 2 and BAD[name] in err
    assert err.count("\n") == 1 and "Traceback" not in err


def test_a_picture_that_is_none_and_other_classes_are_told(pets):
    name = local_folders.use(f"folder:{pets}")
    assert name == f"folder:{pets}:32"
    (pets / "test" / "dog" / "0.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be read"):
        datasets.load(name, "test")
    (pets / "test" / "dog").rename(pets / "test" / "cow")
    (pets / "test" / "cow" / "0.png").unlink()
    with pytest.raises(UserError, match="not those of train"):
        datasets.load(name, "test")
    fit, validation = datasets.load(name, "fit"), datasets.load(name, "validation")
    assert (len(fit), len(validation)) == (22, 2)
    assert set(fit.y_N.tolist()) == set(fit.y_N[:6].tolist()) == {0, 1}  # not class by class
    light_N = fit.x_NCHW.float().mean((1, 2, 3)) > 120
    assert light_N.int().tolist() == fit.y_N.tolist()


def test_a_name_alone_opens_no_folder(pets, monkeypatch):
    """What a visitor types, uploads or links to is such a name."""

    def touched(*args, **kwargs):
        raise AssertionError("the file system was asked")

    for name in ("is_dir", "is_file", "iterdir", "open"):
        monkeypatch.setattr(Path, name, touched)
    for image in (f"folder:{pets}/test/0", f"folder:{pets}:32/test/0", "celeba:/etc/test/0"):
        with pytest.raises(UserError, match="There is no data set"):
            datasets.find_image(image)
    assert not datasets.available(f"folder:{pets}:32")


def test_only_the_command_line_takes_up_folders():
    users = set()
    for file in [*(ROOT / "rsviz").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            named = [a.name for a in getattr(node, "names", []) if isinstance(a, ast.alias)]
            module = getattr(node, "module", None) or ""
            if "local_folders" in [*named, *module.split("."), *".".join(named).split(".")]:
                users.add(file.relative_to(ROOT).parts[:2])
    assert users == {("rsviz", "cli")}
